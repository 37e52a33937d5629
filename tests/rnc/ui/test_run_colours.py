"""Colours of runs: kept whatever is selected, the same on every machine, and unharmed by an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.ui.charts.palette import RUN_COLOURS
from rnc.ui.run_colours import (
    assign_colours,
    colours_as_address_text,
    colours_from_address_text,
    exchange,
    source_colours,
)
from rnc.vocabulary import Objective

OBJECTIVES = {"one": "st", "two": "at", "three": "trades", "four": "at", "five": "own"}


def test_objectives_have_colours_of_their_own() -> None:
    assert assign_colours({"a": "at"}, {}) == {"a": "orange"}
    assert assign_colours({"a": "at", "s": "st", "t": "trades"}, {}) == {"a": "orange", "s": "blue", "t": "green"}
    assert len({*assign_colours({str(one): one for one in Objective}, {}).values()}) == len(Objective)
    assert set(assign_colours({"x": "of a later version"}, {}).values()) <= set(RUN_COLOURS)


def test_a_second_run_of_an_objective_takes_no_colour_of_the_others() -> None:
    seeds = assign_colours({f"at-{seed}": "at" for seed in range(4)}, {})
    assert list(seeds.values()) == ["orange", "sky blue", "vermilion", "grey"]
    assert assign_colours({**dict.fromkeys(seeds, "at"), "st": "st"}, seeds) == {**seeds, "st": "blue"}


def test_removed_runs_have_their_colours_when_they_come_back() -> None:
    first = assign_colours(OBJECTIVES, {})
    without = assign_colours({"two": "at", "other": "st"}, first)
    assert without["two"] == first["two"] and without["other"] not in first.values()
    assert assign_colours(OBJECTIVES, {**first, **without}) == first


def test_a_colour_of_a_run_that_is_not_shown_is_used_before_one_that_is() -> None:
    kept = {f"gone {name}": name for name in RUN_COLOURS}
    assert assign_colours({"a": "at", "b": "at"}, kept) == {"a": "orange", "b": "sky blue"}


@given(st.lists(st.sampled_from(["st", "at", "trades", "own", "unknown"]), max_size=60))
def test_the_shown_runs_have_different_colours_as_long_as_there_are(objectives: list[str]) -> None:
    colours = assign_colours({str(place): objective for place, objective in enumerate(objectives)}, {})
    assert len({*colours.values()}) == min(len(objectives), len(RUN_COLOURS))


@given(
    st.permutations(list(OBJECTIVES)),
    st.dictionaries(st.sampled_from(list(OBJECTIVES)), st.sampled_from(list(RUN_COLOURS))),
)
def test_an_address_gives_the_same_colours_back(order: list[str], kept: dict[str, str]) -> None:
    objectives = {run_id: OBJECTIVES[run_id] for run_id in order}
    colours = assign_colours(objectives, kept)
    text = colours_as_address_text(objectives, colours)
    assert colours_from_address_text(text, objectives) == colours and len(text) <= len(order)


def test_a_fresh_visit_needs_no_text() -> None:
    assert colours_as_address_text(OBJECTIVES, assign_colours(OBJECTIVES, {})) == ""
    assert colours_as_address_text({"four": "at", "one": "st"}, {"four": "sky blue", "one": "blue"}) == "4"


@pytest.mark.parametrize(
    "text", ["<script>", "--------------------------", "#ff0000", "zzzz", "\0", "٣", "0" * 100_000]
)
def test_a_text_of_others_gives_no_colours_but_ours(text: str) -> None:
    colours = colours_from_address_text(text, OBJECTIVES)
    assert list(colours) == list(OBJECTIVES) and set(colours.values()) <= set(RUN_COLOURS)


def test_a_chosen_colour_is_exchanged_with_the_run_that_had_it() -> None:
    assert exchange({"a": "blue", "b": "green"}, "a", "green") == {"a": "green", "b": "blue"}
    assert exchange({"a": "blue", "b": "green"}, "a", "pink") == {"a": "pink", "b": "green"}


def test_a_network_has_the_colour_of_its_run_and_the_next_of_that_run_another() -> None:
    found = source_colours(["a", "b", "a", "unknown"], {"a": "orange", "b": "blue"})
    assert found[:2] == [RUN_COLOURS["orange"], RUN_COLOURS["blue"]] and len({*found}) == 4
