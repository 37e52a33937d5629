"""The explanation of marks below the charts, and their names in the legends of figures."""

import pandas as pd
import pytest

from rnc.ui.charts.curves import Curves
from rnc.ui.charts.mark_explanations import LEGEND_NAMES, explain_marks
from rnc.ui.charts.paper_figure import for_paper
from rnc.ui.charts.paper_legend import draw_legends
from rnc.vocabulary import MILESTONE_MEANINGS, MILESTONE_NAMES, TERMINAL_ACCURACY_IN_WORDS, Metric, Milestone

CURVES = pd.DataFrame({"run": "ST", "shown": "clean", "condition": "clean", "epoch": [0, 9], "value": [1.0, 2.0]})


def milestones(*kinds: str) -> pd.DataFrame:
    return pd.DataFrame({"run": "ST", "milestone": list(kinds), "epoch": 3})


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (None, "The dashed vertical line marks the selected epoch (7)."),
        ([], "The dashed vertical line marks the selected epoch (7)."),
        (
            ["drop"],
            "The dashed vertical line marks the selected epoch (7), and a grey bar the epoch at which the learning rate drops.",
        ),
        (
            ["terminal", "drop", "drop"],
            "The dashed vertical line marks the selected epoch (7), a grey bar the epoch at which the learning rate drops, and a "
            "triangle on the axis, in the colour of a run, the epoch at which the terminal phase of the run begins (99.9 % "
            "accuracy on the images that it trains on).",
        ),
    ],
)
def test_only_marks_that_are_drawn_are_explained(kinds: list[str] | None, text: str) -> None:
    assert explain_marks(7, None if kinds is None else milestones(*kinds)) == text


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (["drop"], ["learning rate drops"]),
        (["terminal"], ["terminal phase begins"]),
        (["drop", "terminal"], ["learning rate drops", "terminal phase begins"]),
    ],
)
def test_a_figure_for_paper_names_the_marks_that_it_has(kinds: list[str], names: list[str]) -> None:
    panel = Curves({"ST": "#0072B2"}, ["clean"], 7, milestones=milestones(*kinds)).panel(CURVES, Metric.NC1)
    marks = for_paper(panel, 312, 10).legends[-1]
    assert [entry.name for entry in marks] == names and set(names) <= set(LEGEND_NAMES.values())
    svg, _height = draw_legends([marks], 312, 10, "sans")
    assert svg.count("<line") == 0, "a drop is an upright bar, and no line that could be taken for a curve"


def test_each_milestone_has_a_name_and_a_meaning() -> None:
    assert set(MILESTONE_NAMES) == set(MILESTONE_MEANINGS) == set(Milestone)
    assert TERMINAL_ACCURACY_IN_WORDS == "99.9 %"
