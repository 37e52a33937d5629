"""Tests of the list that the mouse shows on curves over epochs, against one made in plain Python; exports have nothing of it."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from rnc.ui.charts import interaction
from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.claims import course_panel
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.downsampling import DRAWN_POINTS
from rnc.ui.charts.geometry import SIMPLEX_DISTANCES, simplex_distance_lines
from rnc.ui.charts.interaction import DOTS, HOVERED, MOST_LISTED, Lines, hovered_rows
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.text_width import text_width
from rnc.vocabulary import Metric
from tests.rnc.ui.charts import coloured, spec_of

RUNS, CONDITIONS = ["ST", "AT", "title"], ["clean", "perturbed"]
COLOURS = coloured(*RUNS)
LINES = Lines("lines", RUNS, CONDITIONS)
NAN = math.nan


def frame(values: dict[tuple[str, str], dict[int, float]]) -> pd.DataFrame:
    """The rows of lines, given by run and condition, and by epoch."""
    rows = [
        (run, shown, run, shown, epoch, value) for (run, shown), line in values.items() for epoch, value in line.items()
    ]
    return pd.DataFrame(rows, columns=["run", "shown", "run_id", "condition", "epoch", "value"])


def long_lines(runs: list[str], epochs: int) -> pd.DataFrame:
    """Random lines of each run and condition, of which some values are not positive."""
    rng = np.random.default_rng(3)
    return frame({(run, shown): dict(enumerate(rng.normal(2, 1, epochs))) for run in runs for shown in CONDITIONS})


def listed(values: pd.DataFrame) -> dict[int, list[tuple[str, float]]]:
    """By epoch, what a tooltip lists: the name and value of each line that has one, largest first."""
    found: dict[int, list[tuple[str, float]]] = {}
    for row in values.to_dict("records"):
        if math.isfinite(row["value"]):
            found.setdefault(row["epoch"], []).append((f"{row['run']} · {row['shown']}", row["value"]))
    order = [f"{run} · {shown}" for run in dict.fromkeys(values["run"]) for shown in CONDITIONS]
    return {e: sorted(lines, key=lambda line: (-line[1], order.index(line[0]))) for e, lines in found.items()}


def told(rows: pd.DataFrame, names: tuple[str, ...]) -> Iterator[tuple[int, list[tuple[str, float]]]]:
    """By epoch, what the rows of a tooltip say: names and values in their order."""
    for row in rows.to_dict("records"):
        places = [place for place in range(1, MOST_LISTED + 1) if math.isfinite(row.get(f"line_{place}", NAN))]
        assert places == list(range(1, len(places) + 1)), "no place is left free"
        yield row["epoch"], [(names[int(row[f"line_{place}"])], row[f"value_{place}"]) for place in places]


_LINE = st.dictionaries(st.integers(0, 12), st.sampled_from([0.0, -1.0, 0.5, 2.0, 3e-7, NAN, math.inf]), max_size=8)


@given(st.fixed_dictionaries({(run, shown): _LINE for run in RUNS for shown in CONDITIONS}), st.randoms())
def test_an_epoch_lists_the_lines_that_have_a_value_there(values: dict, random: Any) -> None:
    rows = frame(values)
    order = list(range(len(rows)))
    random.shuffle(order)
    found = hovered_rows(rows.iloc[order], LINES, 6)
    expected = listed(rows)
    assert found["epoch"].tolist() == sorted(expected)
    for epoch, lines in told(found, LINES.tooltip_names):
        assert [value for _name, value in lines] == [value for _name, value in expected[epoch]]
        assert sorted(lines) == sorted(expected[epoch])
    assert found["highest"].tolist() == [max(value for _name, value in expected[e]) for e in sorted(expected)]
    assert not found["more"].any()


def test_equal_values_stand_in_the_order_of_the_legend() -> None:
    found = hovered_rows(frame({("AT", "clean"): {3: 1.0}, ("ST", "perturbed"): {3: 1.0}}), LINES, 6)
    assert list(told(found, LINES.tooltip_names)) == [(3, [("ST · perturbed", 1.0), ("AT · clean", 1.0)])]


@pytest.mark.parametrize(("runs", "more"), [(10, 0), (12, 4)])
def test_of_many_lines_the_first_are_listed_and_the_others_counted(runs: int, more: int) -> None:
    names = [f"r{i}" for i in range(runs)]
    values = long_lines(names, 5)
    rows = Curves(coloured(*names), CONDITIONS, 0, log=False).panel(values, Metric.NC1).screen.rows[HOVERED]  # type: ignore[union-attr]
    assert rows["more"].tolist() == [more] * 5
    expected = {epoch: lines[:MOST_LISTED] for epoch, lines in listed(values).items()}
    assert dict(told(rows, Lines("lines", names, CONDITIONS).tooltip_names)) == expected


def screen(chart: Chart) -> Chart:
    assert chart.screen is not None
    return chart.screen


@pytest.mark.parametrize("log", [True, False])
def test_a_log_axis_lists_what_it_draws(log: bool) -> None:
    values = frame({("ST", "clean"): {0: 1.0, 1: 0.0, 2: -3.0}, ("AT", "clean"): {0: 2.0, 1: NAN, 2: 5.0}})
    curves = screen(Curves(COLOURS, CONDITIONS, 0, log).panel(values, Metric.NC1)).rows[HOVERED]
    info = SIMPLEX_DISTANCES["gram"]
    distances = screen(simplex_distance_lines(values, info, COLOURS, CONDITIONS, 0, log=log)).rows[HOVERED]
    expected = listed(values[values["value"] > 0] if log else values)
    assert dict(told(curves, LINES.tooltip_names)) == dict(told(distances, LINES.tooltip_names)) == expected


@pytest.mark.parametrize("log_epochs", [True, False])
def test_long_lines_are_listed_at_some_epochs_by_their_measured_values(log_epochs: bool) -> None:
    values = long_lines(RUNS, 900)
    chart = screen(Curves(COLOURS, CONDITIONS, 0, log=False, log_epochs=log_epochs).panel(values, Metric.NC1))
    found, dots = chart.rows[HOVERED], chart.rows[DOTS]
    expected = listed(values)
    assert {epoch: lines == expected[epoch] for epoch, lines in told(found, LINES.tooltip_names)} == dict.fromkeys(
        found["epoch"], True
    )
    assert DRAWN_POINTS / 2 < len(found) <= DRAWN_POINTS and {0, 899} <= set(found["epoch"])
    wide = np.diff(np.log1p(found["epoch"]) if log_epochs else found["epoch"]).max()
    assert wide <= (np.log(2) if log_epochs else 900 / DRAWN_POINTS + 1), "no epoch is far from a listed one"
    assert set(dots["epoch"]) == set(found["epoch"]) and len(dots) == len(found) * len(LINES.tooltip_names)
    shared = dots.merge(values, on=["run", "epoch", "value"])
    assert len(shared) == len(dots), "a point stands at a measured value"


COURSE = pd.DataFrame([("ST", 0, 1.0), ("ST", 9, 0.5), ("AT", 9, 40.0)], columns=["run", "epoch", "value"])
SHORT = frame({("ST", "clean"): {0: 1.0, 9: 0.5}, ("AT", "perturbed"): {0: 3.0, 4: 0.25}})
CHARTS = {
    "curves": Curves(COLOURS, CONDITIONS, 4).panel(SHORT, Metric.NC1),
    "long curves": Curves(COLOURS, CONDITIONS, 4).panel(long_lines(RUNS, 300), Metric.ACCURACY),
    "single lines behind": Curves(COLOURS, CONDITIONS, 4).panel(SHORT, Metric.NC1, SHORT.assign(value=2.0)),
    "course": course_panel(COURSE, "NC1", 0.7, COLOURS),
    "distances": simplex_distance_lines(SHORT, SIMPLEX_DISTANCES["gram"], COLOURS, CONDITIONS, 4, log=True),
    "linear distances": simplex_distance_lines(SHORT, SIMPLEX_DISTANCES["gram"], COLOURS, CONDITIONS, 4, log=False),
    "nothing": Curves(COLOURS, CONDITIONS, 4).panel(SHORT[:0], Metric.NC1),
}
every_chart = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS.keys())


def drawn_marks(chart: Chart) -> list[dict[str, Any]]:
    """The marks of the Vega specification that a browser makes of a chart, lowest first."""
    whole = vl_convert.vegalite_to_vega(json.dumps(spec_of(chart)))
    found: list[dict[str, Any]] = []
    for mark in whole["marks"]:
        found += mark["marks"] if mark["type"] == "group" else [mark]
    return found


@every_chart
def test_the_mouse_reaches_the_nearest_epoch_through_all_lines(chart: Chart) -> None:
    marks = drawn_marks(screen(chart))
    assert [mark["name"] for mark in marks[:2]] == ["epochs_marks", "epochs_voronoi"]
    assert marks[1]["encode"]["update"]["tooltip"] == {"signal": "(datum.datum || datum).tooltip_text"}
    assert marks[-1]["name"] == "dots_marks" and marks[-1]["interactive"]
    lines = [mark for mark in marks[2:-1] if mark["type"] in ("line", "area")]
    assert lines and not any(mark["interactive"] for mark in lines)
    symbols = [mark for mark in marks[2:-1] if mark["type"] == "symbol"]
    assert not any(mark["interactive"] for mark in symbols)


@every_chart
def test_axes_do_not_depend_on_where_the_mouse_is(chart: Chart) -> None:
    """A range that the points under the mouse contribute to would be computed anew with each of its moves."""
    whole = vl_convert.vegalite_to_vega(json.dumps(spec_of(screen(chart))))
    data = {one["name"]: json.dumps(one) for one in whole["data"]}
    for scale in whole["scales"]:
        if scale["name"] in ("x", "y"):
            domain = scale["domain"]
            sources = {field["data"] for field in domain.get("fields", [domain])}
            assert not any("hovered_epoch" in data[source] for source in sources)
            assert domain.get("selection", scale.get("domainRaw"))


@every_chart
def test_exports_have_nothing_of_it(chart: Chart) -> None:
    plain = replace(chart, screen=None)
    assert picture_file(chart, FileKind.SVG) == picture_file(plain, FileKind.SVG)
    assert chart.largest_rows is plain.largest_rows and not {HOVERED, DOTS} & set(chart.rows)
    for word in (HOVERED, "params", "isolated", "tooltip_text", "pointer"):
        assert word not in chart.specification_text


def test_a_specification_is_built_once_for_a_look() -> None:
    one, other = frame({("AT", "clean"): {0: 8.0, 9: 9.0}}), frame({("ST", "clean"): {0: 1.0, 9: 2.0}})
    found = screen(Curves(COLOURS, CONDITIONS, 4).panel(one, Metric.NC1)).specification_text
    assert found is screen(Curves(COLOURS, CONDITIONS, 4).panel(other, Metric.NC1)).specification_text
    assert found != screen(Curves(coloured(*RUNS[:2]), CONDITIONS, 4).panel(other, Metric.NC1)).specification_text


def test_names_are_values_and_no_part_of_an_expression() -> None:
    hostile = ["' + 1 + '", "<img src=x>", "image", "**x**"]
    values = frame({(run, "clean"): {0: 1.0} for run in hostile})
    spec = screen(Curves(coloured(*hostile), ["clean"], 0).panel(values, Metric.NC1)).specification
    (parameter,) = spec["params"]
    assert parameter["value"] == [f"{run} · clean" for run in hostile]
    told_of = interaction._tooltip(4)
    expressions = [
        step["calculate"] for layer in spec["layer"] for step in layer.get("transform", []) if "calculate" in step
    ]
    assert expressions == [told_of, "now()"] * 2 and not any(run in told_of for run in hostile if run != "image")


def test_isolation_keeps_the_usual_opacity_of_what_is_chosen() -> None:
    spec = screen(CHARTS["single lines behind"]).specification
    found = [layer["encoding"]["opacity"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    strong = [opacity["condition"]["value"] for opacity in found]
    assert strong == [0.3, 1] and all(o["value"] < 0.2 * s for o, s in zip(found, strong, strict=True))


@pytest.mark.parametrize("chart", ["long curves", "course"])
def test_half_of_the_last_epochs_number_has_room_beside_the_last_point(chart: str) -> None:
    """A browser that lays out a chart before the page's font is there takes the number for narrower than it is."""
    svg = vl_convert.vegalite_to_svg(json.dumps(spec_of(screen(CHARTS[chart]))))
    numbers = re.findall(r'<text text-anchor="middle" transform="translate\(([\d.]+),[^>]*>([\d,]+)</text>', svg)
    place, number = max((float(x), text) for x, text in numbers)
    width = max(float(w) for w in re.findall(r'class="background" aria-hidden="true" d="M0,0h([\d.]+)v', svg))
    assert width - place >= text_width(number, 12) / 2
