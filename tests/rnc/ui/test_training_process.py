"""Training from the app is a process of its own: it fails with a word in the log, is one at a time, and can be stopped."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnc.safe_paths import UnsafePathError
from rnc.ui import training_process
from rnc.ui.training_process import Phase, Training

FAKE = """
import os, sys
print("argv", sys.argv[1:], os.getpid(), os.getpgid(0), flush=True)
print("0%|  \\r50%|# \\r100%|##", flush=True)
fifo = {fifo!r}
try:
    open(fifo, "w").write("ready")
    open(fifo).read()
except KeyboardInterrupt:
    print("stopped", flush=True)
    sys.exit(130)
"""


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """As in the app, SIGINT has a handler: whoever ignores it hands that down, and its child could not be stopped."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """Not yet started; stopped for good at the end."""
    found = Training(tmp_path / "data" / "rnc.duckdb")
    yield found
    if found._process is not None:
        found._process.kill()
        found._process.wait()


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `train.run` that says `ready` into this pipe and then waits to be stopped; it does not import torch."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    package = tmp_path / "code" / "train"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "run.py").write_text(FAKE.format(fifo=str(fifo)))
    monkeypatch.setattr(training_process, "_ROOT", package.parent)
    return fifo


def wait_for_end(training: Training) -> int | None:
    assert training._process is not None
    return training._process.wait(100)


def test_before_the_first_start(training: Training) -> None:
    assert not training.running and training.exit_code_if_failed is None and training.log_tail() == ""
    training.stop()
    assert training.exit_code_if_failed is None


def test_an_unknown_recipe_fails_and_the_log_says_why(training: Training, tmp_path: Path) -> None:
    """The real command line, once."""
    training.start("no-such-recipe")
    assert wait_for_end(training) == 2 and not training.running
    assert training.log_tail().startswith("error: unknown recipe 'no-such-recipe'; there are: tiny, demo, ")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["rnc.duckdb.training.log"]


def test_a_running_one_is_alone_and_stops(training: Training, ready: Path, tmp_path: Path) -> None:
    training.start("tiny")
    assert ready.read_text() == "ready"
    assert training.running and training.exit_code_if_failed is None
    process = training._process
    training.start("demo")
    assert training._process is process, "a second start while one is under way does nothing"
    training.stop()
    assert wait_for_end(training) == 130 and not training.running
    first, bar, last = training.log_tail().splitlines()[0], training.log_tail(), training.log_tail().splitlines()[-1]
    assert process is not None
    assert first == f"argv ['tiny', '--store', '{tmp_path}/data/rnc.duckdb'] {process.pid} {process.pid}"
    assert "100%|##" in bar and last == "stopped"
    training.stop()


def test_it_can_be_started_again_with_a_new_log(training: Training, ready: Path) -> None:
    for recipe in ("tiny", "demo"):
        training.start(recipe)
        assert ready.read_text() == "ready"
        assert f"argv ['{recipe}'" in training.log_tail() and training.log_tail().count("argv") == 1
        training.stop()
        assert wait_for_end(training) == 130


def test_the_log_tail_is_short_and_readable(tmp_path: Path) -> None:
    log = tmp_path / "rnc.duckdb.training.log"
    training = Training(tmp_path / "rnc.duckdb")
    log.write_bytes(b"".join(b"line %d\r\n\n" % i for i in range(40)) + b"\x1b[Aat: 10%\xff\rat: 20%\x1b[A\n   \n")
    lines = training.log_tail().splitlines()
    assert len(lines) == 15 and lines[-3:] == ["line 39", "at: 10%\ufffd", "at: 20%"]


def test_a_relative_store_is_the_one_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ready: Path) -> None:
    """The process runs in the repository's root, wherever the app was started."""
    monkeypatch.chdir(tmp_path)
    training = Training(Path("here/rnc.duckdb"))
    training.start("tiny")
    assert ready.read_text() == "ready"
    training.stop()
    assert wait_for_end(training) == 130
    assert (
        f"'{tmp_path}/here/rnc.duckdb'" in training.log_tail()
        and (tmp_path / "here" / "rnc.duckdb.training.log").exists()
    )


def started_again(store: Path) -> Training:
    """Return the `Training` that a restarted server, or another one, has of a store."""
    return Training(store)


def test_five_clicks_start_one_training(
    training: Training, ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From five sessions at once, of one server and of two, each of which looks before any has begun."""
    other, started = started_again(tmp_path / "data" / "rnc.duckdb"), []
    usual, together = subprocess.Popen, threading.Barrier(5)

    def slow_start(*given: Any, **named: Any) -> subprocess.Popen:
        started.append(usual(*given, **named))
        return started[-1]

    monkeypatch.setattr(training_process.subprocess, "Popen", slow_start)

    def click(one: Training) -> None:
        together.wait()
        one.start("tiny")

    clicks = [threading.Thread(target=click, args=(one,)) for one in (training, other, training, other, training)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    try:
        assert len(started) == 1
        assert (
            training.running
            and other.running
            and training.exit_code_if_failed is None
            and other.exit_code_if_failed is None
        )
        assert ready.read_text() == "ready"
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert not training.running and not other.running


def test_a_training_outlives_its_server_and_the_next_one_finds_and_stops_it(
    training: Training, ready: Path, tmp_path: Path
) -> None:
    training.start("tiny")
    assert ready.read_text() == "ready"
    process = training._process
    assert process is not None
    again = started_again(tmp_path / "data" / "rnc.duckdb")
    assert again.running and again.exit_code_if_failed is None
    again.start("demo")
    assert again._process is None and "argv ['tiny'" in again.log_tail(), "the log of the one under way stays"
    started_again(tmp_path / "data" / "other.duckdb").stop()  # (another store's, in the same folder)
    assert training.running
    again.stop()
    assert process.wait(100) == 130 and not again.running


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe"])
def test_a_log_that_is_no_plain_file_is_not_written(kind: str, training: Training, ready: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "rnc.duckdb.training.log"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("precious" if kind == "link" else "made"))
    with pytest.raises(UnsafePathError, match="a pipe" if kind == "pipe" else "a link"):
        training.start("tiny")
    assert (tmp_path / "precious").read_text() == "mine" and not (tmp_path / "made").exists()
    assert not training.running and training._process is None
    assert "mine" not in training.log_tail()


def test_the_log_tail_sends_nothing_to_a_terminal_and_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "rnc.duckdb.training.log"
    log.write_bytes(b"old\n" * 10**6 + b"\x1b[31mred\x1b[0m\n\x1b]0;title\x07\n")
    assert Training(tmp_path / "rnc.duckdb").log_tail().splitlines()[-2:] == ["red", r"\x1b]0;title\x07"]


def test_the_phase_is_what_there_is(training: Training, ready: Path, tmp_path: Path) -> None:
    """Another server sees the training run; the one that stops it says so until its processes have ended, and then that, too."""
    again = started_again(tmp_path / "data" / "rnc.duckdb")
    assert training.phase == again.phase == Phase.IDLE and not training.can_resume
    training.start("tiny")
    assert ready.read_text() == "ready"
    assert training.phase == again.phase == Phase.RUNNING
    again.stop()
    assert again.phase in (Phase.STOPPING, Phase.STOPPED) and not again.is_stop_overdue
    assert wait_for_end(training) == 130
    assert training.phase == again.phase == Phase.STOPPED and training.exit_code_if_failed is None
    training.start_last_again()
    assert ready.read_text() == "ready" and training.phase is Phase.RUNNING and "argv ['tiny'" in training.log_tail()
    training.stop()
    wait_for_end(training)
    training.dismiss_end()
    assert training.phase is Phase.IDLE


def test_a_name_that_looks_like_an_option_is_refused(training: Training) -> None:
    with pytest.raises(UnsafePathError, match="begins with a dash"):
        training.start("--overwrite")
    assert training.phase is Phase.IDLE
