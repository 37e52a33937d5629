"""The projections page: sampled features in a plane, clean and perturbed, with arrows between them, and their leaps."""

import streamlit as st

from rnc.store.sample_queries import EVERY_SAMPLE
from rnc.ui import state
from rnc.ui.controls import choose_highlighted_classes, choose_vertices
from rnc.ui.figures import PageFigures
from rnc.ui.projections.leaping import draw_all_leaps
from rnc.ui.projections.map_chart import SIDE_BY_SIDE, draw_map
from rnc.ui.projections.map_data import MOST_DRAWN, find_plane
from rnc.ui.projections.map_options import SIMPLEX, choose_first, choose_second
from rnc.ui.projections.selection import scope_of
from rnc.ui.projections.selection_panel import draw_panel
from rnc.ui.projections.thumbnails import LARGE_ON_HOVER

selection = state.current_selection()
figures = PageFigures("Projections of the features")
st.html(SIDE_BY_SIDE + LARGE_ON_HOVER)
first = choose_first(selection)
with st.container(horizontal=True, gap="medium"):
    arrows = st.toggle("Arrows from clean", True, key="arrows", bind="query-params")
    hover = st.toggle(
        "Images on hover", True, key="hover", bind="query-params",
        help="The images travel with the map: without them one of thousands of samples is drawn in half the time",
    )  # fmt: skip
    every = st.toggle(
        "All samples", key="all_samples", bind="query-params",
        help=f"Else at most {MOST_DRAWN:,} are drawn, as many of each class; all of very many take a while",
    )  # fmt: skip
    two = st.toggle("Two maps", key="two", bind="query-params", help="with one selection")
choices = [first, choose_second(first, selection)] if two else [first]
methods = {choice.method for choice in choices}
vertices = choose_vertices(first.names, "vertices") if SIMPLEX in methods else []
singled = choose_highlighted_classes(first.names, "single_out") if methods != {SIMPLEX} else []
scope = scope_of(first)

maps = []
with st.container(horizontal=True, key="side_by_side_maps", gap="medium"):
    for place, choice in enumerate(choices):
        with st.container():
            plane = find_plane(choice, vertices, EVERY_SAMPLE if every else MOST_DRAWN)
            if plane is not None:
                draw_map(figures, choice, plane, scope, place, arrows=arrows, hover=hover, singled=singled)
                maps.append((choice, plane))
    panel = st.container() if not two else None
if not maps:
    st.stop()
with panel or st.container():
    draw_panel(scope, maps)
draw_all_leaps(figures, maps)
figures.draw_export_menu()
