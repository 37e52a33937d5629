"""Names and files of strangers: what is refused, in which words, and that nothing is waited for."""

import os
import socket
from pathlib import Path

import pytest

from rnc.safe_paths import (
    UnsafePathError,
    checked_name,
    open_lock_file,
    open_plain_file,
    open_to_append,
    path_inside,
    quoted,
    read_plain_file,
)

GOOD = [
    "digits-small_cnn-st-linf-s1-00000000",
    "a",
    "torchvision:resnet18",
    "run 1",
    "näme",
    "網路",
    "epoch-0001.safetensors",
]
BAD = [
    "", ".", "..", "../x", "a/b", "/etc", "a\\b", "a\0b", "a\nb", "\x1b[31m", ".hidden", " x", "x ", "x" * 201, "é" * 101,
    "a\u2215b", "a\uff0fb", "\uff0e\uff0e", "\u2025", "\u202ea", "a\u200bb", "a\u2028b", "\ud800", "C:\\x",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_an_ordinary_name_is_returned(name: str) -> None:
    assert checked_name(name, "run id") == name


@pytest.mark.parametrize("name", BAD, ids=range(len(BAD)))
def test_a_name_that_could_do_harm_is_refused(name: str) -> None:
    with pytest.raises(UnsafePathError, match=r"^run id") as refusal:
        checked_name(name, "run id")
    str(refusal.value).encode()  # (can be printed)
    assert "\x1b" not in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [None, 3, b"x", Path("x")])
def test_a_name_is_a_text(value: object) -> None:
    for check in (lambda: checked_name(value, "run id"), lambda: path_inside(Path(), value, "path")):
        with pytest.raises(UnsafePathError, match="must be a text"):
            check()


def test_paths_inside(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    assert path_inside(home, "checkpoints/r/e.pt", "path") == home / "checkpoints/r/e.pt"
    assert path_inside(tmp_path / "link", "x", "path") == tmp_path / "link" / "x"
    for bad in ("../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/", ""):
        with pytest.raises(UnsafePathError):
            path_inside(home, bad, "path")


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "out").symlink_to(tmp_path)
    (home / "within").symlink_to(home)
    (home / "round").symlink_to(home / "round")
    with pytest.raises(UnsafePathError, match="by a link"):
        path_inside(home, "out/x", "path")
    assert path_inside(home, "within/x", "path").parent.resolve() == home
    with pytest.raises(UnsafePathError):
        open_plain_file(path_inside(home, "round", "path"), "file")


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    plain, pipe, link = tmp_path / "plain", tmp_path / "pipe", tmp_path / "link"
    plain.write_bytes(b"12345")
    os.mkfifo(pipe)
    link.symlink_to(plain)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for path, kind in (
        (pipe, "pipe"),
        (link, "link"),
        (tmp_path, "folder"),
        (Path("/dev/zero"), "device"),
        (tmp_path / "socket", "socket"),
    ):
        with pytest.raises(UnsafePathError, match=kind):
            open_plain_file(path, "network")
        with pytest.raises((UnsafePathError, IsADirectoryError)):
            open_lock_file(path, create=path != Path("/dev/zero"))
    with open_plain_file(plain, "network", most_bytes=5) as file:
        assert file.read() == b"12345"
    with pytest.raises(UnsafePathError, match="5 bytes; at most 4"):
        open_plain_file(plain, "network", most_bytes=4)
    assert read_plain_file(plain, "text") == b"12345"
    with pytest.raises(FileNotFoundError):
        open_plain_file(tmp_path / "none", "network")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _turn in range(20):
        with pytest.raises(UnsafePathError):
            open_plain_file(tmp_path / "pipe", "network")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_lock_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4242")
    with open_lock_file(tmp_path / "lock", create=True) as file:
        assert file.read() == b"4242"
    with open_lock_file(tmp_path / "new", create=True):
        assert (tmp_path / "new").read_bytes() == b""
    with pytest.raises(FileNotFoundError):
        open_lock_file(tmp_path / "none", create=False)


def test_texts_are_shown_without_effect() -> None:
    assert quoted("a\x1b[2Jb\n") == r"'a\x1b[2Jb\n'"
    assert len(quoted("x" * 10_000)) < 100
    quoted("\ud800").encode()


def test_what_is_appended_goes_to_a_plain_file_alone(tmp_path: Path) -> None:
    for _turn in range(2):
        with open_to_append(tmp_path / "log", "log") as file:
            file.write(b"line")
    assert (tmp_path / "log").read_bytes() == b"lineline"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "log")
    (tmp_path / "leading on").symlink_to(tmp_path / "made")
    for name in ("pipe", "link", "leading on"):
        with pytest.raises(UnsafePathError):
            open_to_append(tmp_path / name, "log")
    assert not (tmp_path / "made").exists() and (tmp_path / "log").read_bytes() == b"lineline"
