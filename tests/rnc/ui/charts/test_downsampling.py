"""Thinned lines: no extreme is lost, ends stay, short lines and orders are left alone."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnc.ui.charts.downsampling import DRAWN_POINTS, is_long, thinned_keeping_extremes

VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def frame_of(*lines: np.ndarray, **more: np.ndarray) -> pd.DataFrame:
    """One run a line, an epoch a value."""
    parts = [
        pd.DataFrame({"run": f"r{i}", "run_id": f"id{i}", "shown": "clean", "epoch": np.arange(len(v)), "value": v})
        for i, v in enumerate(lines)
    ]
    return pd.concat(parts, ignore_index=True).assign(**more)


long_lines = st.integers(DRAWN_POINTS + 1, 700).flatmap(lambda n: arrays(float, n, elements=VALUES))


@given(long_lines, st.booleans())
def test_first_last_lowest_and_highest_are_kept(values: np.ndarray, log_epochs: bool) -> None:
    frame = frame_of(values)
    found = thinned_keeping_extremes(frame, log_epochs=log_epochs)
    assert {0, len(values) - 1} <= set(found["epoch"])
    assert found["value"].min() == values.min() and found["value"].max() == values.max()
    assert len(found) <= DRAWN_POINTS and is_long(frame)


@given(long_lines, st.data())
def test_a_peak_of_one_epoch_is_kept_wherever_it_is(values: np.ndarray, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    values[place] = 2e6
    found = thinned_keeping_extremes(frame_of(values), log_epochs=data.draw(st.booleans()))
    assert found[found["epoch"] == place]["value"].tolist() == [2e6]


@given(st.lists(st.integers(1, DRAWN_POINTS), min_size=1, max_size=4), st.booleans())
def test_short_lines_are_untouched(lengths: list[int], log_epochs: bool) -> None:
    frame = frame_of(*(np.random.default_rng(0).normal(size=n) for n in lengths))
    assert thinned_keeping_extremes(frame, log_epochs=log_epochs) is frame and not is_long(frame)


@given(long_lines)
def test_rows_are_of_the_frame_in_its_order(values: np.ndarray) -> None:
    frame = frame_of(values, values[::-1]).sample(frac=1, random_state=1)
    frame.attrs["sql"] = "SELECT"
    found = thinned_keeping_extremes(frame, log_epochs=True)
    pd.testing.assert_frame_equal(found, frame.loc[found.index])
    assert list(found.index) == [index for index in frame.index if index in set(found.index)]
    assert found.attrs == {"sql": "SELECT"}


def test_a_short_line_beside_a_long_one_keeps_every_point() -> None:
    found = thinned_keeping_extremes(
        frame_of(np.random.default_rng(0).normal(size=500), np.arange(100.0)), log_epochs=True
    )
    assert (found["run"] == "r1").sum() == 100 and (found["run"] == "r0").sum() <= DRAWN_POINTS


@pytest.mark.parametrize("log_epochs", [True, False])
def test_every_stretch_keeps_its_own_extremes(log_epochs: bool) -> None:
    """By a plain loop over the stretches."""
    values = np.random.default_rng(3).normal(size=401)
    found = set(thinned_keeping_extremes(frame_of(values), log_epochs=log_epochs)["epoch"])
    places = np.log1p(np.arange(401)) if log_epochs else np.arange(401.0)
    stretches = (DRAWN_POINTS - 2) // 4
    edges = np.linspace(places[0], places[-1], stretches + 1)
    for low, high in pairwise(edges):
        inside = np.flatnonzero((places >= low + 1e-9) & (places < high - 1e-9))
        if len(inside) > 2:
            assert found & set(inside[[values[inside].argmin(), values[inside].argmax()]])


def test_bands_keep_their_own_extremes() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=600)
    low, high = values - generator.exponential(size=600), values + generator.exponential(size=600)
    found = thinned_keeping_extremes(frame_of(values, low=low, high=high), log_epochs=False)
    assert found["low"].min() == low.min() and found["high"].max() == high.max()
    assert len(found) <= DRAWN_POINTS


def test_nan_is_no_extreme() -> None:
    values = np.random.default_rng(0).normal(size=300)
    values[::2] = np.nan
    found = thinned_keeping_extremes(frame_of(values), log_epochs=True)
    assert found["value"].min() == np.nanmin(values) and found["value"].max() == np.nanmax(values)


def test_no_rows_are_no_rows() -> None:
    empty = frame_of(np.zeros(0))
    assert thinned_keeping_extremes(empty, log_epochs=True) is empty
