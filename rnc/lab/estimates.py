"""Estimates of the duration of a request, from the measured speed of its networks and from the requests that ran before.

The work of a request is counted in forward passes of an image through the network, and in measurements: the metrics of all
images, whose cost depends little on their number. What a machine takes beyond that, mostly because it has other things to do,
is learned from the last requests.

Tested by tests/rnc/lab/test_estimates.py.
"""

import threading
from dataclasses import dataclass

from rnc.conditions import Condition
from rnc.lab.network_and_images import Source
from rnc.lab.request_base import MOST_FRAMES, Request

PASSES_PER_GRADIENT = 3.0  # with respect to the pixels: one forward, and about two for the backward pass
_PASSES_PER_FRAME = 2.0  # a forward pass of the unfolded network (attacks use a faster copy), and the metrics
_PASSES_FOR_LAYERS = 4.0  # measuring every stage costs two passes each over clean and perturbed images
_NEWEST_WEIGHT = 0.7  # of the latest request in the moving average of what a machine takes beyond the count
_LARGEST_FACTOR = 50.0
_SHORT_SECONDS = 0.2  # a request that takes less teaches little
_USUAL_MEASUREMENT_SECONDS = 0.05  # until a measurement of the network is there
_ANY = ("", "")

_Name = tuple[str, str]
"""A data set, and the digest or the name of a network."""


def attack_passes(condition: Condition, *, every_frame: bool) -> float:
    """Return the forward passes per image of an attack of which every frame, or only the beginning and the end, is measured."""
    steps = condition.num_points_over_restarts - condition.restarts
    return steps * PASSES_PER_GRADIENT + measured_frames(condition, every_frame=every_frame) * _PASSES_PER_FRAME


def measured_frames(condition: Condition, *, every_frame: bool) -> int:
    """Return the number of frames of an attack that are measured: all that are kept, or the clean and the perturbed images."""
    if not every_frame:
        return 2
    return 1 + min(condition.num_points_over_restarts // condition.restarts, MOST_FRAMES) + condition.restarts - 1


def forward_passes(request: Request) -> float:
    """Return the approximate number of forward passes, over all images, that a request takes."""
    return len(request.sources) * _passes_of_one(request)


def _passes_of_one(request: Request) -> float:
    return request.images * (request.passes_per_image() + _PASSES_FOR_LAYERS * request.layers)


@dataclass(frozen=True)
class NetworkSpeed:
    """The seconds of a forward pass of an image, and of a measurement of all images, on a machine as it was then."""

    pass_seconds: float
    measurement_seconds: float = 0.0

    def seconds(self, request: Request) -> float:
        """Return the seconds that a request takes for one of its networks."""
        return (
            _passes_of_one(request) * self.pass_seconds
            + request.metric_computations_per_network() * self.measurement_seconds
        )


class PassTimes:
    """The speed of networks, by network and by model name and data set; can be shared between threads."""

    def __init__(self) -> None:
        """Create an empty record."""
        self._lock = threading.Lock()
        self._speeds: dict[_Name, NetworkSpeed] = {}
        self._factors: dict[tuple[str, _Name], float] = {}

    def add(self, source: Source, speed: NetworkSpeed) -> None:
        """Record the measured speed of a network; what was learned from its requests before counts no more."""
        with self._lock:
            for name in _names(source):
                self._speeds[name] = speed
                self._factors = {key: factor for key, factor in self._factors.items() if key[1] != name}

    def add_request(self, request: Request, seconds: float) -> None:
        """Record the seconds that a complete request took, for the estimates of the next ones."""
        with self._lock:
            for source in request.sources:
                speed = _speed_of(request, seconds)
                for name in _names(source):
                    self._speeds.setdefault(name, speed)
            factor = (seconds + _SHORT_SECONDS) / ((self._counted(request) or 0.0) + _SHORT_SECONDS)
            for key in self._keys(request):
                old = self._factors.get(key, factor)
                new = old ** (1 - _NEWEST_WEIGHT) * factor**_NEWEST_WEIGHT
                self._factors[key] = min(max(new, 1 / _LARGEST_FACTOR), _LARGEST_FACTOR)

    def knows(self, source: Source) -> bool:
        """Return whether this network, or one with the same name and data set, has been measured."""
        with self._lock:
            return self._of(source) is not None

    def estimate(self, request: Request) -> float | None:
        """Return the seconds that the request will take while it runs; None if one of its networks has not been measured."""
        with self._lock:
            counted = self._counted(request)
            if counted is None:
                return None
            factors = [self._factors[key] for key in self._keys(request) if key in self._factors]
            return counted * (factors[0] if factors else 1.0)

    def _counted(self, request: Request) -> float | None:
        """Return the seconds of a request by its count of passes and measurements; None if a network is not known."""
        speeds = [self._of(source) for source in request.sources]
        measured = [speed.seconds(request) for speed in speeds if speed is not None]
        return sum(measured) if len(measured) == len(speeds) else None

    def _of(self, source: Source) -> NetworkSpeed | None:
        return next((self._speeds[name] for name in _names(source) if name in self._speeds), None)

    @staticmethod
    def _keys(request: Request) -> list[tuple[str, _Name]]:
        """Return the keys of the factors that apply to a request, most specific first; the last one applies to all requests."""
        names = [name for source in request.sources for name in _names(source)]
        return [*((request.kind, name) for name in names), (request.kind, _ANY), ("", _ANY)]


def _names(source: Source) -> list[_Name]:
    """Return the keys of a network's speed, most specific first: this network, then those with its name."""
    return [(source.dataset, source.sha256), *([(source.dataset, source.model)] if source.model else [])]


def _speed_of(request: Request, seconds: float) -> NetworkSpeed:
    """Return the speed with which a request would have taken so many seconds, for networks that were not measured before."""
    each = seconds / len(request.sources)
    count = request.metric_computations_per_network()
    of_measurements = min(count * _USUAL_MEASUREMENT_SECONDS, each / 2)
    pass_seconds = (each - of_measurements) / max(_passes_of_one(request), 1.0)
    return NetworkSpeed(pass_seconds, of_measurements / count if count else 0.0)
