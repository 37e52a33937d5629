"""The projections page: sampled features in a plane, clean and perturbed, with arrows between them, and their leaps."""

import streamlit as st

from rnc.ui.figures import PageFigures
from rnc.ui.film.one_or_two_films import draw_film_of_maps
from rnc.ui.projections.leaping import draw_all_leaps
from rnc.ui.projections.map_options import choose_display, choose_first, choose_second, choose_vertices_and_highlights
from rnc.ui.projections.maps_side_by_side import draw_maps
from rnc.ui.projections.selection_panel import draw_panel
from rnc.ui.projections.shared_sample_selection import scope_of
from rnc.ui.selection import current_selection

selection = current_selection()
figures = PageFigures("Projections of the features", selection.split_and_run_if_single)
first = choose_first(selection)
display = choose_display()
choices = [first, choose_second(first, selection)] if display.two_maps else [first]
if display.film:
    draw_film_of_maps(choices)
classes = choose_vertices_and_highlights(choices)
maps, panel = draw_maps(figures, choices, classes, display)
if not maps:
    st.stop()
with panel:
    draw_panel(scope_of(first), maps)
draw_all_leaps(figures, maps)
figures.draw_export_menu()
