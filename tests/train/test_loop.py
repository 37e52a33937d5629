"""A run end to end: what is measured when, what the store says of it, that a seed gives one result, and how it ends badly."""

import hashlib
import itertools
import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rnc import datasets, models
from rnc.datasets import ImageSet
from rnc.models import weights
from rnc.store.writer import StoreWriter
from rnc.vocabulary import HEARTBEAT_SECONDS, Metric, Objective, Split
from tests.train.small import ask, small
from train import loop
from train.config import RunConfig
from train.loop import Heart, Options, train_epoch, train_run

CONFIG = small(
    objective=Objective.AT,
    epochs=2,
    measured_epochs="0,2",
    vector_epochs="last",
    checkpoint_epochs="0,2",
    extra_conditions=("gaussian-l2-0.5",),
)
SLUGS = [condition.slug for _role, condition in CONFIG.conditions]


def trained(path: Path, config: RunConfig = CONFIG) -> Path:
    train_run(config, Options(path, device="cpu", threads=1))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CONFIG, trained."""
    return trained(tmp_path_factory.mktemp("loop") / "rnc.duckdb")


def test_the_run_says_what_it_is(store: Path) -> None:
    columns = "run_id, state, epochs_done, threads, error, device, classes, wall_seconds > 0, finished_at > started_at"
    ((run_id, state, done, threads, error, device, classes, lasted, ended),) = ask(store, f"SELECT {columns} FROM run")
    assert (run_id, state, done, threads, error) == (CONFIG.run_id, "finished", 2, 1, None)
    assert device.startswith("cpu (") and classes == list("0123456789") and lasted and ended
    ((text, versions, host),) = ask(store, "SELECT config, versions, host FROM run")
    assert json.loads(text) == CONFIG.to_json() and host
    assert json.loads(versions)["torch"] == version("torch")


def test_every_condition_is_measured_on_both_splits_at_the_chosen_epochs(store: Path) -> None:
    found = ask(store, "SELECT DISTINCT epoch, split, condition FROM metric ORDER BY ALL")
    assert found == sorted(itertools.product((0, 2), ("test", "train"), SLUGS))
    roles = dict(ask(store, "SELECT condition, role FROM run_condition"))
    assert roles == {condition.slug: str(role) for role, condition in CONFIG.conditions}
    assert sorted(roles.values()) == ["clean", "extra", "gaussian", "perturbed", "sign_noise", "targeted"]


def test_no_value_is_stored_twice(store: Path) -> None:
    key = "epoch, split, condition, means_split, means_condition, layer, metric"
    assert ask(store, f"SELECT {key} FROM metric GROUP BY ALL HAVING count(*) > 1") == []
    assert ask(store, f"SELECT {key}, class FROM class_metric GROUP BY ALL HAVING count(*) > 1") == []


def test_around_own_means_every_scalar_is_there(store: Path) -> None:
    names = ask(store, "SELECT DISTINCT metric FROM measurement WHERE role = 'clean' AND epoch = 2 AND split = 'test'")
    alignment = {Metric.ANGLE, Metric.ANGLE_UNCENTRED, Metric.DISTANCE, Metric.DISTANCE_UNCENTRED}
    alignment |= {Metric.GLOBAL_MEAN_ANGLE, Metric.GLOBAL_MEAN_DISTANCE}
    assert {name for (name,) in names} == set(Metric) - alignment
    assert ask(store, "SELECT count(*) FROM metric WHERE value IS NULL OR isnan(value)") == [(0,)]


def test_vectors_and_projections_are_kept_at_the_chosen_epochs(store: Path) -> None:
    for table in ("class_mean", "classifier", "feature", "projection"):
        assert ask(store, f"SELECT DISTINCT epoch FROM {table}") == [(2,)], table
    spots = sorted(itertools.product(("test", "train"), SLUGS))
    for table, rows in (("class_mean", 10), ("feature", 20), ("projection", 20)):
        found = ask(store, f"SELECT split, condition, count(*) FROM {table} GROUP BY ALL ORDER BY ALL")
        assert found == [(*spot, rows) for spot in spots], table
    assert ask(store, "SELECT DISTINCT method FROM projection") == [("pca",)]


def test_layers_go_from_the_pixels_to_the_features(store: Path) -> None:
    found = ask(store, "SELECT layer, size FROM layer ORDER BY depth")
    assert found == [("pixels", 64), ("conv1", 1024), ("conv2", 256), ("conv3", 512), ("conv4", 1024), ("features", 64)]


def test_leaps_count_every_sample_of_the_attacks(store: Path) -> None:
    found = ask(store, "SELECT epoch, split, condition, sum(count) FROM leap GROUP BY ALL ORDER BY ALL")
    attacks = [slug for slug in SLUGS if slug.startswith("pgd")]
    sizes = {"train": 1400, "test": 340}
    assert found == [(e, s, c, sizes[s]) for e, s, c in sorted(itertools.product((0, 2), ("test", "train"), attacks))]


def test_checkpoints_are_the_networks_of_their_epochs(store: Path) -> None:
    found = ask(store, "SELECT epoch, path, sha256 FROM checkpoint ORDER BY epoch")
    assert [epoch for epoch, _path, _digest in found] == [0, 2]
    for epoch, path, digest in found:
        file = store.parent / path
        assert not Path(path).is_absolute() and hashlib.sha256(file.read_bytes()).hexdigest() == digest
        net = weights.load(file, digest)
        classifier = ask(store, 'SELECT vector FROM classifier WHERE epoch = ? ORDER BY "class"', epoch)
        assert epoch == 0 or torch.tensor([v for (v,) in classifier]).equal(net.weight.detach())
        test = datasets.load("digits", Split.TEST)
        with torch.no_grad():
            accuracy = float((net(test.images).argmax(1) == test.labels).double().mean())
        where = "epoch = ? AND split = 'test' AND role = 'clean' AND metric = 'accuracy'"
        assert ask(store, f"SELECT value FROM measurement WHERE {where}", epoch) == [(pytest.approx(accuracy),)]
    assert not list(store.parent.rglob("*.partial"))


def values(path: Path) -> list[tuple]:
    return ask(path, "SELECT * EXCLUDE (run_id) FROM metric ORDER BY ALL")


def test_the_same_config_gives_the_same_bits_and_another_seed_others(store: Path, tmp_path: Path) -> None:
    torch.rand(7)  # the state of torch's own generator plays no part
    again = trained(tmp_path / "again" / "rnc.duckdb")
    assert values(again) == values(store)
    for table in ("class_mean", "classifier", "feature", "leap"):
        assert ask(again, f"SELECT * FROM {table} ORDER BY ALL") == ask(store, f"SELECT * FROM {table} ORDER BY ALL")
    other = trained(tmp_path / "other" / "rnc.duckdb", small(seed=2, measured_epochs="0"))
    where = "WHERE epoch = 0 AND condition = 'clean' AND metric = 'nc1' AND split = 'train'"
    assert ask(other, f"SELECT value FROM metric {where}") != ask(store, f"SELECT value FROM metric {where}")


@pytest.mark.parametrize(
    ("error", "reason"), [(RuntimeError("boom"), "RuntimeError: boom"), (KeyboardInterrupt(), "stopped by the user")]
)
def test_a_run_that_breaks_is_stored_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, reason: str
) -> None:
    def fail(*_arguments: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(loop, "training_loss", fail)
    config = small(measured_epochs="last")
    with pytest.raises(type(error)):
        trained(tmp_path / "rnc.duckdb", config)
    found = ask(tmp_path / "rnc.duckdb", "SELECT run_id, state, error, epochs_done FROM run")
    assert found == [(config.run_id, "failed", reason, 0)]
    assert ask(tmp_path / "rnc.duckdb", "SELECT count(*) FROM metric") == [(0,)]


def test_the_learning_rate_drops_after_the_stated_fractions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[int, float]] = []

    def look(_m: object, _d: object, _c: object, epoch: int, optimizer: torch.optim.Optimizer, _beat: object) -> float:
        (group,) = optimizer.param_groups
        used.append((epoch, group["lr"]))
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)
        return 0.0

    monkeypatch.setattr(loop, "train_epoch", look)
    config = small(epochs=8, lr_drops=(0.25, 0.5), learning_rate=0.4, measured_epochs="0", vector_epochs="none")
    trained(tmp_path / "rnc.duckdb", config)
    expected = [0.4] * 2 + [0.04] * 2 + [0.004] * 4
    assert [epoch for epoch, _rate in used] == list(range(1, 9))
    assert [rate for _epoch, rate in used] == pytest.approx(expected)


Seen = list[tuple[torch.Tensor, torch.Tensor]]


def order(monkeypatch: pytest.MonkeyPatch, config: RunConfig, epoch: int, beats: list[int]) -> list[list[int]]:
    """The samples of each step of an epoch, and that they come with their own labels and noise."""
    net = models.build("small_cnn", datasets.spec("digits"))
    size = 300
    data = ImageSet(torch.arange(size).float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8), torch.arange(size) % 10)
    steps: list[list[int]] = []

    def look(model: Any, images: torch.Tensor, labels: torch.Tensor, _c: RunConfig, noise: Any) -> torch.Tensor:
        steps.append([int(i) for i in images[:, 0, 0, 0]])
        assert labels.tolist() == [i % 10 for i in steps[-1]] and noise._indices.tolist() == steps[-1]
        return model.weight.sum() * 0 + len(labels)

    monkeypatch.setattr(loop, "training_loss", look)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    loss = train_epoch(net, data, config, epoch, optimizer, lambda: beats.append(1))
    assert loss == pytest.approx((128 * 128 * 2 + 44 * 44) / 300)
    return steps


def test_an_epoch_passes_over_every_sample_once(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[int] = []
    steps = order(monkeypatch, small(), 1, beats)
    assert [len(step) for step in steps] == [128, 128, 44] and len(beats) == 3
    assert sorted(itertools.chain(*steps)) == list(range(300))
    assert steps == order(monkeypatch, small(), 1, [])
    others = [order(monkeypatch, small(), 2, []), order(monkeypatch, small(seed=2), 1, [])]
    assert steps not in others and others[0] != others[1]


def test_the_heart_beats_every_few_seconds_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now, beats = [100.0], []
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(StoreWriter, "heartbeat", lambda _self, run_id, done: beats.append((run_id, done, now[0])))
    heart = Heart(StoreWriter(Path("nowhere")), "a")
    for tick in range(1, 31):
        now[0] = 100 + tick * HEARTBEAT_SECONDS / 10
        heart.epochs_done = tick
        heart.beat()
    due = [100 + k * HEARTBEAT_SECONDS for k in (1, 2, 3)]
    assert beats == [("a", 10 * k, at) for k, at in zip((1, 2, 3), due, strict=True)]
