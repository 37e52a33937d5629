"""The stops of the epoch cursor, what an address makes of it, and where playing a slider leads."""

import pytest

from rnc.ui.playable_sliders import MOST_STOPS, next_stop, stop_not_after, thinned_stops_including

STOPS = ["0", "1", "5", "last"]


@pytest.mark.parametrize(
    ("at", "expected"), [("last", "0"), ("0", "1"), ("1", "5"), ("3", "5"), ("5", "last"), ("19", "last")]
)
def test_the_slider_goes_from_stop_to_stop(at: str, expected: str) -> None:
    assert next_stop(STOPS, at) == expected


def test_playing_visits_every_stop_once() -> None:
    visited, at = [], "last"
    while (at := next_stop(STOPS, at)) != "last":
        visited.append(at)
    assert visited == ["0", "1", "5"]


def test_a_films_frames_may_have_any_names() -> None:
    frames = ["clean", "start", "1", "2", "restart 2"]
    assert [next_stop(frames, at) for at in frames] == [*frames[1:], "clean"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("last", "last"), ("0", "0"), ("3", "1"), ("5", "5"), ("499999", "5"), ("500000", "last"), ("9" * 18, "last"),
        ("9" * 40, "last"), ("9" * 50_000, "last"), ("-1", "0"), ("1.5", "last"), ("", "last"), ("\u0663", "last"),
        ("nonsense", "last"),
    ],
)  # fmt: skip
def test_an_address_names_any_epoch(asked: str, expected: str) -> None:
    assert stop_not_after([0, 1, 5, 500_000], asked) == expected


def test_the_cursor_offers_the_measured_epochs() -> None:
    assert thinned_stops_including([0, 7, 2_147_483_647], "last") == ["0", "7", "last"]


def test_the_cursor_offers_some_of_very_many_and_the_one_asked_for() -> None:
    stops = thinned_stops_including(list(range(1_000_000)), "123457")
    assert len(stops) <= MOST_STOPS + 2 and stops[0] == "0" and stops[-1] == "last" and "123457" in stops
    assert stops[:-1] == sorted(stops[:-1], key=int)
