"""One line an event; what a page shows as an error is in the log under its id, once."""

import json
import logging
import os
import resource
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rnc import event_log
from rnc.event_log import _ids
from rnc.ui.errors import ERRORS_FOR_USERS
from tests.pages.app import open_page


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    _ids.clear()
    event_log.set_up(tmp_path / "rnc.duckdb")
    return tmp_path / "rnc.log"


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_is_a_line(lines: Path) -> None:
    event_log.event("run begun", run="a\nb", path=Path("x"))
    logging.getLogger("rnc.datasets").info("cifar10 train: %s", "somewhere")
    first, second = read(lines)
    assert (
        first["event"] == "run begun" and first["run"] == "a\nb" and first["path"] == "x" and first["level"] == "info"
    )
    assert second["event"] == "cifar10 train: somewhere" and second["time"] >= first["time"]


def test_an_error_keeps_its_id_and_is_logged_once(lines: Path) -> None:
    ids = [event_log.report_error("the disk is full") for _again in range(3)]
    assert len(set(ids)) == 1 and event_log.report_error("another") != ids[0]
    assert (read(lines)[0]["id"], read(lines)[0]["text"]) == (ids[0], "the disk is full")
    assert len(read(lines)) == 2


def test_the_ids_held_are_bounded(lines: Path) -> None:
    for number in range(event_log._MOST_IDS + 50):
        event_log.report_error(str(number))
    assert len(_ids) == event_log._MOST_IDS


def test_a_traceback_is_one_line(lines: Path) -> None:
    error = ValueError("two\nlines")
    assert event_log.log_exception(error) == event_log.log_exception(error)
    (line,) = read(lines)
    assert line["traceback"] == "ValueError: two\nlines\n" and line["text"] == "ValueError: two\nlines"


def test_a_full_log_makes_room(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MOST_BYTES", 300)
    for number in range(20):
        event_log.event(f"event {number}")
    assert lines.stat().st_size < 600 and lines.with_name("rnc.log.1").stat().st_size < 600
    assert read(lines)[-1]["event"] == "event 19"


def test_no_room_costs_lines_and_nothing_else(lines: Path) -> None:
    event_log.event("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lines.stat().st_size, limits[1]))
    try:
        event_log.event("lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    event_log.event("after")
    assert [line["event"] for line in read(lines)] == ["before", "after"]


@pytest.mark.parametrize(("given", "name"), [("", None), ("elsewhere.log", "elsewhere.log")])
def test_the_environment_names_the_file(
    given: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNC_LOG", str(tmp_path / given) if given else "")
    event_log.set_up(tmp_path / "rnc.duckdb")
    event_log.event("here")
    assert [path.name for path in tmp_path.iterdir()] == ([name] if name else [])


def test_what_a_page_calls_an_error_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ids.clear()
    store = tmp_path / "rnc.duckdb"
    store.write_bytes(bytes(8) + b"DUCK, but damaged" + bytes(5000))
    app = open_page("collapse", store, monkeypatch)
    app.run()
    (line,) = read(tmp_path / "rnc.log")
    assert line["event"] == "error shown" and f"(error `{line['id']}` in the log)" in app.error[0].value
    assert line["text"].startswith(f"{store} is not a DuckDB store")


def test_no_log_is_laid_beside_what_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0")
    assert open_page("collapse", tmp_path / "passwd", monkeypatch).error
    assert [path.name for path in tmp_path.iterdir()] == ["passwd"]


@pytest.mark.parametrize("place", ["page", "part", "callback"])
def test_an_unexpected_error_is_shown_without_a_traceback_and_logged_with_one(place: str, lines: Path) -> None:
    def page(place: str) -> None:
        import streamlit as st

        def fail() -> None:
            raise ZeroDivisionError("inside")

        if place == "page":
            fail()
        elif place == "part":
            st.fragment(fail)()
        else:
            st.button("fail", on_click=fail)

    app = AppTest.from_function(page, kwargs={"place": place}).run()
    if place == "callback":
        app.button[0].click().run()
    (line,) = read(lines)
    assert "ZeroDivisionError: inside" in line["text"] and "Traceback" in line["traceback"]
    assert app.error[0].value.endswith(f"(error `{line['id']}` in the log)") and "inside" not in app.error[0].value


@pytest.mark.parametrize("kind", ERRORS_FOR_USERS)
def test_an_error_of_a_callback_that_says_what_to_do_is_shown_in_its_words(kind: type[Exception], lines: Path) -> None:
    def page(kind: type[Exception]) -> None:
        import streamlit as st

        def fail() -> None:
            raise kind("the disk is full; delete something")

        st.button("fail", on_click=fail)

    app = AppTest.from_function(page, kwargs={"kind": kind}).run()
    app.button[0].click().run()
    shown = [line for line in read(lines) if line["event"] == "error shown"]
    assert app.error[0].value == f"the disk is full; delete something (error `{shown[0]['id']}` in the log)"
    assert not app.exception


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder"])
def test_what_is_no_plain_file_beside_a_store_is_left_alone(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link would lead to a shell's start-up file, and a config with a command in it would be its new line."""
    data, precious = tmp_path / "data", tmp_path / "precious"
    data.mkdir()
    precious.write_text("mine\n")
    path = data / "rnc.log"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "made")
    event_log.set_up(data / "rnc.duckdb")
    for _line in range(3):
        event_log.event("run begun", run="$(touch owned)")
    assert precious.read_text() == "mine\n" and not (tmp_path / "made").exists()
    assert [entry.name for entry in data.iterdir()] == ["rnc.log"]
    assert capsys.readouterr().err.count("cannot be written, so there is no log") == 1


def test_a_full_log_beside_a_store_does_not_follow_its_second_name(
    lines: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    lines.with_name("rnc.log.1").symlink_to(precious)
    monkeypatch.setattr(event_log, "MOST_BYTES", 300)
    for number in range(10):
        event_log.event(f"event {number}")
    assert precious.read_text() == "mine" and not lines.with_name("rnc.log.1").is_symlink()


@pytest.mark.timeout(20)
def test_a_pipe_that_the_user_names_makes_nobody_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("RNC_LOG", str(pipe))
    event_log.set_up(tmp_path / "rnc.duckdb")
    event_log.event("nobody reads")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    event_log.event("read")
    for _line in range(1_000):  # (far more than a pipe holds)
        event_log.event("x" * 1_000)
    assert json.loads(os.read(reader, 1_000).splitlines()[0])["event"] == "read"
    os.close(reader)


def test_a_link_that_the_user_names_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    monkeypatch.setenv("RNC_LOG", str(tmp_path / "link"))
    monkeypatch.setattr(event_log, "MOST_BYTES", 300)
    event_log.set_up(tmp_path / "rnc.duckdb")
    for number in range(10):
        event_log.event(f"event {number}")
    assert (tmp_path / "link").is_symlink() and read(tmp_path / "file")[-1]["event"] == "event 9"
    assert (tmp_path / "file.1").exists()


def test_control_characters_are_escapes(lines: Path) -> None:
    event_log.event("\x1b]0;title\x07\u202e\n")
    assert b"\x1b" not in lines.read_bytes() and lines.read_bytes().count(b"\n") == 1


def test_half_a_character_is_an_escape() -> None:
    """Formatted here: the text of a logged event goes into the test's report, which takes no such character."""
    record = logging.LogRecord("rnc", logging.INFO, __file__, 1, "\ud800", None, None)
    assert r"\ud800" in event_log.JsonLines().format(record)
