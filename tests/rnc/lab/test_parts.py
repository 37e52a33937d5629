"""The small parts: messages, the cache, estimates, what counts as want of memory."""

import io
import struct
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks import num_iterations
from rnc.conditions import Condition
from rnc.lab import message_format as message_module
from rnc.lab.attack import AttackRequest
from rnc.lab.engine.worker import _message_of
from rnc.lab.estimates import PassTimes, forward_passes
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.message_format import MessageError, messages, pack, send_message, take_message
from rnc.lab.result_cache import ResultCache
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.models.memory_errors import is_out_of_memory
from tests.rnc.lab.samples import PGD, SOURCE, attack_result

json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3))


@given(st.lists(st.tuples(st.dictionaries(st.text(), json_values, max_size=3), st.binary(max_size=50)), max_size=4))
def test_messages_come_out_as_they_went_in(sent: list[tuple[dict[str, Any], bytes]]) -> None:
    stream = io.BytesIO()
    for message, data in sent:
        send_message(stream, message, data)
    assert stream.getvalue() == b"".join(pack(*message) for message in sent)
    received = bytearray(stream.getvalue())
    assert [take_message(received) for _ in sent] == sent and take_message(received) is None and not received
    assert list(messages(io.BufferedReader(io.BytesIO(stream.getvalue())))) == sent  # type: ignore[arg-type]


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_or_an_end(content: bytes) -> None:
    try:
        found = take_message(bytearray(content))
    except MessageError:
        return
    assert found is None or isinstance(found[0], dict)


@pytest.mark.parametrize(("text", "data"), [(2**31, 0), (2, 2**31)])
def test_a_length_beyond_measure_is_refused_unread(text: int, data: int) -> None:
    with pytest.raises(MessageError):
        take_message(bytearray(struct.pack(">II", text, data) + b"{}"))


def test_too_large_a_message_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "_MOST_DATA", 10)
    stream = io.BytesIO()
    with pytest.raises(MessageError, match="ask for fewer images"):
        send_message(stream, {}, bytes(11))
    assert stream.getvalue() == b""


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=30), st.integers(0, 6))
def test_the_cache_holds_the_last_used_that_fit(uses: list[tuple[str, bool]], fitting: int) -> None:
    """Against a list of names, the last used at its end."""
    one = attack_result().nbytes
    cache, order = ResultCache(fitting * one), []
    for name, puts in uses:
        if puts:
            cache.put(name, attack_result())
            order = [other for other in order if other != name] + [name]
            order = order[len(order) - min(len(order), fitting) :]
        else:
            assert (cache.get(name) is not None) == (name in order)
            order = [other for other in order if other != name] + [name] * (name in order)
        assert cache.nbytes == len(order) * one <= fitting * one


def test_a_result_larger_than_the_cache_goes_through_it() -> None:
    cache = ResultCache(attack_result().nbytes + 10)
    cache.put("small", attack_result())
    cache.put("large", attack_result(40, 40))
    assert cache.get("large") is None and cache.get("small") is not None


ATTACK = AttackRequest(SOURCE, PGD, 100)


@pytest.mark.parametrize(
    "slug", ["pgd-linf-0.1-7", "pgd-linf-0.1-7-restarts3", "apgd-linf-0.1-9-restarts2", "fgsm-linf-0.1"]
)
def test_the_cost_follows_rounds_and_images(slug: str) -> None:
    """Every step is a gradient, which costs more than the pass that a start or an end takes."""
    condition = Condition.from_slug(slug)
    steps = num_iterations(condition) - condition.restarts
    request = replace(ATTACK, condition=condition)
    assert 3 * 100 * steps < forward_passes(request) < 5 * 100 * (steps + 3)
    assert forward_passes(replace(request, images=300)) == 3 * forward_passes(request)
    assert forward_passes(replace(request, layers=True)) > forward_passes(request)


def test_the_cost_of_a_sweep_is_that_of_its_attacks_on_each_network() -> None:
    sweep = StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (1.0, 10.0), 100)
    assert forward_passes(replace(sweep, sources=(SOURCE, SOURCE))) == 2 * forward_passes(sweep)
    assert (
        forward_passes(StrengthCurveRequest((SOURCE,), PGD, Axis.STEPS, (1.0,), 100))
        < forward_passes(sweep)
        < forward_passes(replace(sweep, values=(1.0, 20.0)))
    )
    assert forward_passes(MaskingRequest(SOURCE, PGD, 100)) > 3 * forward_passes(ATTACK)


def test_a_pace_is_known_for_a_network_and_for_others_of_its_name() -> None:
    pass_times, named = PassTimes(), replace(SOURCE, model="cnn")
    assert pass_times.estimate(ATTACK) is None
    pass_times.add(named, 0.001)
    assert pass_times.estimate(ATTACK) == pytest.approx(0.001 * forward_passes(ATTACK)), "the very network"
    sibling = replace(named, sha256="0" * 64)
    assert pass_times.estimate(replace(ATTACK, source=sibling)) == pytest.approx(0.001 * forward_passes(ATTACK))
    assert pass_times.estimate(replace(ATTACK, source=replace(sibling, model=""))) is None
    assert pass_times.estimate(replace(ATTACK, source=replace(sibling, dataset="mnist"))) is None
    pass_times.add(sibling, 0.003)
    assert pass_times.estimate(ATTACK) == pytest.approx(0.001 * forward_passes(ATTACK)), "its own pace comes first"


def test_torchs_want_of_memory_is_told_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value) and "ask for fewer images" in _message_of(caught.value)
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(RuntimeError("a shape"))


def test_what_nobody_expected_is_told_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert _message_of(KeyError("x")) == "The attack failed: KeyError: 'x'"
    assert "KeyError" in capsys.readouterr().err, "and the log has it whole"
