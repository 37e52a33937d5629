"""Legends and tooltips of a chart show conditions in words, while its rows keep the names of the store."""

import json

import pandas as pd
import pytest

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.condition_words import words_expression
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.curves import layer_panel
from rnc.ui.charts.geometry import class_mean_spectrum, class_norms
from rnc.ui.charts.interaction import Lines
from rnc.ui.charts.paper_figure import for_paper
from rnc.ui.charts.projection import feature_plane
from rnc.vocabulary import Metric

SHOWN = ["clean", "sign_noise", "pgd-linf-0.07-10"]
WORDS = ["clean", "sign noise", "PGD-10, ℓ∞ ε = 0.07"]
NASTY = "</script> \"'] __proto__"


def curves() -> Chart:
    frame = pd.DataFrame(
        {"run": "ST", "shown": SHOWN, "layer": "conv", "depth": 1, "epoch": 3, "value": [1.0, 2.0, 3.0]}
    )
    return layer_panel(frame, Metric.NC1, {"ST": "#0072B2"}, SHOWN, log=True)


def norms() -> Chart:
    return class_norms(pd.DataFrame({"class": "a", "shown": SHOWN[:2], "value": 1.0}), ["a"], "#0072B2")


def spectrum() -> Chart:
    return class_mean_spectrum(pd.DataFrame({"rank": 1, "shown": SHOWN, "value": 1.0}), "#0072B2")


def plane() -> Chart:
    points = {"shown": SHOWN[:2], "sample": 1, "label": "a", "predicted": "a", "x": [0.0, 1.0], "y": 0.0}
    return feature_plane(pd.DataFrame(points), ["a", "b"], SHOWN[1], arrows=False)


def test_the_expression_leaves_out_names_that_may_be_any_text() -> None:
    expression = words_expression([*SHOWN, NASTY], "datum.value")
    assert json.loads(expression[1 : expression.index("[")]) == dict(zip(SHOWN[1:], WORDS[1:], strict=True))
    assert expression.endswith("[datum.value] || datum.value)")
    assert words_expression(["clean", NASTY], "datum.shown") == "datum.shown"


@pytest.mark.parametrize("draw", [norms, spectrum, plane])
def test_a_legend_of_a_page_has_words(draw: object) -> None:
    text = draw().specification_text  # type: ignore[operator]
    assert '"labelExpr": "({\\"sign_noise\\": \\"sign noise\\"' in text


@pytest.mark.parametrize("draw", [curves, norms, spectrum, plane])
def test_a_tooltip_has_words_and_the_rows_keep_the_names(draw: object) -> None:
    chart: Chart = draw()  # type: ignore[operator]
    assert (
        "[datum.shown] || datum.shown" in chart.specification_text
        and '"field": "shown", "type": "nominal"}, {' not in (chart.specification_text)
    )
    assert set(chart.largest_rows["shown"].astype(str)) <= set(SHOWN)


@pytest.mark.parametrize("draw", [curves, norms, spectrum, plane])
def test_the_legend_of_a_figure_for_paper_has_words(draw: object) -> None:
    legends = for_paper(draw(), 312, 10).legends  # type: ignore[operator]
    names = {entry.name for legend in legends for entry in legend}
    assert "sign noise" in names and "sign_noise" not in names


def test_the_legend_of_panels_and_the_list_under_the_mouse_have_words() -> None:
    assert Lines("lines", ["ST"], SHOWN).tooltip_names == tuple(f"ST · {words}" for words in WORDS)
    legend = curve_legend({"ST": "#0072B2"}, [*SHOWN, "<i>"])
    assert all(words in legend for words in WORDS) and "sign_noise" not in legend and "&lt;i&gt;" in legend
