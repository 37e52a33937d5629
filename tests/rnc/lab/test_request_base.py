"""Requests go through JSON unchanged, their keys tell apart what differs in its result and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.conditions import CLEAN, Condition, default_step_size
from rnc.lab.attack import AttackRequest
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.kinds import request_from_json
from rnc.lab.network_and_images import RequestError, Source
from rnc.lab.request_base import Request
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.vocabulary import ConditionKind, Norm, Split
from tests.rnc.lab.samples import PGD, SOURCE, attacks, requests

ATTACK = AttackRequest(SOURCE, PGD)
SWEEP = StrengthCurveRequest((SOURCE,), PGD, Axis.EPSILON, (0.0, 0.1, 0.2))
NOISE = Condition(ConditionKind.GAUSSIAN, Norm.LINF, 0.1)


def unnamed(request_: Request) -> Request:
    """The request, its networks without the names that people gave them."""
    bare = tuple(replace(source, checkpoint="x", run_id="x", epoch=0, model="") for source in request_.sources)
    return replace(request_, **{"sources": bare} if isinstance(request_, StrengthCurveRequest) else {"source": bare[0]})


@given(requests)
def test_json_there_and_back(request_: Request) -> None:
    again = request_from_json(request_.to_json())
    assert again == request_ and again.key == request_.key


@given(requests, requests)
def test_two_requests_have_two_keys_unless_only_names_differ(one: Request, other: Request) -> None:
    same = [unnamed(request_) for request_ in (one, other)]
    assert (one.key == other.key) == (same[0] == same[1])


@pytest.mark.parametrize("change", [{"checkpoint": "moved"}, {"run_id": "renamed"}, {"epoch": 9}, {"model": "vgg"}])
def test_what_a_network_is_called_is_not_in_the_key(change: dict[str, Any]) -> None:
    moved = replace(SOURCE, **change)
    assert AttackRequest(moved, PGD).key == ATTACK.key
    assert MaskingRequest(moved, PGD).key == MaskingRequest(SOURCE, PGD).key
    assert replace(SWEEP, sources=(moved,)).key == SWEEP.key


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"split": Split.TRAIN}, {"subset": 5}, {"fingerprint": "x"}, {"dataset": "mnist"}]
)
def test_what_a_network_and_its_images_are_is_in_the_key(change: dict[str, Any]) -> None:
    assert AttackRequest(replace(SOURCE, **change), PGD).key != ATTACK.key


@pytest.mark.parametrize("change", [{"images": 301}, {"seed": 1}, {"layers": True}, {"watched": 10}])
def test_every_field_is_in_the_key(change: dict[str, Any]) -> None:
    assert replace(ATTACK, **change).key != ATTACK.key


def test_an_attack_and_the_checks_of_it_differ() -> None:
    assert len({ATTACK.key, MaskingRequest(SOURCE, PGD).key, SWEEP.key}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 0}, "images must be a whole number from 1 to 50000, got 0"),
        ({"images": 50_001}, "images must be"),
        ({"images": True}, "images must be"),
        ({"images": 10.0}, "images must be"),
        ({"seed": -1}, "seed must be"),
        ({"watched": 0}, "watched images must be"),
        ({"layers": 1}, "layers is true or false"),
        ({"condition": CLEAN}, "'clean' is not an attack; choose one"),
        ({"condition": Condition(ConditionKind.AS_TRAINED)}, "is not an attack"),
        ({"condition": replace(PGD, relabelled=True)}, "without relabelling"),
        ({"condition": replace(PGD, steps=1001)}, "at most 1000 steps"),
        ({"condition": "pgd"}, "needs a source and a condition"),
        ({"source": "net"}, "needs a source and a condition"),
    ],
)
def test_an_attack_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        replace(ATTACK, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "ab"}, "64 hexadecimal digits"),
        ({"sha256": "Z" * 64}, "64 hexadecimal digits"),
        ({"split": "dev"}, "split must be one of train, test"),
        ({"epoch": -1}, "epoch must be"),
        ({"subset": 1.5}, "subset must be"),
        ({"run_id": ""}, "run_id of a source is missing"),
        ({"fingerprint": 3}, "must be texts"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        replace(SOURCE, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ()}, "1 to 8 networks, got 0"),
        ({"sources": (SOURCE,) * 9}, "1 to 8 networks, got 9"),
        ({"sources": (SOURCE, replace(SOURCE, dataset="mnist"))}, "on the same images"),
        ({"sources": (SOURCE, replace(SOURCE, split=Split.TRAIN))}, "on the same images"),
        ({"over": "seed"}, "must be one of epsilon, steps, step_size"),
        ({"values": ()}, "give 1 to 50 values"),
        ({"values": tuple(range(51))}, "give 1 to 50 values"),
        ({"values": (0.1, 0.1)}, "must ascend"),
        ({"values": (0.2, 0.1)}, "must ascend"),
        ({"values": (-0.1, 0.1)}, "finite and not negative"),
        ({"values": (0.1, float("inf"))}, "finite"),
        ({"values": ("much",)}, "must be numbers"),
        ({"over": Axis.STEPS, "values": (1.5,)}, "whole numbers"),
        ({"over": Axis.STEPS, "values": (10.0, 5000.0)}, "at most 1000 steps"),
        ({"over": Axis.STEP_SIZE, "values": (0.0, 0.1)}, "larger than 0"),
        ({"over": Axis.STEPS, "values": (1.0,), "condition": NOISE}, "has no steps"),
        ({"over": Axis.STEP_SIZE, "values": (1.0,), "condition": NOISE}, "has no step_size"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        replace(SWEEP, **change)


def test_checks_for_masking_need_gradients() -> None:
    for condition in (NOISE, replace(PGD, steps=0)):
        with pytest.raises(RequestError, match="at least one step"):
            MaskingRequest(SOURCE, condition)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"kind": "attack"}', '{"kind": "rm"}', "[" * 99_999, ATTACK.to_json()[:-1], "x" * 2**21]
    + [json.dumps(json.loads(ATTACK.to_json()) | change) for change in
       ({"source": 3}, {"source": {}}, {"condition": "no-such"}, {"condition": None}, {"images": "9"}, {"extra": 1})],
)  # fmt: skip
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        request_from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_refused_or_read(content: Any) -> None:
    for text in (json.dumps(content), json.dumps({"kind": "sweep", "sources": content, "condition": content})):
        with pytest.raises(RequestError):
            request_from_json(text)


@given(attacks.filter(lambda a: a.steps), st.floats(0.01, 1))
def test_over_epsilon_a_step_stays_the_same_share_of_it(attack: Condition, epsilon: float) -> None:
    at = StrengthCurveRequest((SOURCE,), attack, Axis.EPSILON, (epsilon,)).at(epsilon)
    assert at.epsilon == pytest.approx(epsilon, rel=1e-8) and at.step_size and attack.step_size and attack.epsilon
    assert at.step_size / epsilon == pytest.approx(attack.step_size / attack.epsilon, rel=1e-6)


def test_over_steps_a_customary_step_size_stays_customary_and_ones_own_stays() -> None:
    customary = replace(PGD, step_size=None)
    assert StrengthCurveRequest((SOURCE,), customary, Axis.STEPS, (3.0,)).at(3).step_size == pytest.approx(
        default_step_size(0.2, 3)
    )
    assert StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (3.0,)).at(3) == replace(PGD, steps=3)


def test_at_strength_zero_the_images_are_clean() -> None:
    assert SWEEP.at(0.0) is CLEAN
    assert StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (0.0, 1.0)).at(0).steps == 0


def test_a_source_says_what_it_is() -> None:
    assert SOURCE.label == "digits-small_cnn-st-linf-s0-12345678 · epoch 3 · test"
    assert Source(**json.loads(ATTACK.to_json())["source"]) == SOURCE
