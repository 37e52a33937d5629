"""Maps take at most so many samples, as many of one class as of another, and the same ones wherever they look."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.class_mean_geometry import SimplexSpan
from rnc.conditions import CLEAN, Condition
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.store.stored_vector_checks import as_matrix
from rnc.vocabulary import FEATURES_LAYER
from tests.examples import examples
from tests.rnc.store.hand_written import L2, PERTURBED, TARGETED, begin

PER_CLASS = {0: 40, 1: 25, 2: 5}
SAMPLES = np.random.default_rng(0).choice(1000, sum(PER_CLASS.values()), replace=False)
LABELS = np.repeat(list(PER_CLASS), list(PER_CLASS.values()))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    """Two epochs of 70 samples of three classes that are not equally frequent, clean and perturbed."""
    path = tmp_path_factory.mktemp("samples") / "rnc.duckdb"
    writer = begin(path, "a")
    for epoch in (0, 4):
        rows = Rows()
        for condition in (CLEAN, PERTURBED):
            order = np.random.default_rng(epoch).permutation(len(SAMPLES))
            spot = {"run_id": "a", "epoch": epoch, "split": "train", "condition": condition.slug}
            plane = np.stack([SAMPLES, LABELS], axis=1)[order] + epoch / 8
            features = {"label": LABELS[order], "predicted": LABELS[order], "vector": plane}
            rows.add("feature", **spot, sample=SAMPLES[order], **features)
            rows.add("projection", **spot, method="pca", sample=SAMPLES[order], coordinates=plane)
        writer.write_epoch("a", epoch, rows)
    return StoreReader(path)


@examples(15)
@given(st.integers(1, 100))
def test_a_choice_is_balanced_nested_and_the_same_everywhere(reader: StoreReader, most: int) -> None:
    """The questions of an example share a connection."""
    with reader.kept_open():
        both = ["clean", PERTURBED.slug]
        drawn = reader.samples.projection("a", 4, "train", both, "pca", most)
        each = max(most // 3, 1)
        counts = drawn[drawn["condition"] == "clean"].groupby("label").size().to_dict()
        assert counts == {label: min(count, each) for label, count in PER_CLASS.items()}
        assert set(drawn["stored"]) == {len(SAMPLES)}
        chosen = set(drawn["sample"])
        assert len(drawn) == 2 * len(chosen)
        assert set(reader.samples.projection("a", 0, "train", ["clean"], "pca", most)["sample"]) == chosen
        assert set(reader.samples.features_at_epoch("a", 4, "train", both, most=most)["sample"]) == chosen
        assert chosen <= set(reader.samples.projection("a", 4, "train", both, "pca", most + 3)["sample"])


def test_all_samples_are_the_rows_themselves(reader: StoreReader) -> None:
    found = reader.samples.projection("a", 4, "train", ["clean"], "pca").sort_values("sample")
    order = np.argsort(SAMPLES)
    np.testing.assert_array_equal(found["sample"], SAMPLES[order])
    np.testing.assert_array_equal(found[["x", "y"]], np.stack([SAMPLES, LABELS], axis=1)[order] + 0.5)


def test_features_of_some_classes(reader: StoreReader) -> None:
    found = reader.samples.features_at_epoch("a", 0, "train", ["clean"], labels=[2, 0], most=20)
    assert found.groupby("label").size().to_dict() == {0: 10, 2: 5}
    for row in found.itertuples():
        assert list(row.vector) == [row.sample, row.label]
    assert "'a'" in found.attrs["sql"] and "$" not in found.attrs["sql"]


def path_rows(epoch: int, steps: list[int], condition: Condition = PERTURBED, split: str = "train") -> Rows:
    """Samples 7, 5 at each step, the vector of which tells what it is of."""
    rows = Rows()
    key = {"run_id": "a", "epoch": epoch, "split": split, "condition": condition.slug}
    for step in steps:
        vectors = np.array([[epoch, step, 7], [epoch, step, 5]])
        rows.add("attack_path", **key, step=step, sample=[7, 5], predicted=[step, 1], vector=vectors)
    rows.add("feature", **key, sample=[7, 5], label=[0, 1], predicted=[0, 1], vector=np.eye(2, 3))
    return rows


def test_an_attack_path_is_of_all_epochs_in_the_order_of_its_steps(tmp_path: Path) -> None:
    writer = begin(tmp_path / "rnc.duckdb", "a")
    for epoch in (4, 0):
        rows = path_rows(epoch, [10, 0, 1])
        rows.extend(path_rows(epoch, [2], TARGETED))
        rows.extend(path_rows(epoch, [2], split="test"))
        writer.write_epoch("a", epoch, rows)
    begin(tmp_path / "rnc.duckdb", "b")
    samples = StoreReader(tmp_path / "rnc.duckdb").samples
    found = samples.features_along_attack("a", "train", PERTURBED.slug)
    assert list(found.columns) == ["epoch", "step", "sample", "predicted", "vector"]
    expected = [(epoch, step, sample) for epoch in (0, 4) for step in (0, 1, 10) for sample in (5, 7)]
    assert list(found[["epoch", "step", "sample"]].itertuples(index=False, name=None)) == expected
    assert [tuple(vector) for vector in found["vector"]] == expected
    assert found["predicted"].tolist() == [1 if sample == 5 else step for _epoch, step, sample in expected]
    assert samples.features_along_attack("a", "test", PERTURBED.slug)["step"].tolist() == [2] * 4
    for run_id, split, condition in (("b", "train", PERTURBED), ("a", "train", L2), ("c", "test", PERTURBED)):
        assert samples.features_along_attack(run_id, split, condition.slug).empty


@pytest.mark.one_file("rows are put into the file by hand")
@pytest.mark.parametrize(
    ("vector", "makes_sense"),
    [("NULL", False), ("[]", False), ("vector[:1]", False), ("list_append(vector[:-2], NULL)", False),
     ("[x * 'nan'::FLOAT FOR x IN vector]", True), ("['inf'::FLOAT FOR x IN vector]", True)],
)  # fmt: skip
def test_vectors_of_a_path_that_make_no_sense_are_told_as_those_of_features(
    vector: str, makes_sense: bool, tmp_path: Path
) -> None:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a").write_epoch("a", 0, path_rows(0, [0]))
    with duckdb.connect(str(path)) as connection:
        for table in ("feature", "attack_path"):
            connection.execute(f"UPDATE {table} SET vector = {vector} WHERE sample = 5")
    samples = StoreReader(path).samples
    for found in (samples.features("a"), samples.features_along_attack("a", "train", PERTURBED.slug)):
        assert len(found) == 2
        if makes_sense:
            assert (~np.isfinite(as_matrix(found["vector"]))).any()
        else:
            with pytest.raises(StoreError, match="vectors make no sense"):
                as_matrix(found["vector"])


WIDTH = 6
CHOSEN = [2, 0, 1]
"""The classes of the simplex plane, in an order of their own; class 3 is another."""
Points = dict[tuple[str, str, str, int], np.ndarray]
"""By run, split, condition and epoch: coordinates (n, 2), or vectors (n, WIDTH) of samples whose labels are 0, 1, 2, 3, 0, ..."""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoreReader, Points, Points, Points]:
    """Two runs whose features grow: the reader, the PCA coordinates, the features and the class means of all epochs."""
    path, rng = tmp_path_factory.mktemp("grown") / "rnc.duckdb", np.random.default_rng(3)
    planes, vectors, means = Points(), Points(), Points()
    for run_id in ("a", "b"):
        writer = begin(path, run_id)
        for epoch in (0, 1, 4, 5):
            rows = Rows()
            for split in ("train", "test"):
                centres = rng.normal(size=(4, WIDTH)) * (epoch + 1) + 5
                if epoch == 4:
                    centres[2] = (centres[0] + centres[1]) / 2  # on a line
                kept = [0, 1, 3] if epoch == 5 else [0, 1, 2, 3]  # the mean of a class is missing
                for condition in (CLEAN, PERTURBED, TARGETED, L2):
                    key = {"run_id": run_id, "epoch": epoch, "split": split, "condition": condition.slug}
                    spot = run_id, split, condition.slug, epoch
                    planes[spot] = rng.normal(size=(8, 2), scale=[1.0, 3.0]) * rng.uniform(1, 9)
                    vectors[spot] = np.tile(centres, (2, 1)) + rng.normal(size=(8, WIDTH)) * rng.uniform(1, 3)
                    vectors[spot][3::4] *= 100  # of the other class
                    means[spot] = centres
                    features = {"label": np.arange(8) % 4, "predicted": np.zeros(8, int), "vector": vectors[spot]}
                    rows.add("feature", **key, sample=np.arange(8), **features)
                    rows.add("projection", **key, method="pca", sample=np.arange(8), coordinates=planes[spot])
                    rows.add("projection", **key, method="umap", sample=np.arange(8), coordinates=99 * planes[spot])
                    centre = {"layer": FEATURES_LAYER, "class": kept, "vector": centres[kept]}
                    rows.add("class_mean", **key, **centre)
                    rows.add("class_mean", **key, **centre | {"layer": "pixels"})
            writer.write_epoch(run_id, epoch, rows)
    return StoreReader(path), planes, vectors, means


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_extent_of_a_projection_is_that_of_all_epochs_and_conditions(grown: tuple, split: str) -> None:
    reader, planes, *_rest = grown
    for method, scale in (("pca", 1), ("umap", 99)):
        found = reader.samples.projected_extent("a", split, method)
        x, y = zip(*(place for spot, some in planes.items() if spot[:2] == ("a", split) for place in some), strict=True)
        expected = [[scale * min(x), scale * min(y)], [scale * max(x), scale * max(y)]]
        np.testing.assert_allclose(found[["x", "y"]], expected, rtol=1e-6)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_extent_of_simplex_planes_is_that_of_all_epochs_and_conditions(grown: tuple, split: str) -> None:
    """The epochs without a plane (means on a line, or missing) are left out."""
    reader, _planes, vectors, means = grown
    samples: list[np.ndarray] = []
    vertices: list[np.ndarray] = []
    for spot in vectors:
        if spot[:2] == ("a", split) and spot[3] in (0, 1):
            corners = means["a", split, "clean", spot[3]][CHOSEN]
            plane = SimplexSpan(corners)
            samples += list(plane.project(vectors[spot][[0, 1, 2, 4, 5, 6]]))  # (the others are of class 3)
            vertices += list(plane.project(corners))
    found = reader.samples.simplex_extent_of_all_epochs("a", split, CHOSEN)
    for is_vertex, points in ((False, samples), (True, vertices)):
        expected = [np.min(points, axis=0), np.max(points, axis=0)]
        np.testing.assert_allclose(found[found["is_vertex"] == is_vertex][["x", "y"]], expected, rtol=1e-5)
    assert len(found) == 4


def test_places_that_are_not_finite_have_no_extent(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lost") / "rnc.duckdb"
    writer, rows = begin(path, "a"), Rows()
    key = {"run_id": "a", "epoch": 0, "split": "train", "condition": "clean", "sample": np.arange(3)}
    places = np.array([[1.0, 2.0], [np.nan, 9.0], [9.0, -np.inf]])
    rows.add("projection", **key, method="pca", coordinates=places)
    rows.add("feature", **key, label=np.arange(3), predicted=np.arange(3), vector=places)
    rows.add("class_mean", **{k: v for k, v in key.items() if k != "sample"}, layer=FEATURES_LAYER,
             **{"class": np.arange(3), "vector": np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 2.0, 0.0]])})  # fmt: skip
    writer.write_epoch("a", 0, rows)
    samples = StoreReader(path).samples
    assert samples.projected_extent("a", "train", "pca").to_numpy().tolist() == [[1.0, 2.0]] * 2
    assert samples.projected_extent("a", "test", "pca").isna().all(axis=None)
    found = samples.simplex_extent_of_all_epochs("a", "train", [0, 1, 2])
    assert found["is_vertex"].all() and len(found) == 2, "features of another width than the means are left out"
    assert samples.simplex_extent_of_all_epochs("a", "test", [0, 1, 2]).empty
