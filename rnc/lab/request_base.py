"""The base of the lab's requests, with the checks that all of them need; the kinds of request are listed in `kinds`.

A request contains everything that determines its result, and converts to and from JSON. The server uses requests without
torch.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

from rnc.conditions import Condition
from rnc.lab.network_and_images import RequestError, Source, check_integer
from rnc.vocabulary import ConditionKind

MOST_IMAGES = 50_000
MOST_STEPS = 1000
MOST_RESTARTS = 20
MOST_FRAMES = 100
"""Largest number of rounds of an attack's first restart that are kept as frames; longer attacks are thinned evenly."""
MOST_SEED = 2**31 - 1
_RESULT_VERSION = 1
"""Version of the computation, part of every key; increase it when the result of an equal request changes."""


class Request(ABC):
    """An attack on images of one or several sources. Every kind of request is a frozen dataclass with these fields."""

    kind: ClassVar[str]
    """The name of the kind in JSON and in keys; never change it, because results are stored under it."""
    sources: tuple[Source, ...]
    condition: Condition
    images: int
    seed: int
    layers: bool

    @abstractmethod
    def passes_per_image(self) -> float:
        """Return the approximate number of forward passes per image and network, without those for `layers`."""

    def metric_computations_per_network(self) -> float:
        """Return how often the metrics of all images are computed, for each network."""
        return 0.0

    def sample_indices(self) -> tuple[int, ...] | None:
        """Return the sample indices of the images; None for `images` images, balanced over the classes."""
        return None

    @property
    def key(self) -> str:
        """The key of the result, equal for two requests exactly if all values that determine the result are equal."""
        values = self._json_values() | {"kind": f"{self.kind.capitalize()}Request", "engine": _RESULT_VERSION}
        values.pop("source", None)
        values["sources"] = [source.identity for source in self.sources]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """Return the request as JSON text; `kinds.request_from_json` reads it back."""
        return json.dumps({"kind": self.kind} | self._json_values())

    def _json_values(self) -> dict[str, Any]:
        """Return the fields that are passed at creation, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(cast("Any", self)) if field.init}
        if "source" in values:
            values["source"] = self.sources[0].to_json()
        if "sources" in values:
            values["sources"] = [source.to_json() for source in self.sources]
        return values | {"condition": self.condition.slug}

    def _check_fields(self) -> None:
        """Raise RequestError if one of the fields that all requests have is invalid."""
        check_integer("images", self.images, 1, MOST_IMAGES)
        check_integer("seed", self.seed, 0, MOST_SEED)
        if not isinstance(self.layers, bool):
            raise RequestError(f"layers is true or false, got {self.layers!r}")
        if not isinstance(self.condition, Condition) or not all(isinstance(s, Source) for s in self.sources):
            raise RequestError("a request needs a source and a condition")
        _raise_request_error(self.condition.check_step_size)


@dataclass(frozen=True)
class OneNetworkRequest(Request):
    """The base of the requests about one network."""

    source: Source
    condition: Condition

    @property
    def sources(self) -> tuple[Source, ...]:  # type: ignore[override]
        """The source, as a tuple of length 1."""
        return (self.source,)


def check_attack(condition: Condition) -> None:
    """Raise RequestError if a condition is not an attack, or a larger one than the lab runs."""
    if condition.kind in (ConditionKind.CLEAN, ConditionKind.AS_TRAINED):
        raise RequestError(f"the condition {condition.slug!r} is not an attack; choose one, such as pgd-linf-8_255-10")
    if (condition.steps or 0) > MOST_STEPS:
        raise RequestError(f"an attack takes at most {MOST_STEPS} steps here, got {condition.steps}")
    if condition.restarts > MOST_RESTARTS:
        raise RequestError(f"an attack has at most {MOST_RESTARTS} restarts here, got {condition.restarts}")
    _raise_request_error(condition.check_size)
    if condition.relabelled:
        raise RequestError("the lab measures by true labels or targets; choose the attack without relabelling")


def _raise_request_error(check: Callable[[], None]) -> None:
    """Run a check, and raise its ValueError as RequestError."""
    try:
        check()
    except ValueError as error:
        raise RequestError(str(error)) from None
