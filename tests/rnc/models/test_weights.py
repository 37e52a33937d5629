"""A model file gives back the same bits; one that is missing, changed or without config is refused by name."""

import errno
import hashlib
import json
import math
import os
import resource
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from rnc import datasets, models
from rnc.models import weights
from rnc.models.factory import build
from rnc.models.weights import CheckpointError, network_metadata

CONFIG = {"dataset": "digits", "model": "small_cnn", "epochs": 3}


def trained() -> models.FeatureClassifier:
    """A network whose BatchNorm statistics have moved."""
    torch.manual_seed(1)
    net = models.build("small_cnn", datasets.spec("digits")).train()
    with torch.no_grad():
        net(torch.rand(8, 1, 8, 8))
    return net


def test_a_round_trip_is_bit_equal_and_in_eval_mode(tmp_path: Path) -> None:
    net, path = trained(), tmp_path / "runs" / "one" / "last.safetensors"
    sha256 = weights.save(net, path, CONFIG)
    found = weights.load(path, sha256)
    assert found.state_dict().keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
        assert found.state_dict()[name].dtype == tensor.dtype
    assert not any(module.training for module in found.modules())
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(found(images), net.eval()(images))


@pytest.mark.parametrize("name", models.names())
def test_a_narrow_network_comes_back_narrow(tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    net, path = models.build(name, datasets.spec("cifar10"), 0.125), tmp_path / "a.safetensors"
    sha256 = weights.save(net, path, {"dataset": "cifar10", "model": name, "width": 0.125})
    found = weights.load(path, sha256)
    assert found.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(found.state_dict()[key], tensor) for key, tensor in net.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(found(images), net.eval()(images))


def test_the_hash_is_that_of_the_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert weights.save(trained(), path, CONFIG) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    first = weights.save(trained(), path, CONFIG)
    torch.manual_seed(2)
    second = weights.save(models.build("small_cnn", datasets.spec("digits")), path, CONFIG)
    assert first != second
    assert weights.load(path, second).weight.shape[0] == 10
    with pytest.raises(CheckpointError):
        weights.load(path, first)


def test_saving_does_not_change_the_network(tmp_path: Path) -> None:
    net = trained()
    weights.save(net, tmp_path / "a.safetensors", CONFIG)
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_is_refused_and_the_message_contains_no_hash(tmp_path: Path, position: int) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = weights.save(trained(), path, CONFIG)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(CheckpointError, match="its SHA-256 differs") as caught:
        weights.load(path, sha256)
    said = str(caught.value)
    assert str(path) in said and found[:6] not in said and sha256[:6] not in said


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = weights.save(trained(), path, CONFIG)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        weights.load(path, sha256)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read") as caught:
            weights.load(path, "0" * 64)
        assert str(path) in str(caught.value)


def test_a_file_without_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no config"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(b"not a model at all")
    with pytest.raises(CheckpointError, match="no config"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("config", ["no JSON", "[]", "null", "{}", json.dumps({"model": "small_cnn"})])
def test_a_config_that_names_no_network_is_refused(tmp_path: Path, config: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2)}, path, metadata={"config": config})
    with pytest.raises(CheckpointError, match="no config") as caught:
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("old", [None, b"the file of before"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, old: bytes | None
) -> None:
    path = tmp_path / "a.safetensors"
    if old is not None:
        path.write_bytes(old)

    def full(*_given: object) -> None:
        assert [file.name for file in tmp_path.glob("*.partial")] == ["a.safetensors.partial"]
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(
        CheckpointError, match=r"cannot be written \(no space left\); free space.* start .* again"
    ) as caught:
        weights.save(trained(), path, CONFIG)
    assert str(path) in str(caught.value)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([] if old is None else [old])


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    """A file stands where a folder should: unlike a read-only folder, that stops the superuser too."""
    (tmp_path / "runs").write_bytes(b"")
    path = tmp_path / "runs" / "one" / "a.safetensors"
    with pytest.raises(CheckpointError, match="cannot be written") as caught:
        weights.write_atomically(path, b"content")
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_an_error_without_a_system_message_still_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object) -> None:
        raise OSError("the network drive went away")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(CheckpointError, match=r"\(the network drive went away\)"):
        weights.write_atomically(tmp_path / "a", b"content")


# What a stranger may have put in the place of a checkpoint.


def test_a_file_that_is_replaced_after_it_was_read_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, net = tmp_path / "a.safetensors", trained()
    sha256 = weights.save(net, path, CONFIG)
    original = hashlib.sha256

    def swap(content: bytes) -> Any:
        path.write_bytes(b"another file")
        return original(content)

    monkeypatch.setattr(hashlib, "sha256", swap)
    assert torch.equal(weights.load(path, sha256).weight, net.weight)


def test_a_link_a_pipe_and_a_device_are_not_read(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever, a device has no end."""
    target = tmp_path / "target.safetensors"
    sha256 = weights.save(trained(), target, CONFIG)
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    os.mkfifo(pipe)
    for path, told in ((link, "a link"), (pipe, "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(CheckpointError, match=f"cannot be read: .*{told}"):
            weights.load(path, sha256)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(weights.MOST_NETWORK_BYTES + 1)
    with pytest.raises(CheckpointError, match=r"cannot be read: .* at most 4,294,967,296 are read"):
        weights.load(path, "0" * 64)


def made(path: Path, metadata: Any, header: dict[str, Any] | None = None, data: bytes = b"") -> str:
    """Write a safetensors file by hand; its SHA-256."""
    text = json.dumps((header or {}) | {"__metadata__": {"config": json.dumps(metadata)}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def little_memory(more: int) -> Iterator[None]:
    """A block that may take so many bytes more than this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    taken = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (taken + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


SPEC = {"classes": ["a", "b"], "image_shape": [3, 32, 32], "mean": [0.0], "std": [1.0]}
LARGE = [
    {"dataset": "cifar10", "model": "preact_resnet18", "width": 600},
    {"dataset": "cifar10", "model": "vgg11_bn", "width": 999.0},
    {"dataset": "digits", "model": "small_cnn", "width": 1000},
    {"dataset": "x", "model": "torchvision:resnet152", "spec": SPEC | {"image_shape": [3, 2360, 2360]}},
    {"dataset": "x", "model": "torchvision:vit_h_14", "spec": SPEC},
    {"dataset": "x", "model": "small_cnn", "spec": SPEC | {"classes": ["a"] * 90_000}, "width": 1000},
    {"dataset": "x", "model": "torchvision:vgg19", "spec": SPEC | {"classes": ["a"] * 90_000}},
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited in this way on Linux")
@pytest.mark.parametrize("metadata", LARGE, ids=lambda m: f"{m['model']} {m.get('width', '')}")
def test_a_small_file_that_names_a_large_network_takes_no_memory(metadata: dict, tmp_path: Path) -> None:
    from torchvision import models as _theirs  # noqa: F401  (its code is not what is limited)

    path = tmp_path / "a.safetensors"
    sha256 = made(path, metadata)
    with (
        little_memory(200 * 2**20),
        pytest.raises(CheckpointError, match=r"does not contain the network .*that are missing"),
    ):
        weights.load(path, sha256)


def test_images_too_large_for_a_trial_pass_are_refused_before_it(tmp_path: Path) -> None:
    """With all tensors of the network there, so that nothing but the images' size is wrong."""
    spec = datasets.DatasetSpec("x", ("a", "b"), (3, 32, 32), (0.0,), (1.0,))
    net, path = build("torchvision:mnasnet0_5", spec, trusted=True), tmp_path / "a.safetensors"
    large = network_metadata("torchvision:mnasnet0_5", spec, 1.0, net)
    large["spec"] |= {"image_shape": [16, 1024, 1024]}
    sha256 = weights.save(net, path, large)
    with pytest.raises(CheckpointError, match=r"does not accept images of shape \(16, 1024, 1024\)"):
        weights.load(path, sha256)
    large["spec"] |= {"image_shape": [3, 2360, 2360]}
    sha256 = weights.save(net, path, large)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnc.models.wrapped.trace_forward", lambda *_: pytest.fail("the pass was made"))
        patch.setattr("rnc.models.meta_device.MOST_FORWARD_BYTES", 2**30)
        with pytest.raises(CheckpointError, match=r"takes more than 1 GiB; the images .* are too large"):
            weights.load(path, sha256)


WRONG = [
    *({"width": value} for value in ("1", True, -1, 0, 1e9, [], None, math.nan, math.inf, 10**400, {"a": 1})),
    *({"dataset": value} for value in (3, None, [], True, "own:{}", "nothing")),
    *({"model": value} for value in (3, None, ["small_cnn"], "", "nothing", "a:b:c", "torchvision:", ":")),
    *({"spec": value} for value in (3, [], "x", True, {}, {"classes": []})),
    *({"spec": SPEC | {"classes": value}} for value in ("ab", 3, [1, 2], [[]], None, ["a"] * 100_001, [])),
    *(
        {"spec": SPEC | {"image_shape": value}}
        for value in (
            "333",
            [3, 32],
            [3, 32.0, 32],
            [3, -1, 8],
            [3, 0, 8],
            [3, 5000, 8],
            [99, 8, 8],
            [True, 8, 8],
            None,
        )
    ),
    *(
        {"spec": SPEC | {name: value}}
        for name in ("mean", "std")
        for value in (0.5, "1", [1, 2], ["1"], [math.nan], [])
    ),
    *({"spec": SPEC | {"std": [value]}} for value in (0, -1)),
    *({"wrap": value} for value in (3, "x", [1], {"eval": 1}, {"classifier": 3}, {"stages": 3}, {"stages": [3]})),
    *({"wrap": {"stages": ["conv1"] * count}} for count in (1, 1001)),
]


@pytest.mark.parametrize("changes", WRONG, ids=lambda changes: repr(changes)[:60])
def test_a_value_of_a_wrong_kind_is_refused_in_words(changes: dict, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = weights.save(trained(), path, CONFIG | changes)
    with pytest.raises(CheckpointError) as caught:
        weights.load(path, sha256)
    said = str(caught.value)
    assert str(path) in said and "\n" not in said and len(said) < len(str(path)) + 500


def entry(shape: Any, begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


HEADERS = {
    "too long": b" " * (4 * 2**20 + 1),
    "deep": b"[" * 100_000,
    "not an object": b"[]",
    "a name twice": b'{"__metadata__": {"config": "{}"}, "__metadata__": {"config": "{}"}}',
    "many tensors": json.dumps({f"t{number}": entry([0], 0, 0) for number in range(20_001)}).encode(),
    "no shape": b'{"x": 3}',
    "a negative shape": json.dumps({"x": entry([-1], 0, 0)}).encode(),
    "metadata that are no object": b'{"__metadata__": []}',
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_invalid_header_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(HEADERS[name])) + HEADERS[name])
    with pytest.raises(CheckpointError, match="has no config in its metadata"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_tensors_that_overlap_or_end_outside_the_file_are_refused(tmp_path: Path) -> None:
    """The header has the network's own shapes, so that the places alone are wrong."""
    path = tmp_path / "a.safetensors"
    weights.save(trained(), path, CONFIG)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__")
    moved = header | {"classifier.bias": header["classifier.bias"] | {"data_offsets": [0, 40]}}
    for wrong, rest in ((moved, data), (header, data[:-4]), (header, data + b"0000")):
        sha256 = made(path, CONFIG, wrong, rest)
        with pytest.raises(CheckpointError, match="does not contain the network that it names"):
            weights.load(path, sha256)


def test_class_names_must_be_as_many_as_the_classifiers_rows(tmp_path: Path) -> None:
    path, net = tmp_path / "a.safetensors", trained()
    spec = {"classes": ["a"] * 11, "image_shape": [1, 8, 8], "mean": [0.5], "std": [0.5]}
    sha256 = weights.save(net, path, CONFIG | {"spec": spec})
    with pytest.raises(CheckpointError, match=r"'classifier\.\w+' has shape .*, but the network needs"):
        weights.load(path, sha256)


def test_numbers_of_another_precision_become_the_networks_and_other_kinds_are_refused(tmp_path: Path) -> None:
    path, net = tmp_path / "a.safetensors", trained()
    sha256 = weights.save(net.half(), path, CONFIG)
    found = weights.load(path, sha256)
    assert found.weight.dtype is torch.float32 and torch.equal(found.weight, net.weight.float())
    state = {name: tensor.to(torch.int32) for name, tensor in net.state_dict().items()}
    save_file(state, path, metadata={"config": json.dumps(CONFIG)})
    with pytest.raises(CheckpointError, match=r"has the type torch\.int32, but the network needs torch\.float32"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_every_tensor_has_memory_after_loading(tmp_path: Path) -> None:
    """Buffers that are in no file too, such as the mean that pixels are normalised by."""
    for name, width in (*((name, 0.125) for name in models.names()), ("torchvision:regnet_x_400mf", 1.0)):
        spec = datasets.spec("cifar10")
        net, path = build(name, spec, width, trusted=True), tmp_path / "a.safetensors"
        found = weights.load(path, weights.save(net, path, network_metadata(name, spec, width, net)))
        pairs = zip([*net.parameters(), *net.buffers()], [*found.parameters(), *found.buffers()], strict=True)
        assert all(torch.equal(one, other) and one.requires_grad == other.requires_grad for one, other in pairs)
