"""Where playing a slider leads."""

import pytest

from rnc.cursor import next_stop

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
