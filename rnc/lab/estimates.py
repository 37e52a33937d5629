"""Estimates of the duration of a request from earlier ones, counted in forward passes of an image through the network."""

import threading
from dataclasses import replace

from rnc.conditions import Condition
from rnc.lab.requests import MOST_FRAMES, UNBOUNDED_STEPS, AttackRequest, PicturesRequest, Request, Source, SweepRequest
from rnc.vocabulary import ConditionKind

GRADIENT = 3.0  # passes per gradient with respect to the pixels: one forward, and about two for the backward pass
_FRAME = 2.0  # passes that a frame costs: a forward pass of the unfolded network (attacks use a faster copy), and its metrics
_LAYERS = 4.0  # passes that measuring every stage costs: two each over clean and perturbed images
_MASKING_PASSES = 25.0  # passes that the noise and the single-step attack of the gradient-masking checks cost
_NEW = 0.5  # the weight of the latest measurement in the moving average


def passes(request: Request) -> float:
    """Return the approximate number of forward passes, over all images, that a request takes."""
    if isinstance(request, AttackRequest):
        each = _attack(request.condition, followed=True)
    elif isinstance(request, SweepRequest):
        each = sum(_attack(request.at(value), followed=False) for value in request.values)
    elif isinstance(request, PicturesRequest):
        each = _attack(request.condition, followed=False)
    else:
        base = request.condition
        unbounded = replace(base, steps=max(base.steps or 0, UNBOUNDED_STEPS), step_size=None)
        each = _MASKING_PASSES + _attack(base, followed=True)
        each += sum(_attack(condition, followed=False) for condition in (base, base, unbounded))
    return request.images * len(request.sources) * (each + _LAYERS * request.layers)


def _attack(condition: Condition, *, followed: bool) -> float:
    each = 1 if condition.kind is ConditionKind.FGSM else condition.steps or 0
    frames = 2  # clean and perturbed
    if followed:
        frames = 1 + min(each + 1, MOST_FRAMES) + condition.restarts - 1
    return condition.restarts * each * GRADIENT + frames * _FRAME


class Paces:
    """Seconds per pass, by network and by model name and data set; can be shared between threads."""

    def __init__(self) -> None:
        """Create an empty record."""
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], float] = {}

    def note(self, source: Source, seconds: float) -> None:
        """Add a measurement in seconds per pass."""
        with self._lock:
            for name in _names(source):
                before = self._seconds.get(name, seconds)
                self._seconds[name] = (1 - _NEW) * before + _NEW * seconds

    def known(self, source: Source) -> bool:
        """Return whether the pace of this network, or of one with the same name and data set, is known."""
        with self._lock:
            return any(name in self._seconds for name in _names(source))

    def seconds(self, request: Request) -> float | None:
        """Return the seconds that the request will take while it runs; None if the pace of a network is not known."""
        with self._lock:
            found = [next((self._seconds[n] for n in _names(s) if n in self._seconds), None) for s in request.sources]
        known = [pace for pace in found if pace is not None]
        return passes(request) * sum(known) / len(known) if len(known) == len(found) else None


def _names(source: Source) -> list[tuple[str, str]]:
    """Return the keys of a network's pace, most specific first: this network, then those with its name."""
    return [(source.dataset, source.sha256), *([(source.dataset, source.model)] if source.model else [])]
