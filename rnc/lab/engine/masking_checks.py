"""Checks for known signs of gradient masking, based on counts of images; each reports a finding and a possible warning.

Attacks fail on a robust network. They also fail if the network masks its gradients, but then weaker or gradient-free attacks do
better. Sources: Athalye, Carlini, Wagner 2018 (Obfuscated Gradients Give a False Sense of Security), section 3.1; Carlini et
al. 2019 (On Evaluating Adversarial Robustness), the checklist of section 3.

All attacks run on the same N images, so two attacks are compared on the images on which they differ. For b + c such images, the
difference b - c has a standard error of sqrt(b + c) if neither attack is better (McNemar). The margin is two standard errors.
"""

import math
from itertools import pairwise

import torch

from rnc.conditions import Condition, format_pixels
from rnc.lab.results import MaskingCheck

_ERRORS = 2.0  # standard errors
_SHARE_OF_RISE = 0.05
"""A loss that falls by less than this share of its rise only oscillates around its maximum."""
_ATHALYE, _CARLINI = "Athalye et al. 2018, section 3.1", "Carlini et al. 2019, section"


def one_step(right_once: torch.Tensor, right: torch.Tensor) -> MaskingCheck:
    """Check if a single step fools more images than many steps, given the images (N,) that stay correct under each."""
    beats, numbers = _beats(right_once, right)
    found = (
        f"One step of full size leaves {_share(right_once)} right, the attack in steps {_share(right)}"
        f"{_margin(numbers)}: {'one step is the better attack.' if beats else 'steps do not lose to it.'}"
    )
    return MaskingCheck(
        "one_step", "One step beats many", beats, found,
        {"accuracy_one_step": _mean(right_once), "accuracy": _mean(right), **numbers},
        f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    )  # fmt: skip


def noise(right_noise: torch.Tensor, right: torch.Tensor, draws: int) -> MaskingCheck:
    """Check if the worst case of several random draws fools more images than the attack."""
    beats, numbers = _beats(right_noise, right)
    found = (
        f"The worst of {draws} draws of sign noise leaves {_share(right_noise)} right, the attack {_share(right)}"
        f"{_margin(numbers)}: {'noise is the better attack.' if beats else 'noise does not beat it.'}"
    )
    return MaskingCheck(
        "noise", "Random noise beats the attack", beats, found,
        {"accuracy_noise": _mean(right_noise), "accuracy": _mean(right), "draws": float(draws), **numbers},
        f"{_ATHALYE}; {_CARLINI} 3.3, attack with random noise",
    )  # fmt: skip


def radius(radii: list[float], rights: list[torch.Tensor], num_classes: int) -> MaskingCheck:
    """Check if accuracy rises with the radius, or stays above chance and does not fall.

    Radii ascend from 0, which stands for the clean images.
    """
    rises = [_beats(small, large)[0] for small, large in pairwise(rights)]
    lost, numbers = _beats(rights[-1], rights[1])
    guessed = len(rights[1]) / num_classes
    flat = not lost and int(rights[1].sum()) > guessed + _ERRORS * math.sqrt(guessed * (1 - 1 / num_classes))
    path = ", ".join(f"{format_pixels(r) if r else '0'}: {_share(x)}" for r, x in zip(radii, rights, strict=True))
    verdict = "a larger ball helps the attacker, as it must."
    if any(rises):
        verdict = "a larger ball leaves more images right than a smaller one."
    elif flat:
        verdict = f"the largest ball leaves no fewer right than {format_pixels(radii[1])}."
    return MaskingCheck(
        "radius", "A larger epsilon does not help the attack", any(rises) or flat,
        f"Right at epsilon {path}{_margin(numbers)}: {verdict}",
        {f"accuracy_{format_pixels(r) if r else '0'}": _mean(x) for r, x in zip(radii, rights, strict=True)} | numbers,
        f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    )  # fmt: skip


def unbounded(right: torch.Tensor, epsilon: float) -> MaskingCheck:
    """Check if some images stay correct under an attack whose ball contains every image."""
    left = int(right.sum())
    warns = _more_than_none(left)
    found = (
        f"With epsilon {format_pixels(epsilon)}, which reaches every image, {left} of {len(right)} stay right "
        f"(up to {int(_ERRORS**2)} are within two standard errors of none): "
        f"{'the attack does not find what is there.' if warns else 'it succeeds.'}"
    )
    return MaskingCheck(
        "unbounded", "An attack without bound fails", warns, found,
        {"accuracy": _mean(right), "left": float(left), "epsilon": epsilon, "images": float(len(right))},
        f"{_ATHALYE}; {_CARLINI} 3.1, basic sanity tests",
    )  # fmt: skip


def loss(path: torch.Tensor, condition: Condition) -> MaskingCheck:
    """Check if the attack's objective (T, N), beginning at the start, does not rise or falls again after its maximum."""
    mean = path.double().mean(1)
    peak = int(mean.argmax())
    rise, rise_error = _paired(path[-1] - path[0])
    fall, fall_error = _paired(path[peak] - path[-1])
    flat = rise <= _ERRORS * rise_error
    falls = fall > max(_ERRORS * fall_error, _SHARE_OF_RISE * float(mean[peak] - mean[0]))
    verdict = "it climbs."
    if flat:
        verdict = "it does not rise by more than two standard errors."
    elif falls:
        verdict = f"it falls again after step {peak}, by {fall:.4g} ± {fall_error:.2g}."
    name = str(condition.objective).replace("_", " ")
    return MaskingCheck(
        "loss", "What the attack climbs does not rise", flat or falls,
        f"The mean {name} goes from {float(mean[0]):.4g} at the start to {float(mean[-1]):.4g} "
        f"(rise {rise:.4g} ± {rise_error:.2g}): {verdict}",
        {"start": float(mean[0]), "end": float(mean[-1]), "peak": float(mean[peak]), "peak_step": float(peak),
         "rise_error": rise_error, "fall_error": fall_error},
        f"{_CARLINI} 3.2, verify that attacks have converged",
    )  # fmt: skip


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


def _paired(difference: torch.Tensor) -> tuple[float, float]:
    """Return the mean of differences (N,) and its standard error."""
    found = difference.double()
    return float(found.mean()), float(found.std(correction=0)) / math.sqrt(len(found))


def _mean(right: torch.Tensor) -> float:
    return float(right.double().mean())


def _share(right: torch.Tensor) -> str:
    return f"{100 * _mean(right):.1f} %"


def _margin(numbers: dict[str, float]) -> str:
    return f" (of {int(numbers['images'])} images, margin {100 * numbers['margin']:.1f} points)"
