"""The display of maps on the page, side by side if there are two.

Tested by tests/pages/test_projections.py.
"""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.conditions import condition_in_words
from rnc.ui.charts.projection import BRUSHED, PICKED_SAMPLE, PlaneExtras, feature_plane
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.projections.map_data import Maps, Plane, read_plane
from rnc.ui.projections.map_extent import extent_over_epochs
from rnc.ui.projections.map_options import MapChoice, MapClasses, MapDisplay
from rnc.ui.projections.sample_images import LARGE_ON_HOVER, HoverImages, hover_images
from rnc.ui.projections.shared_sample_selection import picked_samples, scope_of, selection_event
from rnc.vocabulary import ProjectionMethod

SIDE_BY_SIDE = """<style>[class*="st-key-side_by_side"] { flex-wrap: wrap; }
[class*="st-key-side_by_side"] > div { min-width: min(420px, 100%); flex: 1 1 420px; }</style>"""
"""CSS for containers whose parts are side by side, or stacked if the window is narrow."""
_MOST_IN_A_PLANE = 3
_PCA_CANNOT = (
    "Two axes of PCA cannot show that all class means are equally far from each other. The simplex plane shows it for three "
    "classes."
)
_KEYS_AND_NAMES = [("plane", "projected features"), ("beside", "projected features, second map")]


def constant_columns(choice: MapChoice, epoch: int) -> dict[str, Any]:
    """Return what all rows of a map or its leaps share: run, epoch, split and condition."""
    return {
        "run_id": choice.run.run_id,
        "epoch": epoch,
        "split": str(choice.split),
        "condition": choice.measured_condition_slug,
    }


def draw_maps(
    figures: PageFigures, choices: list[MapChoice], classes: MapClasses, display: MapDisplay
) -> tuple[Maps, DeltaGenerator]:
    """Draw the maps whose points are stored; return them, and the place of the panel: beside one map, or below two."""
    st.html(SIDE_BY_SIDE + LARGE_ON_HOVER)
    maps: list[tuple[MapChoice, Plane]] = []
    reasons: set[str] = set()
    with st.container(horizontal=True, key="side_by_side_maps", gap="medium"):
        for choice, (key, name) in zip(choices, _KEYS_AND_NAMES, strict=False):
            with st.container():
                plane = read_plane(choice, classes.vertices, all_samples=display.all_samples)
                if plane is not None:
                    images = _draw_map(figures, choice, plane, classes, display, key=key, name=name)
                    _say_why_not(images, picked_samples(scope_of(choice)), reasons)
                    maps.append((choice, plane))
        panel = st.container() if len(choices) == 1 else None
    if any(
        choice.method == ProjectionMethod.PCA.value.upper() and len(choice.all_class_names) > _MOST_IN_A_PLANE
        for choice in choices
    ):
        st.caption(_PCA_CANNOT)
    return maps, panel or st.container()


def _draw_map(
    figures: PageFigures,
    choice: MapChoice,
    plane: Plane,
    classes: MapClasses,
    display: MapDisplay,
    *,
    key: str,
    name: str,
) -> HoverImages:
    """Draw the points of a map and its description, and connect the user's boxes and clicks to the selection.

    Return the images that the map offers.
    """
    st.caption(
        f"{escape_markdown(choice.run.label)} · {escape_markdown(choice.method)} · epoch {plane.epoch:d} · "
        f"{escape_markdown(choice.split.images)} · {plane.describe_samples()} · clean and "
        f"{escape_markdown(condition_in_words(str(choice.measured_condition_slug)))}",
        help=escape_markdown(choice.run.run_id),
    )
    scope = scope_of(choice)
    images = hover_images(choice, plane.points) if display.images_on_hover else HoverImages()
    extent = None if display.fit_to_epoch else extent_over_epochs(choice, classes.vertices)
    chart = feature_plane(
        plane.points,
        choice.all_class_names,
        choice.condition_name,
        arrows=display.arrows,
        brush=True,
        chosen=picked_samples(scope),
        highlighted=classes.highlighted,
        extras=PlaneExtras(triangle=plane.triangle, extent=extent, image_address=images.address),
    )
    view = (choice.run.run_id, plane.epoch, choice.measured_condition_slug, choice.method, str(plane.triangle))
    chart_key, on_select = selection_event(key, scope, view, plane.points)
    figures.draw(
        st.container(key=key),
        chart,
        name,
        rows=plane.points,
        about=constant_columns(choice, plane.epoch) | {"projection": choice.method},
        key=chart_key,
        on_select=on_select,
        selection_mode=[PICKED_SAMPLE, BRUSHED],
    )
    return images


def _say_why_not(images: HoverImages, picked: list[int], reasons: set[str]) -> None:
    """Say below a map why it has no images, unless an earlier map does, or the panel, which needs them for a selection."""
    if images.why_not and not picked and images.why_not not in reasons:
        reasons.add(images.why_not)
        st.caption(escape_markdown(images.why_not, MAX_MESSAGE_LENGTH))
