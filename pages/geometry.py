"""The geometry page: the class means of an epoch, their distance from a simplex, and their rotation by the condition."""

import numpy as np
import pandas as pd
import streamlit as st

from rnc.simplex import centre, cosine_matrix, simplex_cosine, spectrum
from rnc.ui import state
from rnc.ui.charts.geometry import class_angles, class_norms, spectrum_lines
from rnc.ui.charts.legend import curve_legend
from rnc.ui.charts.summary_text import told_turns
from rnc.ui.controls import choose_run
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.pages.geometry import draw_cosines, draw_duality, draw_simplex_distances, duality_of, why_undefined
from rnc.ui.run_labels import describe_epochs, name_classes
from rnc.vocabulary import ClassMetric, Role

selection = state.current_selection()
figures = PageFigures("Geometry of the class means")
run = choose_run(selection)
reader = state.reader()
epoch = state.epoch_not_after(reader.vector_epochs([run.run_id]), run.run_id, selection.epoch)
if epoch is None:
    st.info("This run kept no class means up to the epoch cursor; move it, or train with --vector-epochs measured.")
    st.stop()
st.caption(f"{escape_markdown(run.run_id)} · epoch {epoch:d} · {escape_markdown(selection.split)} images")
answer = st.empty()

names = list(run.classes)
spectra, off, duality = [], {}, None
for column, shown in zip(st.columns(2), (str(Role.CLEAN), selection.condition_name), strict=True):
    condition = state.condition_slug(run.run_id, shown)
    classes, means = reader.class_means(run.run_id, epoch, selection.split, str(condition))
    if why := why_undefined(
        means, f"{escape_markdown(selection.split)} images under {escape_markdown(shown)} at epoch {epoch:d}"
    ):
        column.info(why)
        continue
    present = [names[c] if c < len(names) else f"{c:d}" for c in classes]
    simplex = simplex_cosine(len(present))
    cosines = cosine_matrix(centre(means))
    off[shown] = np.abs(cosines - simplex)[~np.eye(len(present), dtype=bool)].mean()
    title = f"Cosines, {shown}"
    draw_cosines(
        figures, column, cosines, present, title, f"cosines of centred class means, {shown}", f"cosines_{shown}"
    )
    column.caption(
        f"Simplex value −1/(C−1) = {simplex:.3f}; mean distance from it {off[shown]:.3f} (NC2 equiangularity)."
    )
    values = spectrum(means)
    spectra.append(pd.DataFrame({"rank": np.arange(1, len(values) + 1), "value": values, "shown": shown}))
    if shown == selection.condition_name:
        classified, rows = reader.classifier(run.run_id, epoch)
        duality = duality_of(rows[np.isin(classified, classes)], means)

measured, at, labels = reader.measured_epochs(selection.runs), {}, {}
for one in state.selected_runs(selection).itertuples():
    last = state.epoch_not_after(measured, one.run_id, selection.epoch)
    if last is not None and list(one.classes) == names:
        at[one.run_id], labels[one.run_id] = last, one.label
found = reader.class_metrics(at, selection.split)
table = name_classes(found.assign(run=found["run_id"].map(labels)), names, "class")
left, right = st.columns(2)
norms = table[(table["metric"] == ClassMetric.NORM) & (table["run_id"] == run.run_id)]
norms = norms[norms["shown"].isin([Role.CLEAN, selection.condition_name])]
figures.draw(left, class_norms(norms, names), "norms of class means", key="norms")
angles = table[(table["metric"] == ClassMetric.ANGLE) & (table["shown"] == selection.condition_name)]
angles = angles.assign(degrees=np.degrees(angles["value"]), radians=angles["value"])
mine = angles[angles["run_id"] == run.run_id]
answer.markdown(told_turns(mine, run.label, selection.condition_name, off))
bars = class_angles(angles, names, list(labels.values()))
figures.draw(right, bars, "clean-to-perturbed angle per class", key="angles")
right.html(curve_legend(list(labels.values()), []))
told = describe_epochs({labels[run_id]: last for run_id, last in at.items()})
right.caption(f"Runs of the same classes, each at its last measured epoch up to the cursor: {told}.")
left.caption(
    f"{escape_markdown(run.label)} at epoch {at[run.run_id]:d}. At a simplex all norms are equal (NC2 equinorm)."
)
if len(spectra) == 2:
    left, right = st.columns(2)
    draw_duality(figures, left, duality, present, selection.condition_name)
    figures.draw(right, spectrum_lines(pd.concat(spectra)), "spectrum of the class means", key="spectrum")
draw_simplex_distances(selection, figures)
figures.draw_export_menu()
