"""How often pages look for news, and the server for changes of the store, while a training is under way.

Both are less often while the server is busy. Each look of a page can lead to a page that is drawn again, and each change of the
store to answers that are computed anew, which would take most of the time from visitors who wait for a page.
"""

import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_SHORTEST_SECONDS, _LONGEST_SECONDS = 3.0, 30.0
_QUICK_SECONDS, _LONGEST_HOLD = 0.5, 5.0
"""The time of a page up to which each change of the store is seen at once, and the longest for which one is not."""
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


def refresh_seconds() -> float:
    """Return the seconds between two looks for news: a multiple of the median time of the pages that were drawn last."""
    return min(max(_DRAWING_TIMES * _page_seconds(), _SHORTEST_SECONDS), _LONGEST_SECONDS)


def hold_seconds() -> float:
    """Return for how long the server works with the store as it was: as long as it takes to draw a page, if that is long."""
    seconds = _page_seconds()
    return min(seconds, _LONGEST_HOLD) if seconds > _QUICK_SECONDS else 0.0


def _page_seconds() -> float:
    with _lock:
        return statistics.median(_seconds) if len(_seconds) >= _FEWEST else 0.0
