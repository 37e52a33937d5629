"""The small parts: messages, the cache, what counts as want of memory."""

import io
import struct
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.lab import message_format as message_module
from rnc.lab.engine.worker import _message_of
from rnc.lab.message_format import MessageError, messages, pack, send_message, take_message
from rnc.lab.result_cache import ResultCache
from rnc.models.memory_errors import is_out_of_memory
from tests.rnc.lab.samples import attack_result

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


def test_torchs_want_of_memory_is_told_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value) and "ask for fewer images" in _message_of(caught.value)
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(RuntimeError("a shape"))


def test_what_nobody_expected_is_told_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert _message_of(KeyError("x")) == "The attack failed: KeyError: 'x'"
    assert "KeyError" in capsys.readouterr().err, "and the log has it whole"
