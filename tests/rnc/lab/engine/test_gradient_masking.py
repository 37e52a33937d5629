"""Each sign of gradient masking warns on a network built to show it, and none on one that was honestly trained."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from rnc.conditions import Condition
from rnc.lab.engine import masking_checks
from rnc.lab.engine.gradient_masking import NOISE_DRAWS, check_gradient_masking
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.gradient_masking import MaskingCheck, MaskingRequest, MaskingResult
from rnc.lab.kinds import result_from_bytes
from tests.rnc.lab import networks
from tests.rnc.lab.samples import SOURCE
from tests.rnc.lab.test_result_base import same

PGD = "pgd-linf-0.1-10"


def run(inputs: AttackInputs, slug: str = PGD, stop_after: int | None = None, seed: int = 0) -> MaskingResult:
    seen: list[int] = []

    def stopped() -> bool:
        seen.append(1)
        return stop_after is not None and len(seen) >= stop_after

    request = MaskingRequest(SOURCE, Condition.from_slug(slug), seed=seed)
    return check_gradient_masking(inputs, request, lambda *_: None, stopped)


def warned(found: MaskingResult) -> set[str]:
    return {found_check.name for found_check in found.warnings}


def named(found: MaskingResult, name: str) -> MaskingCheck:
    return next(found_check for found_check in found.checks if found_check.name == name)


@pytest.mark.parametrize(
    "slug",
    [PGD, "pgd-linf-0.03-5", "pgd-linf-0.3-10", "pgd-l2-0.7-10", "apgd-linf-0.1-10-dlr", "pgd-linf-0.1-10-next",
     "pgd-linf-0.1-10-margin", "pgd-linf-0.1-10-kl", "pgd-linf-0.1-10-momentum1"],
)  # fmt: skip
def test_an_honest_network_raises_no_warning(honest: AttackInputs, slug: str) -> None:
    found = run(honest, slug)
    assert warned(found) == set(), [c.finding for c in found.warnings]
    assert [c.name for c in found.checks] == ["loss", "one_step", "noise", "radius", "unbounded"]
    assert named(found, "radius").numbers["accuracy_0"] > 0.9, "it is a network that can do something"


@pytest.mark.parametrize("slug", [PGD, "pgd-linf-0.3-10", "pgd-l2-0.7-10", "apgd-linf-0.1-10"])
def test_a_network_without_gradients_shows_three_signs(honest: AttackInputs, slug: str) -> None:
    """Its pixels come in steps: noise walks over them, gradients do not see them."""
    found = run(networks.quantised(honest), slug)
    assert warned(found) == {"loss", "noise", "unbounded"}, [c.finding for c in found.checks]


def test_a_network_whose_gradient_misleads_off_the_clean_images_loses_to_one_step(honest: AttackInputs) -> None:
    found = run(networks.rippled(honest), PGD)
    assert "one_step" in warned(found), named(found, "one_step").finding
    numbers = named(found, "one_step").numbers
    assert numbers["accuracy_one_step"] < numbers["accuracy"] - numbers["margin"]


def test_a_network_whose_gradient_misleads_further_out_is_stronger_in_a_larger_ball(honest: AttackInputs) -> None:
    """Steps of a small ball stay where the ripple's slope is right."""
    found = run(networks.rippled(honest), "pgd-linf-0.02-10")
    numbers = named(found, "radius").numbers
    assert warned(found) == {"radius"}, [c.finding for c in found.checks]
    assert numbers["accuracy_0.04"] > numbers["accuracy_0.02"]


def test_targets_are_left_aside(honest: AttackInputs) -> None:
    assert same(replace(run(honest, PGD + "-next"), seconds=0.0), replace(run(honest, PGD), seconds=0.0))


@pytest.mark.parametrize(("stop_after", "expected"), [(1, []), (11, []), (13, ["loss"]), (14, ["loss", "one_step"])])
def test_stopped_it_has_the_checks_that_were_finished(
    honest: AttackInputs, stop_after: int, expected: list[str]
) -> None:
    found = run(honest, PGD, stop_after)
    assert found.stopped
    assert [c.name for c in found.checks] == expected


def test_rounds_are_counted_over_all_attacks(honest: AttackInputs) -> None:
    seen: list[tuple] = []
    check_gradient_masking(
        honest, MaskingRequest(SOURCE, Condition.from_slug(PGD)), lambda *told: seen.append(told), lambda: False
    )
    total = 3 * 11 + 2 + NOISE_DRAWS + 41
    assert [told[:2] for told in seen] == [(done, total) for done in range(total + 1)]


def test_results_go_through_bytes(honest: AttackInputs) -> None:
    found = run(honest, PGD)
    assert same(found, result_from_bytes(found.to_bytes()))


def right(count: int, of: int = 100) -> torch.Tensor:
    """The first few images right."""
    return torch.arange(of) < count


@pytest.mark.parametrize(
    ("weak", "strong", "warns"), [(50, 50, False), (46, 50, False), (45, 50, True), (60, 50, False)]
)
def test_an_attack_beats_another_beyond_two_standard_errors(weak: int, strong: int, warns: bool) -> None:
    """Of n images on which only the weaker one succeeds, n > 2 sqrt(n) takes five."""
    found = masking_checks.one_step(right(weak), right(strong))
    assert found.warns is warns
    assert found.numbers["margin"] == pytest.approx(2 * math.sqrt(abs(weak - strong)) / 100)
    assert masking_checks.noise(right(weak), right(strong), 20).warns is warns


def test_what_attacks_win_from_each_other_cancels() -> None:
    one, other = right(50), right(50).roll(25)
    found = masking_checks.one_step(one, other)
    assert not found.warns and found.numbers["margin"] == pytest.approx(2 * math.sqrt(50) / 100)


@pytest.mark.parametrize(
    ("counts", "warns"),
    [([95, 50, 30, 0], False), ([95, 50, 56, 20], True), ([95, 50, 54, 20], False), ([95, 95, 95, 95], True),
     ([95, 12, 12, 12], False), ([90, 97, 50, 0], True), ([95, 0, 0, 0], False), ([95, 95, 94, 89], False)],
)  # fmt: skip
def test_accuracy_must_fall_with_the_radius(counts: list[int], warns: bool) -> None:
    """Unless it is no better than guessing among ten classes already."""
    correct_by_epsilon = {
        epsilon: right(count) for epsilon, count in zip(("0", "0.1", "0.2", "0.4"), counts, strict=True)
    }
    assert masking_checks.radius(correct_by_epsilon, 10).warns is warns


@pytest.mark.parametrize(("left", "warns"), [(0, False), (4, False), (5, True), (100, True)])
def test_an_unbounded_attack_must_succeed(left: int, warns: bool) -> None:
    found = masking_checks.unbounded(right(left), 1.0)
    assert found.warns is warns and f"{left} of 100 images stay correct" in found.finding


@pytest.mark.parametrize(
    ("path", "warns"),
    [([1, 2, 3, 4], False), ([1, 1, 1, 1], True), ([1, 3, 4, 2], True), ([1, 3, 4, 3.9], False), ([3, 2, 2, 1], True)],
)
def test_what_is_climbed_must_rise_and_stay(path: list[float], warns: bool) -> None:
    spread = torch.linspace(-0.5, 0.5, 50)
    values = torch.tensor(path)[:, None] + spread
    assert masking_checks.loss(values, "cross entropy").warns is warns


def test_a_rise_within_the_noise_is_none() -> None:
    noise = torch.linspace(-1, 1, 50)
    assert masking_checks.loss(torch.stack([torch.zeros(50), 0.1 + noise]), "margin").warns
    assert not masking_checks.loss(torch.stack([torch.zeros(50), 0.2 + noise]), "margin").warns


def test_every_check_says_where_it_is_from_and_how_sure_it_is(honest: AttackInputs) -> None:
    told: list[Any] = run(honest, PGD).checks
    assert all("2018" in c.source or "2019" in c.source for c in told)
    assert all(c.finding and c.numbers for c in told)
    assert told[0].finding.startswith("The mean cross entropy goes from")


def test_a_finding_states_its_numbers_and_its_verdict() -> None:
    correct, fewer = torch.arange(8) < 6, torch.arange(8) < 3
    found = masking_checks.one_step(fewer, correct)
    assert not found.warns and found.title == "One step beats many"
    assert found.finding == (
        "One step of full size leaves 37.5 % of the images correct, the attack in steps 75.0 % "
        "(of 8 images, margin 43.3 points): it is not the stronger attack."
    )
    found = masking_checks.radius({"0": correct, "0.1": correct, "0.2": fewer}, 2)
    assert not found.warns and found.title == "A larger epsilon does not help the attack"
    assert found.finding == (
        "Correct images by epsilon 0: 75.0 %, 0.1: 75.0 %, 0.2: 37.5 % (of 8 images, margin 43.3 points): "
        "a larger ball helps the attack, as it must."
    )
    found = masking_checks.loss(torch.tensor([[1.0, 3.0], [1.0, 3.0]]), "cross-entropy")
    assert found.warns and found.finding == (
        "The mean cross-entropy goes from 2 at the start to 2 (rise 0 ± 0): it does not rise by more than two standard errors."
    )
