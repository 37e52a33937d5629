"""Limits of the lab: time and memory of a request, and the length of the queue. The environment can change four of them."""

import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rnc import event_log
from rnc.durations import in_words
from rnc.lab.job import Job, JobState

SECONDS_VARIABLE = "RNC_LAB_SECONDS"
MEMORY_VARIABLE = "RNC_LAB_MEMORY"
QUEUE_VARIABLE = "RNC_LAB_QUEUE"
EACH_VARIABLE = "RNC_LAB_PER_SESSION"

_SHARE_OF_MEMORY = 0.5
_LEAST_BYTES = 3 * 2**29
"""1.5 GiB, because torch alone takes half of it."""
_GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """Upper limits on the work that the lab accepts."""

    request_seconds: float = 1800.0
    """Seconds that one request may run; also the longest estimate with which a request is accepted."""
    memory_bytes: int | None = None
    """Bytes that the worker process may allocate, not counting GPU memory; None for no limit."""
    queued: int = 64
    """Number of waiting requests of all sessions."""
    queued_each: int = 4
    """Number of requests of one session that wait or are under way."""
    queued_from_one_address: int = 16
    """The same for all sessions from one network address, if the address is known."""
    patience_seconds: float = 180.0
    """Seconds without a touch after which a job ends. Browsers let a background tab touch it only once a minute."""
    stop_seconds: float = 5.0
    """Seconds from the request to stop until an unresponsive worker is killed."""
    start_seconds: float = 120.0
    """Seconds that a worker may take to start."""
    prepare_seconds: float = 60.0
    """Seconds that the measurement of a network's speed may take."""
    tick_seconds: float = 0.2
    """Seconds between two checks of the current request."""

    def refusal_of_time(self, seconds: float | None) -> str | None:
        """Return why a request of this estimated duration in seconds is refused; None if it is accepted."""
        if seconds is None or seconds <= self.request_seconds:
            return None
        return (
            f"This would take about {in_words(seconds)}; one request may take {in_words(self.request_seconds)}. "
            f"Ask for fewer images, steps or values ({SECONDS_VARIABLE}, in seconds, changes the limit of a server)."
        )

    def refusal_by_queue_limits(self, job: Job, waiting: Collection[Job], current: Job | None) -> str | None:
        """Return why a job does not enter the queue: the queue, or the visitor's part of it, is full. None if it enters."""
        if len(waiting) >= self.queued:
            return f"{self.queued} attacks wait already; try again when some of them are done"
        jobs = [*waiting, *([] if current is None else [current])]
        for name, most in (("session", self.queued_each), ("address", self.queued_from_one_address)):
            visitor = getattr(job, name)
            if visitor and sum(getattr(other, name) == visitor for other in jobs) >= most:
                return f"{most} attacks of yours wait already or are under way; stop one of them, or wait"
        return None

    def request_end_if_exceeded(self, job: Job) -> None:
        """Request the end of a running job if its page was closed, or if it takes too long."""
        if job.seconds_untouched > self.patience_seconds:
            job.request_end(
                JobState.STOPPED,
                f"This was stopped because its page was not open for {in_words(self.patience_seconds)}; run it again, and leave "
                "its page open.",
            )
        if job.working_seconds > self.request_seconds:
            job.request_end(
                JobState.FAILED,
                f"This was ended after {in_words(self.request_seconds)}, the longest time that one request may take; ask for "
                f"fewer images, steps or values ({SECONDS_VARIABLE}, in seconds, changes the limit of a server).",
            )


def from_environment() -> Limits:
    """Return the limits with those set in the environment; a value that is not a number above 0 is logged and ignored."""
    default = Limits()
    gib = _number(MEMORY_VARIABLE, math.inf)
    return Limits(
        request_seconds=_number(SECONDS_VARIABLE, default.request_seconds),
        memory_bytes=default_memory() if math.isinf(gib) else int(gib * _GIB),
        queued=max(1, int(_number(QUEUE_VARIABLE, default.queued))),
        queued_each=max(1, int(_number(EACH_VARIABLE, default.queued_each))),
    )


def default_memory(machine: int | None = None) -> int | None:
    """Return half of the machine's memory in bytes, but at least what torch needs; None if the system does not report it."""
    machine = machine_memory() if machine is None else machine
    return None if machine is None else max(int(machine * _SHARE_OF_MEMORY), _LEAST_BYTES)


def machine_memory(groups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the bytes that this process and its children may use: the machine's memory or a smaller control-group limit.

    None if neither is known.
    """
    try:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (ValueError, OSError, AttributeError):
        limits = []
    for path in _limit_files(groups, membership):
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # the file does not exist, or says "max"
            continue
    return min((limit for limit in limits if limit > 0), default=None)


def _limit_files(groups: Path, membership: Path) -> Iterator[Path]:
    """Yield the files that may limit memory, of this process's control group and its parents, in versions 2 and 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _hierarchy, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers not in ("", "memory"):
            continue
        home, name = (groups, "memory.max") if controllers == "" else (groups / "memory", "memory.limit_in_bytes")
        group = home / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(home):
                yield folder / name


def _number(variable: str, default: float) -> float:
    value = os.environ.get(variable, "").strip()
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        event_log.report_error(f"{variable} must be a number above 0, got {value[:80]!r}; the default limit applies")
        return default
    return number
