"""The states of a film are the store's features: clean, along the attack, perturbed, each sample in its place."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from rnc.conditions import CLEAN
from rnc.film.stored_states import CLEAN_STEP, FilmRequest, StoredStates
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.vocabulary import Split
from tests.rnc.store.hand_written import PERTURBED, begin

SAMPLES = [4, 7, 9, 12]


def vector(epoch: int, step: int, sample: int) -> list[float]:
    """A feature vector that names its state."""
    return [float(epoch), float(step), float(sample)]


def add(rows: Rows, table: str, epoch: int, condition: str, state: int, samples: list[int], **more: Any) -> None:
    vectors = np.array([vector(epoch, state, sample) for sample in samples], np.float32)
    key = {"run_id": "a", "epoch": epoch, "split": "train", "condition": condition}
    predicted = [(sample + state) % 3 for sample in samples]
    rows.add(table, **key, **more, sample=samples, predicted=predicted, vector=vectors)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs: at the first one the attack's start and step 2 were kept, and a perturbed sample is missing."""
    path = tmp_path_factory.mktemp("film") / "rnc.duckdb"
    writer = begin(path, "a")
    for epoch, steps, perturbed in ((0, [0, 2], SAMPLES[:3]), (3, [], SAMPLES)):
        rows = Rows()
        labels = [sample % 3 for sample in SAMPLES]
        add(rows, "feature", epoch, CLEAN.slug, -1, SAMPLES, label=labels)
        add(rows, "feature", epoch, PERTURBED.slug, 10, perturbed, label=labels[: len(perturbed)])
        for step in steps:
            add(rows, "attack_path", epoch, PERTURBED.slug, step, SAMPLES, step=step)
        writer.write_epoch("a", epoch, rows)
    return path


def states_of(store: Path, condition: str = PERTURBED.slug, most: int = 100) -> StoredStates:
    return StoredStates(StoreReader(store), FilmRequest("a", Split.TRAIN, condition, most))


def test_states_are_in_the_order_of_epochs_and_of_the_attack(store: Path) -> None:
    first, last = states_of(store).of_epochs()
    assert (first.epoch, first.steps) == (0, [CLEAN_STEP, 0, 2, 10])
    assert (last.epoch, last.steps) == (3, [CLEAN_STEP, 10])
    for state in (first, last):
        for place, step in enumerate(state.steps):
            expected = np.array([vector(state.epoch, step, sample) for sample in SAMPLES])
            stored = np.isfinite(state.vectors[place]).all(axis=1)
            assert np.array_equal(state.vectors[place][stored], expected[stored])
            predicted = [(sample + step) % 3 for sample in SAMPLES]
            assert state.predicted[place].tolist() == [p if s else -1 for p, s in zip(predicted, stored, strict=True)]
            assert stored.all() == ((state.epoch, step) != (0, 10)), "one perturbed sample is missing"


def test_samples_are_ascending_with_their_labels(store: Path) -> None:
    samples = states_of(store).samples
    assert samples.indices.tolist() == SAMPLES and samples.labels.tolist() == [1, 1, 0, 0] and samples.stored == 4


def test_a_film_of_fewer_samples_has_the_same_ones_at_every_epoch(store: Path) -> None:
    states = states_of(store, most=2)
    assert len(states.samples.indices) == 2 and states.samples.stored == 4
    for state in states.of_epochs():
        assert state.vectors[0][:, 2].tolist() == states.samples.indices.tolist()


def test_a_film_without_an_attack_has_clean_states_alone(store: Path) -> None:
    assert [state.steps for state in states_of(store, CLEAN.slug).of_epochs()] == [[CLEAN_STEP], [CLEAN_STEP]]


def test_a_split_without_features_is_refused_in_words(store: Path) -> None:
    with pytest.raises(ValueError, match="no features of test images"):
        StoredStates(StoreReader(store), FilmRequest("a", Split.TEST, PERTURBED.slug, 10))


def test_widths_that_differ_are_refused_in_words(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "rnc.duckdb"
    copy.write_bytes(store.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"UPDATE feature SET vector = vector[:2] WHERE condition = '{PERTURBED.slug}'")
    with pytest.raises(ValueError, match="different widths"):
        list(states_of(copy).of_epochs())
