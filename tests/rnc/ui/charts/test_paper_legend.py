"""Legends of exported figures: every entry of what is drawn, whole, within the width, none on another."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from rnc.ui.charts.attack_steps import leap_moments
from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.claims import course_panel
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.geometry import class_norms
from rnc.ui.charts.paper_figure import for_paper
from rnc.ui.charts.paper_legend import Entry, draw_legends
from rnc.ui.charts.projection import feature_plane
from rnc.vocabulary import Metric

RUNS = {"ST": "#0072B2", "AT": "#C68900"}
CURVES = pd.DataFrame(
    [
        {"run": run, "run_id": run, "shown": shown, "condition": shown, "epoch": epoch, "value": 1.0 + epoch}
        for run in RUNS
        for shown in ("clean", "perturbed")
        for epoch in (0, 5)
    ]
)
MILESTONES = pd.DataFrame({"run": ["ST", "ST"], "milestone": ["drop", "terminal"], "epoch": [2, 3]})


def names(chart: Chart) -> list[list[str]]:
    return [[entry.name for entry in legend] for legend in for_paper(chart, 312, 11).legends]


def test_runs_conditions_and_marks_are_explained() -> None:
    panel = Curves(RUNS, ["clean", "perturbed"], 5, milestones=MILESTONES).panel(CURVES, Metric.NC1)
    assert names(panel) == [list(RUNS), ["clean", "perturbed"], ["learning rate drops", "terminal phase begins"]]
    runs, conditions, _marks = for_paper(panel, 312, 11).legends
    assert [entry.dash for entry in (*runs, *conditions)] == [(), (), (), (6, 3)]
    assert [entry.colour for entry in runs] == list(RUNS.values())


def test_only_what_is_drawn_has_an_entry() -> None:
    frame = CURVES[(CURVES["run"] == "AT") & (CURVES["shown"] == "clean")]
    chart = course_panel(frame[["run", "epoch", "value"]], "NC1", 3.0, RUNS)
    assert names(chart) == [["AT"], ["bound of the claim"]]


def test_classes_of_a_map_are_all_there_unless_they_are_too_many() -> None:
    def plane(count: int) -> list[list[str]]:
        classes = [f"{number}" for number in range(count)]
        frame = pd.DataFrame({"sample": range(count), "label": classes, "predicted": classes, "x": 0.0, "y": 1.0})
        return names(feature_plane(frame.assign(shown="clean"), classes, "perturbed", arrows=False, brush=True))

    assert plane(10) == [["true class", *map(str, range(10))], ["clean"]]
    assert plane(100) == [["clean"]]


def test_colours_of_bars_are_explained_and_those_of_an_axis_are_not() -> None:
    moments = leap_moments(pd.DataFrame({"frame": ["1"], "label": ["cat"]}), ["clean", "1"], ["cat", "dog"])
    assert names(moments) == [["true class", "cat"]]
    norms = pd.DataFrame({"class": ["cat", "cat"], "shown": ["clean", "perturbed"], "value": [1.0, 2.0]})
    (legend,) = for_paper(class_norms(norms, ["cat"], "#0072B2"), 312, 11).legends
    assert [(entry.name, entry.shape) for entry in legend] == [("clean", "circle"), ("perturbed", "triangle-up")]


@pytest.mark.parametrize("width", [300.0, 640.0])
def test_entries_fill_lines_and_long_names_are_broken(width: float) -> None:
    long = "a run with a name that is longer than the whole figure is wide & has <signs> in it " * 2
    legends = [[Entry(f"run {number}", dash=()) for number in range(12)], [Entry(long), Entry("clean")]]
    svg, height = draw_legends(legends, width, 10, "Helvetica")
    texts = list(ElementTree.fromstring(svg).iter("text"))
    places = [(float(text.attrib["x"]), float(text.attrib["y"])) for text in texts]
    assert len(set(places)) == len(places) and max(y for _x, y in places) < height
    written = " ".join(str(text.text) for text in texts)
    assert long.strip() in written and all(f"run {number}" in written for number in range(12))
    lines = {y for _x, y in places}
    assert len(lines) > (3 if width < 400 else 2)


def test_a_short_legend_goes_on_beside_another_one() -> None:
    def lines(*legends: list[Entry]) -> int:
        svg, _height = draw_legends(legends, 300, 10, "Helvetica")
        return len({text.attrib["y"] for text in ElementTree.fromstring(svg).iter("text")})

    short = [Entry("clean", dash=()), Entry("perturbed", dash=(6, 3))]
    assert lines([Entry("ST", dash=())], short) == 1
    assert lines([Entry(f"TRADES · seed {number}", dash=()) for number in range(3)], short) == 3
    assert draw_legends([], 300, 10, "Helvetica") == ("", 0.0)
