"""The geometry page: the class means of an epoch, their distance from a simplex, and their rotation by the condition."""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.pages.geometry import (
    describe_geometry,
    draw_cosines_by_condition,
    draw_duality_and_spectrum,
    draw_norms_and_rotation,
    read_geometries,
)
from rnc.ui.pages.simplex_distances import draw_simplex_distances_over_epochs
from rnc.ui.run_and_class_controls import choose_run
from rnc.ui.selection import current_selection, epoch_not_after

selection = current_selection()
figures = PageFigures("Geometry of the class means", selection.split_and_run_if_single)
run = choose_run(selection)
epoch = epoch_not_after(opened_store.reader().vectors.epochs([run.run_id]), run.run_id, selection.epoch)
if epoch is None:
    st.info(
        "This run stored no class means up to the selected epoch. Select a later epoch, or train with --vector-epochs measured."
    )
    st.stop()
st.caption(
    f"{escape_markdown(run.label)} · epoch {epoch:d} · {escape_markdown(selection.split.images)}",
    help=escape_markdown(run.run_id),
)
summary = st.empty()
geometries = read_geometries(run, epoch, selection)
draw_cosines_by_condition(figures, geometries)
angles = draw_norms_and_rotation(figures, run, selection)
summary.markdown(describe_geometry(run, selection.condition_name, angles, geometries))
draw_duality_and_spectrum(figures, run, epoch, geometries)
draw_simplex_distances_over_epochs(figures, selection)
figures.draw_export_menu()
