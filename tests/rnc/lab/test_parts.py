"""The small parts: messages, the cache, estimates, what counts as want of memory."""

import io
import struct
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks import rounds
from rnc.conditions import Condition
from rnc.lab import wire
from rnc.lab.cache import ResultCache
from rnc.lab.engine.worker import _in_words
from rnc.lab.estimates import Paces, passes
from rnc.lab.requests import AttackRequest, Axis, MaskingRequest, SweepRequest
from rnc.lab.results import size
from rnc.lab.wire import WireError, receive, send
from rnc.models.memory_errors import is_out_of_memory
from tests.rnc.lab.samples import PGD, SOURCE, attack_result

json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3))


@given(st.lists(st.tuples(st.dictionaries(st.text(), json_values, max_size=3), st.binary(max_size=50)), max_size=4))
def test_messages_come_out_as_they_went_in(messages: list[tuple[dict[str, Any], bytes]]) -> None:
    stream = io.BytesIO()
    for message, blob in messages:
        send(stream, message, blob)
    stream.seek(0)
    assert [receive(stream) for _ in messages] == messages and receive(stream) is None


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_or_an_end(content: bytes) -> None:
    try:
        found = receive(io.BytesIO(content))
    except WireError:
        return
    assert found is None or isinstance(found[0], dict)


@pytest.mark.parametrize(("text", "blob"), [(2**31, 0), (2, 2**31)])
def test_a_length_beyond_measure_is_refused_unread(text: int, blob: int) -> None:
    with pytest.raises(WireError):
        receive(io.BytesIO(struct.pack(">II", text, blob) + b"{}"))


def test_too_large_a_message_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST_BLOB", 10)
    stream = io.BytesIO()
    with pytest.raises(WireError, match="ask for fewer images"):
        send(stream, {}, bytes(11))
    assert stream.getvalue() == b""


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=30), st.integers(0, 6))
def test_the_cache_holds_the_last_used_that_fit(uses: list[tuple[str, bool]], fitting: int) -> None:
    """Against a list of names, the last used at its end."""
    one = size(attack_result())
    cache, order = ResultCache(fitting * one), []
    for name, puts in uses:
        if puts:
            cache.put(name, attack_result())
            order = [other for other in order if other != name] + [name]
            order = order[len(order) - min(len(order), fitting) :]
        else:
            assert (cache.get(name) is not None) == (name in order)
            order = [other for other in order if other != name] + [name] * (name in order)
        assert cache.bytes == len(order) * one <= fitting * one


def test_a_result_larger_than_the_cache_goes_through_it() -> None:
    cache = ResultCache(size(attack_result()) + 10)
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
    steps = rounds(condition) - condition.restarts
    request = replace(ATTACK, condition=condition)
    assert 3 * 100 * steps < passes(request) < 5 * 100 * (steps + 3)
    assert passes(replace(request, images=300)) == 3 * passes(request)
    assert passes(replace(request, layers=True)) > passes(request)


def test_the_cost_of_a_sweep_is_that_of_its_attacks_on_each_network() -> None:
    sweep = SweepRequest((SOURCE,), PGD, Axis.STEPS, (1.0, 10.0), 100)
    assert passes(replace(sweep, sources=(SOURCE, SOURCE))) == 2 * passes(sweep)
    assert (
        passes(SweepRequest((SOURCE,), PGD, Axis.STEPS, (1.0,), 100))
        < passes(sweep)
        < passes(replace(sweep, values=(1.0, 20.0)))
    )
    assert passes(MaskingRequest(SOURCE, PGD, 100)) > 3 * passes(ATTACK)


def test_a_pace_is_known_for_a_network_and_for_others_of_its_name() -> None:
    paces, named = Paces(), replace(SOURCE, model="cnn")
    assert paces.seconds(ATTACK) is None
    paces.note(named, 0.001)
    assert paces.seconds(ATTACK) == pytest.approx(0.001 * passes(ATTACK)), "the very network"
    sibling = replace(named, sha256="0" * 64)
    assert paces.seconds(replace(ATTACK, source=sibling)) == pytest.approx(0.001 * passes(ATTACK))
    assert paces.seconds(replace(ATTACK, source=replace(sibling, model=""))) is None
    assert paces.seconds(replace(ATTACK, source=replace(sibling, dataset="mnist"))) is None
    paces.note(sibling, 0.003)
    assert paces.seconds(ATTACK) == pytest.approx(0.001 * passes(ATTACK)), "its own pace comes first"


def test_torchs_want_of_memory_is_told_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value) and "ask for fewer images" in _in_words(caught.value)
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(RuntimeError("a shape"))


def test_what_nobody_expected_is_told_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert _in_words(KeyError("x")) == "The attack failed: KeyError: 'x'"
    assert "KeyError" in capsys.readouterr().err, "and the log has it whole"
