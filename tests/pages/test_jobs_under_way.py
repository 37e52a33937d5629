"""Jobs of the attack lab under way: found again after a reload, counted as one's own, described in steps."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.conditions import Condition
from rnc.lab.attack import AttackRequest
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.job import Job, JobState, job_of_token
from rnc.lab.job_queue import JobQueue
from rnc.lab.request_base import Request
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.ui.lab import server_job_queue
from rnc.ui.lab.job_progress import describe_duration, describe_progress, describe_step
from tests.pages.app import charts, job_of, open_page, seen
from tests.rnc.lab.samples import PGD, SOURCE
from tests.rnc.lab.waiting import wait

LONG: dict[str, Any] = {"lab_images": 40, "lab_steps": 1000, "lab_restarts": 20}


@pytest.fixture(autouse=True)
def _no_job_is_left() -> Iterator[None]:
    """Jobs that a test began end with it."""
    begun: list[Job] = []
    submit = JobQueue.submit
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(JobQueue, "submit", lambda *arguments: begun.append(submit(*arguments)) or begun[-1])
        yield
    for job in begun:
        server_job_queue.job_queue().stop(job)
        assert wait(server_job_queue.job_queue(), job, 120)


def begin(store: Path, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> tuple[AppTest, Job]:
    """Open the lab and press Attack, without waiting for the end."""
    app = open_page("attack_lab", store, monkeypatch, **(LONG | parameters))
    app.button(key="lab_run_Attack").click().run()
    return app, job_of(app, "Attack")


def reloaded(app: AppTest, store: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Open the address of a page in a new session, as a reload of the browser does."""
    return open_page("attack_lab", store, monkeypatch, **dict(app.query_params))


@pytest.mark.slow
def test_an_attack_is_found_again_after_a_reload_and_stopped(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its progress, and then with its result."""
    first, job = begin(tiny_store, monkeypatch, lab_seed=101)
    assert first.query_params["lab_job"] == job.token
    again = reloaded(first, tiny_store, monkeypatch)
    assert job_of(again, "Attack") is job and not again.error
    assert again.button(key="lab_run_Attack").disabled and again.button(key="lab_run_Attack").label == "Attack"
    while not job.frames.shape[0] and not job.ended:
        server_job_queue.job_queue().touch(job)
    again.button(key="lab_stop_Attack").click().run()
    assert wait(server_job_queue.job_queue(), job, 120) and job.state is JobState.STOPPED
    again.run()
    assert any("stopped after" in header.value for header in again.header) and "projected features" in charts(again)
    after = reloaded(again, tiny_store, monkeypatch)
    assert any("stopped after" in header.value for header in after.header), "what was done is found again, too"


def test_a_result_that_came_while_the_page_was_closed_is_shown(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, job = begin(tiny_store, monkeypatch, lab_seed=102, lab_steps=3, lab_restarts=1)
    address = dict(first.query_params)
    assert wait(server_job_queue.job_queue(), job, 120) and job.state is JobState.DONE
    del first
    again = open_page("attack_lab", tiny_store, monkeypatch, **address)
    assert "projected features" in charts(again)
    assert "lab_job" not in again.query_params, "the request alone gives the result"


def test_the_job_of_one_page_is_not_that_of_another_visitor(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the token nothing of it is shown; it counts as one other job."""
    first, job = begin(tiny_store, monkeypatch, lab_seed=103)
    address = {name: values for name, values in first.query_params.items() if name != "lab_job"}
    other = open_page("attack_lab", tiny_store, monkeypatch, **address)
    assert "lab_job" not in other.query_params and not other.session_state["lab_jobs"]
    assert not other.button(key="lab_run_Attack").disabled and "lab_stop_Attack" not in {
        one.key for one in other.button
    }
    assert any("after 1 other job" in caption.value for caption in other.caption)
    assert job_of_token("guessed") is None and job_of_token(job.token) is job


def test_the_visitors_job_is_not_called_another_one(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a reload, when another activity is chosen."""
    first, _job = begin(tiny_store, monkeypatch, lab_seed=104)
    address = dict(first.query_params) | {"lab_do": "Sweep"}
    for app in (first, open_page("attack_lab", tiny_store, monkeypatch, **address)):
        app.segmented_control(key="lab_do").set_value("Sweep").run()
        captions = [caption.value for caption in app.caption]
        assert any("after 1 job of yours" in caption for caption in captions), captions
        assert not any("other job" in caption for caption in captions)


def test_a_wrong_token_changes_nothing(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_job=["nope", "<b>", "x" * 5000])
    assert not app.error and "lab_job" not in app.query_params and not app.session_state["lab_jobs"]


ATTACK = AttackRequest(SOURCE, PGD, 100)
SWEEP = StrengthCurveRequest((SOURCE,), Condition.from_slug("pgd-linf-0.1-10"), Axis.EPSILON, (0.0, 0.1, 0.2), 100)


@pytest.mark.parametrize(
    ("request_", "done", "total", "words"),
    [
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-20")), 0, 21, "step 0 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-20")), 1, 21, "step 0 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-20")), 14, 21, "step 13 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-20")), 21, 21, "step 20 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-10-restarts2")), 11, 22, "step 10 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-10-restarts2")), 12, 22, "step 10 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-10-restarts2")), 22, 22, "step 20 of 20"),
        (replace(ATTACK, condition=Condition.from_slug("fgsm-linf-0.1")), 2, 2, "step 1 of 1"),
        (SWEEP, 0, 23, "value 1 of 3"),
        (SWEEP, 1, 23, "value 2 of 3"),
        (SWEEP, 12, 23, "value 3 of 3"),
        (SWEEP, 23, 23, "value 3 of 3"),
        (replace(SWEEP, sources=(SOURCE, SOURCE)), 24, 46, "network 2 of 2, value 2 of 3"),
        (MaskingRequest(SOURCE, PGD, 100), 5, 60, "step 5 of 60"),
    ],
)
def test_progress_is_counted_in_steps(request_: Request, done: int, total: int, words: str) -> None:
    assert describe_step(request_, done, total) == words


def test_a_job_that_is_to_end_says_so() -> None:
    job = Job(ATTACK)
    job.request_end()
    assert describe_progress(server_job_queue.job_queue(), job) == "Stopping after this step …"


@pytest.mark.parametrize(
    ("seconds", "length", "of_visitor", "words"),
    [
        (None, 0, 0, "duration unknown before the first run"),
        (17.0, 0, 0, "takes about 17 s"),
        (17.0, 1, 0, "takes about 17 s, after 1 other job"),
        (17.0, 3, 0, "takes about 17 s, after 3 other jobs"),
        (17.0, 1, 1, "takes about 17 s, after 1 job of yours"),
        (17.0, 4, 2, "takes about 17 s, after 2 jobs of yours and 2 other jobs"),
        (0.0, 0, 0, "the result is known"),
    ],
)
def test_the_duration_says_whose_jobs_come_before(
    seconds: float | None, length: int, of_visitor: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "estimate", lambda *_request: seconds)
    monkeypatch.setattr(JobQueue, "length", length)
    assert (
        seen(describe_duration(server_job_queue.job_queue(), ATTACK, of_visitor)).removeprefix(":material/timer: ")
        == words
    )
