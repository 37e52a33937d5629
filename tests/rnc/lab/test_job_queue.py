"""The queue and its real worker process: four sessions at once, stops, failures, a killed worker, want of memory."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnc import datasets, models
from rnc.conditions import Condition
from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.engine.loading import InputLoader
from rnc.lab.engine.measured_attack_frames import record_trajectory
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.job import Job, JobState
from rnc.lab.job_queue import JobQueue, JobRefusedError
from rnc.lab.network_and_images import Source
from rnc.lab.request_base import Request
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.lab.time_and_memory_limits import Limits
from rnc.models import weights
from rnc.vocabulary import Split
from tests.rnc.lab.test_result_base import same
from tests.rnc.lab.waiting import wait

ROOT = Path(__file__).resolve().parents[3]
PGD = Condition.from_slug("pgd-linf-0.1-5-step0.03")
ENDLESS = Condition.from_slug("pgd-linf-0.1-1000-step0.03-restarts20")
PATIENCE = 120.0


def save(folder: Path, seed: int, width: float = 0.25) -> Source:
    torch.manual_seed(seed)
    path = folder / f"net{seed}.safetensors"
    net = models.build("small_cnn", datasets.spec("digits"), width)
    sha256 = weights.save(net, path, {"dataset": "digits", "model": "small_cnn", "width": width})
    return Source(str(path), sha256, f"run{seed}", seed, "digits", Split.TEST, model=f"small_cnn x {width}")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return save(tmp_path_factory.mktemp("nets"), 0)


@pytest.fixture(scope="module")
def queue() -> Iterator[JobQueue]:
    """One worker for most tests: importing torch takes seconds."""
    made = JobQueue()
    yield made
    made.close()


def attack(source: Source, seed: int, condition: Condition = PGD, images: int = 50) -> AttackRequest:
    return AttackRequest(source, condition, images, seed, watched=20)


def until(job: Job, state: JobState) -> None:
    ends = time.monotonic() + PATIENCE
    while job.state is not state and not job.ended and time.monotonic() < ends:
        time.sleep(0.01)
    assert job.state is state, (job.state, job.error)


def done(queue: JobQueue, job: Job) -> AttackResult:
    assert wait(queue, job, PATIENCE) and job.state is JobState.DONE, job.error
    assert isinstance(job.result, AttackResult)
    return job.result


def direct(request: AttackRequest) -> AttackResult:
    inputs = InputLoader().balanced(request.source, request.images)
    return record_trajectory(inputs, request, lambda *_: None, lambda: False)


def same_work(one: AttackResult, other: AttackResult) -> bool:
    return same(replace(one, seconds=0.0), replace(other, seconds=0.0))


def test_four_sessions_at_once_each_get_their_own(queue: JobQueue, source: Source, tmp_path: Path) -> None:
    """Other seeds, networks and attacks, submitted and awaited by four threads; each as computed here, alone."""
    other = save(tmp_path, 1)
    wanted = [[attack(who, 10 * session + k) for k, who in enumerate((source, other))] for session in range(4)]
    found: dict[int, list[AttackResult]] = {}

    def session(number: int) -> None:
        jobs = [queue.submit(request) for request in wanted[number]]
        found[number] = [done(queue, job) for job in jobs]

    threads = [threading.Thread(target=session, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, requests in enumerate(wanted):
        for request, result in zip(requests, found[number], strict=True):
            assert same_work(result, direct(request)), request


def test_who_waits_has_a_place_and_is_served_in_turn(queue: JobQueue, source: Source) -> None:
    first = queue.submit(attack(source, 100, ENDLESS))
    until(first, JobState.RUNNING)
    others = [queue.submit(attack(source, 101 + k)) for k in range(3)]
    assert [queue.place(job) for job in others] == [1, 2, 3] and queue.place(first) is None and queue.length == 4
    assert {job.state for job in others} == {JobState.QUEUED}
    queue.stop(others[0])
    assert others[0].state is JobState.STOPPED and others[0].result is None
    assert [queue.place(job) for job in others[1:]] == [1, 2]
    queue.stop(first)
    order = [done(queue, job) and job for job in others[1:]]
    assert all(same_work(done(queue, job), direct(job.request)) for job in order)  # type: ignore[arg-type]


def test_a_stop_ends_it_within_a_step_and_keeps_what_was_done(queue: JobQueue, source: Source) -> None:
    job = queue.submit(attack(source, 0, ENDLESS))
    until(job, JobState.RUNNING)
    while job.done < 3:
        time.sleep(0.005)
    partial = job.frames
    queue.stop(job)
    assert wait(queue, job, PATIENCE) and job.state is JobState.STOPPED
    result = job.result
    assert isinstance(result, AttackResult) and result.stopped and 0 < result.steps_done < 1000
    fewer = replace(attack(source, 0, PGD), condition=replace(PGD, steps=result.steps_done))
    assert result.after == pytest.approx(direct(fewer).after, rel=1e-5, abs=1e-6)
    assert len(partial) and partial.equals(result.frames.head(len(partial)))
    again = queue.submit(job.request)
    assert not again.from_cache, "what was stopped is no answer to who asks for the whole"
    queue.stop(again)
    assert wait(queue, again, PATIENCE)


def test_the_same_again_is_answered_without_work(queue: JobQueue, source: Source) -> None:
    first = queue.submit(attack(source, 7))
    result = done(queue, first)
    moved = replace(first.request, source=replace(source, checkpoint="/elsewhere", run_id="renamed"))
    again = queue.submit(moved)
    assert again.state is JobState.DONE and again.from_cache and again.result is result
    assert queue.estimate(moved) == 0.0


def test_who_waits_for_the_same_gets_it_at_once(queue: JobQueue, source: Source) -> None:
    """The last of the queue has its answer with the first, while what lies between is still under way."""
    blocker = queue.submit(attack(source, 8, ENDLESS))
    until(blocker, JobState.RUNNING)
    first, between, last = (
        queue.submit(r) for r in (attack(source, 200), attack(source, 201, ENDLESS), attack(source, 200))
    )
    queue.stop(blocker)
    assert done(queue, first) is done(queue, last) and last.from_cache and not first.from_cache
    assert not between.ended
    queue.stop(between)
    assert wait(queue, between, PATIENCE)


def test_a_killed_worker_fails_one_and_serves_the_next(queue: JobQueue, source: Source) -> None:
    job, following = queue.submit(attack(source, 9, ENDLESS)), queue.submit(attack(source, 210))
    until(job, JobState.RUNNING)
    pid = queue.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait(queue, job, PATIENCE) and job.state is JobState.FAILED and job.result is None
    assert job.error is not None and "killed" in job.error and "memory" in job.error
    assert same_work(done(queue, following), direct(following.request))  # type: ignore[arg-type]
    assert queue.worker_pid not in (None, pid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": "/no/such/file", "sha256": "1" * 64}, "cannot be read"),
        ({"sha256": "0" * 64}, "is not the file that the store recorded"),
        ({"dataset": "nothing"}, "unknown dataset"),
    ],
)
def test_what_cannot_be_loaded_is_said_and_the_worker_stays(
    queue: JobQueue, source: Source, change: dict, message: str
) -> None:
    done(queue, queue.submit(attack(source, 220)))
    pid = queue.worker_pid
    job = queue.submit(attack(replace(source, **change), 221))
    assert wait(queue, job, PATIENCE) and job.state is JobState.FAILED
    assert job.error is not None and message in job.error
    assert queue.worker_pid == pid


def test_a_network_of_not_a_number_is_an_error(queue: JobQueue, tmp_path: Path) -> None:
    net = models.build("small_cnn", datasets.spec("digits"), 0.25)
    with torch.no_grad():
        net.classifier.weight.fill_(torch.nan)
        net.stages["conv1"][0].weight.fill_(torch.nan)  # type: ignore[index]
    path = tmp_path / "nan.safetensors"
    sha256 = weights.save(net, path, {"dataset": "digits", "model": "small_cnn", "width": 0.25})
    job = queue.submit(attack(Source(str(path), sha256, "nan", 0, "digits", Split.TEST), 0))
    assert wait(queue, job, PATIENCE) and job.state is JobState.FAILED
    assert job.error is not None and "NaN" in job.error


def test_sweeps_and_checks_come_back_too(queue: JobQueue, source: Source) -> None:
    requests: list[Request] = [
        StrengthCurveRequest((source, source), PGD, Axis.EPSILON, (0.0, 0.1), images=30),
        MaskingRequest(source, PGD, images=30),
    ]
    jobs = [queue.submit(request) for request in requests]
    for job in jobs:
        assert wait(queue, job, PATIENCE) and job.state is JobState.DONE, job.error
        assert job.done == job.total > 0 and queue.estimate(job.request) == 0.0


def test_the_time_is_known_before_it_runs(queue: JobQueue, tmp_path: Path) -> None:
    """Another width is another network: unknown until it was prepared or has run, and longer for more images."""
    other = save(tmp_path, 2, width=0.3)
    assert queue.estimate(attack(other, 0)) is None
    queue.measure_when_idle(other)
    ends = time.monotonic() + PATIENCE
    while queue.estimate(attack(other, 0)) is None and time.monotonic() < ends:
        time.sleep(0.02)
    few, many = queue.estimate(attack(other, 0)), queue.estimate(attack(other, 0, images=5000))
    assert few and many and many > 10 * few
    assert queue.estimate(attack(save(tmp_path, 3, width=0.3), 0)) == few, "of the same name and data set"


def test_who_has_gone_leaves_the_queue_and_makes_room(
    queue: JobQueue, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three, nobody looks at the one under way and the one that waits; who does look gets an answer."""
    under_way = queue.submit(attack(source, 300, ENDLESS))
    until(under_way, JobState.RUNNING)
    waits = queue.submit(attack(source, 301, ENDLESS))
    queue.touch(under_way)  # last, so that the other one has been left alone for longer when this one is stopped
    monkeypatch.setattr(queue, "limits", replace(queue.limits, patience_seconds=1.0))
    done(queue, queue.submit(attack(source, 310)))
    assert waits.state is JobState.FAILED and waits.error is not None and "left the queue" in waits.error
    assert under_way.state is JobState.STOPPED and under_way.result is not None


def test_a_queue_has_an_end(queue: JobQueue, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "limits", replace(queue.limits, queued=2))
    jobs = [queue.submit(attack(source, 400, ENDLESS))]
    until(jobs[0], JobState.RUNNING)
    jobs += [queue.submit(attack(source, 401 + k)) for k in range(2)]
    with pytest.raises(JobRefusedError, match="2 attacks wait already"):
        queue.submit(attack(source, 410))
    for job in reversed(jobs):
        queue.stop(job)
    assert wait(queue, jobs[0], PATIENCE)


def test_closing_ends_all(source: Source) -> None:
    queue = JobQueue()
    jobs = [queue.submit(attack(source, 500 + k, ENDLESS)) for k in range(2)]
    queue.close()
    assert [job.state for job in jobs] == [JobState.FAILED] * 2
    assert [job.error for job in jobs] == ["The app was closed."] * 2 and queue.worker_pid is None
    with pytest.raises(JobRefusedError, match="closed"):
        queue.submit(attack(source, 510))


def _private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="private memory is limited on Linux")
def test_want_of_memory_fails_one_and_serves_the_next(queue: JobQueue, source: Source, tmp_path: Path) -> None:
    """A worker that may take little more than it has cannot read a large network; a small one it can."""
    done(queue, queue.submit(attack(source, 600)))
    assert queue.worker_pid is not None
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(4 * 2**30)  # (its bytes take no room on the disk)
    limited = JobQueue(Limits(memory_bytes=_private_bytes(queue.worker_pid) + 100 * 2**20))
    try:
        large = limited.submit(attack(replace(source, checkpoint=str(path), sha256="2" * 64), 0))
        following = limited.submit(attack(source, 601))
        assert wait(limited, large, PATIENCE) and large.state is JobState.FAILED
        assert large.error is not None and "ask for fewer images" in large.error and "RNC_LAB_MEMORY" in large.error
        assert same_work(done(limited, following), direct(following.request))  # type: ignore[arg-type]
    finally:
        limited.close()


_SERVER = """
import sys, time
from rnc.lab.job_queue import JobQueue
from rnc.lab.kinds import request_from_json
queue = JobQueue()
job = queue.submit(request_from_json(sys.argv[1]))
while not job.ended:
    queue.touch(job)
    time.sleep(0.02)
assert job.result is not None, job.error
assert not {"torch", "umap", "sklearn"} & set(sys.modules)
print(queue.worker_pid, flush=True)
sys.stdin.read()
"""


def test_the_worker_ends_with_the_server_which_never_loads_torch(source: Source) -> None:
    """Though it has nothing to do, and so nothing to write to a server that is gone."""
    command = [sys.executable, "-c", _SERVER, attack(source, 0).to_json()]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    os.kill(worker, 0)
    server.kill()
    server.communicate()
    ends = time.monotonic() + 20
    while _lives(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(pid: int) -> bool:
    """Return whether the process is there and is no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_idle_is_replaced(queue: JobQueue, source: Source) -> None:
    done(queue, queue.submit(attack(source, 700)))
    pid = queue.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while queue.worker_pid is not None:
        time.sleep(0.01)
    done(queue, queue.submit(attack(source, 701)))
    assert queue.worker_pid not in (None, pid)
