"""Checks for known signs of gradient masking, based on counts of images; each reports a finding and a possible warning.

Attacks fail on a robust network. They also fail if the network masks its gradients, but then weaker or gradient-free attacks do
better. Sources: Athalye, Carlini, Wagner 2018 (Obfuscated Gradients Give a False Sense of Security), section 3.1; Carlini et
al. 2019 (On Evaluating Adversarial Robustness), the checklist of section 3.

All attacks run on the same N images, so two attacks are compared on the images on which they differ. For b + c such images, the
difference b - c has a standard error of sqrt(b + c) if neither attack is better (McNemar). The margin is two standard errors.

Tested by tests/rnc/lab/engine/test_gradient_masking.py.
"""

import math
from itertools import pairwise

import torch

from rnc.conditions import format_pixels
from rnc.lab.gradient_masking import MaskingCheck

_ERRORS = 2.0  # standard errors
_SHARE_OF_RISE = 0.05
"""A loss that falls by less than this share of its rise only oscillates around its maximum."""
_ATHALYE, _CARLINI = "Athalye et al. 2018, section 3.1", "Carlini et al. 2019, section"
_SOURCES = {
    "one_step": f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    "noise": f"{_ATHALYE}; {_CARLINI} 3.3, attack with random noise",
    "radius": f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    "unbounded": f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    "loss": f"{_CARLINI} 3.2, verify that attacks have converged",
}


def one_step(correct_one_step: torch.Tensor, correct: torch.Tensor) -> MaskingCheck:
    """Check if a single step fools more images than many steps, given the images (N,) that stay correct under each."""
    return _weaker_attack("one_step", "One step beats many", "One step of full size", correct_one_step, correct, {})


def noise(correct_under_noise: torch.Tensor, correct: torch.Tensor, draws: int) -> MaskingCheck:
    """Check if the worst case of several random draws fools more images than the attack."""
    attack = f"The worst case of {draws} draws of sign noise"
    numbers = {"draws": float(draws)}
    return _weaker_attack("noise", "Random noise beats the attack", attack, correct_under_noise, correct, numbers)


def _weaker_attack(
    name: str, title: str, attack: str, correct_under_it: torch.Tensor, correct: torch.Tensor, numbers: dict[str, float]
) -> MaskingCheck:
    """Check if a weaker attack fools more images than the attack in steps."""
    beats, margin = _beats(correct_under_it, correct)
    verdict = "it is the stronger attack." if beats else "it is not the stronger attack."
    return MaskingCheck(
        name=name,
        title=title,
        warns=beats,
        finding=f"{attack} leaves {_share(correct_under_it)} of the images correct, the attack in steps "
        f"{_share(correct)}{_margin(margin)}: {verdict}",
        numbers={f"accuracy_{name}": _mean(correct_under_it), "accuracy": _mean(correct), **numbers, **margin},
        source=_SOURCES[name],
    )


def radius(correct_by_epsilon: dict[str, torch.Tensor], num_classes: int) -> MaskingCheck:
    """Check if accuracy rises with the radius, or stays above chance and does not fall.

    The images (N,) that stay correct are given by epsilon, as it is written: first 0, the clean images, then ascending.
    """
    epsilons, correct_each = list(correct_by_epsilon), list(correct_by_epsilon.values())
    rises = [_beats(small, large)[0] for small, large in pairwise(correct_each)]
    falls, margin = _beats(correct_each[-1], correct_each[1])
    guessed = len(correct_each[1]) / num_classes
    above_chance = guessed + _ERRORS * math.sqrt(guessed * (1 - 1 / num_classes))
    flat = not falls and int(correct_each[1].sum()) > above_chance
    shares = ", ".join(f"{epsilon}: {_share(correct)}" for epsilon, correct in correct_by_epsilon.items())
    verdict = "a larger ball helps the attack, as it must."
    if any(rises):
        verdict = "a larger ball leaves more images correct than a smaller one."
    elif flat:
        verdict = f"the largest ball leaves no fewer images correct than {epsilons[1]}."
    return MaskingCheck(
        name="radius",
        title="A larger epsilon does not help the attack",
        warns=any(rises) or flat,
        finding=f"Correct images by epsilon {shares}{_margin(margin)}: {verdict}",
        numbers={f"accuracy_{epsilon}": _mean(correct) for epsilon, correct in correct_by_epsilon.items()} | margin,
        source=_SOURCES["radius"],
    )


def unbounded(correct: torch.Tensor, epsilon: float) -> MaskingCheck:
    """Check if some images stay correct under an attack whose ball contains every image."""
    left = int(correct.sum())
    warns = _more_than_none(left)
    verdict = "the attack fails although it could reach any image." if warns else "it succeeds."
    return MaskingCheck(
        name="unbounded",
        title="An attack without bound fails",
        warns=warns,
        finding=f"With epsilon {format_pixels(epsilon)}, which reaches every image, {left} of {len(correct)} images stay correct "
        f"(up to {int(_ERRORS**2)} are within two standard errors of none): {verdict}",
        numbers={"accuracy": _mean(correct), "left": float(left), "epsilon": epsilon, "images": float(len(correct))},
        source=_SOURCES["unbounded"],
    )


def loss(path: torch.Tensor, objective: str) -> MaskingCheck:
    """Check if the attack's objective (T, N), beginning at the start, does not rise or falls again after its maximum.

    `objective` is its name in words.
    """
    mean = path.double().mean(1)
    start, end = float(mean[0]), float(mean[-1])
    peak_step = int(mean.argmax())
    peak = float(mean[peak_step])
    rise, rise_error = _mean_and_error(path[-1] - path[0])
    fall, fall_error = _mean_and_error(path[peak_step] - path[-1])
    flat = rise <= _ERRORS * rise_error
    falls = fall > max(_ERRORS * fall_error, _SHARE_OF_RISE * (peak - start))
    verdict = "it rises."
    if flat:
        verdict = "it does not rise by more than two standard errors."
    elif falls:
        verdict = f"it falls again after step {peak_step}, by {fall:.4g} ± {fall_error:.2g}."
    return MaskingCheck(
        name="loss",
        title="The attack's objective does not rise",
        warns=flat or falls,
        finding=f"The mean {objective} goes from {start:.4g} at the start to {end:.4g} "
        f"(rise {rise:.4g} ± {rise_error:.2g}): {verdict}",
        numbers={
            "start": start,
            "end": end,
            "peak": peak,
            "peak_step": float(peak_step),
            "rise_error": rise_error,
            "fall_error": fall_error,
        },
        source=_SOURCES["loss"],
    )


def _beats(weak: torch.Tensor, strong: torch.Tensor) -> tuple[bool, dict[str, float]]:
    """Compare two attacks by their correct images (N,).

    Return whether `weak` fools more images than `strong` by more than the margin, and the margin as a share of the images with
    their number.
    """
    only_weak, only_strong = int((strong & ~weak).sum()), int((weak & ~strong).sum())
    margin = _ERRORS * math.sqrt(only_weak + only_strong)
    return only_weak - only_strong > margin, {"margin": margin / len(weak), "images": float(len(weak))}


def _more_than_none(count: int) -> bool:
    """Return whether a count of correct images is more than two binomial standard errors (about sqrt(count)) above 0."""
    return count > _ERRORS * math.sqrt(count)


def _mean_and_error(difference: torch.Tensor) -> tuple[float, float]:
    """Return the mean of differences (N,) and its standard error."""
    values = difference.double()
    return float(values.mean()), float(values.std(correction=0)) / math.sqrt(len(values))


def _mean(correct: torch.Tensor) -> float:
    return float(correct.double().mean())


def _share(correct: torch.Tensor) -> str:
    return f"{100 * _mean(correct):.1f} %"


def _margin(numbers: dict[str, float]) -> str:
    return f" (of {int(numbers['images'])} images, margin {100 * numbers['margin']:.1f} points)"
