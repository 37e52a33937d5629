"""All epochs of a run lie in one PCA basis, refitted as epochs land; UMAP takes the last epoch's attacks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rnc.conditions import CLEAN
from rnc.probe import projections
from rnc.probe.measure_epoch import Sample
from rnc.probe.projections import Projector, Samples
from rnc.store.writer import StoreWriter
from rnc.vocabulary import ProjectionMethod, Role, Split
from tests.rnc.store.hand_written import begin
from tests.train.small import ask, small

CONFIG = small(extra_conditions=("pgd-l2-0.5-10",))
CONDITIONS = [condition for _role, condition in CONFIG.conditions]


def samples(seed: int, count: int = 12, d: int = 5) -> Samples:
    """Features of every spot; the spread of an epoch grows with its seed, so that the basis turns."""
    rng = np.random.default_rng(seed)
    scale = np.roll(np.array([5.0, 2.0, 1.0, 0.5, 0.2]), seed) * (seed + 1)
    indices = np.arange(count) * 3
    return {
        (split, condition): Sample(indices, indices % 10, (rng.normal(size=(count, d)) * scale).astype(np.float32))
        for split in Split
        for condition in CONDITIONS
    }


@pytest.fixture
def writer(tmp_path: Path) -> StoreWriter:
    return begin(tmp_path / "rnc.duckdb", CONFIG.run_id, CONFIG.conditions)


def stored(writer: StoreWriter, method: str, epoch: int, split: str, condition: str) -> np.ndarray:
    where = "method = ? AND epoch = ? AND split = ? AND condition = ? ORDER BY sample"
    rows = ask(writer.path, f"SELECT coordinates FROM projection WHERE {where}", method, epoch, split, condition)
    return np.array([list(coordinates) for (coordinates,) in rows])


def principal(clean: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the two leading directions of the pooled features."""
    pooled = np.concatenate(clean).astype(np.float64)
    return pooled.mean(axis=0), np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)[2][:2]


def test_every_epoch_is_stored_in_the_basis_of_all(writer: StoreWriter) -> None:
    projector, epochs = Projector(CONFIG, writer), {epoch: samples(epoch) for epoch in (0, 2, 5)}
    assert projector.samples_of_last_epoch is None
    for epoch, found in epochs.items():
        projector.add_epoch_and_refit_pca(epoch, found)
        assert projector.samples_of_last_epoch is found
    mean, directions = principal([found[Split.TRAIN, CLEAN].features for found in epochs.values()])
    signs = None
    for epoch, found in epochs.items():
        for (split, condition), sample in found.items():
            plane = stored(writer, "pca", epoch, split, condition.slug)
            expected = (sample.features - mean) @ directions.T
            signs = np.sign((plane * expected).sum(axis=0)) if signs is None else signs
            assert plane == pytest.approx(expected * signs, abs=1e-4), (epoch, split, condition.slug)
    assert ask(writer.path, "SELECT count(*) FROM projection") == [(3 * 2 * len(CONDITIONS) * 12,)]


def test_an_earlier_epoch_moves_with_the_basis(writer: StoreWriter) -> None:
    projector = Projector(CONFIG, writer)
    projector.add_epoch_and_refit_pca(0, samples(0))
    before = stored(writer, "pca", 0, "train", "clean")
    projector.add_epoch_and_refit_pca(1, samples(1))
    after = stored(writer, "pca", 0, "train", "clean")
    assert before.shape == after.shape and not np.allclose(before, after)


class Plane:
    """Stands for `umap_plane`: the first two features, and what it was given."""

    def __call__(self, clean: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.clean, self.others = clean, list(others)
        return [part[:, :2] for part in (clean, *others)]


@pytest.fixture
def plane() -> Plane:
    return Plane()


def test_umap_takes_clean_and_the_runs_attacks_of_the_last_epoch(writer: StoreWriter, plane: Plane) -> None:
    projector, last = Projector(CONFIG, writer), samples(4)
    projector.add_epoch_and_refit_pca(4, last)
    projector.add_epoch_and_refit_pca(1, samples(1))
    projector.project_by_umap(plane)
    roles = dict(CONFIG.conditions)
    slugs = {"clean", roles[Role.PERTURBED].slug, roles[Role.TARGETED].slug}
    found = ask(writer.path, "SELECT DISTINCT epoch, split, condition FROM projection WHERE method = 'umap'")
    assert set(found) == {(4, "train", slug) for slug in slugs}
    for condition in (CLEAN, roles[Role.PERTURBED], roles[Role.TARGETED]):
        sample = last[Split.TRAIN, condition]
        assert stored(writer, "umap", 4, "train", condition.slug) == pytest.approx(sample.features[:, :2])
    assert plane.clean.tolist() == last[Split.TRAIN, CLEAN].features.tolist() and len(plane.others) == 2
    assert ask(writer.path, "SELECT count(*) FROM projection WHERE method = 'pca'") == [(2 * 2 * len(CONDITIONS) * 12,)]


def test_umap_takes_a_stated_number_of_points_spread_over_the_sample(
    writer: StoreWriter, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projections, "UMAP_POINTS", 5)
    projector = Projector(CONFIG, writer)
    projector.add_epoch_and_refit_pca(0, samples(0))
    projector.project_by_umap(plane)
    taken = ask(writer.path, "SELECT DISTINCT sample FROM projection WHERE method = 'umap' ORDER BY 1")
    assert len(taken) == len(plane.clean) == 5 and taken[0] == (0,) and taken[-1] == (33,)
    assert {method for (method,) in ask(writer.path, "SELECT DISTINCT method FROM projection")} == set(ProjectionMethod)


def failing(_clean: np.ndarray, _others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """As the process of UMAP, where it ends."""
    raise RuntimeError("UMAP failed: its process ended with code 1")


@pytest.mark.parametrize(
    ("count", "d", "sentence"),
    [
        (12, 1, "no PCA: A plane has two axes, but this network has one penultimate feature."),
        (3, 5, "no UMAP: it needs the features of at least 4"),
    ],
)
def test_a_projection_of_too_little_is_left_out_with_a_sentence(
    count: int, d: int, sentence: str, writer: StoreWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    projector, method = Projector(CONFIG, writer), "pca" if d == 1 else "umap"
    for epoch in (0, 1):
        found = {key: Sample(s.indices, s.labels, s.features[:, :d]) for key, s in samples(epoch, count).items()}
        projector.add_epoch_and_refit_pca(epoch, found)
    if d > 1:
        projector.project_by_umap(failing)
    assert capsys.readouterr().out.count(f"{CONFIG.run_id}: {sentence}") == 1
    assert ask(writer.path, f"SELECT count(*) FROM projection WHERE method = '{method}'") == [(0,)]


def test_where_umap_fails_the_rest_of_the_run_stands(writer: StoreWriter, capsys: pytest.CaptureFixture[str]) -> None:
    projector = Projector(CONFIG, writer)
    projector.add_epoch_and_refit_pca(0, samples(0))
    projector.project_by_umap(failing)
    assert f"{CONFIG.run_id}: no UMAP: UMAP failed" in capsys.readouterr().out
    assert ask(writer.path, "SELECT DISTINCT method FROM projection") == [("pca",)]
