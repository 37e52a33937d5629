"""A server is ready for its first visitor: pages are declared, libraries loaded, first answers known; errors end nothing."""

import gc
import json
import logging
import shutil
import sys
import threading
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from rnc import event_log
from rnc.store.reader import StoreReader
from rnc.ui import page_frame, warm_up
from rnc.ui.film import film_routes
from rnc.ui.pages import collapse, findings
from rnc.vocabulary import Split
from tests.conftest import ROOT


def test_the_menu_is_that_of_the_declared_pages_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Streamlit decides by the folder pages/, when its first session begins, if no page has been declared."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    warm_up.declare_pages(lambda: st.navigation([st.Page(ROOT / "pages" / "runs.py", title="Runs")]))
    PagesManager(str(ROOT / "app.py"))
    assert PagesManager.uses_pages_directory is False
    assert not caplog.records, "there is no visitor yet, which is no warning"
    assert not logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").disabled


def test_the_first_questions_are_answered_before_anybody_asks(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNC_STORE", str(tiny_store))
    monkeypatch.setenv("RNC_GALLERY", "")
    warm_up.prepare_shared_page_parts()
    warm_up.prepare_other_pages()
    assert {"altair", "rnc.ui.lab.form", "rnc.ui.charts.leaping", "rnc.ui.runs.table"} <= set(sys.modules)
    (run,) = StoreReader(tiny_store).runs.all()["run_id"]
    last = int(StoreReader(tiny_store).metrics.measured_epochs([run])["epoch"].max())
    for module, name in ((findings, "judge_each_claim"), (collapse, "CurveValues")):
        monkeypatch.setattr(module, name, None)  # (whoever computes them again fails)
    assert findings.judgements_and_query((run,), last)[0]
    assert len(collapse.read_curves((run,), ("clean", "perturbed"), Split.TRAIN, collapse.DEFAULT_OPTIONS).values)


def test_a_store_without_runs_has_no_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "rnc.duckdb"))
    monkeypatch.setenv("RNC_GALLERY", "")
    warm_up.prepare_shared_page_parts()
    warm_up.prepare_other_pages()
    assert not list(tmp_path.iterdir()), "a look makes no store"


def test_a_store_that_cannot_be_read_is_logged_in_one_line_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line has the id that a page shows with the same error."""
    monkeypatch.setenv(event_log.VARIABLE, str(tmp_path / "rnc.log"))
    (tmp_path / "rnc.duckdb").write_bytes(b"no database")
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "rnc.duckdb"))
    monkeypatch.setenv("RNC_GALLERY", "")
    warm_up.prepare_shared_page_parts()
    warm_up.prepare_other_pages()
    warm_up.prepare_films()
    (line,) = map(json.loads, (tmp_path / "rnc.log").read_text().splitlines())
    assert "is not a DuckDB store" in line["text"] and "traceback" not in line
    assert line["id"] == event_log.report_error(line["text"])


def test_a_store_that_vanishes_before_the_first_visit_is_known(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first visitor is told that it is gone, and not that there are no measurements yet."""
    store = shutil.copy(tiny_store, tmp_path / "rnc.duckdb")
    monkeypatch.setenv("RNC_STORE", str(store))
    monkeypatch.setenv("RNC_GALLERY", "")
    warm_up.prepare_shared_page_parts()
    store.unlink()
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert [title.value for title in page.title] == ["The store is gone"]


def test_an_error_that_nobody_expects_is_logged_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(event_log.VARIABLE, str(tmp_path / "rnc.log"))
    monkeypatch.setattr(warm_up, "_load_pages_and_answers", lambda: 1 / 0)
    warm_up.prepare_other_pages()
    (line,) = map(json.loads, (tmp_path / "rnc.log").read_text().splitlines())
    assert "ZeroDivisionError" in line["traceback"]


def test_a_server_collects_no_garbage_among_the_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "rnc.duckdb"))
    monkeypatch.setenv("RNC_GALLERY", "")
    monkeypatch.setattr(warm_up, "_FILM_LATER_SECONDS", 0.0)
    monkeypatch.setattr(warm_up, "_FIRST_VISIT_SECONDS", 0.0)
    gc.unfreeze()  # the suite leaves the libraries out of its own collections (tests/conftest.py)
    try:
        warm_up._prepare_server()
        assert gc.get_freeze_count() > 50_000
    finally:
        gc.freeze()


def test_the_film_is_made_after_all_that_a_first_page_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(warm_up, "prepare_shared_page_parts", lambda: done.append("every page"))
    monkeypatch.setattr(warm_up.first_page_drawn, "wait", lambda _seconds: not done.append("a visitor's page"))
    monkeypatch.setattr(warm_up, "prepare_other_pages", lambda: done.append("other pages"))
    monkeypatch.setattr(warm_up.gc, "freeze", lambda: done.append("garbage"))
    monkeypatch.setattr(warm_up.time, "sleep", lambda _seconds: done.append("a pause"))
    monkeypatch.setattr(warm_up, "prepare_films", lambda: done.append("films"))
    warm_up._prepare_server()
    assert done == ["every page", "a visitor's page", "a pause", "other pages", "garbage", "a pause", "films"]


def test_the_first_page_that_is_drawn_is_noted_also_if_it_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rnc.duckdb").write_bytes(b"no database")
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "rnc.duckdb"))
    monkeypatch.setattr(warm_up, "first_page_drawn", threading.Event())
    monkeypatch.setattr(page_frame, "first_page_drawn", warm_up.first_page_drawn)
    AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert warm_up.first_page_drawn.is_set()


def test_the_films_of_the_home_page_are_made_before_a_browser_asks(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNC_STORE", str(demo_store))
    monkeypatch.setenv("RNC_GALLERY", "")
    made: list[str] = []
    monkeypatch.setattr(film_routes, "prepare_compact_player", lambda film: made.append(film.request.run_id))
    warm_up.prepare_films()
    assert len(made) == 2 and "-st-" in made[0] and "-at-" in made[1]
