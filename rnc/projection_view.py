"""Where the projections page takes its points from: a stored projection, or the plane of three class means."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from rnc import controls
from rnc.conditions import CLEAN
from rnc.controls import Selection
from rnc.geometry import SimplexPlane
from rnc.vocabulary import ProjectionMethod

SIMPLEX = "Simplex plane"
METHODS = [*(method.value.upper() for method in ProjectionMethod), SIMPLEX]


@dataclass(frozen=True)
class Plane:
    """Points of one epoch (shown, condition, sample, label, predicted, x, y), labels as class numbers."""

    epoch: int
    points: pd.DataFrame
    triangle: pd.DataFrame | None = None
    """The vertices of a simplex plane (label, x, y)."""


def find_plane(method: str, run: pd.Series, selection: Selection, condition: str | None) -> Plane | None:
    """The points of a run under clean and `condition`; None, after a word on the page, where there are none."""
    return _simplex(run, selection, condition) if method == SIMPLEX else _stored(method, run, selection, condition)


def _stored(method: str, run: pd.Series, selection: Selection, condition: str | None) -> Plane | None:
    reader = controls.reader()
    if method == ProjectionMethod.UMAP.value.upper() and reader.umap_is_due(run.run_id):
        st.info(
            "UMAP is being computed: it comes once, after the metrics of the last epoch.", icon=":material/hourglass:"
        )
        return None
    stored = reader.projected(run.run_id).assign(run_id=run.run_id)
    stored = stored[stored["method"] == method.lower()]
    fitting = stored[(stored["split"] == selection.split) & (stored["condition"] == condition)]
    epoch = controls.epoch_not_after(fitting, run.run_id, selection.epoch)
    if epoch is None:
        where = sorted({f"{row.split}, {row.condition}, epoch {row.epoch}" for row in stored.itertuples()})
        st.info(
            f"No {method} of {selection.split} features under {selection.shown} is stored up to the epoch cursor. "
            + (f"Stored are: {'; '.join(where[:6])}." if where else "This run stored none.")
        )
        return None
    asked = [CLEAN.slug, str(condition)]
    return Plane(epoch, reader.projection(run.run_id, epoch, selection.split, asked, method.lower()))


def _simplex(run: pd.Series, selection: Selection, condition: str | None) -> Plane | None:
    """The samples of three classes in the plane of their clean class means."""
    names, reader = list(run.classes), controls.reader()
    chosen = st.multiselect(
        "Vertices", names, names[:3], max_selections=3, key="vertices", bind="query-params",
        help="Three classes whose clean means span the plane: the sides of the triangle are as long as in feature space, samples "
        "are projected.",
    )  # fmt: skip
    epoch = controls.epoch_not_after(reader.vector_epochs([run.run_id]), run.run_id, selection.epoch)
    if len(chosen) < 3 or epoch is None:
        st.info("Choose three classes." if epoch is not None else "This run kept no features up to the epoch cursor.")
        return None
    wanted = [names.index(name) for name in chosen]
    classes, means = reader.class_means(run.run_id, epoch, selection.split, CLEAN.slug)
    sample = reader.sample(run.run_id, epoch, selection.split, [CLEAN.slug, str(condition)])
    if condition not in set(sample["condition"]):
        st.info(f"No features under {selection.shown} were sampled of {selection.split} images at epoch {epoch}.")
        return None
    points = sample[sample["label"].isin(wanted)]
    if points.empty or not set(wanted) <= set(classes):
        st.info(f"This run kept no features of these classes on {selection.split} images.")
        return None
    vertices = means[[int(np.flatnonzero(classes == c)[0]) for c in wanted]]
    try:
        plane = SimplexPlane(vertices)
    except ValueError as error:
        st.info(f"At epoch {epoch} {error}.")
        return None
    x, y = plane.project(np.stack(list(points["vector"]))).T
    corners = plane.project(vertices)
    triangle = pd.DataFrame({"label": chosen, "x": corners[:, 0], "y": corners[:, 1]})
    return Plane(epoch, points.drop(columns="vector").assign(x=x, y=y), triangle)
