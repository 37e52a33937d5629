"""Results go through bytes unchanged; other bytes are refused before they take memory."""

import dataclasses
import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.class_mean_geometry import SimplexSpan
from rnc.lab import npz
from rnc.lab.kinds import result_from_bytes
from rnc.lab.npz import ContentError
from rnc.lab.result_base import Result
from tests.examples import examples
from tests.rnc.lab.samples import attack_result, masking_result, sweep_result

ALL = [attack_result(), sweep_result(), masking_result()]


def same(one: Any, other: Any) -> bool:
    """Field by field, NaN equal to NaN."""
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_dtype=len(one) > 0)
        return True
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return repr(one) == repr(other)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("result", ALL, ids=lambda r: type(r).__name__)
def test_bytes_there_and_back(result: Result, compressed: bool) -> None:
    again = result_from_bytes(result.to_bytes(compressed=compressed))
    assert type(again) is type(result) and same(result, again)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10))
def test_any_shape_there_and_back(frames: int, watched: int, seed: int) -> None:
    result = attack_result(frames, watched, seed)
    assert same(result, result_from_bytes(result.to_bytes()))


@examples(150)
@given(st.data())
def test_damaged_bytes_are_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(ALL[data.draw(st.integers(0, 2))].to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with suppress(ContentError):
        result_from_bytes(bytes(content[:cut] if data.draw(st.booleans()) else content))


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", member)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def text(value: Any) -> bytes:
    return npy(np.frombuffer(json.dumps(value).encode(), np.uint8))


HUGE = npy(np.zeros(3)).replace(b"(3,), }        ", b"(999999999999,),}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        npy(np.zeros(3)),
        archive(),
        archive(plain=text(None)),
        archive(plain=text({"record": "Popen"})),
        archive(plain=text({"record": "MaskingResult"})),
        archive(plain=text({"record": "SweepResult", "points": ["a"]})),
        archive(plain=npy(np.array([{"a": 1}], dtype=object))),
        archive(plain=HUGE),
        archive(plain=b"\x93NUMPY\x01\x00"),
        archive(plain=npy(np.zeros((2, 3), order="F"))),
    ],
)
def test_what_is_no_result_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError):
        result_from_bytes(content)


@pytest.mark.parametrize("result", [attack_result(), sweep_result()], ids=lambda r: type(r).__name__)
def test_a_result_from_before_a_field_was_added_is_read(result: Result) -> None:
    """With the field's default; one that lacks another field is refused."""
    with np.load(io.BytesIO(result.to_bytes())) as opened:
        members = dict(opened)
    for field, is_read in (("images", True), ("device", False)):
        plain = json.loads(members["plain"].tobytes())
        del plain[field]
        changed = io.BytesIO()
        np.savez(changed, **(members | {"plain": np.frombuffer(json.dumps(plain).encode(), np.uint8)}))
        if is_read:
            assert result_from_bytes(changed.getvalue()).images == 0  # type: ignore[union-attr]
        else:
            with pytest.raises(ContentError):
                result_from_bytes(changed.getvalue())


def test_a_lying_header_takes_no_memory() -> None:
    with pytest.raises(ContentError, match="size is not that of its bytes"):
        npz.from_bytes(archive(plain=HUGE), {}, 2**40)


def test_a_bomb_is_refused_unopened() -> None:
    bomb = archive(plain=npy(np.zeros(2**22)))
    assert len(bomb) < 2**17
    with pytest.raises(ContentError, match="more than 1 MiB"):
        npz.from_bytes(bomb, {}, 2**20)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in the number of frames"):
        dataclasses.replace(attack_result(), loss=np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [([0, 0, 0], -1), ([0, 1, 1], 1), ([0, 1, 0], -1), ([0, 1, 2], 1), ([0, 1, 0, 2, 1], 3), ([0], -1), ([0, 0, 5], 2)],
)
def test_the_leap_is_where_the_decision_changes_for_good(decisions: list[int], expected: int) -> None:
    result = attack_result(len(decisions), 2)
    predicted = np.stack([decisions, [3] * len(decisions)], axis=1)
    assert dataclasses.replace(result, predicted=predicted).frame_of_lasting_leap.tolist() == [expected, -1]


def test_the_simplex_plane_is_that_of_the_whole_feature_space() -> None:
    """Coordinates in the span of the class means lose nothing that the triangle shows."""
    rng = np.random.default_rng(4)
    means, features = rng.normal(size=(4, 9)), rng.normal(size=(3, 5, 9))
    middle = means.mean(0)
    basis = np.linalg.svd(means - middle, full_matrices=False)[2][:3]
    result = dataclasses.replace(
        attack_result(3, 5), means_span=(means - middle) @ basis.T, span=(features - middle) @ basis.T
    )
    plane = SimplexSpan(means[[3, 0, 2]])
    points, vertices = result.samples_and_means_on_plane((3, 0, 2))
    assert np.allclose(points, plane.project(features.reshape(-1, 9)).reshape(3, 5, 2))
    assert np.allclose(vertices, plane.project(means[[3, 0, 2]]))


def test_absent_classes_span_no_plane() -> None:
    means = attack_result().means_span.copy()
    means[1] = np.nan
    with pytest.raises(ValueError, match="choose others"):
        dataclasses.replace(attack_result(), means_span=means).samples_and_means_on_plane((0, 1, 2))


@pytest.mark.parametrize("result", ALL, ids=lambda r: type(r).__name__)
def test_summaries_are_strict_json(result: Result) -> None:
    text = json.dumps(result.summary(), allow_nan=False)
    stored = {"StrengthCurveResult": "SweepResult"}
    assert json.loads(text)["kind"] == stored.get(type(result).__name__, type(result).__name__)


def test_the_size_is_that_of_what_is_held() -> None:
    small, large = attack_result(4, 5).nbytes, attack_result(40, 50).nbytes
    arrays_alone = sum(v.nbytes for v in vars(attack_result(40, 50)).values() if isinstance(v, np.ndarray))
    assert small < arrays_alone <= large < 2 * arrays_alone


def test_warnings_are_the_checks_that_found_something() -> None:
    assert [check.name for check in masking_result().warnings] == ["cTrue"]
    assert masking_result().summary()["warnings"] == ["cTrue"]
