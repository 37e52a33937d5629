"""Torchvision's files are read as their authors define them; without network the message says what to do."""

import errno
import fcntl
import gzip
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from rnc import datasets
from rnc.datasets import DatasetError, torchvision_download
from rnc.vocabulary import Split
from tests.rnc.datasets import torchvision_files as files

REFUSED = "http://127.0.0.1:9/nothing.tgz"  # port 9 discards; nobody listens there


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of this file asks a real server, whatever it forgets to write."""
    monkeypatch.setenv("no_proxy", "*")
    for kind in (torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST):
        monkeypatch.setattr(kind, "mirrors", [REFUSED])
    for kind in (torchvision.datasets.CIFAR10, torchvision.datasets.CIFAR100):
        monkeypatch.setattr(kind, "url", REFUSED)
    monkeypatch.setattr(torchvision.datasets.Imagenette, "_ARCHIVES", {"160px": (REFUSED, "0" * 32)})


class Quiet(SimpleHTTPRequestHandler):
    """A folder's files over HTTP."""

    def log_message(self, *_arguments) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are downloaded from this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
@pytest.mark.parametrize("split", Split)
def test_the_idx_files_of_mnist_are_read(tmp_path: Path, name: str, folder: str, split: Split) -> None:
    images, labels = files.write_mnist(tmp_path / folder / "raw", each=3)[split]
    found = datasets.load(name, split, tmp_path)
    assert found.images.dtype == torch.uint8 and found.labels.dtype == torch.int64 and found.levels == 255
    assert np.array_equal(found.images, images) and np.array_equal(found.labels, labels)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("split", Split)
def test_the_batches_of_cifar_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, split: Split
) -> None:
    images, labels = files.write_cifar(tmp_path, name, monkeypatch)[split]
    found = datasets.load(name, split, tmp_path)
    assert found.images.is_contiguous() and found.images.dtype == torch.uint8 and found.labels.dtype == torch.int64
    assert np.array_equal(found.images, images) and np.array_equal(found.labels, labels)


def test_mnist_is_downloaded_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    images, labels = files.write_mnist(served[0], each=1)["train"]
    resources = []
    for path in sorted(served[0].iterdir()):
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((packed.name, files.md5(packed)))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [served[1]])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    found = datasets.load("mnist", Split.TRAIN, tmp_path / "root")
    assert np.array_equal(found.images, images) and np.array_equal(found.labels, labels)


def test_imagenette_is_downloaded_once_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    archive = files.imagenette_archive(*served, monkeypatch)
    for split in Split:
        found = datasets.load("imagenette", split, tmp_path / "root")
        assert found.images.shape == (10, 3, 160, 160)
        assert (found.images[:, 0].float().mean((1, 2)) / 25).round().tolist() == found.labels.tolist()
        archive.unlink(missing_ok=True)
    left = {path.name for path in (tmp_path / "root").iterdir()}
    assert left == {"imagenette2-160", ".download.lock"}


def test_an_incomplete_archive_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    files.imagenette_archive(*served, monkeypatch)
    original = torchvision.datasets.Imagenette

    def interrupted(root: str, **_options) -> None:
        for wnid in files.WNIDS:
            folder = Path(root) / "imagenette2-160/train" / wnid
            folder.mkdir(parents=True)
            (folder / "half.JPEG").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(torchvision.datasets, "Imagenette", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.load("imagenette", Split.TRAIN, tmp_path / "root")
    monkeypatch.setattr(torchvision.datasets, "Imagenette", original)
    assert len(datasets.load("imagenette", Split.TEST, tmp_path / "root")) == 10


def test_files_downloaded_by_another_process_are_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.imagenette_archive(tmp_path, REFUSED, monkeypatch)  # and leaves the folder that it packs
    assert len(torchvision_download.load_imagenette(datasets.spec("imagenette"), Split.TRAIN, tmp_path)) == 10


@pytest.mark.parametrize("name", [name for name in datasets.names() if name != "digits"])
def test_without_network_the_message_names_the_places_and_a_remedy(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        datasets.load(name, Split.TEST, tmp_path / "root")
    message = str(caught.value)
    for part in (
        f"there are no images of {name} test", str(tmp_path / "root" / name), "|dev|eval|evaluation)-*.parquet",
        "CLASS/*.png", "Connection refused", "--data-root or RNC_DATA", "connect this machine to the network",
    ):  # fmt: skip
        assert part in message
    assert "\n" not in message


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/a.tgz")
        monkeypatch.setattr(torchvision_download, "_SECONDS_WITHOUT_ANSWER", 0.1)
        with pytest.raises(DatasetError, match="timed out"):
            datasets.load("cifar10", Split.TRAIN, tmp_path)
    assert socket.getdefaulttimeout() is None


def test_truncated_files_are_to_be_deleted(tmp_path: Path) -> None:
    files.write_mnist(tmp_path / "MNIST/raw", each=1)
    path = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"if torchvision's files are damaged, delete them"):
        datasets.load("mnist", Split.TRAIN, tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((9, 28, 28), [*range(10)], r"images of shape \(9, 1, 28, 28\) and 10 labels"),
        ((10, 8, 8), [*range(10)], r"images of shape \(10, 1, 8, 8\)"),
        ((10, 28, 28), [*range(9), 10], "labels other than 0 to 9"),
        ((10, 28, 28), [*range(9), 8], "labels other than 0 to 9"),
    ],
)
def test_files_that_do_not_agree_are_an_error(
    tmp_path: Path, images: tuple[int, ...], labels: list[int], message: str
) -> None:
    raw = tmp_path / "MNIST/raw"
    files.write_mnist(raw, each=1)
    files.write_idx(raw / "train-images-idx3-ubyte", np.zeros(images, np.uint8))
    files.write_idx(raw / "train-labels-idx1-ubyte", np.array(labels, np.uint8))
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist", Split.TRAIN, tmp_path)


def test_a_damaged_batch_of_cifar_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_cifar(tmp_path, "cifar10", monkeypatch)
    path = tmp_path / "cifar-10-batches-py/data_batch_3"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="there are no images of cifar10 train"):
        datasets.load("cifar10", Split.TRAIN, tmp_path)


def test_one_process_downloads_while_the_others_wait(tmp_path: Path) -> None:
    files.write_mnist(tmp_path / "MNIST/raw", each=1)
    loaded = threading.Event()

    def load() -> None:
        datasets.load("mnist", Split.TRAIN, tmp_path)
        loaded.set()

    with (tmp_path / ".download.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=load, daemon=True)
        thread.start()
        assert not loaded.wait(0.3)
    assert loaded.wait(30)
    thread.join()


def test_a_root_without_locks_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_arguments) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    files.write_mnist(tmp_path / "MNIST/raw", each=1)
    (tmp_path / ".download.lock").mkdir()  # cannot be opened, as on a read-only disk
    assert len(datasets.load("mnist", Split.TRAIN, tmp_path)) == 10
    (tmp_path / ".download.lock").rmdir()
    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert len(datasets.load("mnist", Split.TRAIN, tmp_path)) == 10


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    for name in ("mnist", "imagenette"):
        with pytest.raises(DatasetError, match=f"there are no images of {name}"):
            datasets.load(name, Split.TRAIN, tmp_path / "root")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "imagenette"])
def test_nothing_is_downloaded_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_named: pytest.fail("another host was asked for"))
    monkeypatch.setattr(
        socket, "create_connection", lambda *_given, **_named: pytest.fail("another host was asked for")
    )
    root = tmp_path / "images"
    with pytest.raises(DatasetError, match=rf"not on this machine: .*{root}.*datasets\.load\('{name}', 'test'\)"):
        datasets.load(name, Split.TEST, root, download=False)
    assert not root.exists()


def test_existing_files_are_read_without_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _labels = files.write_cifar(tmp_path, "cifar10", monkeypatch)[Split.TEST]
    before = sorted(path.name for path in tmp_path.iterdir())
    assert np.array_equal(datasets.load("cifar10", Split.TEST, tmp_path, download=False).images, images)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
