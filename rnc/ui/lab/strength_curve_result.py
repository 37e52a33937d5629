"""Display of a strength curve: every metric against the strength of the attack, for one or two networks.

Tested by tests/pages/test_attack_lab.py.
"""

import pandas as pd
import streamlit as st

from rnc.conditions import no_gradient_message
from rnc.lab.strength_curve import WITHOUT_GRADIENT, Axis, StrengthCurveRequest, StrengthCurveResult
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.strength_curves import layers_by_strength, metric_by_strength
from rnc.ui.figures import PageFigures
from rnc.ui.lab.jobs import Answer
from rnc.ui.lab.result_header import draw_headline
from rnc.ui.markdown import escape_markdown, single_line
from rnc.vocabulary import FEATURES_LAYER, METRIC_INFO, Metric

_PANELS = [
    Metric.ACCURACY,
    Metric.NCC_ACCURACY,
    Metric.ANGLE,
    Metric.NC1,
    Metric.NC2_EQUINORM,
    Metric.NC2_EQUIANGULARITY,
    Metric.NC3,
    Metric.NC4,
    Metric.LOSS,
]
_STRENGTHS = {Axis.EPSILON: "ε (pixels of [0, 1])", Axis.STEPS: "steps", Axis.STEP_SIZE: "step size (pixels of [0, 1])"}


def draw_strength_curve(answer: Answer, figures: PageFigures) -> None:
    """Draw small panels over the strength, and over the stages of the network if that was requested."""
    result, request = answer.result, answer.request
    assert isinstance(result, StrengthCurveResult) and isinstance(request, StrengthCurveRequest)
    done = result.points["strength"].nunique()
    of = f"{done:d} of {len(request.values)} strengths, stopped" if result.stopped else f"{done:d} strengths"
    over = escape_markdown(str(request.over).replace("_", " "))
    images = result.images or request.images
    title = f"{escape_markdown(request.condition.label)} · over {over} · {of}"
    draw_headline(answer, title, f"{images:d} images, the same for all strengths", images)
    if result.points.empty:
        st.info("The sweep was stopped before the first strength was measured.")
        return
    _warn_of_zero_gradients(result, request, images)
    sources = [single_line(source.label) for source in request.sources]
    pixels = request.over is not Axis.STEPS
    attacks = {strength: request.at(strength).slug for strength in result.points["strength"].unique()}
    named = result.points.assign(
        source=[sources[place] for place in result.points["source"]], condition=result.points["strength"].map(attacks)
    )
    st.html(curve_legend(sources, []))
    features = named[named["layer"] == FEATURES_LAYER]
    for begin in range(0, len(_PANELS), 3):
        for column, metric in zip(st.columns(3), _PANELS[begin : begin + 3], strict=True):
            rows = features[features["metric"] == metric]
            panel = metric_by_strength(rows, metric, sources, _STRENGTHS[request.over], pixels=pixels)
            figures.draw(column, panel, f"{METRIC_INFO[metric].label} against strength", key=f"lab_sweep_{metric}")
    st.caption(
        "Metrics are around the class means of the perturbed images (of their targets for a targeted attack); the angle is to "
        "the clean means. Log axes leave out zeros."
    )
    if named["layer"].nunique() > 1:
        _draw_layers(named, sources, figures, pixels)


def _warn_of_zero_gradients(result: StrengthCurveResult, request: StrengthCurveRequest, images: int) -> None:
    """Warn for each network at which strength most of its images had no gradient for the attack to follow."""
    shares = result.points[result.points["metric"] == WITHOUT_GRADIENT]
    for place, source in enumerate(request.sources):
        of_source = shares[shares["source"] == place]
        share, strength = max(zip(of_source["value"], of_source["strength"], strict=True), default=(0.0, 0.0))
        if share > 0:
            without_gradient = no_gradient_message(request.at(strength), round(share * images), images)
            at = f"{(of_source['value'] > 0).sum()} of {len(of_source)} strengths"
            message = f"{source.label}: {without_gradient}. There are such images at {at}, most of them at this one."
            st.warning(escape_markdown(message), icon=":material/trending_flat:")


def _draw_layers(named: pd.DataFrame, sources: list[str], figures: PageFigures, pixels: bool) -> None:
    st.header("Along the network", anchor=False)
    for column, metric in zip(st.columns(2), (Metric.NC1, Metric.NCC_ACCURACY), strict=True):
        panel = layers_by_strength(named[named["metric"] == metric], metric, sources, pixels=pixels)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} along the network", key=f"lab_sweep_layers_{metric}")
    if len(sources) > 1:
        st.caption(f"Solid: {escape_markdown(sources[0])}. Dashed: {escape_markdown(sources[1])}.")
