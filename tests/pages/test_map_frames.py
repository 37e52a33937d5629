"""Maps of a run have the same axes at all epochs and under all conditions, unless people ask for axes that fit an epoch."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.app import charts, open_page, rows

MAPS = ("projected features", "projected features, second map")
METHODS = pytest.mark.parametrize("method", ["PCA", "UMAP", "Simplex plane"])


def frame_of(app: AppTest, name: str = MAPS[0]) -> tuple[float, ...]:
    """The middle and the least sides of a map: x, y, width, height."""
    spec = charts(app)[name]["spec"]
    points, chosen = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    assert all(points["encoding"][axis] == chosen["encoding"][axis] for axis in ("x", "y"))
    middles = [points["encoding"][axis]["scale"]["domain"]["expr"].split(" ")[0].strip("[") for axis in ("x", "y")]
    (unit,) = [parameter["expr"] for parameter in spec["params"] if parameter["name"] == "units_per_pixel"]
    sides = re.fullmatch(r"max\((\S+) / width, (\S+) / \(height - 30\)\)", unit)
    assert sides
    return tuple(map(float, (*middles, *sides.groups())))


def assert_inside(app: AppTest, frame: tuple[float, ...], name: str = MAPS[0]) -> None:
    points: pd.DataFrame = rows(app, name, "sample", "shown", "x", "y")
    x, y, width, height = frame
    assert points["x"].sub(x).abs().max() < width / 2 and points["y"].sub(y).abs().max() < height / 2


def opened(store: Path, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> AppTest:
    return open_page("projections", store, monkeypatch, run="ST", **asked)


@METHODS
def test_epochs_and_conditions_share_the_axes(method: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(demo_store, monkeypatch, method=method)
    frames = [frame_of(app)]
    for epoch in ["3", "0"] if method != "UMAP" else []:
        app.sidebar.select_slider(key="epoch").set_value(epoch).run()
        frames.append(frame_of(app))
        assert_inside(app, frames[0])
    app.sidebar.selectbox(key="condition").set_value("targeted").run()
    frames.append(frame_of(app))
    assert_inside(app, frames[0])
    assert set(frames) == {frames[0]} and len(frames) > 1


def test_axes_fit_an_epoch_on_request_or_by_the_address(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(demo_store, monkeypatch)
    shared = frame_of(app)
    app.toggle(key="fit").set_value(True).run()
    last = frame_of(app)
    app.sidebar.select_slider(key="epoch").set_value("0").run()
    first = frame_of(app)
    assert len({shared, last, first}) == 3
    assert first[2] < last[2] <= shared[2] and first[3] < last[3] <= shared[3]
    assert_inside(app, first)
    assert frame_of(opened(demo_store, monkeypatch, fit="true")) == last


@METHODS
def test_two_maps_of_a_run_share_the_axes(method: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"two": "true", "method": method, "beside_run": "as the first", "beside_condition": "targeted"}
    app = opened(demo_store, monkeypatch, **asked | ({} if method == "UMAP" else {"beside_epoch": "3"}))
    assert frame_of(app) == frame_of(app, MAPS[1])
    assert_inside(app, frame_of(app), MAPS[1])
    app.selectbox(key="beside_run").set_value("AT").run()
    assert frame_of(app) != frame_of(app, MAPS[1]), "planes of two runs have nothing in common"
