"""Positions of a film against the store's own projection, a singular value decomposition, and least squares."""

from functools import cache
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pytest

from rnc.film.principal_axes import principal_axes_of_all_epochs
from rnc.film.stored_states import FilmRequest, StoredStates
from rnc.film.views import Positions, View, positions
from rnc.store.reader import StoreReader
from rnc.vocabulary import Role, Split

CLASSES = 10


def run_of(store: Path) -> tuple[str, str]:
    """The run and its attack."""
    reader = StoreReader(store)
    with reader.kept_open():
        run_id = str(reader.runs.all()["run_id"].iloc[0])
        conditions = reader.runs.conditions([run_id])
    return run_id, str(conditions[conditions["shown"] == Role.PERTURBED]["condition"].iloc[0])


def view_of(store: Path, name: str, split: Split = Split.TRAIN) -> tuple[StoredStates, Positions]:
    """A view's states and positions, over one connection, as a page asks for them."""
    run_id, attack = run_of(store)
    reader = StoreReader(store)
    with reader.kept_open():
        states = StoredStates(reader, FilmRequest(run_id, split, attack, 10**6))
        return states, positions(reader, states, View.from_name(name), CLASSES)


@cache
def queried(store: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(store), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def clean_features(store: Path) -> np.ndarray:
    rows = queried(
        store, "SELECT vector FROM feature WHERE condition = 'clean' AND split = 'train' ORDER BY epoch, sample"
    )
    return np.array([row[0] for row in rows], np.float64)


def test_the_first_two_axes_are_those_of_the_stored_projection(tiny_store: Path) -> None:
    states, placed = view_of(tiny_store, "pca")
    attack, at = states.request.condition, 0
    for state in states.of_epochs():
        for step in state.steps:
            condition = "clean" if step < 0 else attack
            if step < 0 or step == states.request.last_step:
                rows = queried(
                    tiny_store,
                    f"SELECT coordinates FROM projection WHERE method = 'pca' AND split = 'train' AND epoch = {state.epoch} "
                    f"AND condition = '{condition}' ORDER BY sample",
                )
                assert np.array_equal(placed.samples[at, :, :2], np.array([row[0] for row in rows]))
            at += 1
    assert at == len(placed.samples)


def test_the_axes_are_the_leading_singular_vectors(tiny_store: Path) -> None:
    axes = principal_axes_of_all_epochs(StoreReader(tiny_store), run_of(tiny_store)[0])
    features = clean_features(tiny_store)
    directions = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2][:3]
    assert np.allclose(axes.origin, features.mean(axis=0), atol=1e-9)
    assert np.allclose(np.abs((axes.directions * directions).sum(axis=1)), 1, atol=1e-6)
    assert (axes.directions[np.arange(3), np.abs(axes.directions).argmax(axis=1)] > 0).all(), "signs are fixed"


def test_the_axes_of_wide_features_are_the_same(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are found by iteration, because all axes of many dimensions would take minutes."""
    expected = principal_axes_of_all_epochs(StoreReader(tiny_store), run_of(tiny_store)[0])
    monkeypatch.setattr("rnc.film.principal_axes._MOST_FOR_ALL_AXES", 2)
    found = principal_axes_of_all_epochs(StoreReader(tiny_store), run_of(tiny_store)[0])
    assert np.allclose(found.directions, expected.directions, atol=1e-8)


def test_too_wide_features_are_refused_in_words(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnc.film.principal_axes.MOST_DIMENSIONS", 3)
    with pytest.raises(ValueError, match="choose the plane of three class means"):
        principal_axes_of_all_epochs(StoreReader(tiny_store), run_of(tiny_store)[0])


def test_attack_steps_are_projected_like_the_rest(tiny_store: Path) -> None:
    """The states between clean and perturbed have no stored projection."""
    states, placed = view_of(tiny_store, "pca")
    axes = principal_axes_of_all_epochs(StoreReader(tiny_store), states.request.run_id)
    steps = [step for state in states.of_epochs() for step in state.steps]
    vectors = np.concatenate([state.vectors for state in states.of_epochs()])
    assert {0, 1} < set(steps), "the run kept the attack's steps"
    assert np.allclose(placed.samples, (vectors - axes.origin) @ axes.directions.T, atol=1e-4)


@pytest.mark.parametrize("name", ["span-2-0-5", "span-7-1-3-4"])
def test_a_span_keeps_distances_of_means_and_takes_samples_to_the_nearest_point(tiny_store: Path, name: str) -> None:
    states, placed = view_of(tiny_store, name)
    chosen = list(View.from_name(name).classes)
    at = 0
    for epoch, state in enumerate(states.of_epochs()):
        rows = queried(
            tiny_store,
            f"SELECT class, vector FROM class_mean WHERE split = 'train' AND condition = 'clean' AND layer = 'features' "
            f"AND epoch = {state.epoch}",
        )
        means = np.array([dict(rows)[label] for label in chosen])
        corners = placed.means[epoch, 0, chosen]
        for a, b in combinations(range(len(chosen)), 2):
            assert np.linalg.norm(corners[a] - corners[b]) == pytest.approx(
                np.linalg.norm(means[a] - means[b]), rel=1e-5
            )
        assert (
            corners[0, 1] == pytest.approx(corners[1, 1], abs=1e-6)
            and corners[0, 0] < corners[1, 0]
            and corners[2, 1] > 0
        )
        for place in range(len(state.steps)):
            for sample, label in enumerate(states.samples.labels):
                found = placed.samples[at + place, sample]
                if label not in chosen:
                    assert np.isnan(found).all()
                    continue
                sides = (means[1:] - means[0]).T
                shares = np.linalg.lstsq(sides, state.vectors[place, sample] - means[0], rcond=None)[0]
                corner = corners[0] + (corners[1:] - corners[0]).T @ shares
                assert np.allclose(found, corner, atol=1e-4)
        at += len(state.steps)
        ideal = placed.ideal[epoch]
        lengths = [np.linalg.norm(ideal[a] - ideal[b]) for a, b in combinations(range(len(chosen)), 2)]
        assert np.ptp(lengths) < 1e-6 * max(lengths) and np.allclose(ideal.mean(axis=0), 0, atol=1e-6)
        assert (ideal**2).sum() == pytest.approx((corners**2).sum(), rel=1e-6), "the ideal is as large as the means"


def test_rows_of_the_classifier_are_as_long_as_the_means(tiny_store: Path) -> None:
    states, placed = view_of(tiny_store, "span-0-1-2")
    epoch = states.epochs[-1]
    rows = dict(queried(tiny_store, f"SELECT class, vector FROM classifier WHERE epoch = {epoch}"))
    weight = np.array([rows[c] for c in range(CLASSES)])
    means = dict(
        queried(
            tiny_store,
            f"SELECT class, vector FROM class_mean WHERE split = 'train' AND condition = 'clean' AND layer = 'features' "
            f"AND epoch = {epoch}",
        )
    )
    centred = np.array([means[c] for c in range(CLASSES)]) - np.mean([means[c] for c in range(CLASSES)], axis=0)
    scale = np.linalg.norm(centred, axis=1).max() / np.linalg.norm(weight, axis=1).max()
    sides = np.array([means[1], means[2]]) - np.array(means[0])
    corners = placed.means[-1, 0, :3]
    for label in range(3):
        shares = np.linalg.lstsq(sides.T, scale * weight[label], rcond=None)[0]
        assert np.allclose(placed.rows[-1, label], (corners[1:] - corners[0]).T @ shares, atol=1e-4)
    assert np.isnan(placed.rows[-1, 3:]).all()


def test_means_of_a_targeted_attack_are_those_of_the_true_classes(tiny_store: Path) -> None:
    """The store has them by target; the film draws a class's mean among the samples of the class."""
    run_id, attack = run_of(tiny_store)
    reader, targeted = StoreReader(tiny_store), f"{attack}-next"
    assert targeted in set(reader.runs.conditions([run_id])["condition"])
    states = StoredStates(reader, FilmRequest(run_id, Split.TRAIN, targeted, 10**6))
    placed = positions(reader, states, View.from_name("pca"), CLASSES)
    *_others, last = states.of_epochs()
    axes = principal_axes_of_all_epochs(reader, run_id)
    samples = axes.project(last.vectors[-1])
    means = np.stack([samples[states.samples.labels == label].mean(axis=0) for label in range(CLASSES)])
    distance = np.linalg.norm(placed.means[-1, 1][:, None] - means[None], axis=2)
    assert (distance.argmin(axis=1) == np.arange(CLASSES)).mean() >= 0.8, "the sample is a part of the images"


def test_umap_is_the_stored_one_and_missing_elsewhere(tiny_store: Path) -> None:
    stored = queried(tiny_store, "SELECT DISTINCT epoch FROM projection WHERE method = 'umap'")
    if not stored:
        with pytest.raises(ValueError, match="no UMAP"):
            view_of(tiny_store, "umap")
        return
    states, placed = view_of(tiny_store, "umap")
    at = 0
    for state in states.of_epochs():
        here = placed.samples[at : at + len(state.steps)]
        assert np.isfinite(here).any() == ((state.epoch,) in stored)
        at += len(state.steps)
    clean = queried(
        tiny_store,
        "SELECT sample, coordinates FROM projection WHERE method = 'umap' AND condition = 'clean' AND split = 'train'",
    )
    places = {int(sample): place for place, sample in enumerate(states.samples.indices)}
    first = len(placed.samples) - len(state.steps)
    assert all(np.allclose(placed.samples[first, places[sample]], xy) for sample, xy in clean)


@pytest.mark.parametrize(
    "name", ["", "PCA", "span", "span-1", "span-1-2", "span-1-1-2", "span-1-2-3-4-5", "span-1-2-x", "pca-1"]
)
def test_other_views_are_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="there is no view"):
        View.from_name(name)


@pytest.mark.parametrize("name", ["pca", "umap", "span-1-2-3", "span-0-9-4-2"])
def test_names_of_views_are_read_back(name: str) -> None:
    assert View.from_name(name).name == name
