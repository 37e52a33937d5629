"""The epochs that are measured: sorted, within the run, ends and drops among them; what is no choice is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.probe.epoch_choice import LOG_POINTS, log_spaced, parse_epochs
from tests.examples import examples

EPOCHS = st.integers(0, 2000)


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A run's length and two drops in it."""
    epochs = draw(EPOCHS)
    return epochs, draw(st.lists(st.integers(0, epochs), min_size=2, max_size=2))


@examples(200)
@given(run=runs())
def test_log_spaced_epochs(run: tuple[int, list[int]]) -> None:
    epochs, drops = run
    found = log_spaced(epochs, drops)
    assert found == sorted(set(found)) and found[0] == 0 and found[-1] == epochs
    assert set(drops) <= set(found) and len(found) <= LOG_POINTS + 3
    assert all(0 <= epoch <= epochs for epoch in found)


@examples(100)
@given(epochs=st.integers(1, 2000))
def test_log_spaced_epochs_are_dense_at_the_start(epochs: int) -> None:
    found = log_spaced(epochs, [])
    assert found[1] == 1
    ratio = epochs ** (1 / (LOG_POINTS - 1))
    for earlier, later in pairwise(found[1:]):
        assert later - earlier <= max(1, earlier * (ratio - 1) + ratio), (earlier, later)


def test_the_papers_run() -> None:
    found = log_spaced(400, [100, 150])
    assert {0, 1, 100, 150, 400} <= set(found) and 12 <= len(found) <= 15


@examples(100)
@given(run=runs())
def test_words(run: tuple[int, list[int]]) -> None:
    epochs, drops = run
    assert parse_epochs("log", epochs, drops, None) == log_spaced(epochs, drops)
    assert parse_epochs("every", epochs, drops, None) == list(range(epochs + 1))
    assert parse_epochs("last", epochs, drops, None) == [epochs]
    assert parse_epochs("none", epochs, drops, [0]) == []
    measured = sorted({0, *drops, epochs})
    assert parse_epochs("measured", epochs, drops, measured) == measured
    assert parse_epochs("every", epochs, drops, measured) == measured


@examples(100)
@given(chosen=st.lists(st.integers(0, 50), min_size=1, max_size=10), spaces=st.booleans())
def test_a_list_reads_back_sorted_and_once_each(chosen: list[int], spaces: bool) -> None:
    text = (", " if spaces else ",").join(map(str, chosen))
    assert parse_epochs(text, 50, [], None) == sorted(set(chosen))
    assert parse_epochs(text, 50, [], list(range(51))) == sorted(set(chosen))


@pytest.mark.parametrize("text", ["", "sometimes", "1,,2", "1;2", "0.5", "1e2", "LOG"])
def test_what_is_no_choice_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid choice of epochs; use .*log, every, last.*0,10,40"):
        parse_epochs(text, 10, [], None)


def test_measured_means_nothing_where_measuring_is_chosen() -> None:
    with pytest.raises(ValueError, match="is not a valid choice of epochs"):
        parse_epochs("measured", 10, [], None)


@pytest.mark.parametrize("text", ["11", "-1", "0,5,99"])
def test_epochs_outside_of_the_run_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.10"):
        parse_epochs(text, 10, [], None)


@examples(100)
@given(measured=st.sets(st.integers(0, 20)), chosen=st.sets(st.integers(0, 20), min_size=1))
def test_what_is_kept_must_be_measured(measured: set[int], chosen: set[int]) -> None:
    text = ",".join(map(str, chosen))
    if chosen <= measured:
        assert parse_epochs(text, 20, [], sorted(measured)) == sorted(chosen)
    else:
        with pytest.raises(ValueError, match=r"not measured; measured are"):
            parse_epochs(text, 20, [], sorted(measured))


@pytest.mark.parametrize("word", ["last", "log"])
def test_words_too_ask_for_measured_epochs_only(word: str) -> None:
    with pytest.raises(ValueError, match="not measured"):
        parse_epochs(word, 10, [3], [0, 5])
