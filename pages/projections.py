"""Sampled features in the plane, clean and perturbed, with arrows from one to the other."""

import streamlit as st

from rnc import controls
from rnc.charts.leaping import leaping_matrix
from rnc.charts.projection import feature_plane
from rnc.figure_view import Figures
from rnc.projection_view import METHODS, find_plane

selection = controls.selection()
figures = Figures("Projections of the features")
run = controls.focus_run(selection)
left, right = st.columns([3, 1], vertical_alignment="bottom")
method = left.segmented_control(
    "Projection",
    METHODS,
    default=METHODS[0],
    key="method",
    bind="query-params",
    required=True,
    help="PCA: one basis for all epochs, fitted on the pooled clean features. UMAP: the last epoch, fitted on clean "
    "features. Simplex plane: the plane through the clean means of three classes.",
)
arrows = right.toggle("Arrows from clean", True, key="arrows", bind="query-params")

condition = controls.condition_of(run.run_id, selection.shown)
plane = find_plane(method or METHODS[0], run, selection, condition)
if plane is None:
    st.stop()
names = list(run.classes)
frame = controls.name_classes(plane.points, names, "label", "predicted")
st.caption(
    f"{run.run_id} · epoch {plane.epoch} · {selection.split} · {frame['sample'].nunique()} samples · {condition}"
)
wide, narrow = st.columns([3, 2])
chart = feature_plane(frame, names, selection.shown, arrows=arrows, triangle=plane.triangle)
figures.draw(wide, chart, "projected features", key="plane", width="stretch" if plane.triangle is None else "content")
leaps = controls.reader().leaps(run.run_id, plane.epoch, selection.split, str(condition))
if leaps.empty:
    narrow.caption("Leaps are measured for attacks only: choose one as the condition to see where features go.")
else:
    leaps = controls.name_classes(leaps, names, "true_class", "predicted_class")
    figures.draw(narrow, leaping_matrix(leaps, names, "Where the features leap"), "leaping matrix", key="leaps")
    away = leaps[leaps["true_class"] != leaps["predicted_class"]]
    narrow.caption(
        f"{away['count'].sum() / leaps['count'].sum():.1%} of the {selection.split} images are decided as another class."
    )
figures.offer()
