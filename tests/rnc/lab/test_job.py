"""Tests of one job: its states, its ends and its progress; and the words in which a worker's end is told."""

import resource
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnc.lab import job as job_module
from rnc.lab import worker_process
from rnc.lab.engine import collapse_under_attack, loading, timing
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.job import Job, JobState, job_of_token
from rnc.lab.job_queue import JobQueue
from rnc.lab.network_and_images import RequestError, ascending_numbers
from rnc.lab.perturbed_images import PerturbedImagesResult
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.lab.time_and_memory_limits import Limits
from tests.rnc.lab.samples import PGD, SOURCE, attack_result
from tests.rnc.lab.test_watchdog import request


def test_a_job_begins_queued_and_is_found_by_its_token() -> None:
    job = Job(request(), "session", "address")
    assert job.state is JobState.QUEUED and not job.ended and job.result is job.error is None and not job.from_cache
    assert (job.session, job.address, job.done, job.total) == ("session", "address", 0, 0)
    assert job_of_token(job.token) is job and job_of_token("other") is None
    assert job.share_done == 0.0 and job.seconds_left is None and job.frames.empty
    assert Job(request()).session == Job(request()).address == ""


def test_progress_is_counted_in_rounds() -> None:
    job = Job(request())
    job.enter_loading_state()
    assert job.state is JobState.LOADING
    job.advance(0, 4, None)
    assert job.state is JobState.RUNNING and job.share_done == 0.0 and job.seconds_left is None
    job.advance(1, 4, {"step": 1})
    job.advance(3, 4, {"step": 2})
    assert job.share_done == 0.75 and job.frames["step"].tolist() == [1, 2]
    left, running = job.seconds_left, job.running_seconds
    assert left is not None and 0 <= left <= running / 3
    job.advance(9, 4, None)
    assert job.share_done == 1.0
    job.end(JobState.DONE)
    job.advance(1, 4, {"step": 3})
    assert (job.done, len(job.frames), job.state) == (9, 2, JobState.DONE)
    assert job.seconds_left is None


def test_rows_beyond_those_of_the_longest_attack_are_left_out() -> None:
    job = Job(request())
    for step in range(job_module._MOST_ROWS + 5):
        job.advance(1, 2, {"step": step})
    assert job.frames["step"].tolist() == list(range(job_module._MOST_ROWS))


def test_a_job_ends_once() -> None:
    job, result = Job(request()), attack_result()
    job.end(JobState.FAILED, result, "it broke")
    job.end(JobState.DONE, None, "again")
    job.enter_loading_state()
    assert job.ended and (job.state, job.error) == (JobState.FAILED, "it broke") and job.result is result
    assert job.share_done == 1.0


def test_an_early_end_is_as_it_was_asked_for() -> None:
    job, result = Job(request()), attack_result()
    job.end_early(result)
    assert (job.state, job.error) == (JobState.STOPPED, None) and job.result is result
    asked = Job(request())
    asked.request_end(JobState.FAILED, "too slow")
    asked.request_end(JobState.STOPPED, "later")
    assert not asked.ended
    asked.end_early(result)
    assert (asked.state, asked.error) == (JobState.FAILED, "too slow") and asked.result is result
    stopped = Job(request())
    stopped.request_end()
    stopped.end_early()
    assert (stopped.state, stopped.error, stopped.result) == (JobState.STOPPED, None, None)


def test_a_job_may_be_answered_by_an_earlier_result() -> None:
    job, result = Job(request()), attack_result()
    job.end_from_cache(result)
    assert job.from_cache is True and job.state is JobState.DONE and job.result is result and job.error is None


AGAIN = "Try again: other attacks continue in a new process."


@pytest.mark.parametrize(
    ("script", "fault", "words"),
    [
        (
            "kill -KILL $$",
            None,
            "The attack's process was killed, most likely by the system because memory ran out; ask for fewer images, or try "
            "again. Other attacks continue in a new process.",
        ),
        (
            "kill -SEGV $$",
            None,
            "The attack's process ended unexpectedly (code -11) (most likely because memory ran out); its messages are in the "
            f"server's log. {AGAIN}",
        ),
        (
            "exit 3",
            None,
            f"The attack's process ended unexpectedly (code 3); its messages are in the server's log. {AGAIN}",
        ),
        ("sleep 60", None, f"The attack's process does not answer any more, and was ended. {AGAIN}"),
        ("sleep 60", "was too slow", f"The attack's process was too slow, and was ended. {AGAIN}"),
        ("exit 3", "was too slow", f"The attack's process was too slow, and was ended. {AGAIN}"),
    ],
)
def test_the_end_of_a_worker_is_told_by_its_cause(
    script: str, fault: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(worker_process, "_SECONDS_TO_END", 0.05)
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    assert worker_process._reason_of_end(process, fault) == words
    assert process.returncode is not None


def test_only_networks_of_the_folders_are_measured_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = JobQueue(Limits(), folders=lambda: [tmp_path], command=["none"])
    monkeypatch.setattr(queue, "_wake", lambda: None)
    (tmp_path / "net.safetensors").touch()
    queue.measure_when_idle(SOURCE)
    assert queue._to_measure is None
    inside = replace(SOURCE, checkpoint=str(tmp_path / "net.safetensors"))
    queue.measure_when_idle(inside)
    assert queue._to_measure == inside


def test_as_many_numbers_as_allowed_are_taken() -> None:
    assert ascending_numbers("values", [1, 2, 3], 3) == (1.0, 2.0, 3.0)
    for values in ([], [1, 2, 3, 4]):
        with pytest.raises(RequestError, match=f"give 1 to 3 values, not {len(values)}"):
            ascending_numbers("values", values, 3)


def test_networks_of_a_sweep_may_come_in_a_list() -> None:
    sources = [SOURCE, replace(SOURCE, sha256="cd" * 32)]
    curve = StrengthCurveRequest(sources, PGD, Axis.EPSILON, (0.1, 0.2))  # type: ignore[arg-type]
    assert curve.sources == tuple(sources) and hash(curve)


def test_the_summary_of_perturbed_images_names_condition_and_count() -> None:
    numbers, pictures = np.arange(3), np.zeros((3, 1, 8, 8), dtype=np.float32)
    result = PerturbedImagesResult(PGD.slug, False, True, "cpu", 1.0, numbers, numbers, numbers, pictures, pictures)
    assert {"condition": PGD.slug, "images": 3}.items() <= result.summary().items()


def test_the_memory_of_a_process_with_a_limit_is_what_the_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {("/proc/meminfo", "MemAvailable"): 1000, ("/proc/self/status", "VmData"): 300}
    monkeypatch.setattr(loading, "_kilobytes", lambda path, name: tables.get((path, name)))
    for limit, available, free in (
        (700, 1000, 400),
        (5000, 1000, 1000),
        (200, 1000, 0),
        (700, None, 400),
        (-1, 1000, 1000),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _of, limit=limit: (limit, limit))
        tables["/proc/meminfo", "MemAvailable"] = available  # type: ignore[assignment]
        assert loading._free_memory(torch.device("cpu")) == free


def test_a_pace_is_that_of_gradients_and_metrics(inputs: AttackInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured work is really done: the metrics once, gradients until the time is over."""
    done: list[str] = []
    seconds: list[float] = []

    def measured(work: object, least_seconds: float = 0.2) -> float:
        assert callable(work)
        work()
        seconds.append(least_seconds)
        return 6.0

    gradient, frame_metrics = timing._gradient, collapse_under_attack.frame_metrics
    monkeypatch.setattr(timing, "_seconds_of", measured)
    monkeypatch.setattr(timing, "_gradient", lambda *given: done.append("gradient") or gradient(*given))
    monkeypatch.setattr(
        collapse_under_attack, "frame_metrics", lambda *given: done.append("metrics") or frame_metrics(*given)
    )
    speed = timing.network_speed(inputs)
    assert done == ["gradient", "metrics"] and seconds == [0.2, 0.0]
    images = len(inputs.images[inputs.batched_positions()[0]])
    assert vars(speed) == pytest.approx(
        dict(zip(vars(speed), (6.0 / images / timing.PASSES_PER_GRADIENT, 6.0), strict=True))
    )
