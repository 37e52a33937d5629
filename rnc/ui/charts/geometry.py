"""Charts of class means: cosines, norms, and their rotation by an attack.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.axes import (
    class_axis,
    class_rows,
    epoch_axis,
    extra_height_for_names,
    value_axis,
    with_epoch_ticks_up_to,
)
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.condition_words import words_expression
from rnc.ui.charts.interaction import Lines, with_interaction
from rnc.ui.charts.palette import GREY, RunColours, dash_scale, run_scale
from rnc.ui.charts.text_colours import on_fill
from rnc.vocabulary import MetricInfo

SIMPLEX_DISTANCES = {
    "gram": MetricInfo(
        "Gram matrix: distance from a simplex", "‖G/‖G‖ − (I − 11ᵀ/C)/√(C−1)‖; 0 at a simplex, √2 at most", True
    ),
    "cosines": MetricInfo("Cosines: distance from a simplex", "mean |cos + 1/(C−1)| over pairs; 0 at a simplex", True),
    "equinorm": MetricInfo("Norms: relative spread", "std / mean of the norms over classes; 0 at a simplex", True),
}
"""Labels and meanings of the distances of `rnc.class_mean_geometry.distances_from_simplex_by_measure`."""

_SHAPES = ["circle", "triangle-up"]
"""The shapes of clean and perturbed class means, as on maps."""
_MATRIX_HEIGHT = 470
_BARS_HEIGHT = 320
_MOST_NUMBERED = 12
"""Number of classes above which the cells of a matrix have no numbers."""
_POINTS = 3200  # total area of a condition's points in square pixels, if there is not enough space for 80 each


def cosine_heatmap(cosines: np.ndarray, classes: list[str], simplex: float, title: str) -> Chart:
    """Draw cosines (C, C) of class pairs, on a scale of colours whose middle is the cosine of a simplex, -1/(C-1).

    The rows also have the difference from a simplex, in which the diagonal is 1.
    """
    first, second = np.indices(cosines.shape)
    frame = pd.DataFrame(
        {
            "class": np.array(classes)[first.ravel()],
            "other": np.array(classes)[second.ravel()],
            "cosine": cosines.ravel(),
            "off simplex": (cosines - np.where(first == second, 1.0, simplex)).ravel(),
        }
    )
    return Chart(_cosine_specification(tuple(classes), title, simplex), {"cosines": frame})


@cached_specification
def _cosine_specification(class_names: tuple[str, ...], title: str, simplex: float) -> alt.LayerChart:
    classes = list(class_names)
    base = named("cosines").encode(
        x=alt.X("other:N", sort=classes, title=None, axis=class_axis(classes, orient="top")),
        y=alt.Y("class:N", sort=classes, title=None, axis=class_rows(classes)),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("other:N"),
            alt.Tooltip("cosine:Q", format=".3f"),
            alt.Tooltip("off simplex:Q", format="+.3f", title="difference from a simplex"),
        ],
    )
    scale = alt.Scale(scheme="blueorange", domain=[-1, 1], domainMid=simplex, clamp=True)
    legend = alt.Legend(title=f"cosine (palest: −{-simplex:.2f}, as in a simplex)", orient="top", titleLimit=0)
    cells = base.mark_rect().encode(color=alt.Color("cosine:Q", scale=scale, legend=legend))
    heading = alt.TitleParams(title, anchor="start", fontSize=14)
    layers = [cells] if len(classes) > _MOST_NUMBERED else [cells, _numbers(base)]
    return alt.LayerChart(layer=layers, height=_MATRIX_HEIGHT + extra_height_for_names(classes), title=heading)


def _numbers(base: alt.Chart) -> alt.Chart:
    colour = alt.ColorValue(**alt.condition(on_fill("datum.cosine"), alt.value("white"), alt.value("black")))
    return base.mark_text(fontSize=10).encode(text=alt.Text("cosine:Q", format=".2f"), color=colour)


def class_norms(frame: pd.DataFrame, classes: list[str], colour: str) -> Chart:
    """Draw norms of a run's centred class means (class, shown, value), a point per condition, in the run's colour.

    All norms are equal at a simplex.
    """
    conditions = tuple(dict.fromkeys(frame["shown"]))
    return Chart(_norm_specification(tuple(classes), conditions, colour), {"norms": frame})


@cached_specification
def _norm_specification(class_names: tuple[str, ...], conditions: tuple[str, ...], colour: str) -> alt.Chart:
    classes = list(class_names)
    shapes = alt.Scale(domain=list(conditions), range=_SHAPES[: len(conditions)])
    return (
        named("norms")
        .mark_point(size=min(max(_POINTS / max(len(classes), 1), 8), 80), filled=True, opacity=1, color=colour)
        .encode(
            x=alt.X("class:N", sort=classes, title="class", axis=class_axis(classes)),
            y=alt.Y("value:Q", title="‖μ_c − μ_G‖", scale=alt.Scale(zero=True)),
            shape=alt.Shape("shown:N", scale=shapes, legend=_legend(conditions, symbolFillColor=GREY)),
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("words:N", title="condition"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
        .transform_calculate(words=words_expression(conditions, "datum.shown"))
        .properties(
            height=_BARS_HEIGHT + extra_height_for_names(classes),
            title=alt.TitleParams("Norms of the centred class means", anchor="start", fontSize=14),
        )
    )


def clean_to_perturbed_angle_bars(frame: pd.DataFrame, classes: list[str], runs: RunColours) -> Chart:
    """Draw the clean-to-perturbed angle of each class in degrees (class, run, degrees), with adjacent bars for the runs.

    The page draws the legend, which may be too long for a chart (`legend`).
    """
    return Chart(_angle_specification(tuple(classes), tuple(runs.items())), {"angles": frame})


@cached_specification
def _angle_specification(class_names: tuple[str, ...], runs: tuple[tuple[str, str], ...]) -> alt.Chart:
    classes = list(class_names)
    return (
        named("angles")
        .mark_bar()
        .encode(
            x=alt.X("class:N", sort=classes, title="class", axis=class_axis(classes)),
            xOffset=alt.XOffset("run:N", sort=[label for label, _colour in runs]),
            y=alt.Y("degrees:Q", title="angle to clean mean (degrees)", scale=alt.Scale(zero=True)),
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("class:N"),
                alt.Tooltip("degrees:Q", format=".1f"),
                alt.Tooltip("radians:Q", format=".3f"),
            ],
        )
        .properties(
            height=_BARS_HEIGHT + extra_height_for_names(classes),
            title=alt.TitleParams("Rotation of each class mean", anchor="start", fontSize=14),
        )
    )


def class_mean_spectrum(frame: pd.DataFrame, run_colour: str) -> Chart:
    """Draw singular values of a run's centred class means (rank, value, shown) relative to a simplex, with a rule at 1."""
    text = _spectrum_specification(tuple(dict.fromkeys(frame["shown"])), run_colour)
    return Chart(text, {"simplex": pd.DataFrame({"value": [1.0]}), "values": frame})


@cached_specification
def _spectrum_specification(conditions: tuple[str, ...], colour: str) -> alt.LayerChart:
    base = named("values").encode(
        x=alt.X("rank:O", title="rank", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("value:Q", title="singular value / value in a simplex", scale=alt.Scale(zero=True)),
        detail=alt.Detail("shown:N"),
        tooltip=[
            alt.Tooltip("words:N", title="condition"),
            alt.Tooltip("rank:O"),
            alt.Tooltip("value:Q", format=".3f"),
        ],
    )
    base = base.transform_calculate(words=words_expression(conditions, "datum.shown"))
    lines = base.mark_line(strokeWidth=2, color=colour).encode(
        strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(list(conditions)), legend=_legend(conditions))
    )
    points = base.mark_point(size=30, filled=True, opacity=1, color=colour)
    rule = named("simplex").mark_rule(strokeDash=[3, 3], color=GREY).encode(y=alt.Y("value:Q"))
    heading = alt.TitleParams("Spectrum of the class means", anchor="start", fontSize=14)
    return alt.LayerChart(layer=[rule, lines, points], height=_MATRIX_HEIGHT, title=heading)


def simplex_distance_lines(
    frame: pd.DataFrame, info: MetricInfo, runs: RunColours, conditions: list[str], cursor: int, *, log: bool
) -> Chart:
    """Draw a distance over epochs, a line per (run, condition), with a rule at the epoch cursor.

    `frame` has run (label), run_id, shown (condition), condition, epoch and value. A log axis leaves out zeros.
    """
    drawn = frame[frame["value"] > 0] if log else frame
    last = int(frame["epoch"].max()) if len(frame) else 0
    text = _distance_specification(info, tuple(runs.items()), tuple(conditions), log=log)
    picture = Chart(
        with_epoch_ticks_up_to(text, last), {"cursor": pd.DataFrame({"epoch": [cursor]}), "distances": drawn}
    )
    return with_interaction(picture, drawn, Lines("distances", list(runs), conditions), log_epochs=log, cursor=cursor)


@cached_specification
def _distance_specification(
    info: MetricInfo, runs: tuple[tuple[str, str], ...], conditions: tuple[str, ...], *, log: bool
) -> alt.LayerChart:
    x = epoch_axis(log=log)
    tooltip = [
        alt.Tooltip("run:N"),
        alt.Tooltip("shown:N"),
        alt.Tooltip("condition:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("value:Q", format=".4g"),
    ]
    lines = (
        named("distances")
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2)
        .encode(
            x=x,
            y=value_axis(log),
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(list(conditions)), legend=None),
            detail=alt.Detail("run_id:N"),
            tooltip=tooltip,
        )
    )
    rule = named("cursor").mark_rule(strokeDash=[3, 3], color=GREY).encode(x=x)
    heading = _heading(info.label, info.meaning)
    return alt.LayerChart(layer=[rule, lines], height=_BARS_HEIGHT, title=heading)


def _legend(conditions: tuple[str, ...], **options: Any) -> alt.Legend:
    """Return the legend of conditions, in words."""
    return alt.Legend(title=None, orient="top", labelExpr=words_expression(conditions, "datum.value"), **options)


def _heading(label: str, meaning: str) -> alt.TitleParams:
    return alt.TitleParams(label, subtitle=meaning, anchor="start", fontSize=14, subtitleFontSize=11)
