"""Sampled features in the plane, clean and perturbed, with arrows from one to the other."""

import streamlit as st

from rnc import controls
from rnc.charts.leaping import leaping_matrix
from rnc.charts.projection import feature_plane
from rnc.figure_view import Figures
from rnc.vocabulary import ProjectionMethod

selection = controls.selection()
figures = Figures("Projections of the features")
reader = controls.reader()
run = controls.focus_run(selection)
left, right = st.columns([3, 1], vertical_alignment="bottom")
method = left.segmented_control(
    "Projection",
    [method.value.upper() for method in ProjectionMethod],
    default=ProjectionMethod.PCA.value.upper(),
    key="method",
    bind="query-params",
    required=True,
    help="PCA: one basis for all epochs, fitted on the pooled clean features. UMAP: the last epoch, fitted on clean features.",
)
arrows = right.toggle("Arrows from clean", True, key="arrows", bind="query-params")

condition = controls.condition_of(run.run_id, selection.shown)
stored = reader.projected(run.run_id)
stored = stored[(stored["method"] == method.lower()) & (stored["split"] == selection.split)].assign(run_id=run.run_id)
stored = stored[stored["condition"] == condition]
if method == "UMAP" and reader.umap_is_due(run.run_id):
    st.info("UMAP is being computed: it comes once, after the metrics of the last epoch.", icon=":material/hourglass:")
    st.stop()
epoch = controls.epoch_not_after(stored, run.run_id, selection.epoch)
if epoch is None:
    where = sorted(
        {
            f"{row.split}, {row.condition}, epoch {row.epoch}"
            for row in reader.projected(run.run_id).itertuples()
            if row.method == method.lower()
        }
    )
    st.info(
        f"No {method} of {selection.split} features under {selection.shown} is stored up to the epoch cursor. "
        + (f"Stored are: {'; '.join(where[:6])}." if where else "This run stored none.")
    )
    st.stop()

names = list(run.classes)
frame = reader.projection(run.run_id, epoch, selection.split, ["clean", str(condition)], method.lower())
frame = controls.name_classes(frame, names, "label", "predicted")
st.caption(f"{run.run_id} · epoch {epoch} · {selection.split} · {frame['sample'].nunique()} samples · {condition}")
wide, narrow = st.columns([3, 2])
figures.draw(wide, feature_plane(frame, names, selection.shown, arrows=arrows), "projected features", key="plane")
leaps = reader.leaps(run.run_id, epoch, selection.split, str(condition))
with narrow:
    if leaps.empty:
        st.caption("Leaps are measured for attacks only: choose one as the condition to see where features go.")
    else:
        leaps = controls.name_classes(leaps, names, "true_class", "predicted_class")
        figures.draw(narrow, leaping_matrix(leaps, names, "Where the features leap"), "leaping matrix", key="leaps")
        away = leaps[leaps["true_class"] != leaps["predicted_class"]]
        st.caption(
            f"{away['count'].sum() / leaps['count'].sum():.1%} of the {selection.split} images are decided as another class."
        )
figures.offer()
