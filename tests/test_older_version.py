"""Stores, published runs and addresses of an earlier version (73425d4) open, and the pages draw the same numbers."""

import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

from tests.older_version.record import ADDRESSES, ST, drawn

HERE = Path(__file__).parent / "older_version"
RECORDED = json.loads((HERE / "addresses.json").read_text())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("older") / "rnc.duckdb"
    path.write_bytes(lzma.decompress((HERE / "rnc.duckdb.xz").read_bytes()))
    return path


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Assert that all charts, data sets and columns of before are there, with their numbers; there may be more of each.

    Images came with the rows of a map (the column `image`) and now have addresses. The card of a claim drew the claim's main
    number, and draws the number that decides its verdict.
    """
    assert found["title"] == expected["title"]
    assert set(map(subject, found["charts"])) == set(map(subject, expected["charts"]))
    for name, layers in expected["charts"].items():
        if name not in found["charts"] and subject(name) != name:
            continue
        rest = list(found["charts"][name])
        for before in layers:
            layer = next((layer for layer in rest if has_numbers_of(layer, before)), None)
            assert layer is not None, (name, before, rest)
            rest.remove(layer)


def subject(name: str) -> str:
    """Return the claim whose number a chart of this name draws, or the name itself."""
    claim = re.match(r"C\d+( released)?(?=: )", name)
    return claim[0] if claim else name


def has_numbers_of(layer: dict[str, Any], before: dict[str, Any]) -> bool:
    """Return whether a data set has the rows, numbers and texts of the one before."""
    columns = set(before["columns"]) - {"image"}
    texts = {column: texts for column, texts in before["texts"].items() if column != "image"}
    return (
        layer["rows"] == before["rows"]
        and columns <= set(layer["columns"])
        and all(layer["sums"][c] == pytest.approx(sums, rel=1e-5, abs=1e-5) for c, sums in before["sums"].items())
        and all(layer["texts"][c] == before_texts for c, before_texts in texts.items())
    )


@pytest.mark.parametrize("at", range(len(ADDRESSES)), ids=lambda at: f"{at}-{ADDRESSES[at][0]}")
def test_an_address_draws_the_same_numbers(at: int, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, parameters = ADDRESSES[at]
    expected = RECORDED[at]
    assert (expected["page"], expected["parameters"]) == (page, parameters)
    same(drawn(page, parameters, store, monkeypatch), expected)


def test_published_runs_draw_the_numbers_of_their_store(monkeypatch: pytest.MonkeyPatch) -> None:
    (expected,) = [one for one in RECORDED if one["page"] == "collapse" and one["parameters"] == {"runs": [ST]}]
    same(drawn("collapse", {}, HERE / "bundle", monkeypatch), expected)
