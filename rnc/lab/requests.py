"""The requests of the lab: an attack, a sweep over its strength, checks for gradient masking, and perturbed images.

A request contains everything that determines its result and converts to and from JSON; `key` is a hash of those values. This
module does not import torch.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, cast

from rnc.conditions import CLEAN, Condition, check_size, check_step_size
from rnc.lab.checks import RequestError, ascending, member, whole
from rnc.lab.source import Source, source_to_json
from rnc.vocabulary import ConditionKind

MOST_IMAGES = 50_000
MOST_VALUES = 50
MOST_STEPS = 1000
MOST_RESTARTS = 20
MOST_WATCHED = 500
MOST_FRAMES = 100
"""Largest number of rounds of an attack's first restart that are kept as frames; longer attacks are thinned evenly."""
UNBOUNDED_STEPS = 40
"""Least number of steps of the unbounded attack in the gradient-masking checks."""
_ENGINE = 1
"""Version of the computation, part of every key; increase it when the result of an equal request changes."""
MOST_PICTURES = 200
"""Largest number of images that one request perturbs for display."""
_MOST_SEED = 2**31 - 1
_MOST_TEXT = 2**20


class Axis(StrEnum):
    """The attack parameter that a sweep varies."""

    EPSILON = "epsilon"
    STEPS = "steps"
    STEP_SIZE = "step_size"


class _Keyed:
    """A request with a key for its result."""

    @property
    def key(self) -> str:
        """The key of the result, equal for two requests exactly if all values that determine the result are equal."""
        return _key(cast("Request", self))


class _OfOneSource(_Keyed):
    """A request about one network."""

    source: Source

    @property
    def sources(self) -> tuple[Source, ...]:
        """The source, as a tuple of length 1."""
        return (self.source,)


@dataclass(frozen=True)
class AttackRequest(_OfOneSource):
    """An attack on class-balanced images of a source, recorded step by step. Raises RequestError."""

    source: Source
    condition: Condition
    images: int = 300
    seed: int = 0
    layers: bool = False
    """True if NC1 and nearest-class-mean accuracy are measured at every stage of the network, before and after."""
    watched: int = 200
    """Number of images that are recorded individually."""

    def __post_init__(self) -> None:
        """Check all fields."""
        _check_common(self)
        _check_attack(self.condition)
        whole("watched images", self.watched, 1, MOST_WATCHED)


@dataclass(frozen=True)
class SweepRequest(_Keyed):
    """An attack at several strengths on one or two networks, with the same images and the same seed.

    Epsilon 0 means the clean images; 0 steps means the random start. Raises RequestError.
    """

    sources: tuple[Source, ...]
    condition: Condition
    over: Axis
    values: tuple[float, ...]
    """Ascending values: epsilon and step size in pixel units of [0, 1], steps as whole numbers."""
    images: int = 300
    seed: int = 0
    layers: bool = False

    def __post_init__(self) -> None:
        """Check all fields, and check that every strength gives a valid attack."""
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "over", member(Axis, "what a sweep varies", self.over))
        _check_common(self)
        if not 1 <= len(self.sources) <= 2:
            raise RequestError(f"a sweep compares one or two networks, got {len(self.sources)}")
        first, last = self.sources[0], self.sources[-1]
        if (first.dataset, first.split) != (last.dataset, last.split):
            raise RequestError(
                "two networks are compared on the same images; choose runs of one data set, and one split"
            )
        object.__setattr__(self, "values", _checked_values(self.over, self.values))
        _check_attack(self.condition)
        for value in self.values:
            if (attack := self.at(value)) is not CLEAN:
                _check_attack(attack)

    def at(self, value: float) -> Condition:
        """Return the attack of a strength; CLEAN at epsilon 0.

        A default step size (2.5 epsilon / steps) stays the default. Any other step size keeps its ratio to epsilon in a sweep
        over epsilon, and stays the same in a sweep over steps. Raises RequestError if the attack has no parameter of this name.
        """
        base = self.condition
        if self.over is Axis.EPSILON:
            if value == 0:
                return CLEAN
            assert base.epsilon is not None
            own = None if base.step_size is None else base.step_size * value / base.epsilon
            return _changed(base, epsilon=value, step_size=None if base.has_default_step_size else own)
        if self.over is Axis.STEPS:
            return _changed(base, steps=int(value), step_size=None if base.has_default_step_size else base.step_size)
        return _changed(base, step_size=value)


@dataclass(frozen=True)
class MaskingRequest(_OfOneSource):
    """The checks for gradient masking of an attack on a network (see `rnc.lab.results.MaskingResult`). Raises RequestError."""

    source: Source
    condition: Condition
    images: int = 300
    seed: int = 0
    layers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check all fields."""
        _check_common(self)
        _check_attack(self.condition)
        if self.condition.kind not in (ConditionKind.PGD, ConditionKind.APGD) or not self.condition.steps:
            raise RequestError("the checks are about an attack in steps; choose PGD or APGD, of at least one step")


@dataclass(frozen=True)
class PicturesRequest(_OfOneSource):
    """Some images of a source by their sample indices, perturbed as in the run's measurement. Raises RequestError."""

    source: Source
    condition: Condition
    samples: tuple[int, ...]
    """The images' sample indices in their data set, ascending and without repetition."""
    images: int = field(default=0, init=False)
    seed: int = field(default=0, init=False)
    layers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check all fields."""
        for sample in self.samples:
            whole("the index of an image", sample, 0, _MOST_SEED)
        object.__setattr__(self, "samples", tuple(sorted(set(self.samples))))
        if len(self.samples) > MOST_PICTURES:
            raise RequestError(f"at most {MOST_PICTURES} images are perturbed to be looked at, got {len(self.samples)}")
        object.__setattr__(self, "images", len(self.samples))
        _check_common(self)
        _check_attack(self.condition)


Request = AttackRequest | SweepRequest | MaskingRequest | PicturesRequest
_KINDS: dict[str, type[Request]] = {
    "attack": AttackRequest,
    "sweep": SweepRequest,
    "masking": MaskingRequest,
    "pictures": PicturesRequest,
}


def to_json(request: Request) -> str:
    """Return the request as JSON text; `from_json` reads it back."""
    kind = next(name for name, of in _KINDS.items() if isinstance(request, of))
    return json.dumps({"kind": kind} | _plain(request))


def from_json(content: str) -> Request:
    """Read a request. Raises RequestError if the text is not a valid one."""
    if len(content) > _MOST_TEXT:
        raise RequestError(f"this is no request of the lab: it is longer than {_MOST_TEXT} letters")
    try:
        given = json.loads(content)
        of = _KINDS[given.pop("kind")]
        if "source" in given:
            given["source"] = Source(**given["source"])
        if "sources" in given:
            given["sources"] = tuple(Source(**source) for source in given["sources"])
        given["condition"] = Condition.from_slug(given["condition"])
        return of(**given)
    except RequestError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise RequestError(f"this is no request of the lab ({error}); make it anew on the lab's page") from None


def _plain(request: Request) -> dict[str, Any]:
    """Return the fields that are passed at creation, as JSON values."""
    given: dict[str, Any] = {f.name: getattr(request, f.name) for f in fields(request) if f.init}
    for name in ("source", "sources"):
        if name in given:
            found = [source_to_json(source) for source in request.sources]
            given[name] = found if name == "sources" else found[0]
    return given | {"condition": request.condition.slug}


def _key(request: Request) -> str:
    determined = _plain(request) | {"kind": type(request).__name__, "engine": _ENGINE}
    determined.pop("source", None)
    determined["sources"] = [source.determines for source in request.sources]
    return hashlib.sha256(json.dumps(determined, sort_keys=True).encode()).hexdigest()


def _check_common(request: Request) -> None:
    whole("images", request.images, 1, MOST_IMAGES)
    whole("seed", request.seed, 0, _MOST_SEED)
    if not isinstance(request.layers, bool):
        raise RequestError(f"layers is true or false, got {request.layers!r}")
    if not isinstance(request.condition, Condition) or not all(isinstance(s, Source) for s in request.sources):
        raise RequestError("a request needs a source and a condition")
    _asked(check_step_size, request.condition)


def _check_attack(condition: Condition) -> None:
    if condition.kind in (ConditionKind.CLEAN, ConditionKind.AS_TRAINED):
        raise RequestError(f"the condition {condition.slug!r} is no attack; choose one, such as pgd-linf-8_255-10")
    if (condition.steps or 0) > MOST_STEPS:
        raise RequestError(f"an attack takes at most {MOST_STEPS} steps here, got {condition.steps}")
    if condition.restarts > MOST_RESTARTS:
        raise RequestError(f"an attack starts at most {MOST_RESTARTS} times here, got {condition.restarts}")
    _asked(check_size, condition)
    if condition.relabelled:
        raise RequestError("the lab measures by true labels or targets; choose the attack without relabelling")


def _asked(check: Callable[[Condition], None], condition: Condition) -> None:
    """Run a check of a condition, and raise its ValueError as RequestError."""
    try:
        check(condition)
    except ValueError as error:
        raise RequestError(str(error)) from None


def _checked_values(over: Axis, values: Any) -> tuple[float, ...]:
    found = ascending("values of a sweep", values, MOST_VALUES)
    if over is Axis.STEPS and not all(value == int(value) for value in found):
        raise RequestError("steps are whole numbers")
    if over is Axis.STEP_SIZE and found[0] == 0:
        raise RequestError("a step size is larger than 0")
    return found


def _changed(condition: Condition, **changes: Any) -> Condition:
    if any(getattr(condition, name) is None and value is not None for name, value in changes.items()):
        raise RequestError(f"{condition.label} has no {' or '.join(changes)} to vary; vary epsilon, or choose PGD")
    try:
        return replace(condition, **changes)
    except ValueError as error:
        raise RequestError(str(error)) from None
