"""Charts of an attack step by step: metrics of all images, and the step at which each watched image leaps.

Tested by tests/rnc/ui/charts/test_many_classes.py.
"""

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import value_axis
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.palette import GREY, class_scale
from rnc.vocabulary import Metric

STEP_METRICS = {
    "loss": ("Loss", "cross entropy, mean in nats"),
    "margin": ("Margin", "watched images: mean, 10-90 %"),
    "accuracy": ("Accuracy", "by the true labels"),
    Metric.NC1: ("NC1", "within-class variability"),
    Metric.NCC_ACCURACY: ("Nearest centre", "accuracy by the means at this step"),
    Metric.ANGLE: ("Angle to clean means", "mean over classes, rad"),
}
"""The values drawn against the steps, each with its title and meaning."""

_HEIGHT = 165
_LEAPS_HEIGHT = 240


def step_panel(frame: pd.DataFrame, metric: str, frames: list[str], at: str | None = None) -> Chart:
    """Draw a value against the frames of an attack (frame, value, and optionally `low` and `high` for a band).

    `frames` are the frame names in order; a rule marks the current frame `at`.
    """
    log = metric == Metric.NC1 and bool((frame["value"] > 0).all())
    rows = ({} if at is None else {"current": pd.DataFrame({"frame": [at]})}) | {"steps": frame}
    text = _step_specification(metric, tuple(frames), log=log, has_band="low" in frame, has_current=at is not None)
    return Chart(text, rows)


@cached_specification
def _step_specification(
    metric: str, frame_names: tuple[str, ...], *, log: bool, has_band: bool, has_current: bool
) -> alt.LayerChart:
    frames = list(frame_names)
    x = alt.X("frame:N", sort=frames, title=None, axis=_frame_axis(frames))
    base = named("steps").encode(
        x=x, tooltip=[alt.Tooltip("frame:N"), alt.Tooltip("value:Q", format=".4g", title=metric)]
    )
    layers: list[alt.Chart] = []
    if has_current:
        here = named("current").mark_rule(strokeDash=[3, 3], color=GREY)
        layers.append(here.encode(x=alt.X("frame:N", sort=frames)))
    if has_band:
        layers.append(base.mark_area(opacity=0.15, color=GREY).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")))
    line = base.mark_line(point=alt.OverlayMarkDef(size=18, color=GREY), color=GREY, strokeWidth=2)
    layers.append(line.encode(y=value_axis(log, ticks=3)))
    label, meaning = STEP_METRICS[metric]
    title = alt.TitleParams(label, subtitle=meaning, anchor="start", fontSize=13, subtitleFontSize=10)
    return alt.LayerChart(layer=layers, height=_HEIGHT, title=title)


def leap_moments(frame: pd.DataFrame, frames: list[str], classes: list[str]) -> Chart:
    """Draw how many watched images (frame, label) leave their clean prediction for good at each frame, by true class."""
    return Chart(_moment_specification(tuple(frames), tuple(classes)), {"leaps": frame})


@cached_specification
def _moment_specification(frame_names: tuple[str, ...], class_names: tuple[str, ...]) -> alt.Chart:
    frames, classes = list(frame_names), list(class_names)
    return (
        named("leaps")
        .mark_bar()
        .encode(
            x=alt.X("frame:N", sort=frames, scale=alt.Scale(domain=frames), title="step", axis=_frame_axis(frames)),
            y=alt.Y("count():Q", title="images that leap"),
            color=alt.Color("label:N", scale=class_scale(classes), sort=classes, legend=None),
            tooltip=[alt.Tooltip("frame:N"), alt.Tooltip("label:N", title="true class"), alt.Tooltip("count():Q")],
        )
        .properties(height=_LEAPS_HEIGHT, title=alt.TitleParams("When images leap", anchor="start", fontSize=14))
    )


def _frame_axis(frames: list[str]) -> alt.Axis:
    """Return an axis that names a few frames: all if there are at most five, else about five with the first and the last."""
    every = max(-(-len(frames) // 5), 1)
    named = [name for index, name in enumerate(frames) if index % every == 0 and index <= len(frames) - every]
    return alt.Axis(values=[*named, frames[-1]], labelAngle=0, labelOverlap=False, grid=False)
