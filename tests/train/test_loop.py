"""A run end to end: what is measured when, what the store says of it, that a seed gives one result, and how it ends badly."""

import hashlib
import itertools
import json
import threading
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rnc import datasets
from rnc.models import weights
from rnc.probe import heartbeat
from rnc.probe.heartbeat import Heartbeat
from rnc.probe.interruption import Diverged
from rnc.probe.store_and_device_options import Options
from rnc.store.errors import StoreBusyError
from rnc.store.writer import StoreWriter
from rnc.vocabulary import HEARTBEAT_SECONDS, Metric, Objective, Role, Split
from tests.train.small import ask, small
from train import epoch as epoch_module
from train.config import RunConfig
from train.epoch import Trainer
from train.loop import train_run

CONFIG = small(
    objective=Objective.AT,
    epochs=2,
    measured_epochs="0,2",
    vector_epochs="last",
    checkpoint_epochs="0,2",
    extra_conditions=("gaussian-l2-0.5",),
    epsilon_fractions=(0.5,),
)
SLUGS = [condition.slug for _role, condition in CONFIG.conditions]
(SWEPT,) = [condition.slug for _role, condition in CONFIG.conditions_at_end]


def looked_at(at: int, split: str) -> list[str]:
    """Return the conditions measured: the swept attack only at the end, images as trained on only of train and after training."""
    left_out = {"as_trained"} if at == 0 or split == "test" else set()
    return sorted({*SLUGS, *([SWEPT] if at == 2 else [])} - left_out)


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
    spots = itertools.product((0, 2), ("test", "train"))
    assert found == [(at, split, slug) for at, split in spots for slug in looked_at(at, split)]
    roles = dict(ask(store, "SELECT condition, role FROM run_condition"))
    named = CONFIG.conditions + CONFIG.conditions_at_end
    assert roles == {condition.slug: str(role) for role, condition in named}
    assert sorted(roles.values()) == [
        "as_trained", "clean", "extra", "extra", "gaussian", "perturbed", "relabelled", "sign_noise", "targeted",
    ]  # fmt: skip


def test_no_value_is_stored_twice(store: Path) -> None:
    key = "epoch, split, condition, means_split, means_condition, layer, metric"
    assert ask(store, f"SELECT {key} FROM metric GROUP BY ALL HAVING count(*) > 1") == []
    assert ask(store, f"SELECT {key}, class FROM class_metric GROUP BY ALL HAVING count(*) > 1") == []


def test_around_own_means_every_scalar_is_there(store: Path) -> None:
    where = "role = 'clean' AND epoch = 2 AND split = 'test' AND layer = 'features'"
    names = ask(store, f"SELECT DISTINCT metric FROM measurement WHERE {where}")
    alignment = {Metric.ANGLE, Metric.ANGLE_UNCENTRED, Metric.DISTANCE, Metric.DISTANCE_UNCENTRED}
    alignment |= {Metric.GLOBAL_MEAN_ANGLE, Metric.GLOBAL_MEAN_DISTANCE}
    assert {name for (name,) in names} == set(Metric) - alignment
    for table in ("metric", "class_metric"):
        assert ask(store, f"SELECT count(*) FROM {table} WHERE value IS NULL OR isnan(value)") == [(0,)]


def test_vectors_and_projections_are_kept_at_the_chosen_epochs(store: Path) -> None:
    for table in ("class_mean", "classifier", "feature", "attack_path", "projection"):
        assert ask(store, f"SELECT DISTINCT epoch FROM {table}") == [(2,)], table
    spots = [(split, slug) for split in ("test", "train") for slug in looked_at(2, split) if slug != SWEPT]
    means = ask(store, "SELECT DISTINCT split, condition FROM class_mean ORDER BY ALL")
    assert means == spots
    for table in ("feature", "projection"):
        found = ask(store, f"SELECT split, condition, count(*) FROM {table} GROUP BY ALL ORDER BY ALL")
        assert found == [(*spot, 20) for spot in spots if not spot[1].endswith("predicted")], table
    assert ask(store, "SELECT DISTINCT method FROM projection") == [("pca",)]
    path = ask(store, "SELECT split, condition, step, count(*) FROM attack_path GROUP BY ALL ORDER BY ALL")
    own = sorted(condition.slug for role, condition in CONFIG.conditions if role in (Role.PERTURBED, Role.TARGETED))
    assert path == [(split, slug, 0, 20) for split in ("test", "train") for slug in own], "an attack of one step"


def test_every_epoch_says_what_it_cost(store: Path) -> None:
    found = ask(store, "SELECT * EXCLUDE (run_id) FROM epoch ORDER BY epoch")
    assert [at for at, *_rest in found] == [1, 2], "also those that are not measured"
    for at, rate, loss, seconds, measuring, speed, _attacking, _writing in found:
        assert rate == CONFIG.learning_rate_in(at) and 0 < loss < 10
        assert seconds > 0 and speed == pytest.approx(1400 / seconds) and (measuring > 0) is (at == 2)


def test_layers_go_from_the_pixels_to_the_features(store: Path) -> None:
    found = ask(store, "SELECT layer, size FROM layer ORDER BY depth")
    assert found == [("pixels", 64), ("conv1", 1024), ("conv2", 256), ("conv3", 512), ("conv4", 1024), ("features", 64)]


def test_leaps_count_every_sample_of_the_attacks(store: Path) -> None:
    found = ask(store, "SELECT epoch, split, condition, sum(count) FROM leap GROUP BY ALL ORDER BY ALL")
    sizes = {"train": 1400, "test": 340}
    assert found == [
        (at, split, slug, sizes[split])
        for at, split in itertools.product((0, 2), ("test", "train"))
        for slug in looked_at(at, split)
        if slug == "as_trained" or (slug.startswith("pgd") and not slug.endswith("predicted"))
    ]


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
            accuracy = float((net(test.pixels()).argmax(1) == test.labels).double().mean())
        where = "epoch = ? AND split = 'test' AND role = 'clean' AND metric = 'accuracy'"
        assert ask(store, f"SELECT value FROM measurement WHERE {where}", epoch) == [(pytest.approx(accuracy),)]
    assert not list(store.parent.rglob("*.partial"))


def values(path: Path) -> list[tuple]:
    return ask(path, "SELECT * EXCLUDE (run_id) FROM metric ORDER BY ALL")


@pytest.mark.slow
def test_the_same_config_gives_the_same_bits_and_another_seed_others(store: Path, tmp_path: Path) -> None:
    torch.rand(7)  # the state of torch's own generator plays no part
    again = trained(tmp_path / "again" / "rnc.duckdb")
    assert values(again) == values(store)
    for table in ("class_mean", "classifier", "feature", "attack_path", "leap"):
        assert ask(again, f"SELECT * FROM {table} ORDER BY ALL") == ask(store, f"SELECT * FROM {table} ORDER BY ALL")
    other = trained(tmp_path / "other" / "rnc.duckdb", small(seed=2, measured_epochs="0"))
    where = "WHERE epoch = 0 AND condition = 'clean' AND metric = 'nc1' AND split = 'train'"
    assert ask(other, f"SELECT value FROM metric {where}") != ask(store, f"SELECT value FROM metric {where}")


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (RuntimeError("boom"), "failed", "RuntimeError: boom"),
        (KeyboardInterrupt(), "interrupted", "stopped by the user"),
    ],
)
def test_a_run_that_breaks_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str, reason: str
) -> None:
    def fail(*_arguments: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(Trainer, "train_epoch", fail)
    config = small(measured_epochs="last")
    with pytest.raises(type(error)):
        trained(tmp_path / "rnc.duckdb", config)
    found = ask(tmp_path / "rnc.duckdb", "SELECT run_id, state, error, epochs_done FROM run")
    assert found == [(config.run_id, state, reason, 0)]
    assert ask(tmp_path / "rnc.duckdb", "SELECT count(*) FROM metric") == [(0,)]


@pytest.mark.slow
def test_a_run_that_diverges_keeps_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a number in the third epoch: the run fails and says so; epoch 2 and its network stay."""
    usual = epoch_module.TrainingLoss.forward
    calls: list[int] = []

    def diverge(self: epoch_module.TrainingLoss, *batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return usual(self, *batch) * (torch.nan if len(calls) > 2 * 11 else 1)  # 11 batches an epoch

    monkeypatch.setattr(epoch_module.TrainingLoss, "forward", diverge)
    path, config = tmp_path / "rnc.duckdb", small(epochs=5, measured_epochs="every")
    with pytest.raises(Diverged, match=r"the loss of epoch 3 is nan.*smaller --learning-rate"):
        trained(path, config)
    ((state, error),) = ask(path, "SELECT state, error FROM run")
    assert state == "failed" and "diverged" in error
    assert ask(path, "SELECT DISTINCT epoch FROM metric ORDER BY ALL") == [(0,), (1,), (2,)]
    found = ask(path, "SELECT path, sha256 FROM checkpoint ORDER BY epoch")
    assert len(found) == 3 and all(weights.load(path.parent / file, digest) for file, digest in found)


def test_the_heart_beats_every_few_seconds_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now, beats = [100.0], []
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(StoreWriter, "heartbeat", lambda _self, run_id, done: beats.append((run_id, done, now[0])))
    heart = Heartbeat(StoreWriter(Path("nowhere")), "a")
    for tick in range(1, 31):
        now[0] = 100 + tick * HEARTBEAT_SECONDS / 10
        heart.epochs_done = tick
        heart.beat()
    due = [100 + k * HEARTBEAT_SECONDS for k in (1, 2, 3)]
    assert beats == [("a", 10 * k, at) for k, at in zip((1, 2, 3), due, strict=True)]


def test_the_heart_beats_beside_a_step_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a beat that found the store busy; and no more when the step is over."""
    beats: list[int] = []
    enough = threading.Event()

    class Writer:
        def heartbeat(self, _run_id: str, epochs_done: int) -> None:
            beats.append(epochs_done)
            if len(beats) == 1:
                raise StoreBusyError("busy")
            if len(beats) == 3:
                enough.set()

    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.01)
    heart = Heartbeat(Writer(), "a", 7)  # type: ignore[arg-type]
    with heart.beating():
        assert enough.wait(60)
    assert set(beats) == {7} and not any(thread.name == "heartbeat" for thread in threading.enumerate())
