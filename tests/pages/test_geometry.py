"""The geometry page's distances to the simplex: those of the stored means, which training measured by itself, too."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnc.store.connection_per_transaction import writing
from rnc.store.reader import StoreReader
from rnc.ui.charts.geometry import SIMPLEX_DISTANCES
from rnc.ui.pages.simplex_distances import distances_over_epochs, smallest_distances
from rnc.vocabulary import Metric
from tests.pages.app import open_page, rows


@pytest.mark.parametrize("split", ["train", "test"])
def test_they_are_what_training_measured(split: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the three are in the store as metrics, computed by torch from the features and not from the stored means."""
    reader = StoreReader(tiny_store)
    run_ids = list(reader.runs.all()["run_id"])
    app = open_page("geometry", tiny_store, monkeypatch, split=split)
    epochs = set(reader.vectors.epochs(run_ids)["epoch"])
    for name, metric in (("cosines", Metric.NC2_EQUIANGULARITY), ("equinorm", Metric.NC2_EQUINORM)):
        drawn = rows(app, f"{SIMPLEX_DISTANCES[name].label} over epochs", "shown", "epoch", "value")
        measured = reader.metrics.curves(run_ids, ["clean", "perturbed"], split, [metric])
        measured = measured[measured["epoch"].isin(epochs)].sort_values(["shown", "epoch"])
        drawn = drawn.sort_values(["shown", "epoch"])
        assert list(drawn["epoch"]) == list(measured["epoch"]) and len(drawn) >= 4
        np.testing.assert_allclose(drawn["value"], measured["value"], rtol=1e-4)


def test_epochs_with_other_classes_are_of_their_own_simplex() -> None:
    """Where a condition leaves a class without samples, the others are looked at; one class alone has no simplex."""
    square, line = np.eye(3), np.array([[0.0, 0.0], [1.0, 0.0]])
    spots = [(0, one, mean) for one, mean in enumerate(square)] + [(1, one, mean) for one, mean in enumerate(line)]
    spots.append((2, 0, np.ones(2)))
    means = pd.DataFrame([{"epoch": epoch, "class": one, "vector": mean} for epoch, one, mean in spots])
    found = distances_over_epochs(means.assign(run_id="a", shown="clean", condition="clean"))
    assert sorted(found["epoch"]) == [0, 1]
    np.testing.assert_allclose(found[list(SIMPLEX_DISTANCES)], 0, atol=1e-7)


def test_class_means_that_are_all_alike_have_no_simplex(
    own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    with writing(own_tiny_store) as connection:
        connection.execute("UPDATE class_mean SET vector = list_transform(vector, x -> 0.7)")
    app = open_page("geometry", own_tiny_store, monkeypatch)
    said = " ".join(element.value for element in (*app.info, *app.caption, *app.markdown)).replace("\\", "")
    assert said.count("not defined, because all class means coincide") == 3 and "nan" not in said.lower()
    assert not [warning for warning in recwarn if "divide" in str(warning.message)]


def test_runs_without_a_distance_are_named_too() -> None:
    run = {"shown": "clean", "condition": "clean", "epoch": 3}
    found = pd.DataFrame(
        [{"run": "a", "run_id": "a", "gram": 0.25, **run}, {"run": "b", "run_id": "b", "gram": np.nan, **run}]
    )
    table, undefined = smallest_distances(found)
    assert table.to_dict("records") == [{"run": "a", "condition": "clean", "epoch": 3, "distance": 0.25}]
    assert undefined == ["b"]
