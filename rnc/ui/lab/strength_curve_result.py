"""Display of a strength curve: every metric against the strength of the attack, for one or several networks.

Tested by tests/pages/test_attack_lab.py.
"""

import pandas as pd
import streamlit as st

from rnc.conditions import format_pixels, no_gradient_message
from rnc.lab.strength_curve import NEAREST_CLEAN, WITHOUT_GRADIENT, Axis, StrengthCurveRequest, StrengthCurveResult
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.strength_curves import metric_by_strength, metric_over_layers_per_strength
from rnc.ui.figures import PageFigures
from rnc.ui.lab.result_header import draw_headline
from rnc.ui.lab.server_job_queue import Answer
from rnc.ui.lab.source_labels import label_sources
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.vocabulary import FEATURES_LAYER, METRIC_INFO, Metric

_TOGETHER = 2
"""Number of networks whose stages fit into one chart, solid and dashed."""
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
_STRENGTHS = {Axis.EPSILON: "ε (pixel range 0–1)", Axis.STEPS: "steps", Axis.STEP_SIZE: "step size (pixel range 0–1)"}
_NAMES = {Axis.EPSILON: "ε", Axis.STEPS: "steps", Axis.STEP_SIZE: "step size"}


def draw_strength_curve(answer: Answer, figures: PageFigures) -> None:
    """Draw small panels over the strength, and over the stages of the network if that was requested."""
    result, request = answer.result, answer.request
    assert isinstance(result, StrengthCurveResult) and isinstance(request, StrengthCurveRequest)
    images = result.images or request.images
    draw_headline(
        answer, escape_markdown(title(request, result)), f"{images:d} images, the same for all values", images
    )
    if result.points.empty:
        st.info("The sweep was stopped before the first value was measured.")
        return
    _warn_of_zero_gradients(result, request, images)
    sources = label_sources(request.sources)
    pixels = request.over is not Axis.STEPS
    labels = list(sources)
    attacks = {strength: request.at(strength).slug for strength in result.points["strength"].unique()}
    attacked = [request.sources[place] for place in result.points["source"]]
    named = result.points.assign(
        source=[labels[place] for place in result.points["source"]],
        run_id=[source.run_id for source in attacked],
        epoch=[source.epoch for source in attacked],
        condition=result.points["strength"].map(attacks),
    )
    st.html(curve_legend(sources, []))
    st.caption(f"Images: {escape_markdown(request.sources[0].split)}. Runs: {_run_ids(request)}.")
    features = named[named["layer"] == FEATURES_LAYER]
    grid = st.container(key="lab_sweep_panels")
    for metric in _PANELS:
        rows = features[features["metric"] == metric]
        panel = metric_by_strength(rows, metric, sources, _STRENGTHS[request.over], pixels=pixels)
        figures.draw(
            grid.container(), panel, f"{METRIC_INFO[metric].label} against strength", key=f"lab_sweep_{metric}"
        )
    st.caption(
        "Metrics are around the class means of the perturbed images (of their targets for a targeted attack); the angle is to "
        "the clean means. Logarithmic axes leave out zeros."
    )
    if named["layer"].nunique() > 1:
        _draw_layers(named, labels, figures, request.over)


def title(request: StrengthCurveRequest, result: StrengthCurveResult) -> str:
    """Return the attack without the parameter that varies, that parameter with its range, and the number of values.

    For example `PGD-10, ℓ∞, ε from 0 to 0.28 (9 values)`.
    """
    written = [f"{value:g}" for value in request.values]
    if request.over is not Axis.STEPS:
        written = [format_pixels(value) if value else "0" for value in request.values]
    varied = f"{_NAMES[request.over]} from {written[0]} to {written[-1]}"
    done = result.points["strength"].nunique()
    count = f"stopped after {done:d} of {len(written)} values" if result.stopped else f"{len(written)} values"
    label = request.condition.label
    if request.over is Axis.EPSILON and request.condition.epsilon is not None:
        return f"{label.replace(f' ε = {format_pixels(request.condition.epsilon)}', f', {varied}', 1)} ({count})"
    if request.over is Axis.STEPS:
        label = label.replace(f"-{request.condition.steps},", ",", 1)
    return f"{label}, {varied} ({count})"


def _run_ids(request: StrengthCurveRequest) -> Markdown:
    """Return the ids of the attacked runs, each once."""
    return ", ".join(escape_markdown(run_id) for run_id in dict.fromkeys(source.run_id for source in request.sources))


def _warn_of_zero_gradients(result: StrengthCurveResult, request: StrengthCurveRequest, images: int) -> None:
    """Warn for each network at which strength most of its images had no gradient for the attack to follow."""
    shares = result.points[result.points["metric"] == WITHOUT_GRADIENT]
    for place, source in enumerate(request.sources):
        of_source = shares[shares["source"] == place]
        share, strength = max(zip(of_source["value"], of_source["strength"], strict=True), default=(0.0, 0.0))
        if share > 0:
            without_gradient = no_gradient_message(request.at(strength), round(share * images), images)
            at = f"{(of_source['value'] > 0).sum()} of {len(of_source)} values"
            message = f"{source.label}: {without_gradient}. There are such images at {at}, most of them at this one."
            st.warning(escape_markdown(message), icon=":material/trending_flat:")


def _draw_layers(named: pd.DataFrame, sources: list[str], figures: PageFigures, over: Axis) -> None:
    """Draw two metrics over the stages: two networks in the same charts, more than two in charts of their own."""
    st.header("Along the network", anchor=False)
    groups = [sources] if len(sources) <= _TOGETHER else [[source] for source in sources]
    for number, group in enumerate(groups):
        if len(groups) > 1:
            st.subheader(escape_markdown(group[0]), anchor=False)
        of_group = named[named["source"].isin(group)]
        for column, metric in zip(st.columns(2), (Metric.NC1, Metric.NCC_ACCURACY), strict=True):
            of_metric = _of_layers(of_group, metric)
            panel = metric_over_layers_per_strength(
                of_metric, metric, group, _NAMES[over], pixels=over is not Axis.STEPS
            )
            name = f"{METRIC_INFO[metric].label} along the network"
            name = name if len(groups) == 1 else f"{name} of {group[0]}"
            figures.draw(column, panel, name, key=f"lab_sweep_layers_{metric}{number or ''}")
    st.caption(
        "NC1 is around the class means of the perturbed images, nearest-centre accuracy by the clean class means of each stage."
    )
    if len(sources) == _TOGETHER:
        st.caption(f"Solid: {escape_markdown(sources[0])}. Dashed: {escape_markdown(sources[1])}.")


def _of_layers(points: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return a metric at all stages and the features, nearest-centre accuracy by the clean means at all of them.

    The features are left out of results that were stored before they had such a value.
    """
    if metric is not Metric.NCC_ACCURACY:
        return points[points["metric"] == metric]
    stages = points[(points["metric"] == metric) & (points["layer"] != FEATURES_LAYER)]
    return pd.concat([stages, points[points["metric"] == NEAREST_CLEAN].assign(metric=str(metric))])
