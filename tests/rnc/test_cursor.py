"""Where playing a slider leads."""

import pytest

from rnc.cursor import next_stop, stops_of

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


def test_every_epoch_is_a_stop_of_a_training() -> None:
    assert stops_of([0, 2, 5]) == ["0", "1", "2", "3", "4", "last"]
    assert len(stops_of([0, 400])) == 401


@pytest.mark.parametrize("epochs", [[391, 39_100, 391_000], [20231201, 20240131, 20240229]], ids=["steps", "dates"])
def test_where_epochs_are_steps_or_dates_the_measured_ones_are_the_stops(epochs: list[int]) -> None:
    assert stops_of(epochs) == [*map(str, epochs[:-1]), "last"]
