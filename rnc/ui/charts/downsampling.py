"""Reduction of long lines to fewer points without losing peaks. Input and output are frames."""

import numpy as np
import pandas as pd

DRAWN_POINTS = 128
"""Lines with at most this many points are not changed; longer ones are reduced to at most this many."""
THINNING_NOTE = (
    f"Lines with more than {DRAWN_POINTS} epochs are drawn with fewer points: the first, last, lowest and highest of each "
    "interval. Exported tables contain all points."
)
_LINE = ["run", "shown", "run_id", "condition"]
_DRAWN = ("value", "low", "high")


def is_long(frame: pd.DataFrame) -> bool:
    """Return whether a line of the frame is drawn with fewer points than it has."""
    return len(frame) > DRAWN_POINTS and int(np.bincount(_lines(frame)).max()) > DRAWN_POINTS


def thinned_keeping_extremes(frame: pd.DataFrame, *, log_epochs: bool) -> pd.DataFrame:
    """Return the rows to draw: of each stretch of epochs the first, the last, the lowest and the highest.

    `frame` has epoch and value, `low` and `high` if there is a band, and those of run, shown, run_id and condition that
    distinguish lines. NaN is never an extreme. The stretches have equal length on the drawn axis, which is symlog if
    `log_epochs` is true. Lines of at most DRAWN_POINTS rows and the order of the rows do not change. With one pixel per
    stretch, a line would look exactly the same (M4; Jugel et al., VLDB 2014, section 4).
    """
    if len(frame) <= DRAWN_POINTS:
        return frame
    lines = _lines(frame)
    long = (np.bincount(lines) > DRAWN_POINTS)[lines]
    if not long.any():
        return frame
    drawn = [name for name in _DRAWN if name in frame]
    stretches = max((DRAWN_POINTS - 2) // (2 + 2 * len(drawn)), 1)
    epochs = frame["epoch"].to_numpy(dtype=float)
    places = np.log1p(epochs) if log_epochs else epochs
    begin, end = places.min(), places.max()
    stretch = np.minimum((stretches * (places - begin) / ((end - begin) or 1)).astype(int), stretches - 1)
    group = lines * stretches + stretch
    keep = ~long
    for column in (epochs, *(frame[name].to_numpy(dtype=float) for name in drawn)):
        for sign in (1, -1):
            keep[_least(group, sign * column)] = True
    return frame[keep]


def _lines(frame: pd.DataFrame) -> np.ndarray:
    """Return the number of the line to which each row belongs."""
    return frame.groupby([name for name in _LINE if name in frame], sort=False, dropna=False).ngroup().to_numpy()


def _least(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the position of each group's least value, the first of equal ones; NaN counts as the greatest."""
    order = np.lexsort((np.where(np.isnan(values), np.inf, values), groups))
    sorted_groups = groups[order]
    return order[np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]]
