"""The source of a map's points: a stored projection, or the plane of three class means."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from rnc.conditions import CLEAN
from rnc.simplex import SimplexPlane
from rnc.store.vectors import as_matrix
from rnc.ui import state
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.projections.map_options import SIMPLEX, MapChoice
from rnc.ui.run_labels import name_classes
from rnc.vocabulary import ProjectionMethod, Split

MOST_DRAWN = 5_000
"""Number of samples on a map by default; more take seconds to draw."""
_MOST_NAMED = 6


@dataclass(frozen=True)
class Plane:
    """Points of an epoch (shown, condition, sample, label, predicted, x, y), with class names as labels."""

    epoch: int
    points: pd.DataFrame
    stored: int
    """The number of samples available."""
    triangle: pd.DataFrame | None = None
    """The vertices of a simplex plane (label, x, y)."""

    def told(self) -> Markdown:
        """Describe how many of the available samples are drawn."""
        drawn = self.points["sample"].nunique()
        return f"{drawn:,} samples" if drawn == self.stored else f"{drawn:,} of {self.stored:,} samples, class-balanced"


Maps = list[tuple[MapChoice, Plane]]
"""The drawn maps, the first one first."""


def find_plane(choice: MapChoice, vertices: list[str], most: int) -> Plane | None:
    """Return the points of at most `most` samples; if there are none, say so on the page and return None."""
    found = _simplex(choice, vertices, most) if choice.method == SIMPLEX else _stored(choice, most)
    if found is None:
        return None
    epoch, points, triangle = found
    if points.empty:
        st.info(f"No {escape_markdown(choice.method)} of sampled features is stored at epoch {epoch:d}.")
        return None
    stored = int(points["stored"].iloc[0])
    named = name_classes(points.drop(columns="stored"), choice.names, "label", "predicted")
    named.attrs = points.attrs
    return Plane(epoch, named, stored, triangle)


_Found = tuple[int, pd.DataFrame, pd.DataFrame | None]


def _stored(choice: MapChoice, most: int) -> _Found | None:
    reader, run_id, method = state.reader(), choice.run.run_id, choice.method
    if method == ProjectionMethod.UMAP.value.upper() and reader.umap_is_due(run_id):
        st.info(
            "UMAP is being computed: it comes once, after the metrics of the last epoch.", icon=":material/hourglass:"
        )
        return None
    stored = reader.projected(run_id).assign(run_id=run_id)
    stored = stored[stored["method"] == method.lower()]
    fitting = stored[(stored["split"] == choice.split) & (stored["condition"] == choice.condition)]
    epoch = state.epoch_not_after(fitting, run_id, choice.cursor)
    if epoch is None:
        found = sorted({(row.split, row.condition, row.epoch) for row in stored.itertuples()})
        where = [
            f"{escape_markdown(split)}, {escape_markdown(condition)}, epoch {at:d}"
            for split, condition, at in found[:_MOST_NAMED]
        ]
        st.info(
            f"No {escape_markdown(method)} of {escape_markdown(choice.split)} features under "
            f"{escape_markdown(choice.condition_name)} is stored up to the epoch cursor. "
            + (f"Stored are: {'; '.join(where)}." if where else _why_none(run_id, method))
        )
        return None
    asked = [CLEAN.slug, str(choice.condition)]
    return epoch, reader.projection(run_id, epoch, choice.split, asked, method.lower(), most), None


def _why_none(run_id: str, method: str) -> Markdown:
    """Describe why a run has no projection of this kind, if the reason is known."""
    epochs = state.reader().vector_epochs([run_id])["epoch"]
    if len(epochs) and method == ProjectionMethod.PCA.value.upper():
        _classes, means = state.reader().class_means(run_id, int(epochs.max()), Split.TRAIN, CLEAN.slug)
        if means.shape[1] == 1:
            return "A plane has two axes, but this network has one penultimate feature."
    return "This run stored none."


def _simplex(choice: MapChoice, vertices: list[str], most: int) -> _Found | None:
    """Project the samples of three classes on the plane of their clean class means."""
    reader, run_id, split = state.reader(), choice.run.run_id, choice.split
    epoch = state.epoch_not_after(reader.vector_epochs([run_id]), run_id, choice.cursor)
    if len(vertices) < 3 or epoch is None:
        st.info("Choose three classes." if epoch is not None else "This run kept no features up to the epoch cursor.")
        return None
    wanted = [choice.names.index(name) for name in vertices]
    classes, means = reader.class_means(run_id, epoch, split, CLEAN.slug)
    points = reader.sample(run_id, epoch, split, [CLEAN.slug, str(choice.condition)], wanted, most)
    if choice.condition not in set(points["condition"]):
        st.info(
            f"No features under {escape_markdown(choice.condition_name)} were sampled of {escape_markdown(split)} images at "
            f"epoch {epoch:d}."
        )
        return None
    if not set(wanted) <= set(classes):
        st.info(f"This run kept no features of these classes on {escape_markdown(split)} images.")
        return None
    corners = means[[int(np.flatnonzero(classes == c)[0]) for c in wanted]]
    try:
        plane = SimplexPlane(corners)
    except ValueError as error:
        st.info(f"At epoch {epoch:d} {escape_markdown(error)}.")
        return None
    vectors = as_matrix(points["vector"])
    if vectors.shape[1] != corners.shape[1]:
        st.info(f"At epoch {epoch:d} the sampled features are of another width than the class means.")
        return None
    x, y = plane.project(vectors).T
    placed = points.drop(columns="vector").assign(x=x, y=y)
    placed.attrs = points.attrs
    flat = plane.project(corners)
    return epoch, placed, pd.DataFrame({"label": vertices, "x": flat[:, 0], "y": flat[:, 1]})
