"""The source of a map's points: a stored projection, or the plane of three class means.

Tested by tests/pages/test_projections.py.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from rnc.class_mean_geometry import SimplexSpan
from rnc.conditions import CLEAN, condition_in_words
from rnc.store.queries.samples import EVERY_SAMPLE
from rnc.store.stored_vector_checks import as_matrix
from rnc.ui import opened_store
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.projections.map_options import MOST_DRAWN, SIMPLEX, MapChoice
from rnc.ui.run_labels import name_classes
from rnc.ui.selection import epoch_not_after
from rnc.vocabulary import NO_PLANE, ProjectionMethod, Split

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

    def describe_samples(self) -> Markdown:
        """Describe how many of the available samples are drawn."""
        drawn = self.points["sample"].nunique()
        return (
            f"{drawn:,} samples"
            if drawn == self.stored
            else f"{drawn:,} of {self.stored:,} samples, as many of each class"
        )


Maps = list[tuple[MapChoice, Plane]]
"""The drawn maps, the first one first."""
_Placed = tuple[int, pd.DataFrame, pd.DataFrame | None]
"""An epoch, its points with class numbers, and the vertices of a simplex plane."""


def read_plane(choice: MapChoice, vertices: list[str], *, all_samples: bool) -> Plane | None:
    """Return the points of a map, MOST_DRAWN at most or all; if there are none, say so on the page and return None."""
    most = EVERY_SAMPLE if all_samples else MOST_DRAWN
    placed = _read_simplex_plane(choice, vertices, most) if choice.method == SIMPLEX else _read_projection(choice, most)
    if placed is None:
        return None
    epoch, points, triangle = placed
    if points.empty:
        st.info(f"No {escape_markdown(choice.method)} of sampled features is stored at epoch {epoch:d}.")
        return None
    stored = int(points["stored"].iloc[0])
    named = name_classes(points.drop(columns="stored"), choice.all_class_names, "label", "predicted")
    named.attrs = points.attrs
    return Plane(epoch, named, stored, triangle)


def _read_projection(choice: MapChoice, most: int) -> _Placed | None:
    """Return the points of a stored projection."""
    reader, run_id, method = opened_store.reader(), choice.run.run_id, choice.method
    if method == ProjectionMethod.UMAP.value.upper() and reader.samples.training_will_add_umap(run_id):
        st.info(
            "UMAP is not computed yet. It is computed once, after the metrics of the last epoch.",
            icon=":material/hourglass:",
        )
        return None
    stored = reader.samples.available_projections(run_id).assign(run_id=run_id)
    stored = stored[stored["method"] == method.lower()]
    fitting = stored[(stored["split"] == choice.split) & (stored["condition"] == choice.measured_condition_slug)]
    epoch = epoch_not_after(fitting, run_id, choice.cursor)
    if epoch is None:
        st.info(
            f"No {escape_markdown(method)} of features of {escape_markdown(choice.split.images)} under "
            f"{escape_markdown(condition_in_words(choice.condition_name))} is stored up to the selected epoch. "
            + (_describe_stored(stored) if len(stored) else _why_none_is_stored(run_id, method))
        )
        return None
    conditions = [CLEAN.slug, str(choice.measured_condition_slug)]
    return epoch, reader.samples.projection(run_id, epoch, choice.split, conditions, method.lower(), most), None


def _describe_stored(stored: pd.DataFrame) -> Markdown:
    """Name the first of the stored projections (split, condition, epoch)."""
    combinations = sorted({(row.split, row.condition, row.epoch) for row in stored.itertuples()})
    described = [
        f"{escape_markdown(split)}, {escape_markdown(condition_in_words(condition))}, epoch {epoch:d}"
        for split, condition, epoch in combinations[:_MOST_NAMED]
    ]
    more = f"; and {len(combinations) - _MOST_NAMED:d} more" if len(combinations) > _MOST_NAMED else ""
    return f"This run stored: {'; '.join(described)}{more}."


def _why_none_is_stored(run_id: str, method: str) -> Markdown:
    """Describe why a run has no projection of this kind, if the reason is known."""
    epochs = opened_store.reader().vectors.epochs([run_id])["epoch"]
    if len(epochs) and method == ProjectionMethod.PCA.value.upper():
        _classes, means = opened_store.reader().vectors.class_means(run_id, int(epochs.max()), Split.TRAIN, CLEAN.slug)
        if means.shape[1] == 1:
            return NO_PLANE
    return "This run stored none."


def _read_simplex_plane(choice: MapChoice, vertices: list[str], most: int) -> _Placed | None:
    """Project the samples of three classes onto the plane of their clean class means."""
    reader, run_id, split = opened_store.reader(), choice.run.run_id, choice.split
    epoch = epoch_not_after(reader.vectors.epochs([run_id]), run_id, choice.cursor)
    if epoch is None:
        st.info("This run stored no features up to the selected epoch.")
        return None
    if len(vertices) < 3:
        st.info("Choose three classes.")
        return None
    labels = [choice.all_class_names.index(name) for name in vertices]
    points = reader.samples.features_at_epoch(
        run_id, epoch, split, [CLEAN.slug, str(choice.measured_condition_slug)], labels, most
    )
    if choice.measured_condition_slug not in set(points["condition"]):
        st.info(
            f"No features of {escape_markdown(split.images)} under {escape_markdown(condition_in_words(choice.condition_name))} "
            f"are stored at epoch {epoch:d}."
        )
        return None
    corners = _means_of(labels, *reader.vectors.class_means(run_id, epoch, split, CLEAN.slug))
    if corners is None:
        st.info(f"This run stored no means of these classes on {escape_markdown(split.images)}.")
        return None
    try:
        plane = SimplexSpan(corners)
    except ValueError as error:
        st.info(f"At epoch {epoch:d} {escape_markdown(error)}.")
        return None
    vectors = as_matrix(points["vector"])
    if vectors.shape[1] != corners.shape[1]:
        st.info(f"At epoch {epoch:d}, the stored features have another width than the class means.")
        return None
    x, y = plane.project(vectors).T
    placed = points.drop(columns="vector").assign(x=x, y=y)
    placed.attrs = points.attrs
    flat = plane.project(corners)
    return epoch, placed, pd.DataFrame({"label": vertices, "x": flat[:, 0], "y": flat[:, 1]})


def _means_of(labels: list[int], classes: np.ndarray, means: np.ndarray) -> np.ndarray | None:
    """Return the means (3, d) of three classes, given the means of `classes`; None if one is missing."""
    if not set(labels) <= set(classes):
        return None
    return means[[int(np.flatnonzero(classes == label)[0]) for label in labels]]
