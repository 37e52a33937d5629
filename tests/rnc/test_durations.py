"""One way to say how long something takes."""

import pytest

from rnc.durations import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (0.4, "1 s"), (59.6, "60 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"),
     (12_240, "3.4 h"), (86_400, "24 h"), (172_800, "2 days"), (181_440, "2.1 days"), (8_640_000, "100 days")],
)  # fmt: skip
def test_durations_are_said_to_two_figures(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
