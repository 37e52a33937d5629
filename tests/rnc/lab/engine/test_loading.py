"""Tests of loading: the images that a run recorded, balanced, one network and one data set at a time, within memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rnc import datasets, models
from rnc.conditions import Condition
from rnc.lab.engine import loading, timing
from rnc.lab.engine.loading import AttackInputs, InputLoader
from rnc.lab.network_and_images import Source
from rnc.lab.perturbed_images import PerturbedImagesRequest
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.models import weights
from rnc.vocabulary import Split
from tests.rnc.lab.networks import behind


@pytest.fixture
def source(tmp_path: Path) -> Source:
    torch.manual_seed(0)
    net, path = models.build("small_cnn", datasets.spec("digits"), 0.25), tmp_path / "net.safetensors"
    sha256 = weights.save(net, path, {"dataset": "digits", "model": "small_cnn", "width": 0.25})
    return Source(str(path), sha256, "run", 1, "digits", Split.TRAIN)


def test_the_images_are_those_that_the_run_trained_on(source: Source) -> None:
    """Never one outside its subset, and told apart from another set or another order by the fingerprint."""
    digits = datasets.load("digits", Split.TRAIN)
    trained = digits.balanced_indices(50, 10)
    recorded = replace(source, subset=50, fingerprint=digits.take(trained).fingerprint())
    loader = InputLoader()
    for count, expected in ((20, 20), (1000, 50)):
        found = loader.balanced(recorded, count)
        assert len(found.images) == expected and set(found.indices.tolist()) <= set(trained.tolist())
        assert found.as_recorded and found.labels.bincount().tolist() == [expected // 10] * 10
        assert torch.equal(found.images.cpu(), digits.pixels(found.indices.cpu()))
    assert not loader.balanced(replace(recorded, subset=60), 20).as_recorded
    assert loader.balanced(source, 20).as_recorded


def test_the_last_network_and_data_set_are_held_and_no_other(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    for module, name in ((weights, "load"), (datasets, "load")):
        original = getattr(module, name)

        def counted(*given: Any, original: Any = original, of: str = module.__name__, **named: Any) -> Any:
            loads.append(of)
            return original(*given, **named)

        monkeypatch.setattr(module, name, counted)
    loader = InputLoader()
    first, again = loader.balanced(source, 20), loader.balanced(source, 40)
    assert first.model is again.model and loads == ["rnc.datasets", "rnc.models.weights"]
    loader.balanced(replace(source, split=Split.TEST), 20)
    assert loads == ["rnc.datasets", "rnc.models.weights", "rnc.datasets"]
    loader.balanced(source, 20)
    assert loads.count("rnc.datasets") == 3 and loads.count("rnc.models.weights") == 1


def test_the_networks_of_a_request_are_loaded_one_by_one(source: Source) -> None:
    attack = Condition.from_slug("pgd-linf-0.1-2")
    missing = replace(source, checkpoint=f"{source.checkpoint}.missing", sha256="ab" * 32)
    request = StrengthCurveRequest((source, missing), attack, Axis.STEPS, (1.0,), images=20)
    networks = InputLoader().load_networks_in_turn(request)
    assert len(next(networks).images) == 20
    with pytest.raises(weights.CheckpointError):  # only now is the second one read
        next(networks)
    (chosen,) = InputLoader().load_networks_in_turn(PerturbedImagesRequest(source, attack, (3, 1)))
    assert chosen.indices.tolist() == [1, 3]


def test_a_network_of_another_number_of_classes_is_refused(source: Source, tmp_path: Path) -> None:
    spec = replace(datasets.spec("digits"), classes=("a", "b", "c"))
    net, path = models.build("small_cnn", spec, 0.25), tmp_path / "three.safetensors"
    sha256 = weights.save(net, path, weights.network_metadata("small_cnn", spec, 0.25, net))
    with pytest.raises(ValueError, match="has 3 classes, but its data set has 10"):
        InputLoader().balanced(replace(source, checkpoint=str(path), sha256=sha256), 20)


def test_images_that_are_not_on_this_machine_are_not_downloaded(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that would is named: to look at a run asks no other host for anything."""
    monkeypatch.setenv("RNC_DATA", str(tmp_path / "images"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_given, **_named: pytest.fail("another host was asked for"))
    for name in ("cifar10", "imagenette"):
        with pytest.raises(
            datasets.DatasetError, match=rf"The app downloads nothing by itself.*load\('{name}', 'train'\)"
        ):
            InputLoader().balanced(replace(source, dataset=name), 20)
    assert not (tmp_path / "images").exists()


def test_a_network_is_checked_against_its_hash(source: Source) -> None:
    with pytest.raises(weights.CheckpointError, match="not the file that the store recorded"):
        InputLoader().balanced(replace(source, sha256="0" * 64), 20)


def test_more_images_than_fit_are_refused_with_how_many_do(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    each = 64 * 4 * 8
    monkeypatch.setattr(loading, "_free_memory", lambda device: 2 * 100 * each)
    assert len(InputLoader().balanced(source, 100).images) == 100
    with pytest.raises(ValueError, match="ask for at most 100 images"):
        InputLoader().balanced(source, 110)


def test_free_memory_is_that_of_the_machine() -> None:
    free = loading._free_memory(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50


@pytest.mark.parametrize(("shape", "expected"), [((1, 8, 8), 500), ((3, 32, 32), 85), ((3, 160, 160), 8)])
def test_batches_are_smaller_for_larger_images(
    inputs: AttackInputs, shape: tuple[int, int, int], expected: int
) -> None:
    large = replace(inputs, images=torch.zeros(1, 1, 1, 1).expand(1000, *shape), labels=torch.zeros(1000))
    batches = large.batched_positions()
    assert len(batches[0]) == expected and torch.equal(torch.cat(batches), torch.arange(1000))


def test_a_network_that_cannot_be_folded_is_attacked_as_it_is(inputs: AttackInputs) -> None:
    def opaque(images: torch.Tensor) -> torch.Tensor:
        return images if float(images.sum()) > -1 else -images

    found = behind(inputs, opaque)
    assert found.logits_fn is found.model and inputs.logits_fn is not inputs.model


def test_a_pace_is_a_positive_time(inputs: AttackInputs) -> None:
    speed = timing.network_speed(inputs)
    assert 0 < speed.pass_seconds < 1 and 0 < speed.measurement_seconds < 10
    assert all(parameter.grad is None for parameter in inputs.model.parameters())


def test_a_value_of_linuxs_tables_is_in_bytes(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:       8000 kB\nMemAvailable:   4321 kB\n")
    assert loading._kilobytes(str(table), "MemAvailable") == 4321 * 1024
    assert loading._kilobytes(str(table), "VmData") is None
    table.write_text("MemAvailable: many\n")
    assert loading._kilobytes(str(table), "MemAvailable") is None
