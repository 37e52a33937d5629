"""Stored vectors that make no sense (rnc/store/stored_vector_checks.py) are named by the page that would draw them."""

from pathlib import Path

import duckdb
import pytest

from tests.pages.app import open_page

NO_SENSE, NO_CLASSIFIER = "vectors make no sense", "No classifier with the classes and the width"
GEOMETRY = {
    "no classifier": ("DELETE FROM classifier", NO_CLASSIFIER),
    "a narrower classifier": ("UPDATE classifier SET vector = vector[:1]", NO_CLASSIFIER),
    "an empty classifier": ("UPDATE classifier SET vector = []", NO_SENSE),
    "a missing number": ("UPDATE classifier SET vector = list_append(vector[:-2], NULL)", NO_SENSE),
    "a missing row": ("UPDATE classifier SET vector = NULL WHERE class = 1", NO_SENSE),
    "narrower means": ("UPDATE class_mean SET vector = vector[:1]", NO_CLASSIFIER),
    "empty means": ("UPDATE class_mean SET vector = []", NO_SENSE),
    "means of two widths": ("UPDATE class_mean SET vector = vector[:1] WHERE class = 1", NO_SENSE),
    "missing means": ("UPDATE class_mean SET vector = NULL", NO_SENSE),
    "means with a missing number": ("UPDATE class_mean SET vector = list_append(vector[:-2], NULL)", NO_SENSE),
    "means that are not numbers": ("UPDATE class_mean SET vector = [x * 'nan'::FLOAT FOR x IN vector]", "not finite"),
    "means without bound": ("UPDATE class_mean SET vector = ['inf'::FLOAT FOR x IN vector]", "not finite"),
    "epochs of their own": ("UPDATE classifier SET epoch = epoch + 100", NO_CLASSIFIER),
}
PROJECTIONS = {
    "no features": ("DELETE FROM feature", {}, "is stored at epoch"),
    "no features of the plane": (
        "DELETE FROM feature",
        {"method": "Simplex plane"},
        "No features of training images under",
    ),
    "features of two widths": (
        "UPDATE feature SET vector = vector[:1] WHERE label = 1",
        {"method": "Simplex plane"},
        NO_SENSE,
    ),
    "narrower features": ("UPDATE feature SET vector = vector[:1]", {"method": "Simplex plane"}, "another width"),
}


def said(store: Path, statement: str, page: str, monkeypatch: pytest.MonkeyPatch, **asked: str) -> str:
    """All that a page says of a store after a change; it has no exception."""
    with duckdb.connect(str(store)) as connection:
        connection.execute(statement)
    app = open_page(page, store, monkeypatch, **asked)
    assert not app.exception
    told = " ".join(element.value for element in (*app.info, *app.error)).replace("\\", "")
    assert "Something went wrong" not in told
    return told


@pytest.mark.parametrize("kind", GEOMETRY)
def test_geometry(kind: str, own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statement, expected = GEOMETRY[kind]
    assert expected in said(own_tiny_store, statement, "geometry", monkeypatch)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_projections(kind: str, own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statement, asked, expected = PROJECTIONS[kind]
    assert expected in said(own_tiny_store, statement, "projections", monkeypatch, **asked)
