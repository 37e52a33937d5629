"""Driving the app without a browser: open a page, choose, and read the rows behind its charts."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from rnc.lab.job import Job
from rnc.ui.lab import server_job_queue
from tests.rnc.lab.waiting import wait

ROOT = Path(__file__).resolve().parents[2]


def open_page(page: str, store: Path, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> AppTest:
    """The app on a page, with query parameters; fails on an exception."""
    monkeypatch.setenv("RNC_STORE", str(store))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def changed_store(store: Path, folder: Path, under_way: str) -> Path:
    """Return a copy of a store in which the run of an objective is under way, at its first epoch."""
    folder.mkdir(exist_ok=True)
    copy = folder / "changed.duckdb"
    shutil.copy(store, copy)
    with duckdb.connect(str(copy)) as connection:
        (run_id,) = connection.execute(
            "SELECT run_id FROM run WHERE config->>'objective' = ?", [under_way]
        ).fetchone() or [""]
        connection.execute(
            "UPDATE run SET state = 'running', epochs_done = 1, heartbeat_at = now()::TIMESTAMP + INTERVAL 1 DAY "
            "WHERE run_id = ?",
            [run_id],
        )
        for table in ("epoch", "metric", "class_metric", "class_mean", "classifier", "feature", "attack_path", "leap"):
            connection.execute(f"DELETE FROM {table} WHERE run_id = ? AND epoch > 1", [run_id])
    return copy


def seen(markdown: str) -> str:
    """Return a text that went through `rnc.ui.markdown.escape_markdown` as a browser shows it."""
    return re.sub(r"\\(.)", r"\1", markdown).replace("\N{WORD JOINER}", "")


def charts(app: AppTest) -> dict[str, dict[str, Any]]:
    """The Vega-Lite spec of every chart by its alternative text, with its rows: in `rows`, and by their names in `data`."""
    found = {}
    for element in walk(app.main):
        if type(element).__name__ == "UnknownElement" and element.type == "vega_lite_chart":
            proto = element.proto
            frames = {dataset.name: _frame(dataset.data.data) for dataset in proto.datasets}
            found[proto.alt] = {"spec": json.loads(proto.spec), "rows": list(frames.values()), "data": frames}
    return found


def _frame(sent: bytes) -> pd.DataFrame:
    """A table as it was sent, texts that travel as codes being texts."""
    frame = pa.ipc.open_stream(sent).read_all().to_pandas()
    codes = frame.select_dtypes("category")
    return frame.assign(**{name: codes[name].astype(codes[name].cat.categories.dtype) for name in codes})


def rows(app: AppTest, alternative: str, *columns: str) -> pd.DataFrame:
    """The rows behind a chart: its largest layer that has all the columns, sorted."""
    frames = [frame for frame in charts(app)[alternative]["rows"] if set(columns) <= set(frame.columns)]
    assert frames, f"no layer of {alternative!r} has {columns}"
    return ordered(max(frames, key=len)[list(columns)])


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order of their own, so that frames compare."""
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same rows, whatever their order and the width of their numbers."""
    pd.testing.assert_frame_equal(found, ordered(expected[list(found.columns)]), check_dtype=False, rtol=1e-6)


def job_of(app: AppTest, activity: str) -> Job:
    """Return the job that the attack lab was last asked for."""
    found: Job = app.session_state["lab_jobs"][activity][0]
    return found


def answered(app: AppTest, activity: str) -> Job:
    """Press the attack lab's button and look until there is an end; fails on an exception."""
    app.button(key=f"lab_run_{activity}").click().run()
    job = job_of(app, activity)
    assert wait(server_job_queue.job_queue(), job, 120)
    app.run()
    assert not app.exception, app.exception
    return job


def walk(block: Any) -> Any:
    """All elements and containers below a container."""
    for child in getattr(block, "children", {}).values():
        yield child
        yield from walk(child)
