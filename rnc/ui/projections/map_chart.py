"""The display of a map on the page."""

from collections.abc import Collection

import streamlit as st

from rnc.ui.charts.projection import BRUSHED, PICKED_SAMPLE, feature_plane
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.projections.map_data import Plane
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.projections.selection import picked_samples, picking
from rnc.ui.projections.thumbnails import Pictures, hover_pictures

SIDE_BY_SIDE = """<style>[class*="st-key-side_by_side"] { flex-wrap: wrap; }
[class*="st-key-side_by_side"] > div { min-width: min(420px, 100%); flex: 1 1 420px; }</style>"""
"""CSS for containers whose parts are side by side, or stacked if the window is narrow."""


def draw_map(
    figures: PageFigures,
    choice: MapChoice,
    plane: Plane,
    scope: str,
    place: int,
    *,
    arrows: bool,
    hover: bool,
    singled: Collection[str],
) -> None:
    """Draw the points of a map and its description, and connect the user's boxes and clicks to the selection.

    `singled` are the highlighted classes, if there are too many classes for a legend.
    """
    key, name = [("plane", "projected features"), ("beside", "projected features, second map")][place]
    st.caption(
        f"{escape_markdown(choice.run.run_id)} · {escape_markdown(choice.method)} · epoch {plane.epoch:d} · "
        f"{escape_markdown(choice.split)} · "
        f"{plane.told()} · {escape_markdown(choice.condition)}"
    )
    pictures = hover_pictures(choice, plane.points) if hover else Pictures({})
    chart = feature_plane(
        plane.points, choice.names, choice.condition_name, arrows=arrows, triangle=plane.triangle, brush=True,
        chosen=picked_samples(scope), singled=singled, pictures=pictures.rows,
    )  # fmt: skip
    view = (choice.run.run_id, plane.epoch, choice.condition, choice.method, str(plane.triangle))
    chart_key, act = picking(key, scope, view, plane.points)
    figures.draw(
        st.container(key=key), chart, name, rows=plane.points, key=chart_key, on_select=act,
        selection_mode=[PICKED_SAMPLE, BRUSHED], width="stretch" if plane.triangle is None else "content",
    )  # fmt: skip
    if pictures.why_not:
        st.caption(escape_markdown(pictures.why_not, MAX_MESSAGE_LENGTH))
