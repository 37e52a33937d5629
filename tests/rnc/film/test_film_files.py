"""The files of a film: read back by hand, and values against torch."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
from torch.nn import functional

from rnc.film.film_files import MAGIC, pack, states_file, view_file
from rnc.film.sample_values import NEVER
from rnc.film.stored_states import FilmRequest
from rnc.film.views import View
from rnc.store.reader import StoreReader
from rnc.vocabulary import Split
from tests.rnc.film.test_positions import run_of, view_of

CLASSES = [f"class {label}" for label in range(10)]


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a file by its description."""
    assert content[:4] == MAGIC
    length = int.from_bytes(content[4:8], "little")
    header = json.loads(content[8 : 8 + length])
    arrays = {}
    for name, told in header["arrays"].items():
        begin = 8 + length + told["offset"]
        assert begin % 8 == 0
        kind = np.dtype(told["type"]).newbyteorder("<")
        arrays[name] = np.frombuffer(content, kind, int(np.prod(told["shape"])), begin).reshape(told["shape"])
    return header, arrays


def film(store: Path) -> tuple[StoreReader, FilmRequest]:
    run_id, attack = run_of(store)
    return StoreReader(store), FilmRequest(run_id, Split.TRAIN, attack, 10**6)


def states_of(store: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The file of a film's states, made over one connection, as for a page."""
    reader, request = film(store)
    with reader.kept_open():
        return unpacked(states_file(reader, request, CLASSES))


def view_in_file(store: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The file of a view, made over one connection, as for a page."""
    reader, request = film(store)
    with reader.kept_open():
        return unpacked(view_file(reader, request, CLASSES, View.from_name(name)))


def test_values_are_those_of_the_logits(tiny_store: Path) -> None:
    header, arrays = states_of(tiny_store)
    with duckdb.connect(str(tiny_store), read_only=True) as connection:
        last = header["epochs"][-1]
        features = connection.execute(
            "SELECT vector, label, predicted FROM feature WHERE epoch = ? AND split = 'train' AND condition = ? ORDER BY sample",
            [last, header["condition"]],
        ).fetchall()
        classifier = connection.execute(
            "SELECT vector, bias FROM classifier WHERE epoch = ? ORDER BY class", [last]
        ).fetchall()
    vectors, labels = torch.tensor([row[0] for row in features]).double(), torch.tensor([row[1] for row in features])
    weight, bias = (
        torch.tensor([row[0] for row in classifier]).double(),
        torch.tensor([row[1] for row in classifier]).double(),
    )
    logits = vectors @ weight.T + bias
    assert arrays["labels"].tolist() == labels.tolist()
    assert header["condition"].startswith("pgd-") and header["condition_in_words"].startswith("PGD-")
    assert arrays["predicted"][-1].tolist() == [row[2] for row in features] == logits.argmax(1).tolist()
    true = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    expected = {
        "margin": true - others,
        "loss": functional.cross_entropy(logits, labels, reduction="none"),
        "confidence": logits.softmax(1).amax(1),
    }
    for name, values in expected.items():
        assert np.allclose(arrays[name][-1], values.numpy(), rtol=2e-3, atol=2e-3), name


def test_the_first_leap_is_the_first_epoch_at_which_the_attack_changes_a_right_decision(tiny_store: Path) -> None:
    header, arrays = states_of(tiny_store)
    at, expected = 0, np.full(len(arrays["labels"]), NEVER)
    for epoch, steps in zip(header["epochs"], header["steps"], strict=True):
        clean, perturbed = arrays["predicted"][at], arrays["predicted"][at + len(steps) - 1]
        for sample, label in enumerate(arrays["labels"]):
            if expected[sample] == NEVER and clean[sample] == label != perturbed[sample]:
                expected[sample] = epoch
        at += len(steps)
    assert arrays["first_leap"].tolist() == expected.tolist() and (expected >= 0).any()
    assert set(header["milestone_names"]) == set(header["milestone_meanings"]) == {"drop", "terminal", "leap"}


@pytest.mark.parametrize("name", ["pca", "span-0-1-2", "span-0-1-2-3"])
def test_positions_are_those_of_the_view_to_float16(tiny_store: Path, name: str) -> None:
    header, arrays = view_in_file(tiny_store, name)
    _states, placed = view_of(tiny_store, name)
    assert np.array_equal(arrays["positions"], placed.samples.astype(np.float16), equal_nan=True)
    assert header["unit"] == 1 and header["dimensions"] == placed.samples.shape[-1]
    finite = placed.samples[np.isfinite(placed.samples).all(axis=2)]
    assert np.allclose(header["extent"], np.stack([finite.min(axis=0), finite.max(axis=0)], axis=1))


def test_a_view_names_the_states_that_it_has(tiny_store: Path) -> None:
    """The player compares them with those of the film, because the store may change between the two requests."""
    states, _arrays = states_of(tiny_store)
    for name in ("pca", "span-0-1-2"):
        view, _arrays = view_in_file(tiny_store, name)
        assert (view["epochs"], view["steps"]) == (states["epochs"], states["steps"])


def test_positions_beyond_float16_are_divided(tiny_store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "rnc.duckdb"
    copy.write_bytes(tiny_store.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        for table in ("feature", "attack_path", "class_mean"):
            connection.execute(f"UPDATE {table} SET vector = list_transform(vector, x -> CAST(x * 1e6 AS FLOAT))")
    header, arrays = view_in_file(copy, "span-0-1-2")
    _states, placed = view_of(copy, "span-0-1-2")
    assert header["unit"] > 1 and np.isfinite(arrays["positions"]).any()
    shown = arrays["positions"][np.isfinite(arrays["positions"]).all(axis=2)].astype(float)
    assert np.allclose(header["extent"], np.stack([shown.min(axis=0), shown.max(axis=0)], axis=1), rtol=1e-3, atol=60)
    assert np.allclose(
        arrays["positions"].astype(float) * header["unit"], placed.samples, rtol=1e-3, atol=60, equal_nan=True
    )


def test_numbers_that_are_not_finite_are_no_error(tiny_store: Path, tmp_path: Path) -> None:
    """A diverged epoch is left out of the picture, and the header stays valid JSON."""
    copy = tmp_path / "rnc.duckdb"
    copy.write_bytes(tiny_store.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "UPDATE feature SET vector = list_transform(vector, x -> CAST('nan' AS FLOAT)) WHERE epoch = 0"
        )
        connection.execute("UPDATE projection SET coordinates = ['nan'::FLOAT, 'nan'::FLOAT] WHERE epoch = 0")
    header, arrays = view_in_file(copy, "pca")
    assert np.isfinite(np.array(header["extent"])).all() and np.isfinite(arrays["positions"][-1]).all()


def test_offsets_are_aligned_for_any_sizes() -> None:
    given = {"a": np.arange(3, dtype=np.int16), "b": np.zeros((0, 2), np.float32), "c": np.array([1.5], np.float16)}
    header, arrays = unpacked(pack({"text": "ä"}, given))
    assert header["text"] == "ä" and all(np.array_equal(arrays[name], array) for name, array in given.items())
