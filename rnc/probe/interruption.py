"""The interruption of runs: Ctrl-C, SIGTERM, a time limit. Measurements are kept, and the same command resumes the run.

Tested by tests/train/test_stop.py.
"""

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

OUT_OF_TIME = 75  # the exit code of "try again" (EX_TEMPFAIL): a job script may submit the same command once more
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class StopRun(BaseException):
    """A request to end the run cleanly."""

    def __init__(self, reason: str, exit_code: int) -> None:
        """Store the reason, and the exit code of the command."""
        super().__init__(reason, exit_code)  # both arguments, so that it can be pickled between processes
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Return the reason."""
        return str(self.args[0])


class Diverged(ValueError):
    """The error of a loss that is NaN or infinite."""


@contextmanager
def sigterm_stops() -> Iterator[None]:
    """Within the block, treat SIGTERM, the signal of the batch system, like Ctrl-C: it ends the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second SIGTERM must not interrupt the clean stop
        raise StopRun("stopped by SIGTERM", 128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class TimeLimit:
    """A time limit that ends a run after an epoch if the next one might not fit."""

    def __init__(self, deadline: float | None) -> None:
        """Store the time (in seconds, as from `time.time`) by which the run must have ended; None means no limit.

        Raises StopRun if that time has passed.
        """
        self._deadline = deadline
        self._last = time.time()
        self._longest = 0.0
        if deadline is not None and self._last >= deadline:
            raise StopRun("time limit reached before the run started; the same command resumes it", OUT_OF_TIME)

    def reached_by_next_epoch(self) -> bool:
        """Return whether another epoch as long as the longest so far, including its measurement, would exceed the limit.

        Call it once per epoch.
        """
        now = time.time()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        return self._deadline is not None and now + self._longest > self._deadline


def parse_duration(text: str) -> float:
    """Return seconds from `90`, `90s`, `45m`, `1.5h`, `2d`, `1:30:00` or `2-12:00:00`. Raises ValueError with the formats."""
    plain = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if plain:
        return float(plain[1]) * _UNITS[plain[2] or "s"]
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d{2})(?::(\d{2}))?", text.strip())
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    raise ValueError(f"{text!r} is not a duration; use 90s, 45m, 1.5h, 1:30:00 (hours) or 2-12:00:00 (days)")
