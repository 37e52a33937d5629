"""Where playing the epoch cursor leads."""

import pytest

from rnc.cursor import next_stop


@pytest.mark.parametrize(
    ("at", "expected"),
    [(None, "0"), (0, "1"), (1, "5"), (3, "5"), (5, "last"), (19, "last"), (20, "last")],
)
def test_the_cursor_goes_from_measured_epoch_to_measured_epoch(at: int | None, expected: str) -> None:
    assert next_stop([0, 1, 5, 20], at) == expected


def test_playing_visits_every_measured_epoch_once() -> None:
    visited, at = [], None
    while (stop := next_stop([0, 3, 7, 60], at)) != "last":
        visited.append(at := int(stop))
    assert visited == [0, 3, 7]
