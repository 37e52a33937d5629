"""Display of an attack's result: its numbers, its steps as a film over the features, leaps, images and layers.

Tested by tests/pages/test_attack_lab.py.
"""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from rnc.conditions import Condition, no_gradient_message
from rnc.lab.attack import AttackResult
from rnc.lab.network_and_images import Source
from rnc.ui.charts.attack_steps import STEP_METRICS, leap_moments, step_panel
from rnc.ui.charts.curves import layer_panel
from rnc.ui.charts.leaping import leaping_matrix
from rnc.ui.charts.mark_explanations import STEP_NOTE
from rnc.ui.charts.palette import GREY
from rnc.ui.charts.projection import PICKED_SAMPLE, PlaneExtras, feature_plane
from rnc.ui.figures import PageFigures
from rnc.ui.lab.feature_film_frames import clean_and_perturbed_points, frame_names, frame_of_each_leap, step_values
from rnc.ui.lab.image_grid import IMAGE, draw_images
from rnc.ui.lab.result_header import draw_headline
from rnc.ui.lab.server_job_queue import Answer
from rnc.ui.lab.source_labels import label_sources
from rnc.ui.markdown import escape_markdown
from rnc.ui.playable_sliders import draw_film
from rnc.ui.run_and_class_controls import choose_highlighted_classes, choose_vertices
from rnc.ui.run_labels import name_classes
from rnc.vocabulary import METRIC_INFO, NO_PLANE, Metric, Role

_PLANES = ["PCA", "Simplex plane"]
_Placement = tuple[np.ndarray, np.ndarray, pd.DataFrame | None]
"""Coordinates (T, n, 2) of the watched images, the mask (n,) of those to draw, and the vertices of a simplex plane."""
_CARDS = (
    ("Accuracy", Metric.ACCURACY, "{:.1%}"),
    ("Nearest centre", Metric.NCC_ACCURACY, "{:.1%}"),
    ("NC1", Metric.NC1, "{:.3g}"),
    ("NC2 equiangularity", Metric.NC2_EQUIANGULARITY, "{:.3f}"),
)
"""The most important metrics: label, name, format."""


def draw_attack(answer: Answer, figures: PageFigures) -> None:
    """Draw an attack's complete result."""
    result, names = answer.result, answer.classes
    assert isinstance(result, AttackResult)
    condition = Condition.from_slug(result.condition)
    _headline(answer, result, condition)
    frames = frame_names(result.frames)
    draw_film(
        "Step",
        frames,
        partial(_draw_frame, result, names, figures),
        key="lab_step",
        help="of the attack; the features and the curves below show the images after this step",
    )
    left, right = st.columns([3, 2])
    leaps = name_classes(result.leaps, names, "true_class", "predicted_class")
    figures.draw(left, leaping_matrix(leaps, names, "Where the features leap"), "leaping matrix", key="lab_leaps")
    moments = frame_of_each_leap(result, names)
    figures.draw(right, leap_moments(moments, frames, names), "when images leap", key="lab_moments")
    right.caption(
        f"{len(moments)} of the {len(result.sample)} watched images end with another prediction than on the clean image; each "
        "is counted at the step at which it leaves that prediction for good. Colours are true classes."
    )
    draw_images(result, names, condition)
    _numbers(result, figures, answer.request.sources[0])


def _headline(answer: Answer, result: AttackResult, condition: Condition) -> None:
    """Draw the title, the settings and the most important numbers."""
    done = f"stopped after {result.steps_done:d} steps" if result.stopped else f"all {result.steps_done:d} steps"
    images = result.images or answer.request.images
    title = f"{escape_markdown(condition.label)} · {images:d} images · {done}"
    draw_headline(answer, title, escape_markdown(answer.request.sources[0].label), images)
    if 0 < images <= len(result.means_span):
        st.caption(
            "There is one image of each class: for this reason alone, NC1 is 0 and the nearest centre is correct."
        )
    if without_gradient := no_gradient_message(condition, result.without_gradient, images):
        st.warning(
            escape_markdown(f"{without_gradient[0].upper()}{without_gradient[1:]}."), icon=":material/trending_flat:"
        )
    with st.container(horizontal=True, gap="large"):
        for label, name, form in _CARDS:
            before, after = result.before[name], result.after[name]
            clean = f"clean {escape_markdown(form.format(before))}"
            st.metric(
                label, escape_markdown(form.format(after)), clean, delta_color="off", delta_arrow="off", width="content"
            )
        st.metric("Angle to clean means", f"{result.alignment[Metric.ANGLE]:.3f} rad", width="content")


def _draw_frame(result: AttackResult, names: list[str], figures: PageFigures, at: str) -> None:
    """Draw the features at a step, and the curves over all steps."""
    frames = frame_names(result.frames)
    sides = st.container(key="lab_frame")
    with sides.container():
        _features(result, frames.index(at), names, figures)
    with sides.container():
        curves = st.container(key="lab_curves")
    for metric in STEP_METRICS:
        panel = step_panel(step_values(result, metric), metric, frames, at)
        figures.draw(curves.container(), panel, f"{metric} over the steps", key=f"lab_steps_{metric}")
    st.caption(STEP_NOTE)


def _features(result: AttackResult, frame: int, names: list[str], figures: PageFigures) -> None:
    """Draw the watched features at a frame, in one plane for all frames, and the trajectory of the chosen image."""
    method = st.segmented_control(
        "Plane",
        _PLANES,
        default=_PLANES[0],
        key="lab_plane_of",
        bind="query-params",
        required=True,
        help="PCA of the clean features, or the plane through the clean means of three classes",
    )
    placement = _in_principal_plane(result) if method == _PLANES[0] else _in_simplex_plane(result, names)
    if placement is None:
        return
    places, watched, triangle = placement
    shown = clean_and_perturbed_points(result, places, frame, names)
    shown = shown[shown["sample"].isin(result.sample[watched])]
    extent = pd.DataFrame(places[:, watched].reshape(-1, 2), columns=["x", "y"])
    picked = st.session_state.get(IMAGE)
    path = _trajectory(result, places[: frame + 1], picked) if picked in set(shown["sample"]) else None
    highlighted = choose_highlighted_classes(names, "lab_single_out") if triangle is None else []
    chart = feature_plane(
        shown,
        names,
        Role.PERTURBED,
        arrows=True,
        highlighted=highlighted,
        extras=PlaneExtras(triangle=triangle, path=path, extent=extent),
    )
    figures.draw(
        st.container(),
        chart,
        "projected features",
        key="lab_plane",
        on_select=_pick,
        selection_mode=[PICKED_SAMPLE],
    )
    st.caption(
        f"{shown['sample'].nunique():d} watched images; circles are clean, triangles as they are at this step. Click a point to "
        "follow its image."
    )


def _trajectory(result: AttackResult, places: np.ndarray, sample: int | None) -> pd.DataFrame:
    """Return the path (x, y, place) of an image through the frames of `places` (T, n, 2)."""
    steps = places[:, list(result.sample).index(sample)]
    return pd.DataFrame({"x": steps[:, 0], "y": steps[:, 1], "place": range(len(steps))})


def _in_principal_plane(result: AttackResult) -> _Placement | None:
    """Return the watched images in the plane of the leading principal directions, or say why there is none."""
    if result.plane.shape[-1] < 2:
        st.info(NO_PLANE)
        return None
    return result.plane, np.full(len(result.sample), True), None


def _in_simplex_plane(result: AttackResult, names: list[str]) -> _Placement | None:
    """Let people choose three classes, and return their images in the plane of their means, or say why there is none."""
    chosen = choose_vertices(names, "lab_vertices")
    if len(chosen) < 3:
        st.info("Choose three classes.")
        return None
    first, second, third = (names.index(name) for name in chosen)
    try:
        places, corners = result.samples_and_means_on_plane((first, second, third))
    except ValueError as error:
        st.info(f"There is no plane: {escape_markdown(error)}.")
        return None
    triangle = pd.DataFrame({"label": chosen, "x": corners[:, 0], "y": corners[:, 1]})
    return places, np.isin(result.label, [first, second, third]), triangle


def _pick() -> None:
    """Follow the image that was clicked in the plane."""
    clicked = st.session_state["lab_plane"]["selection"].get(PICKED_SAMPLE)
    if clicked:
        st.session_state[IMAGE] = int(clicked[0]["sample"])


def _numbers(result: AttackResult, figures: PageFigures, source: Source) -> None:
    """Show every metric of the attacked network before and after, and at every stage if that was requested."""
    labels = {str(metric): METRIC_INFO[metric].label for metric in Metric}
    with st.expander("Every metric", icon=":material/table:"):
        number = st.column_config.NumberColumn(format="%.4g")
        st.dataframe(
            _metric_table({"clean": result.before, "perturbed": result.after}, labels),
            hide_index=True,
            key="lab_metrics",
            column_config={"clean": number, "perturbed": number},
        )
        st.dataframe(
            _metric_table({"perturbed against clean": result.alignment}, labels),
            hide_index=True,
            key="lab_alignment",
            column_config={"perturbed against clean": number},
        )
    if result.layers.empty:
        return
    st.header("Along the network", anchor=False)
    shown = [str(Role.CLEAN), str(Role.PERTURBED)]
    (label,) = label_sources([source])
    for column, metric in zip(st.columns(2), (Metric.NC1, Metric.NCC_ACCURACY), strict=True):
        frame = result.layers[result.layers["metric"] == metric].assign(run=label, epoch=source.epoch)
        panel = layer_panel(frame, metric, {label: GREY}, shown, log=True)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} along the network", key=f"lab_layers_{metric}")
    st.caption(
        "Solid: clean. Dashed: perturbed. NC1 is around the images' own class means, nearest-centre accuracy by the clean class "
        "means of each stage; the numbers and curves above are by the class means of the perturbed images."
    )


def _metric_table(columns: dict[str, dict[str, float]], labels: dict[str, str]) -> pd.DataFrame:
    """Return a row per metric under its label, with a column for each of `columns`."""
    table = pd.DataFrame(columns)
    table.insert(0, "metric", [labels[name] for name in table.index])
    return table
