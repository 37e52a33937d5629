"""Estimates of a request's duration: the count of its work, and what is learned from the requests before it."""

from dataclasses import replace

import pytest

from rnc.conditions import CLEAN, Condition
from rnc.lab.attack import AttackRequest
from rnc.lab.estimates import NetworkSpeed, PassTimes, forward_passes, measured_frames
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.request_base import Request
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from tests.rnc.lab.samples import PGD, SOURCE

ATTACK = AttackRequest(SOURCE, PGD, 100)


@pytest.mark.parametrize(
    ("slug", "frames"),
    [("fgsm-linf-0.1", 3), ("pgd-linf-0.1-10", 12), ("pgd-linf-0.1-10-restarts3", 14), ("pgd-linf-0.1-400", 101)],
)
def test_all_frames_of_the_first_restart_are_measured_and_the_ends_of_the_others(slug: str, frames: int) -> None:
    assert measured_frames(Condition.from_slug(slug), every_frame=True) == frames
    assert measured_frames(Condition.from_slug(slug), every_frame=False) == 2


@pytest.mark.parametrize(
    "slug", ["pgd-linf-0.1-7", "pgd-linf-0.1-7-restarts3", "apgd-linf-0.1-9-restarts2", "fgsm-linf-0.1"]
)
def test_the_cost_follows_rounds_and_images(slug: str) -> None:
    """Every step is a gradient, which costs more than the pass that a start or an end takes."""
    condition = Condition.from_slug(slug)
    steps = condition.num_points_over_restarts - condition.restarts
    request = replace(ATTACK, condition=condition)
    assert 3 * 100 * steps < forward_passes(request) < 5 * 100 * (steps + 3)
    assert forward_passes(replace(request, images=300)) == 3 * forward_passes(request)
    assert forward_passes(replace(request, layers=True)) > forward_passes(request)


def test_the_cost_of_a_sweep_is_that_of_its_attacks_on_each_network() -> None:
    sweep = StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (1.0, 10.0), 100)
    assert forward_passes(replace(sweep, sources=(SOURCE, SOURCE))) == 2 * forward_passes(sweep)
    assert (
        forward_passes(StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (1.0,), 100))
        < forward_passes(sweep)
        < forward_passes(replace(sweep, values=(1.0, 20.0)))
    )
    assert forward_passes(MaskingRequest(SOURCE, PGD, 100)) > 3 * forward_passes(ATTACK)


def test_a_pace_is_known_for_a_network_and_for_others_of_its_name() -> None:
    pass_times, named = PassTimes(), replace(SOURCE, model="cnn")
    assert pass_times.estimate(ATTACK) is None
    pass_times.add(named, NetworkSpeed(0.001))
    assert pass_times.estimate(ATTACK) == pytest.approx(0.001 * forward_passes(ATTACK)), "the very network"
    sibling = replace(named, sha256="0" * 64)
    assert pass_times.estimate(replace(ATTACK, source=sibling)) == pytest.approx(0.001 * forward_passes(ATTACK))
    assert pass_times.estimate(replace(ATTACK, source=replace(sibling, model=""))) is None
    assert pass_times.estimate(replace(ATTACK, source=replace(sibling, dataset="mnist"))) is None
    pass_times.add(sibling, NetworkSpeed(0.003))
    assert pass_times.estimate(ATTACK) == pytest.approx(0.001 * forward_passes(ATTACK)), "its own pace comes first"


SPEED = NetworkSpeed(4e-5, 5e-3)
"""Of a small network on one thread: 40 microseconds an image, 5 ms for the metrics of all."""


def real_seconds(request: Request, load: float) -> float:
    """Return what a request takes on a machine that is `load` times slower than SPEED, counted in another way: by rounds."""
    attacks = (
        [request.at(value) for value in request.values]
        if isinstance(request, StrengthCurveRequest)
        else [request.condition]
    )
    rounds = sum(1 if attack is CLEAN else attack.num_points_over_restarts for attack in attacks)
    measured = len(attacks) + 1 if isinstance(request, StrengthCurveRequest) else rounds + 1
    images = request.images * len(request.sources)
    return (
        load * (3 * rounds * images * SPEED.pass_seconds + measured * len(request.sources) * SPEED.measurement_seconds)
        + 0.05
    )


SWEEP = StrengthCurveRequest((SOURCE,), PGD, Axis.EPSILON, (0.0, 0.05, 0.1, 0.15), 300)
REQUESTS: list[Request] = [
    ATTACK,
    replace(ATTACK, images=1400),
    replace(ATTACK, condition=Condition.from_slug("pgd-linf-0.1-80")),
    replace(ATTACK, condition=Condition.from_slug("apgd-linf-0.1-50")),
    SWEEP,
    replace(SWEEP, sources=(SOURCE, replace(SOURCE, sha256="1" * 64), replace(SOURCE, sha256="2" * 64))),
]


@pytest.mark.parametrize("load", [1.0, 6.0])
@pytest.mark.parametrize("asked", REQUESTS)
def test_after_one_request_the_next_one_is_known_within_a_factor_of_two(asked: Request, load: float) -> None:
    """On a machine as busy as it was then, for other images, steps and kinds of request, and networks of the same name."""
    named = replace(SOURCE, model="cnn")
    times = PassTimes()
    times.add(named, SPEED)
    first = replace(ATTACK, source=named, images=500)
    times.add_request(first, real_seconds(first, load))
    if isinstance(asked, StrengthCurveRequest):
        asked = replace(asked, sources=tuple(replace(source, model="cnn") for source in asked.sources))
    else:
        asked = replace(asked, source=named)
    estimate = times.estimate(asked)
    assert estimate is not None and 0.5 < estimate / real_seconds(asked, load) < 2


def test_a_machine_that_becomes_busy_is_noticed_at_once_and_forgotten_again() -> None:
    """The last request counts most: one estimate is wrong after each change, the next is within a factor of two."""
    times, request = PassTimes(), replace(ATTACK, images=1000)
    times.add(SOURCE, SPEED)
    for load in (1.0, 5.0, 1.0):
        times.add_request(request, real_seconds(request, load))
        estimate = times.estimate(request)
        assert estimate is not None and 0.5 < estimate / real_seconds(request, load) < 2


def test_without_a_measurement_the_first_request_is_the_measurement() -> None:
    times, request = PassTimes(), replace(ATTACK, images=1000)
    times.add_request(request, 7.0)
    assert times.estimate(request) == pytest.approx(7.0) and times.knows(SOURCE)
    assert times.estimate(replace(request, images=4000)) == pytest.approx(27, rel=0.1)


def test_requests_of_no_length_teach_nothing_about_longer_ones() -> None:
    """An attack on three images takes a moment that has nothing to do with the count of its passes."""
    times, request = PassTimes(), replace(ATTACK, images=3000)
    times.add(SOURCE, SPEED)
    before = times.estimate(request)
    times.add_request(replace(ATTACK, images=3, condition=Condition.from_slug("fgsm-linf-0.1")), 0.06)
    after = times.estimate(request)
    assert before is not None and after is not None and 0.7 < after / before < 1.5
