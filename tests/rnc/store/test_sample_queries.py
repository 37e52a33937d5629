"""Maps take at most so many samples, as many of one class as of another, and the same ones wherever they look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.conditions import CLEAN
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from tests.examples import examples
from tests.rnc.store.hand_written import PERTURBED, begin

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
    both = ["clean", PERTURBED.slug]
    drawn = reader.samples.projection("a", 4, "train", both, "pca", most)
    each = max(most // 3, 1)
    counts = drawn[drawn["condition"] == "clean"].groupby("label").size().to_dict()
    assert counts == {label: min(count, each) for label, count in PER_CLASS.items()}
    assert set(drawn["stored"]) == {len(SAMPLES)}
    chosen = set(drawn["sample"])
    assert len(drawn) == 2 * len(chosen)
    assert set(reader.samples.projection("a", 0, "train", ["clean"], "pca", most)["sample"]) == chosen
    assert set(reader.samples.sample("a", 4, "train", both, most=most)["sample"]) == chosen
    assert chosen <= set(reader.samples.projection("a", 4, "train", both, "pca", most + 3)["sample"])


def test_all_samples_are_the_rows_themselves(reader: StoreReader) -> None:
    found = reader.samples.projection("a", 4, "train", ["clean"], "pca").sort_values("sample")
    order = np.argsort(SAMPLES)
    np.testing.assert_array_equal(found["sample"], SAMPLES[order])
    np.testing.assert_array_equal(found[["x", "y"]], np.stack([SAMPLES, LABELS], axis=1)[order] + 0.5)


def test_features_of_some_classes(reader: StoreReader) -> None:
    found = reader.samples.sample("a", 0, "train", ["clean"], labels=[2, 0], most=20)
    assert found.groupby("label").size().to_dict() == {0: 10, 2: 5}
    for row in found.itertuples():
        assert list(row.vector) == [row.sample, row.label]
    assert "'a'" in found.attrs["sql"] and "$" not in found.attrs["sql"]
