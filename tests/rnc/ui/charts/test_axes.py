"""The labels of a vertical axis over every range of values, as a browser and an exported figure draw them."""

import re
from typing import Any

import altair as alt
import pandas as pd
import pytest
import vl_convert

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.vocabulary import Metric


def panel(low: float, high: float, *, log: bool = True) -> Chart:
    values = {"epoch": [0, 1, 2], "value": [low, (low * high) ** 0.5, high]}
    frame = pd.DataFrame({"run": "ST", "run_id": "a", "shown": "clean", "condition": "clean", **values})
    return Curves({"ST": "#0072B2"}, ["clean"], 2, log=log).panel(frame, Metric.NC1)


def labels(svg: str) -> list[str]:
    """The labels of the vertical axis that are seen, from the lowest."""
    (axis,) = re.findall(r'aria-label="Y-axis.*?(?=aria-label="|class="mark-group role-scope|$)', svg, re.DOTALL)
    texts = re.findall(r"<text([^>]*)>(.*?)</text>", axis.split("role-axis-title")[0])
    return [re.sub("<[^>]+>", "", text) for attributes, text in texts if 'opacity="0"' not in attributes]


def drawn(chart: Chart) -> str:
    rows = {name: alt.utils.sanitize_pandas_dataframe(frame).to_dict("records") for name, frame in chart.rows.items()}
    specification: dict[str, Any] = chart.specification | {"datasets": rows, "width": 400}
    svg: str = vl_convert.vegalite_to_svg(specification)
    return svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.14, 27, ["0.3", "1", "3", "10"]),
        (0.04, 0.42, ["0.05", "0.1", "0.2", "0.3"]),
        (0.1, 1000, ["0.1", "1", "10", "100", "1,000"]),
        (0.003, 300, ["0.01", "0.1", "1", "10", "100"]),
        (0.0002, 0.05, ["0.0003", "0.001", "0.003", "0.01", "0.03"]),
        (0.00005, 0.05, ["10⁻⁴", "3·10⁻⁴", "10⁻³", "3·10⁻³", "10⁻²", "3·10⁻²"]),
        (0.13, 80, ["0.3", "1", "3", "10", "30"]),
        (1e-4, 1e4, ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰", "10¹", "10²", "10³", "10⁴"]),
        (3e-7, 2e-6, ["3·10⁻⁷", "5·10⁻⁷", "10⁻⁶", "2·10⁻⁶"]),
        (0.9, 1.0, ["0.9", "0.92", "0.94", "0.96", "0.98", "1"]),
        (1.0, 1.0, ["1"]),
    ],
)
def test_a_log_axis_can_be_read_over_its_range(low: float, high: float, expected: list[str]) -> None:
    chart = panel(low, high)
    assert labels(drawn(chart)) == expected
    assert chart.screen is not None and labels(drawn(chart.screen)) == expected


def test_a_linear_axis_separates_thousands_and_has_no_exponents() -> None:
    assert labels(drawn(panel(2, 1500, log=False))) == ["0", "500", "1,000", "1,500"]


def test_an_exported_figure_has_the_same_labels_with_raised_exponents() -> None:
    svg = picture_file(panel(1e-4, 1e4), FileKind.SVG, 3.25, 8).decode()
    assert labels(svg) == ["10−4", "10−3", "10−2", "10−1", "100", "101", "102", "103", "104"]
    assert re.search(r'>10<tspan dy="-0\.5em" font-size="70%">−4</tspan>', svg) and "⁻" not in svg
