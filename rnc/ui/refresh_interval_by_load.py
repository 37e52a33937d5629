"""Interval at which pages look for news while a training is under way: longer while the server is busy.

Each look can lead to a page that is drawn again. On a busy server, pages that refresh themselves would take most of the time
from visitors who wait for a page.
"""

import math
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_VARIABLE = "RNC_REFRESH_SECONDS"
"""The environment can set one interval for all pages, whatever they take."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 3.0, 30.0
_DRAWING_TIMES = 6.0
"""The interval is this many times as long as it takes to draw a page."""
_FEWEST, _RECENT = 5, 20
"""A new server's first pages take long although it is not busy, so the interval is the shortest until some were drawn."""
_seconds: deque[float] = deque(maxlen=_RECENT)
_lock = threading.Lock()


@contextmanager
def measured_drawing() -> Iterator[None]:
    """Measure how long a page takes to be drawn, waiting included, for all sessions of this server."""
    begin = time.monotonic()
    try:
        yield
    finally:
        with _lock:
            _seconds.append(time.monotonic() - begin)


def refresh_seconds_from_drawing_times() -> float:
    """Return the seconds between two looks for news: a multiple of the median time of the pages that were drawn last."""
    if given := _given_seconds():
        return given
    with _lock:
        median = statistics.median(_seconds) if len(_seconds) >= _FEWEST else 0.0
    return min(max(_DRAWING_TIMES * median, _SHORTEST_SECONDS), _LONGEST_SECONDS)


def _given_seconds() -> float:
    """Return the interval that the environment sets; 0 if it sets none, or none that is a time."""
    try:
        seconds = float(os.environ.get(SECONDS_VARIABLE, 0))
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < math.inf else 0.0
