"""Averages over seeds and smoothed lines, against loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.ui.charts.averages_and_smoothing import cursor_last_and_best_values, over_seeds, smoothed


def lines(values: dict[str, list[float]], epochs: list[int]) -> pd.DataFrame:
    """A line a run id; the first letter is the label."""
    return pd.DataFrame(
        [
            {"run": name[0], "run_id": name, "shown": "clean", "condition": "clean", "epoch": epoch, "value": value}
            for name, line in values.items()
            for epoch, value in zip(epochs, line, strict=False)
        ]
    )


def test_mean_and_band_of_three_seeds() -> None:
    found = over_seeds(lines({"a1": [1.0, 2.0], "a2": [3.0, 2.0], "a3": [5.0], "b1": [7.0]}, [0, 10]))
    first, second, other = (found[(found["run"] == run) & (found["epoch"] == at)].iloc[0] for run, at in
                            [("a", 0), ("a", 10), ("b", 0)])  # fmt: skip
    assert (first["value"], first["seeds"], first["low"], first["high"]) == (3.0, 3, 1.0, 5.0)
    assert (second["value"], second["seeds"], second["low"]) == (2.0, 2, 2.0)
    assert (other["value"], other["seeds"]) == (7.0, 1) and np.isnan(other["low"]) and np.isnan(other["high"])
    assert len(found) == 3


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    st.floats(0, 0.95),
    st.randoms(use_true_random=False),
)
def test_smoothing_is_the_moving_average_without_bias(values: list[float], weight: float, random) -> None:
    frame = lines({"a": values, "b": [value + 1 for value in values]}, list(range(len(values))))
    order = list(range(len(frame)))
    random.shuffle(order)
    found = smoothed(frame.iloc[order], weight)
    assert found.index.tolist() == frame.index[order].tolist()
    for name in "ab":
        total = norm = 0.0
        own = frame[frame["run_id"] == name]
        for index, value in own["value"].items():
            total, norm = weight * total + value, weight * norm + 1
            assert found.loc[index, "value"] == pytest.approx(total / norm, abs=1e-6)


def test_no_smoothing_changes_nothing() -> None:
    frame = lines({"a": [3.0, 1.0, 2.0]}, [0, 1, 2])
    pd.testing.assert_frame_equal(smoothed(frame, 0.0), frame)


def test_the_query_goes_along() -> None:
    frame = lines({"a": [3.0, 1.0], "b": [1.0, 2.0]}, [0, 1])
    frame.attrs["sql"] = "SELECT 1"
    assert over_seeds(smoothed(frame, 0.5)).attrs["sql"] == "SELECT 1"


def test_the_summary_of_two_seeds() -> None:
    frame = pd.concat(
        [
            lines({"a1": [9.0, 2.0, 4.0], "a2": [8.0, 6.0, 5.0]}, [0, 10, 20]).assign(metric="nc1"),
            lines({"a1": [0.1, 0.9, 0.8], "a2": [0.2, 0.3, 0.7]}, [0, 10, 20]).assign(metric="accuracy"),
        ]
    ).sample(frac=1, random_state=3)
    found = cursor_last_and_best_values(frame.reset_index(drop=True), cursor=15).set_index("metric")
    assert list(found.index) == ["nc1", "accuracy"] and set(found["seeds"]) == {2}
    collapse, accuracy = found.loc["nc1"], found.loc["accuracy"]
    assert (collapse["at cursor"], collapse["last"], collapse["best"], collapse["best epoch"]) == (4.0, 4.5, 3.5, 15)
    assert collapse["at cursor ±"] == pytest.approx(np.std([2, 6], ddof=1))
    assert accuracy["best"] == pytest.approx((0.9 + 0.7) / 2) and accuracy["last"] == pytest.approx(0.75)


def test_a_single_seed_has_no_spread() -> None:
    found = cursor_last_and_best_values(lines({"a1": [9.0, 2.0]}, [0, 10]).assign(metric="nc1"), cursor=5)
    assert found["at cursor"].tolist() == [9.0] and not any("±" in column for column in found)


def test_a_value_that_is_none_is_not_made_up() -> None:
    """The last epoch's NaN is not the epoch before it; a line without any number has no best, and breaks nothing."""
    nan = float("nan")
    frame = lines({"a1": [3.0, 1.0, nan], "a2": [5.0, 2.0, 4.0], "b1": [nan, nan, nan]}, [0, 10, 20])
    found = cursor_last_and_best_values(frame.assign(metric="nc1"), cursor=15).set_index("run")
    assert found.loc["a", ["at cursor", "last", "best", "best epoch"]].tolist() == [1.5, 4.0, 1.5, 10.0]
    assert found.loc["b", ["at cursor", "last", "best"]].isna().all()
