"""The views of a film: each gives a sample a position in every state, in two or three dimensions.

Tested by tests/rnc/film/test_positions.py.
"""

from dataclasses import dataclass

import numpy as np

from rnc.class_mean_geometry import SimplexSpan
from rnc.conditions import CLEAN, Condition
from rnc.film.principal_axes import principal_axes_of_all_epochs
from rnc.film.stored_states import CLEAN_STEP, EpochStates, StoredStates
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.vocabulary import LabelRule, ProjectionMethod, TargetRule

PCA, UMAP = ProjectionMethod.PCA.value, ProjectionMethod.UMAP.value


@dataclass(frozen=True)
class View:
    """The choice of a view: a projection, or the span of the clean means of three or four classes."""

    method: str
    """PCA, UMAP, or `span`."""
    classes: tuple[int, ...] = ()
    """The labels whose means span the view; three for a plane, four for a space."""

    @property
    def name(self) -> str:
        """The view in an address: `pca`, `umap`, or `span-0-1-2`."""
        return "-".join([self.method, *map(str, self.classes)])

    @classmethod
    def from_name(cls, name: str) -> "View":
        """Read a name. Raises ValueError for any other text."""
        method, *labels = name.split("-")
        classes = tuple(int(label) for label in labels if label.isascii() and label.isdigit() and len(label) < 6)
        is_span = method == "span" and len(labels) == len(set(classes)) and len(classes) in (3, 4)
        if not is_span and name not in (PCA, UMAP):
            raise ValueError(f"there is no view {name!r}; choose {PCA}, {UMAP}, or span- and three or four labels")
        return cls(method, classes)


@dataclass(frozen=True)
class Positions:
    """A view of all states: M states in the order of the epochs, N samples, E epochs, C classes, k dimensions."""

    samples: np.ndarray
    """Positions (M, N, k); NaN for a sample that is not shown in a state."""
    means: np.ndarray
    """Class means (E, 2, C, k): clean, and under the film's condition; NaN where none is stored."""
    rows: np.ndarray
    """Rows of the classifier (E, C, k) as directions, the longest as long as the longest centred clean mean; or NaN."""
    steps: list[list[int]]
    """The attack steps of each epoch's states."""
    ideal: np.ndarray
    """Vertices (E, V, k) of the simplex that the clean means of a span's classes approach; none (E, 0, k) for others."""


def positions(reader: StoreReader, states: StoredStates, view: View, num_classes: int) -> Positions:
    """Return the positions of a film's samples in a view.

    Raises ValueError if the view cannot be made for this run, with the reason.
    """
    if view.method == "span":
        if max(view.classes) >= num_classes:
            raise ValueError(f"the run has {num_classes} classes, and none of the label {max(view.classes)}")
        return _in_span(reader, states, view.classes, num_classes)
    if view.method == UMAP:
        return _as_stored(reader, states, num_classes)
    return _in_principal_axes(reader, states, num_classes)


def _in_principal_axes(reader: StoreReader, states: StoredStates, num_classes: int) -> Positions:
    axes = principal_axes_of_all_epochs(reader, states.request.run_id)
    parts, steps = [], []
    for epoch in states.of_epochs():
        steps.append(epoch.steps)
        placed = axes.project(epoch.vectors)
        _replace_by_stored(reader, states, epoch, placed)
        parts.append(placed)
    vectors = _VectorsOfClasses(reader, states, num_classes)
    every = [vectors.at(epoch) for epoch in states.epochs]
    return Positions(
        np.concatenate(parts),
        np.stack([axes.project(one.means) for one in every]),
        np.stack([axes.project(axes.origin + one.rows) for one in every]),
        steps,
        np.zeros((len(every), 0, 3)),
    )


def _replace_by_stored(reader: StoreReader, states: StoredStates, epoch: EpochStates, placed: np.ndarray) -> None:
    """Set the first two coordinates (S, N, 3) to those of the stored projection where there is one."""
    for condition, coordinates in _stored(reader, states, epoch.epoch, PCA).items():
        step = CLEAN_STEP if condition == CLEAN.slug else states.request.last_step
        if step in epoch.steps:
            target = placed[epoch.steps.index(step)]
            known = np.isfinite(coordinates).all(axis=1)
            target[known, :2] = coordinates[known]


def _as_stored(reader: StoreReader, states: StoredStates, num_classes: int) -> Positions:
    """Return the stored UMAP, NaN at epochs without one; attack steps between clean and perturbed lie on a straight line."""
    parts, steps = [], []
    missing = np.full((len(states.samples.indices), 2), np.nan)
    for epoch in states.of_epochs():
        steps.append(epoch.steps)
        stored = _stored(reader, states, epoch.epoch, UMAP)
        clean, perturbed = stored.get(CLEAN.slug, missing), stored.get(states.request.condition, missing)
        last = max(states.request.last_step, 1) + 1
        shares = [(step - CLEAN_STEP) / last for step in epoch.steps]
        parts.append(np.stack([clean if share == 0 else clean + share * (perturbed - clean) for share in shares]))
    samples = np.concatenate(parts)
    if not np.isfinite(samples).any():
        raise ValueError("the run stored no UMAP of these images")
    count = len(states.epochs)
    nothing = np.full((count, num_classes, 2), np.nan)
    return Positions(samples, np.stack([nothing, nothing], axis=1), nothing, steps, np.zeros((count, 0, 2)))


def _stored(reader: StoreReader, states: StoredStates, epoch: int, method: str) -> dict[str, np.ndarray]:
    """Return the stored coordinates (N, 2) of each condition at an epoch, in the film's order of samples; NaN if missing."""
    request, indices = states.request, states.samples.indices
    rows = reader.samples.projection(
        request.run_id, epoch, request.split, [CLEAN.slug, request.condition], method, request.most
    )
    by_condition = {}
    for condition, part in rows.groupby("condition"):
        at = np.searchsorted(indices, part["sample"].to_numpy(np.int64))
        is_shown = (at < len(indices)) & (
            indices[np.minimum(at, len(indices) - 1)] == part["sample"].to_numpy(np.int64)
        )
        coordinates = np.full((len(indices), 2), np.nan)
        coordinates[at[is_shown]] = part[["x", "y"]].to_numpy(np.float64)[is_shown]
        by_condition[str(condition)] = coordinates
    return by_condition


def _in_span(reader: StoreReader, states: StoredStates, classes: tuple[int, ...], num_classes: int) -> Positions:
    vectors = _VectorsOfClasses(reader, states, num_classes)
    is_shown = np.isin(states.samples.labels, classes)
    chosen = np.isin(np.arange(num_classes), classes)[:, None]
    regular = SimplexSpan(np.eye(len(classes))).project(np.eye(len(classes)))
    parts, steps, means, rows, ideals = [], [], [], [], []
    reason = ""
    for epoch in states.of_epochs():
        steps.append(epoch.steps)
        of_classes = vectors.at(epoch.epoch)
        try:
            span = SimplexSpan(of_classes.means[0, list(classes)])
        except ValueError as error:  # at this epoch the film shows the one before or after it
            span, reason = None, str(error)
        project = _Nowhere(len(classes) - 1) if span is None else span
        placed = project.project(epoch.vectors)
        placed[:, ~is_shown] = np.nan
        parts.append(placed)
        means.append(np.where(chosen, project.project(of_classes.means), np.nan))
        rows.append(np.where(chosen, project.project_directions(of_classes.rows), np.nan))
        size = np.sqrt((means[-1][0, list(classes)] ** 2).sum() / (regular**2).sum())
        ideals.append(size * regular)
    if not np.isfinite(np.concatenate(parts)).any():
        raise ValueError(reason or "the run stored no features of these classes")
    return Positions(np.concatenate(parts), np.stack(means), np.stack(rows), steps, np.stack(ideals))


class _Nowhere:
    """The span of an epoch whose class means span nothing: every position in it is NaN."""

    def __init__(self, width: int) -> None:
        self._width = width

    def project(self, vectors: np.ndarray) -> np.ndarray:
        return np.full((*vectors.shape[:-1], self._width), np.nan)

    project_directions = project


@dataclass(frozen=True)
class _OfClasses:
    means: np.ndarray
    """Class means (2, C, d), clean and under the condition; NaN where none is stored."""
    rows: np.ndarray
    """The classifier's rows (C, d), scaled to the length of the centred clean means; NaN if it is not stored."""


class _VectorsOfClasses:
    """The class means and the classifier of a film's run."""

    def __init__(self, reader: StoreReader, states: StoredStates, num_classes: int) -> None:
        self._vectors, self._request, self._num_classes = reader.vectors, states.request, num_classes

    def at(self, epoch: int) -> _OfClasses:
        """Return the vectors of an epoch. Raises ValueError if it has no clean means, StoreError if widths differ."""
        request = self._request
        conditions = [CLEAN.slug, request.condition]
        stored = [self._vectors.class_means(request.run_id, epoch, request.split, slug) for slug in conditions]
        width = stored[0][1].shape[1]
        if not width:
            raise ValueError(f"the run stored no class means of {request.split} images at epoch {epoch}")
        clean, perturbed = (self._placed(*one, width) for one in stored)
        perturbed = self._by_true_class(perturbed)
        rows = self._placed(*self._vectors.classes_and_classifier_rows(request.run_id, epoch), width)
        with np.errstate(invalid="ignore"):
            longest = np.nanmax(np.linalg.norm(clean - np.nanmean(clean, axis=0), axis=1))
            lengths = np.linalg.norm(rows, axis=1)
        scale = longest / np.nanmax(lengths) if np.nanmax(np.nan_to_num(lengths)) > 0 else np.nan
        return _OfClasses(np.stack([clean, perturbed]), scale * rows)

    def _by_true_class(self, means: np.ndarray) -> np.ndarray:
        """Return the condition's means (C, d) by the true classes of their images.

        Those of a targeted attack are stored by target; they are NaN if the target does not follow from the class.
        """
        condition = Condition.from_slug(self._request.condition)
        if condition.label_rule is not LabelRule.TARGET:
            return means
        return np.roll(means, -1, axis=0) if condition.target_rule is TargetRule.NEXT else np.full_like(means, np.nan)

    def _placed(self, classes: np.ndarray, vectors: np.ndarray, width: int) -> np.ndarray:
        """Return vectors (C', d) of `classes` in their places (C, d); NaN for the others."""
        placed = np.full((self._num_classes, width), np.nan)
        if not len(classes):
            return placed
        if vectors.shape[1] != width or classes.max() >= self._num_classes:
            raise StoreError("the class means of an epoch make no sense: they differ in width, or in their classes")
        placed[classes] = vectors
        return placed
