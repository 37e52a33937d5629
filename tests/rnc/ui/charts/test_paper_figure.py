"""Figures for paper: named axes, heights of a figure, names and numbers that fit, and nothing of the screen."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.curves import Curves, layer_panel
from rnc.ui.charts.geometry import cosine_heatmap
from rnc.ui.charts.leaping import arrows_of_leaps_between_classes, leaping_matrix
from rnc.ui.charts.paper_figure import for_paper
from rnc.ui.charts.strength_curves import metric_over_layers_per_strength
from rnc.ui.charts.text_width import text_width
from rnc.vocabulary import Metric
from tests.rnc.ui.charts.test_paper_legend import CURVES, RUNS

COLUMN, PAGE, SIZE = 312.0, 648.0, 10.67


def drawn(chart: Chart, width: float = COLUMN) -> dict[str, Any]:
    return for_paper(chart, width, SIZE).specification


def axis_of(chart: Chart, channel: str, width: float = COLUMN) -> dict[str, Any]:
    spec = drawn(chart, width)
    found: dict[str, Any] = spec.get("layer", [spec])[-1]["encoding"][channel]
    return found


def test_axes_are_named_with_their_units_and_the_cursor_is_left_out() -> None:
    curves = Curves(RUNS, ["clean", "perturbed"], 5)
    angle, accuracy = curves.panel(CURVES, Metric.ANGLE), curves.panel(CURVES, Metric.ACCURACY)
    assert axis_of(angle, "y")["title"] == ["Angle to clean means (rad)"]
    assert axis_of(accuracy, "y")["title"] == ["Accuracy"] and axis_of(accuracy, "x")["title"] == "epoch"
    assert "cursor" in angle.rows
    assert "cursor" not in [layer["data"]["name"] for layer in drawn(angle)["layer"]]


@pytest.mark.parametrize(("width", "highest"), [(COLUMN, 200), (PAGE, 280)])
def test_heights_are_those_of_a_figure(width: float, highest: float) -> None:
    spec = drawn(Curves(RUNS, ["clean"], 5).panel(CURVES, Metric.NC1), width)
    assert 0.4 * width < spec["height"] <= highest


def test_titles_are_broken_where_they_are_too_long() -> None:
    title = drawn(Curves(RUNS, ["clean"], 5).panel(CURVES, Metric.NC4))["title"]
    assert all(text_width(line, title["subtitleFontSize"]) <= COLUMN for line in title["subtitle"])
    assert len(drawn(Curves(RUNS, ["clean"], 5).panel(CURVES, Metric.CDNV), 200)["title"]["text"]) == 2


def test_a_matrix_is_a_square_and_its_numbers_fit_or_are_left_out() -> None:
    def heatmap(count: int) -> dict[str, Any]:
        return drawn(cosine_heatmap(np.eye(count), [f"class {number}" for number in range(count)], -0.1, "cosines"))

    few = heatmap(10)
    cell = few["height"] / 10
    assert few["height"] == pytest.approx(COLUMN - text_width("class 0", SIZE), abs=20)
    (numbers,) = [layer["mark"] for layer in few["layer"] if layer["mark"]["type"] == "text"]
    assert text_width("−0.00", numbers["fontSize"]) < cell
    narrow = for_paper(cosine_heatmap(np.eye(12), ["a long name"] * 12, -0.1, "cosines"), 192, SIZE).specification
    assert [layer["mark"]["type"] for layer in narrow["layer"]] == ["rect"]


def test_names_are_horizontal_slanted_or_vertical() -> None:
    def angle(count: int, width: float) -> float:
        names = [f"block{number}.conv" for number in range(count)]
        frame = pd.DataFrame({"run": "ST", "shown": "clean", "layer": names, "depth": range(count), "value": 1.0})
        return axis_of(layer_panel(frame, Metric.NC1, {"ST": "#0072B2"}, ["clean"], log=True), "x", width)["axis"][
            "labelAngle"
        ]

    assert (angle(4, PAGE), angle(10, COLUMN), angle(30, COLUMN)) == (0, -40, -90)


def test_a_circle_is_a_square_with_space_for_its_names() -> None:
    classes = ["airplane", "automobile", "cat"]
    flows = pd.DataFrame(
        {"true_class": ["airplane"], "predicted_class": ["cat"], "count": [3], "angle": [0.1], "share": [0.5]}
    )
    chart = arrows_of_leaps_between_classes(flows, classes, "flows")
    for width in (COLUMN, PAGE):
        spec = drawn(chart, width)
        assert spec["width"] == spec["height"] <= min(width, 480)
        lowest, highest = axis_of(chart, "x", width)["scale"]["domain"]
        assert lowest == -highest
        radius = spec["width"] / 2 / highest
        assert 1.1 * radius + text_width("automobile", SIZE) < spec["width"] / 2


def test_the_scale_of_leaps_ends_near_the_largest_share() -> None:
    def scale(count: int) -> list[float]:
        frame = pd.DataFrame(
            {"true_class": list("aa"), "predicted_class": list("ab"), "count": [100 - count, count], "angle": 0.1}
        )
        return leaping_matrix(frame, ["a", "b"], "leaps").specification["layer"][0]["encoding"]["color"]["scale"][
            "domain"
        ]

    assert scale(50) == [0, 0.5] and scale(90) == [0, 1]


def test_strengths_have_a_gradient() -> None:
    """Vega-Lite draws symbols instead, side by side beyond the figure's width, where lines have points."""
    frame = pd.DataFrame({"source": "ST", "strength": [0.0, 0.1], "layer": ["conv1", "features"], "value": [0.5, 0.4]})
    spec = drawn(metric_over_layers_per_strength(frame, Metric.NC1, ["ST"], "strength", pixels=False))
    assert "point" not in spec["mark"] and spec["encoding"]["color"]["legend"]["title"] == "strength"
