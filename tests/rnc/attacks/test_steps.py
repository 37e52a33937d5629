"""FGSM, MI-FGSM and step schedules are their papers' formulas; targets are who they should be; conditions meet C."""

import itertools

import numpy as np
import pytest
import torch

from rnc.attacks import SampleNoise, attack_labels, attack_steps, perturbation
from rnc.attacks.mi_fgsm import l1_normalised
from rnc.attacks.pgd import schedule_factor
from rnc.conditions import Condition
from rnc.vocabulary import AttackObjective, Norm, StepSchedule
from tests.oracles import attack_oracle as oracle
from tests.oracles import samples
from tests.oracles.pgd_oracle import step_along

CLASSES, SIZE = 5, 5
NET = samples.conv_net(num_classes=CLASSES)
CLEAN, LABELS = samples.images(3, SIZE), samples.labels(3, SIZE, CLASSES)
SIZES = {"linf": 0.15, "l2": 0.6}
AIMS = [*itertools.product(("", "-next", "-class2", "-likely"), ("", "-margin", "-dlr"))]


def make_condition(kind: str, norm: str, rest: str) -> Condition:
    return Condition.from_slug(f"{kind}-{norm}-{SIZES[norm]}{rest}")


def last(condition: Condition) -> torch.Tensor:
    path = [*attack_steps(condition, NET, CLEAN, LABELS, CLASSES, SampleNoise(1, torch.arange(SIZE)))]
    return path[-1].kept


def score(condition: Condition, i: int) -> oracle.Score:
    """The score of sample i for the attacker."""
    target = int(attack_labels(condition, NET, CLEAN, LABELS, CLASSES)[i]) if condition.is_targeted else None
    before = NET(CLEAN[i : i + 1])[0].detach()
    return lambda z: oracle.objective(condition.objective, z, int(LABELS[i]), target, before)


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("aim", AIMS, ids="".join)
def test_fgsm_is_one_step_of_epsilon_from_the_clean_image(norm: Norm, aim: tuple[str, str]) -> None:
    condition = make_condition("fgsm", norm, "".join(aim))
    found = last(condition)
    for i in range(SIZE):
        value, gradient = oracle.score_and_gradient(NET, CLEAN[i].numpy(), score(condition, i))
        if aim == ("", "-dlr") and value == pytest.approx(1):
            continue  # a label that came in third gives the ratio no direction
        expected = np.clip(CLEAN[i].numpy() + step_along(gradient, norm, SIZES[norm]), 0, 1)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("momentum", [0.5, 1.0])
@pytest.mark.parametrize("schedule", StepSchedule)
@pytest.mark.parametrize("aim", AIMS[::4], ids="".join)
def test_mi_fgsm_is_the_papers_algorithm(
    norm: Norm, momentum: float, schedule: StepSchedule, aim: tuple[str, str]
) -> None:
    condition = make_condition("pgd", norm, f"-6-step0.05{''.join(aim)}-momentum{momentum}-{schedule}")
    found = last(condition)
    sizes = [0.05 * oracle.share(schedule, step, 6) for step in range(6)]
    for i in range(SIZE):
        clean = CLEAN[i].numpy()
        expected = oracle.mi_fgsm_one(NET, clean, score(condition, i), norm, SIZES[norm], sizes, momentum)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=1e-9)


def test_momentum_starts_at_the_clean_image_once_and_at_random_after_that() -> None:
    condition = make_condition("pgd", "linf", "-2-momentum1-restarts3")
    path = [*attack_steps(condition, NET, CLEAN, LABELS, CLASSES, SampleNoise(1, torch.arange(SIZE)))]
    starts = [step.images for step in path if step.step == 0]
    assert torch.equal(starts[0], CLEAN)
    assert float((starts[1] - CLEAN).abs().max()) > 0.1 and not torch.equal(starts[1], starts[2])


@pytest.mark.parametrize("schedule", StepSchedule)
def test_schedules_shrink_steps_from_the_whole(schedule: StepSchedule) -> None:
    shares = [schedule_factor(schedule, step, 8) for step in range(8)]
    assert shares == pytest.approx([oracle.share(schedule, step, 8) for step in range(8)])
    assert shares[0] == 1 and shares == sorted(shares, reverse=True) and shares[-1] > 0


def test_a_schedule_without_momentum_is_pgd_with_those_steps() -> None:
    condition = make_condition("pgd", "l2", "-4-step0.2-linear")
    path = [*attack_steps(condition, NET, CLEAN, LABELS, CLASSES, SampleNoise(1, torch.arange(SIZE)))]
    for i in range(SIZE):
        at = path[0].images[i].numpy()
        for step, size in enumerate([0.2, 0.15, 0.1, 0.05]):
            gradient = oracle.score_and_gradient(NET, at, score(condition, i))[1]
            at = oracle.confined(CLEAN[i].numpy(), at + step_along(gradient, "l2", size), "l2", SIZES["l2"])
            np.testing.assert_allclose(path[step + 1].images[i].numpy(), at, atol=1e-9)


def test_attack_labels_of_each_target_rule() -> None:
    labels_by_rule = {
        rule: attack_labels(make_condition("pgd", "l2", f"-1{rule}"), NET, CLEAN, LABELS, CLASSES)
        for rule in ("", "-next", "-class2", "-likely")
    }
    assert torch.equal(labels_by_rule[""], LABELS)
    assert labels_by_rule["-next"].tolist() == [(label + 1) % CLASSES for label in LABELS.tolist()]
    assert labels_by_rule["-class2"].tolist() == [2] * SIZE
    for i, label in enumerate(LABELS.tolist()):
        z = NET(CLEAN[i : i + 1])[0].tolist()
        assert z[int(labels_by_rule["-likely"][i])] == max(z[j] for j in range(CLASSES) if j != label)


def test_a_sample_of_the_target_class_is_driven_deeper_into_it() -> None:
    labels = torch.full_like(LABELS, 2)
    for objective in ("", "-margin", "-dlr"):
        condition = make_condition("apgd", "linf", f"-10-class2{objective}")
        path = [*attack_steps(condition, NET, CLEAN, labels, CLASSES, SampleNoise(1, torch.arange(SIZE)))]
        for clean, end in zip(NET(CLEAN), NET(path[-1].kept), strict=True):
            before, after = (float(oracle.objective(condition.objective, z.detach(), 2, 2, z)) for z in (clean, end))
            assert after > before + 0.01


@pytest.mark.parametrize(
    ("slug", "classes", "message"),
    [
        ("as_trained", 10, "cannot be made again"),
        ("apgd-linf-0.1-5-dlr", 2, "an attack on dlr needs at least 3 classes, there are 2; choose"),
        ("apgd-linf-0.1-5-dlr-next", 3, "a targeted attack on dlr needs at least 4 classes, there are 3; choose"),
        ("pgd-linf-0.1-5-margin", 1, "at least 2 classes"),
        ("pgd-linf-0.1-5-likely", 1, "at least 2 classes"),
        ("pgd-linf-0.1-5-class5", 5, "target class 5 does not exist; choose 0 to 4"),
    ],
)
def test_what_the_classes_do_not_allow_is_refused_at_once(slug: str, classes: int, message: str) -> None:
    condition = Condition.from_slug(slug)
    with pytest.raises(ValueError, match=message):
        attack_steps(condition, NET, CLEAN, LABELS, classes)
    with pytest.raises(ValueError, match=message):
        perturbation(condition, NET, classes, 0)


def test_an_epsilon_that_the_images_do_not_allow_is_refused_at_the_call() -> None:
    """An image of n numbers changes by at most sqrt(n) in l_2."""
    largest = CLEAN[0].numel() ** 0.5
    assert attack_steps(Condition.from_slug(f"pgd-l2-{0.99 * largest:.3f}-1"), NET, CLEAN, LABELS, CLASSES)
    with pytest.raises(ValueError, match="epsilon"):
        attack_steps(Condition.from_slug(f"pgd-l2-{1.01 * largest:.3f}-1"), NET, CLEAN, LABELS, CLASSES)


def test_a_gradient_is_divided_by_its_l1_norm_whatever_its_size() -> None:
    gradient = torch.zeros(4, 1, 2, 2, dtype=torch.float64)
    gradient[0, 0, 0, 0] = -3.0
    gradient[1] = 1e-200
    gradient[2, 0, 1] = torch.tensor([1.0, -3.0])
    expected = torch.zeros_like(gradient)
    expected[0, 0, 0, 0] = -1.0
    expected[1] = 0.25
    expected[2, 0, 1] = torch.tensor([0.25, -0.75])
    assert torch.allclose(l1_normalised(gradient), expected, atol=1e-15)


@pytest.mark.parametrize("slug", ["clean", "gaussian-linf-0.1", "sign_noise-l2-0.5"])
def test_what_is_no_attack_is_a_start_alone(slug: str) -> None:
    condition = Condition.from_slug(slug)
    path = [*attack_steps(condition, NET, CLEAN, LABELS, CLASSES, SampleNoise(1, torch.arange(SIZE)))]
    assert len(path) == condition.num_points_over_restarts == 1 and (path[0].restart, path[0].step) == (0, 0)
    made = perturbation(condition, NET, CLASSES, 1)(CLEAN, LABELS, torch.arange(SIZE))
    assert torch.equal(path[0].images, made.images) and torch.equal(path[0].kept, made.images)


def test_every_objective_has_a_formula() -> None:
    kinds = {objective: f"-3-{objective}" for objective in AttackObjective}
    ends = [last(make_condition("pgd", "l2", rest)) for rest in kinds.values()]
    for one, other in itertools.combinations(ends, 2):
        assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("rest", "passes"),
    [
        ("pgd-linf-0.1-7", 7),
        ("pgd-linf-0.1-7-momentum1-cosine", 7),
        ("pgd-linf-0.1-7-next-dlr", 7),
        ("pgd-linf-0.1-7-restarts3", 3 * (7 + 1)),
        ("pgd-linf-0.1-7-likely", 1 + 7),
        ("pgd-linf-0.1-7-kl", 1 + 7),
        ("fgsm-l2-0.1", 1),
        ("apgd-linf-0.1-7", 7 + 1),
        ("gaussian-linf-0.1", 0),
    ],
)
def test_no_pass_is_made_that_is_not_needed(rest: str, passes: int) -> None:
    """Ends are judged where there are several, and APGD's points; the likeliest class and KL look at the clean images.

    Every step needs one gradient, and nothing else does.
    """
    made, with_gradient = [], []

    def counted(images: torch.Tensor) -> torch.Tensor:
        made.append(len(images))
        with_gradient.append(images.requires_grad)
        return NET(images)

    condition = Condition.from_slug(rest)
    perturbation(condition, counted, CLASSES, 0)(CLEAN, LABELS, torch.arange(SIZE))
    assert made == [SIZE] * passes
    assert sum(with_gradient) == condition.num_points_over_restarts - condition.restarts
