"""Estimates of the duration of a request from earlier ones, counted in forward passes of an image through the network.

Tested by tests/rnc/lab/test_parts.py.
"""

import threading

from rnc.conditions import Condition
from rnc.lab.requests import MOST_FRAMES, Request
from rnc.lab.source import Source
from rnc.vocabulary import ConditionKind

PASSES_PER_GRADIENT = 3.0  # with respect to the pixels: one forward, and about two for the backward pass
_PASSES_PER_FRAME = 2.0  # a forward pass of the unfolded network (attacks use a faster copy), and the metrics
_PASSES_FOR_LAYERS = 4.0  # measuring every stage costs two passes each over clean and perturbed images
_NEWEST_WEIGHT = 0.5  # of the latest measurement in the moving average


def attack_passes(condition: Condition, *, every_frame: bool) -> float:
    """Return the forward passes per image of an attack of which every frame, or only the beginning and the end, is measured."""
    gradients = 1 if condition.kind is ConditionKind.FGSM else condition.steps or 0
    frames = 2  # clean and perturbed
    if every_frame:
        frames = 1 + min(gradients + 1, MOST_FRAMES) + condition.restarts - 1
    return condition.restarts * gradients * PASSES_PER_GRADIENT + frames * _PASSES_PER_FRAME


def forward_passes(request: Request) -> float:
    """Return the approximate number of forward passes, over all images, that a request takes."""
    per_image = request.passes_per_image() + _PASSES_FOR_LAYERS * request.layers
    return request.images * len(request.sources) * per_image


class PassTimes:
    """Measured seconds per forward pass, by network and by model name and data set; can be shared between threads."""

    def __init__(self) -> None:
        """Create an empty record."""
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], float] = {}

    def add(self, source: Source, seconds: float) -> None:
        """Add a measurement in seconds per pass."""
        with self._lock:
            for name in _names(source):
                average = self._seconds.get(name, seconds)
                self._seconds[name] = (1 - _NEWEST_WEIGHT) * average + _NEWEST_WEIGHT * seconds

    def knows(self, source: Source) -> bool:
        """Return whether this network, or one with the same name and data set, has been measured."""
        with self._lock:
            return self._of(source) is not None

    def estimate(self, request: Request) -> float | None:
        """Return the seconds that the request will take while it runs; None if one of its networks has not been measured."""
        with self._lock:
            times = [self._of(source) for source in request.sources]
        measured = [seconds for seconds in times if seconds is not None]
        if len(measured) < len(times):
            return None
        return forward_passes(request) * sum(measured) / len(measured)

    def _of(self, source: Source) -> float | None:
        return next((self._seconds[name] for name in _names(source) if name in self._seconds), None)


def _names(source: Source) -> list[tuple[str, str]]:
    """Return the keys of a network's pass time, most specific first: this network, then those with its name."""
    return [(source.dataset, source.sha256), *([(source.dataset, source.model)] if source.model else [])]
