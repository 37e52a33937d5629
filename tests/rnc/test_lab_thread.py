"""The lab's attack is `rnc.attacks.pgd` cut into rounds: to the end it is equal, stopped it is equal to fewer steps."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnc import datasets, metrics, models
from rnc import lab_thread as lab
from rnc.attacks import PGDStep, SampleNoise, ball_of, pgd
from rnc.conditions import Condition
from rnc.lab_thread import LabJob, Outcome, RecordedImages, Subject, load_subject
from rnc.models import weights
from rnc.vocabulary import ConditionKind, Norm, Split, TargetRule

ATTACK = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 6, 0.05)
IN_L2 = Condition(ConditionKind.PGD, Norm.L2, 1.0, 3)
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 6, 0.05, TargetRule.NEXT)


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A float64 network with statistics of digits, and 40 test images."""
    torch.manual_seed(5)
    net = models.build("small_cnn", datasets.spec("digits"))
    with torch.no_grad():
        for _pass in range(20):
            net.train()(datasets.load("digits", Split.TRAIN).pixels()[:100])
        net.classifier.weight.mul_(5)
    everything = datasets.load("digits", Split.TEST)
    indices = everything.balanced_indices(40, 10)
    return Subject(net.double().eval(), everything.pixels(indices).double(), everything.labels[indices], indices, 10)


def ends(subject: Subject, condition: Condition, steps: int, restarts: int = 1, seed: int = 0) -> torch.Tensor:
    """The attack called directly on all images at once."""
    assert condition.norm and condition.epsilon and condition.step_size
    targeted = condition.target_rule is TargetRule.NEXT
    labels = (subject.labels + 1) % 10 if targeted else subject.labels
    return pgd(
        subject.model,
        subject.images,
        labels,
        ball_of(condition.norm, condition.epsilon),
        steps,
        condition.step_size,
        targeted=targeted,
        restarts=restarts,
        generator=SampleNoise(seed, subject.indices),
    )


def done(job: LabJob) -> Outcome:
    job.start()
    job.join()
    assert job.error is None and job.outcome is not None and not job.running
    return job.outcome


def measured(subject: Subject, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    with torch.no_grad():
        h = subject.model.features(images)
    return metrics.measure(h, labels, subject.model.weight, subject.model.bias, 10)


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.fixture(params=[250, 7], ids=["one-batch", "batches"])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(lab, "BATCH", request.param)
    return int(request.param)


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("restarts", [1, 2])
@pytest.mark.parametrize("condition", [ATTACK, IN_L2], ids=lambda c: c.slug)
def test_to_the_end_it_is_pgd(subject: Subject, condition: Condition, restarts: int, seed: int) -> None:
    job = LabJob(subject, condition, restarts, seed)
    outcome = done(job)
    assert condition.steps is not None
    expected, labels = ends(subject, condition, condition.steps, restarts, seed), subject.labels
    assert np.allclose(outcome.perturbed_images, expected[:8].numpy(), atol=1e-9)
    same(outcome.after, measured(subject, expected, labels))
    same(outcome.before, measured(subject, subject.images, labels))
    assert not outcome.stopped and job.rounds_done == job.rounds == restarts * (condition.steps + 1)


def test_without_restarts_the_outcome_names_all_steps(subject: Subject) -> None:
    assert done(LabJob(subject, ATTACK)).steps == 6


def test_with_restarts_the_outcome_counts_steps_and_no_starts(subject: Subject) -> None:
    """Two restarts of six steps are twelve steps, or six of each; the two starts are none."""
    assert done(LabJob(subject, ATTACK, restarts=2)).steps in (6, 12)


def test_targeted_samples_are_measured_by_their_targets(subject: Subject) -> None:
    outcome, labels = done(LabJob(subject, TARGETED)), subject.labels
    expected, targets = ends(subject, TARGETED, 6), (labels + 1) % 10
    same(outcome.after, measured(subject, expected, targets))
    same(outcome.before, measured(subject, subject.images, labels))
    with torch.no_grad():
        h, moved = subject.model.features(subject.images), subject.model.features(expected)
        decided = subject.model(expected).argmax(1)
    clean = metrics.class_means([(h, labels)], 10)
    alignment = metrics.align(clean, metrics.class_means([(moved, targets)], 10)).summary()
    same(outcome.alignment, {str(name): value for name, value in alignment.items()})
    found = {(leap.true_class, leap.predicted_class): leap.count for leap in outcome.leaps.itertuples()}
    pairs = list(zip(labels.tolist(), decided.tolist(), strict=True))
    assert found == {pair: pairs.count(pair) for pair in set(pairs)}


def test_what_is_shown_is_what_was_attacked(subject: Subject) -> None:
    outcome = done(LabJob(subject, ATTACK))
    with torch.no_grad():
        before = subject.model(subject.images).argmax(1).tolist()
        after = subject.model(ends(subject, ATTACK, 6)).argmax(1).tolist()
    assert outcome.decisions == list(zip(subject.labels.tolist(), before, after, strict=True))[:8]
    assert np.array_equal(outcome.clean_images, subject.images[:8].numpy())
    plane = outcome.plane
    assert plane["shown"].tolist() == ["clean"] * 40 + ["perturbed"] * 40
    assert plane["sample"].tolist() == subject.indices.tolist() * 2
    assert plane["predicted"].tolist() == before + after
    assert plane["label"].tolist() == subject.labels.tolist() * 2
    clean = plane[plane["shown"] == "clean"][["x", "y"]].to_numpy()
    assert np.abs(clean.mean(axis=0)).max() < 1e-9, "the plane is centred on the clean features"


Steps = Callable[..., Iterator[PGDStep]]


def after_rounds(monkeypatch: pytest.MonkeyPatch, rounds: int, act: Callable[[], None]) -> None:
    """Let every attack call `act` inside its round number `rounds` (1 is the start)."""
    original: Steps = lab.pgd_steps

    def wrapped(*arguments: Any, **named: Any) -> Iterator[PGDStep]:
        for number, step in enumerate(original(*arguments, **named), start=1):
            if number == rounds:
                act()
            yield step

    monkeypatch.setattr(lab, "pgd_steps", wrapped)


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("condition", [ATTACK, TARGETED], ids=lambda c: c.slug)
@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_stopped_after_some_rounds_it_is_that_many_steps(
    subject: Subject, condition: Condition, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = LabJob(subject, condition)
    after_rounds(monkeypatch, rounds, job.stop)
    outcome = done(job)
    assert outcome.stopped and outcome.steps == rounds - 1 and job.rounds_done == rounds
    expected = ends(subject, condition, rounds - 1)
    assert np.allclose(outcome.perturbed_images, expected[:8].numpy(), atol=1e-9)
    labels = subject.labels
    same(outcome.after, measured(subject, expected, (labels + 1) % 10 if condition is TARGETED else labels))


def test_stopped_in_the_second_restart_it_keeps_the_first_ones_ends(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = LabJob(subject, ATTACK, restarts=2)
    after_rounds(monkeypatch, 9, job.stop)
    outcome = done(job)
    assert outcome.stopped and np.allclose(outcome.perturbed_images, ends(subject, ATTACK, 6)[:8].numpy(), atol=1e-9)


def test_a_stop_before_the_start_takes_the_first_round(subject: Subject) -> None:
    job = LabJob(subject, ATTACK)
    job.stop()
    assert done(job).steps == 0


def test_progress_is_seen_while_it_runs(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        assert go_on.wait(60)

    after_rounds(monkeypatch, 3, pause)
    job = LabJob(subject, ATTACK)
    assert not job.running and job.time_left() == "starting"
    assert job.start() is job and reached.wait(60)
    assert job.running and job.rounds_done == 2 and job.outcome is None and job.time_left().startswith("about ")
    go_on.set()
    job.join()
    assert not job.running and job.outcome is not None and job.rounds_done == 7


def test_an_exception_in_the_thread_reaches_error(subject: Subject) -> None:
    bad = replace(subject, images=subject.images + 1)
    job = LabJob(bad, ATTACK).start()
    job.join()
    assert job.error is not None and job.error.startswith("ValueError: pixels must be in [0, 1]")
    assert job.outcome is None and not job.running


def test_an_exception_halfway_reaches_error(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError("too many images")

    after_rounds(monkeypatch, 3, fail)
    job = LabJob(subject, ATTACK).start()
    job.join()
    assert job.error == "MemoryError: too many images" and job.outcome is None and job.rounds_done == 2


def test_the_network_is_left_as_it_was(subject: Subject) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    done(LabJob(subject, ATTACK))
    assert all(torch.equal(value, before[name]) for name, value in subject.model.state_dict().items())
    assert not subject.model.training and all(p.grad is None for p in subject.model.parameters())


def test_joining_what_never_started_returns(subject: Subject) -> None:
    LabJob(subject, ATTACK).join()


def test_the_images_are_those_that_the_run_trained_on(tmp_path: Path) -> None:
    """Never one outside its subset, and told apart from another set or another order by the fingerprint."""
    digits = datasets.load("digits", Split.TRAIN)
    trained = digits.balanced_indices(50, 10)
    fingerprint = digits.take(trained).fingerprint()
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    sha256 = weights.save(
        models.build("small_cnn", datasets.spec("digits")), path, {"dataset": "digits", "model": "small_cnn"}
    )
    for count, expected in ((20, 20), (1000, 50)):
        subject = load_subject(path, sha256, RecordedImages("digits", Split.TRAIN, 50, fingerprint), count)
        assert len(subject.images) == expected and set(subject.indices.tolist()) <= set(trained.tolist())
        assert subject.as_recorded
    assert not load_subject(path, sha256, RecordedImages("digits", Split.TRAIN, 60, fingerprint), 20).as_recorded
    assert load_subject(path, sha256, RecordedImages("digits", Split.TRAIN), 20).as_recorded
