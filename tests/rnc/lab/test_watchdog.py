"""Every part of the lab is ended, starved and flooded; after each, one request has failed in words, and the next is served."""

import json
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rnc.conditions import Condition
from rnc.lab import worker_process
from rnc.lab.attack import AttackRequest
from rnc.lab.estimates import NetworkSpeed, PassTimes
from rnc.lab.job import Job, JobState
from rnc.lab.job_queue import JobQueue, JobRefusedError
from rnc.lab.network_and_images import RequestError, Source
from rnc.lab.result_cache import ResultCache
from rnc.lab.time_and_memory_limits import Limits
from rnc.lab.worker_process import WorkerProcess
from rnc.vocabulary import Split
from tests.rnc.lab.samples import masking_result
from tests.rnc.lab.waiting import wait

FAKE = Path(__file__).with_name("fake_worker.py")
ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(stop_seconds=0.2, start_seconds=300.0, prepare_seconds=300.0, tick_seconds=0.01)
PATIENCE = 300.0
"""Seconds after which something is broken; on a busy machine a worker of 0.1 s has taken 20."""
PGD = Condition.from_slug("pgd-linf-0.1-5-step0.03")

Make = Callable[..., JobQueue]


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The file that says what the next worker does when it starts."""
    return tmp_path / "start"


@pytest.fixture
def make(tmp_path: Path, start: Path) -> Iterator[Make]:
    """Queues with a worker that takes a tenth of a second to start."""
    made: list[JobQueue] = []
    answer = tmp_path / "answer"
    answer.write_bytes(masking_result().to_bytes())

    def start_queue(**limits: float) -> JobQueue:
        made.append(JobQueue(replace(LIMITS, **limits), command=[sys.executable, str(FAKE), str(answer), str(start)]))
        return made[-1]

    yield start_queue
    for one in made:
        one.close()
        assert one.worker_pid is None


seeds = iter(range(10**6))


def request(what: str = "ok") -> AttackRequest:
    """Another each time, so that none is answered by the cache."""
    source = Source("net", "ab" * 32, f"do-{what}", 0, "digits", Split.TEST, model=what)
    return AttackRequest(source, PGD, 10, next(seeds))


def ended(queue: JobQueue, job: Job, state: JobState) -> Job:
    assert wait(queue, job, PATIENCE), job.state
    assert job.state is state, job.error
    return job


def change_limits(queue: JobQueue, **limits: float) -> None:
    """Change limits of a queue that is running, so that a short one holds for one request alone."""
    for name, seconds in limits.items():
        object.__setattr__(queue.limits, name, seconds)


def serves(queue: JobQueue) -> None:
    """Assert that the queue does the next request."""
    assert ended(queue, queue.submit(request()), JobState.DONE).result is not None


def until(job: Job, state: JobState) -> None:
    ends = time.monotonic() + PATIENCE
    while job.state is not state and time.monotonic() < ends:
        time.sleep(0.002)
    assert job.state is state, job.error


def test_all_is_well_with_a_worker_that_does_what_it_should(make: Make) -> None:
    queue = make()
    serves(queue)
    pid = queue.worker_pid
    serves(queue)
    assert queue.worker_pid == pid


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("die", "was killed"), ("abort", "memory ran out"), ("exit", "code 3"), ("garbage", "cannot be read"),
        ("half", "ended unexpectedly"), ("deaf", "does not answer any more"), ("no-kind", "KeyError"), ("other-kind", None),
        ("other-state", "ValueError"), ("no-result", "ValueError"), ("text-progress", "ValueError"),
        ("no-npz", "ContentError"), ("fatal", "no memory"),
    ],
)  # fmt: skip
def test_a_worker_that_misbehaves_fails_one_request(
    what: str, told: str | None, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_process, "_SECONDS_TO_END", 0.2)
    monkeypatch.setattr(logging.getLogger("rnc"), "propagate", True)
    queue = make(request_seconds=0.3 if what == "other-kind" else 600.0)
    waits = (queue.submit(request(what)), queue.submit(request()))
    failed = ended(queue, waits[0], JobState.FAILED)
    assert failed.error and (told or "the longest time that one request may take") in failed.error
    change_limits(queue, request_seconds=600.0)
    ended(queue, waits[1], JobState.DONE)
    assert caplog.records
    serves(queue)


@pytest.mark.parametrize("how", ["die", "abort", "exit", "garbage", "half", "hang", "deaf", "mute"])
def test_a_worker_that_does_not_start_fails_one_request(
    how: str, make: Make, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_SECONDS_TO_END", 0.2)
    start.write_text(how)
    queue = make(start_seconds=0.5 if how in ("hang", "mute") else 300.0)
    failed = ended(queue, queue.submit(request()), JobState.FAILED)
    assert failed.error and "attack's process" in failed.error
    start.unlink(missing_ok=True)  # a worker that is ended before it has read the file leaves it to the next one
    change_limits(queue, start_seconds=300.0)
    serves(queue)


@pytest.mark.parametrize(
    "error", [BlockingIOError(11, "Resource temporarily unavailable"), OSError(24, "Too many open files"),
              OSError(12, "Cannot allocate memory"), MemoryError(), subprocess.SubprocessError("no fork")], ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("by", ["request", "estimate"])
def test_a_machine_that_has_no_process_to_give(
    error: Exception, by: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment: an estimate or a request that comes then fails; the lab served nobody any more after it."""
    queue = make()
    tried = threading.Event()

    def refuse(*_given: object, **_named: object) -> None:
        tried.set()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        if by == "estimate":
            queue.measure_when_idle(request().source)
            assert tried.wait(PATIENCE)
        else:
            assert "could not be started" in (ended(queue, queue.submit(request()), JobState.FAILED).error or "")
    serves(queue)


def test_a_machine_without_file_handles(make: Make) -> None:
    """No patch: the process may open no more files for a moment."""
    queue, before = make(), resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened, before[1]))
    try:
        failed = ended(queue, queue.submit(request()), JobState.FAILED)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert failed.error and "Too many open files" in failed.error
    serves(queue)


def test_a_machine_that_has_no_thread_to_give(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    queue, original = make(), threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "lab":
            raise RuntimeError("can't start new thread")
        original(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(JobRefusedError, match="can't start new thread"):
            queue.submit(request())
        queue.measure_when_idle(request().source)
    serves(queue)


@pytest.mark.parametrize("by", ["request", "estimate"])
def test_a_request_that_is_too_large(by: str, make: Make) -> None:
    """5 MB are no message: nothing is sent of it, and the worker stays."""
    queue = make()
    serves(queue)
    pid, large = queue.worker_pid, request()
    object.__setattr__(large.source, "run_id", "x" * 5_000_000)
    if by == "estimate":
        queue.measure_when_idle(large.source)
        serves(queue)
    else:
        assert "is too large" in (ended(queue, queue.submit(large), JobState.FAILED).error or "")
    serves(queue)
    assert queue.worker_pid == pid


def test_texts_that_are_too_long_make_no_request() -> None:
    for name in ("checkpoint", "run_id", "dataset", "model", "fingerprint"):
        with pytest.raises(RequestError, match=f"the {name} of a source may have"):
            replace(request().source, **{name: "x" * 5_000_000})


@pytest.mark.parametrize("what", ["die", "garbage", "hang", "wrong"])
def test_an_estimate_that_fails(what: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_SECONDS_TO_END", 0.2)
    queue = make(prepare_seconds=0.5)
    queue.measure_when_idle(request(what).source)
    serves(queue)


PARTS = {
    "the queue": (JobQueue, "_drop_abandoned"),
    "the check of a job": (JobQueue, "_check"),
    "the answers to others": (JobQueue, "_answer_equal_jobs"),
    "the estimate": (JobQueue, "_measure_pass_time"),
    "the work": (JobQueue, "_run"),
    "the worker's end": (WorkerProcess, "end"),
    "the cache, read": (ResultCache, "get"),
    "the cache, written": (ResultCache, "put"),
    "the pass times": (PassTimes, "add"),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("error", [ValueError("broken"), MemoryError(), SystemExit(3)], ids=repr)
def test_a_part_that_raises(name: str, error: BaseException, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, whatever it is. SystemExit ends a thread without a word."""
    monkeypatch.setattr(threading, "excepthook", lambda _given: None)
    of, method = PARTS[name]
    original = getattr(of, method)
    broken = threading.Event()

    def once(*given: object, **named: object) -> object:
        if threading.current_thread().name == "lab" and not broken.is_set():
            broken.set()
            raise error
        return original(*given, **named)

    queue = make(patience_seconds=1000.0)
    serves(queue)
    thread = queue._thread
    monkeypatch.setattr(of, method, once)
    queue.measure_when_idle(replace(request("estimate").source, sha256="cd" * 32))
    first = queue.submit(request("die" if name == "the worker's end" else "ok"))
    assert wait(queue, first, PATIENCE)
    serves(queue)
    assert broken.is_set() and (queue._thread is thread) is not isinstance(error, SystemExit)


def test_a_thread_that_has_died_is_missed_by_those_who_look(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request has failed, and what waits is served; nobody has to ask for anything new."""
    monkeypatch.setattr(threading, "excepthook", lambda _given: None)
    queue = make()

    def die(*_given: object) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(threading, "excepthook", lambda _given: None)
        raise SystemExit

    monkeypatch.setattr(JobQueue, "_run", die)
    first, second = queue.submit(request()), queue.submit(request())
    assert "The lab failed" in (ended(queue, first, JobState.FAILED).error or "")
    ended(queue, second, JobState.DONE)


def test_a_worker_that_does_not_stop_is_ended(make: Make) -> None:
    """The one who asked has stopped; the next is served by a new worker."""
    queue = make()
    hangs, following = queue.submit(request("hang")), queue.submit(request())
    until(hangs, JobState.LOADING)
    while (pid := queue.worker_pid) is None:
        time.sleep(0.002)
    queue.stop(hangs)
    assert ended(queue, hangs, JobState.STOPPED).error is None
    ended(queue, following, JobState.DONE)
    assert queue.worker_pid not in (None, pid) and not lives(pid)


def test_a_stop_while_the_worker_starts(make: Make, start: Path) -> None:
    start.write_text("hang")
    queue = make()
    job = queue.submit(request())
    until(job, JobState.LOADING)
    while start.exists():  # the next worker would hang, too, if this one ended before it has read the file
        time.sleep(0.002)
    queue.stop(job)
    ended(queue, job, JobState.STOPPED)
    serves(queue)


@pytest.mark.parametrize(("what", "whole"), [("hang", False), ("slow", True)])
def test_a_request_has_so_much_time(what: str, whole: bool, make: Make) -> None:
    """Then it is stopped, with what was done; and by force, where it does not stop."""
    queue = make()
    serves(queue)
    change_limits(queue, request_seconds=0.5, stop_seconds=300.0 if whole else 0.2)
    job = ended(queue, queue.submit(request(what)), JobState.FAILED)
    assert job.error and "the longest time that one request may take" in job.error and "RNC_LAB_SECONDS" in job.error
    assert (job.result is not None) is whole
    change_limits(queue, request_seconds=600.0)
    serves(queue)


def test_what_would_take_too_long_is_not_begun(make: Make) -> None:
    queue = make(request_seconds=1000.0)
    serves(queue)
    many = replace(request(), images=50_000, condition=replace(PGD, steps=1000, restarts=20, step_size=None))
    many = replace(many, source=request().source)
    queue._pass_times.add(many.source, NetworkSpeed(1.0))
    job = queue.submit(many)
    assert job.state is JobState.FAILED and job.error
    assert "one request may take 17 min. Ask for fewer images" in job.error


def test_what_nobody_looks_at_ends_though_nobody_waits(make: Make) -> None:
    queue = make(patience_seconds=1000.0)
    job = queue.submit(request("slow"))
    until(job, JobState.RUNNING)
    change_limits(queue, patience_seconds=0.2, stop_seconds=300.0)
    ends = time.monotonic() + PATIENCE
    while not job.ended and time.monotonic() < ends:
        time.sleep(0.01)
    assert job.state is JobState.STOPPED and job.result is not None
    assert job.error and "its page was not open" in job.error
    change_limits(queue, patience_seconds=1000.0)
    serves(queue)


def test_a_flood_of_answers_takes_no_memory(make: Make) -> None:
    queue = make()
    job = queue.submit(request("flood"))
    until(job, JobState.RUNNING)
    time.sleep(0.3)
    queue.stop(job)
    ended(queue, job, JobState.STOPPED)
    assert len(job.frames) <= 200
    serves(queue)


def test_a_flood_that_nobody_receives_waits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads what it processes; the worker waits for the server, not the other way round."""
    queue, held = make(), []
    original = WorkerProcess._receive

    def slow(worker: WorkerProcess) -> object:
        held.append(len(worker._received))
        time.sleep(0.02)
        return original(worker)

    monkeypatch.setattr(WorkerProcess, "_receive", slow)
    job = queue.submit(request("flood"))
    until(job, JobState.RUNNING)
    time.sleep(0.2)
    queue.stop(job)
    ended(queue, job, JobState.STOPPED)
    assert 1 <= max(held) <= 2**20


def test_a_worker_that_reads_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is larger than a pipe holds, to a process that has stopped."""
    monkeypatch.setattr(worker_process, "_SECONDS_TO_SEND", 0.3)
    queue = make()
    serves(queue)
    pid = queue.worker_pid
    assert pid is not None
    os.kill(pid, 19)  # SIGSTOP
    large = request()
    object.__setattr__(large.source, "run_id", "x" * 1_000_000)
    failed = ended(queue, queue.submit(large), JobState.FAILED)
    assert failed.error and "accepts no requests" in failed.error and not lives(pid)
    serves(queue)


def test_what_a_worker_has_started_ends_with_it(make: Make) -> None:
    queue = make()
    job = queue.submit(request("parent"))
    until(job, JobState.LOADING)
    while (pid := queue.worker_pid) is None or not (children := of_group(pid) - {pid}):
        time.sleep(0.005)
    queue.stop(job)
    ended(queue, job, JobState.STOPPED)
    gone({pid, *children})


_SERVER = """
import json, sys, time
from dataclasses import replace
from rnc.lab.job_queue import JobQueue
from rnc.lab.kinds import request_from_json
queue = JobQueue(command=json.loads(sys.argv[1]))
job = queue.submit(request_from_json(sys.argv[2]))
while queue.worker_pid is None:
    time.sleep(0.01)
print(queue.worker_pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_server_leaves_no_process(make: Make) -> None:
    """Though the worker is at something that does not end."""
    command = json.dumps(make()._worker._command)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, command, request("hang").to_json()],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        server.kill()
    gone({worker})


def test_a_session_and_an_address_have_so_many_requests(make: Make) -> None:
    queue = make(queued=5, queued_each=2, queued_from_one_address=3)
    jobs = [queue.submit(request("slow"), "one", "host")]
    until(jobs[0], JobState.RUNNING)
    jobs.append(queue.submit(request(), "one", "host"))
    with pytest.raises(JobRefusedError, match="2 attacks of yours wait already or are under way"):
        queue.submit(request(), "one", "host")
    jobs.append(queue.submit(request(), "two", "host"))
    with pytest.raises(JobRefusedError, match="3 attacks of yours"):
        queue.submit(request(), "three", "host")
    jobs += [queue.submit(request()) for _turn in range(3)]
    with pytest.raises(JobRefusedError, match="5 attacks wait already"):
        queue.submit(request(), "four", "elsewhere")
    queue.stop(jobs[0])
    for job in jobs[1:]:
        ended(queue, job, JobState.DONE)
    ended(queue, queue.submit(request(), "one", "host"), JobState.DONE)


def test_a_network_outside_the_folders_is_not_read(make: Make, tmp_path: Path) -> None:
    """Nor by way of a link or of dots; the worker is never asked."""
    home = tmp_path / "store"
    (home / "checkpoints").mkdir(parents=True)
    (home / "checkpoints" / "net").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"")
    (home / "link").symlink_to(tmp_path)
    queue = make()
    queue._folders = lambda: [home]
    inside = request()
    object.__setattr__(inside.source, "checkpoint", str(home / "checkpoints" / "net"))
    ended(queue, queue.submit(inside), JobState.DONE)
    wrong = [
        "/etc/passwd",
        f"{home}/../secret",
        f"{home}/link/secret",
        "relative",
        str(tmp_path / "secret"),
        f"{home}/\n",
        "\0",
    ]
    for path in wrong:
        asked = request()
        object.__setattr__(asked.source, "checkpoint", path)
        job = queue.submit(asked)
        assert job.state is JobState.FAILED and "is not read" in (job.error or ""), path
        queue.measure_when_idle(asked.source)
    assert queue._to_measure is None


def of_group(pid: int) -> set[int]:
    """The processes of a group, zombies left out."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _parent, group = rest.split()[:3]
        if int(group) == pid and state != "Z":
            found.add(int(name.split()[0]))
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: set[int]) -> None:
    ends = time.monotonic() + PATIENCE
    while any(map(lives, pids)) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not any(map(lives, pids))
