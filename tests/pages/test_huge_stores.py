"""Pages of stores whose numbers would become lengths: many classes, many rows, vectors of any size."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from rnc.class_mean_geometry import distances_from_simplex_by_measure
from rnc.store.checked_run_configs import MOST_CLASSES
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.ui.charts.leaping import leaping_matrix
from rnc.ui.pages.simplex_distances import distances_over_epochs
from tests.pages.app import charts, open_page


def change(store: Path, *statements: str) -> None:
    with duckdb.connect(str(store)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (f"range({MOST_CLASSES + 1})", f"{MOST_CLASSES + 1:,} classes"),
        ("[repeat('x', 201)]", "201 characters"),
        ("[NULL]", "missing"),
    ],
)
def test_a_run_of_too_many_classes_is_named(classes: str, told: str, own_tiny_store: Path) -> None:
    change(own_tiny_store, f"UPDATE run SET classes = {classes}")
    with pytest.raises(StoreError, match=told):
        StoreReader(own_tiny_store).runs.all()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE class_mean SET vector = vector[:3] WHERE class < 5", "differ in length"),
        ("UPDATE class_mean SET vector = list_resize(vector, 5000, 0)", "50,000 numbers|5,000 numbers"),
        ("UPDATE class_mean SET class = 3", "name a class twice"),
        ("UPDATE class_mean SET class = -1 WHERE class = 1", "make no sense"),
        (
            "INSERT INTO class_mean SELECT run_id, epoch, split, condition, layer, 10 + n, [0] FROM class_mean, "
            f"range({MOST_CLASSES}) r(n) WHERE class = 0 AND layer = 'features' AND epoch = 2 AND split = 'train'",
            "at most",
        ),
    ],
)
def test_vectors_that_make_no_sense_are_refused_in_words(
    statement: str, told: str, own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(own_tiny_store, statement)
    monkeypatch.setattr("rnc.store.queries.vectors.MOST_VECTOR_NUMBERS", 20_000)
    app = open_page("geometry", own_tiny_store, monkeypatch)
    assert re.search(told, app.error[0].value)


def test_classes_that_a_run_does_not_name_have_their_number(
    own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(own_tiny_store, "UPDATE class_mean SET class = 2000000000 WHERE class = 9")
    app = open_page("geometry", own_tiny_store, monkeypatch)
    assert "2000000000" in set(charts(app)["cosines of centred class means, clean"]["rows"][0]["class"])


def test_very_many_rows_are_not_sent_to_the_browser(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert charts(open_page("layers", tiny_store, monkeypatch))
    monkeypatch.setattr("rnc.ui.figures.MOST_DRAWN_ROWS", 5)
    app = open_page("layers", tiny_store, monkeypatch)
    assert not charts(app) and "draws at most 5" in app.warning[0].value


def test_cosines_of_too_many_classes_are_not_drawn_pair_by_pair(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnc.ui.pages.geometry._MAX_CLASSES", 9)
    app = open_page("geometry", tiny_store, monkeypatch)
    assert not any("cosines of c" in name for name in charts(app))
    told = app.info[0].value
    assert told == (
        "Cosines between class means, clean: not drawn, because there are 10 classes. Pairs are drawn of up to 9 classes."
    )


def test_many_classes_are_drawn_by_the_pairs_that_there_are() -> None:
    names = [f"c{number}" for number in range(2_000)]
    frame = pd.DataFrame({"true_class": ["c0"], "predicted_class": ["c1"], "count": [3], "angle": [0.1]})
    chart = leaping_matrix(frame, names, "x")
    assert chart.row_count == 1
    few = leaping_matrix(frame, names[:60], "x")
    assert few.row_count == 60**2 and few.specification["layer"][0]["mark"]["type"] == "rect"
    assert chart.specification["layer"][0]["mark"] == {"type": "square", "size": 9, "opacity": 1}, (
        "seen at any number of classes"
    )


def test_many_epochs_of_many_classes_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    spots, classes = 7, 5
    vectors = rng.normal(size=(spots, classes, 4))
    rows = [
        {"run_id": "r", "shown": "clean", "condition": "clean", "epoch": e, "class": c, "vector": vectors[e, c]}
        for e in range(spots) for c in range(classes)
    ]  # fmt: skip
    monkeypatch.setattr("rnc.ui.pages.simplex_distances._MAX_NUMBERS", 3 * classes**2)
    found = distances_over_epochs(pd.DataFrame(rows))
    for name, values in distances_from_simplex_by_measure(vectors).items():
        np.testing.assert_allclose(found[name], values)
