"""Long lines drawn by fewer of their points, so that no peak is lost. Frames in, frames out."""

import numpy as np
import pandas as pd

DRAWN_POINTS = 128
"""A line of at most this many points is drawn by all of them; a longer one by at most this many."""
THINNED = (
    f"Lines of more than {DRAWN_POINTS} epochs are drawn by fewer: of each stretch the first, the last, the lowest and the "
    "highest; what is exported as a table has them all."
)
_LINE = ["run", "shown", "run_id", "condition"]
_DRAWN = ("value", "low", "high")


def is_long(frame: pd.DataFrame) -> bool:
    """Whether a line of the frame is drawn by fewer points than it has."""
    return len(frame) > DRAWN_POINTS and int(np.bincount(_lines(frame)).max()) > DRAWN_POINTS


def thinned(frame: pd.DataFrame, *, log_epochs: bool) -> pd.DataFrame:
    """The rows that lines are drawn by: of each stretch of epochs the first, the last, the lowest and the highest.

    `frame` has epoch and value, `low` and `high` where there is a band, and of run, shown, run_id and condition those that
    tell lines apart; NaN is never an extreme. Stretches are of equal length on the axis that is drawn, symlog where
    `log_epochs`. Lines of at most DRAWN_POINTS rows are left as they are, and the order of the rows too. With one pixel a
    stretch a line would look exactly the same (M4; Jugel et al., VLDB 2014, section 4).
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
    """A number for each row: the line that it belongs to."""
    return frame.groupby([name for name in _LINE if name in frame], sort=False, dropna=False).ngroup().to_numpy()


def _least(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The position of each group's least value, the first of equal ones; NaN counts as the greatest."""
    order = np.lexsort((np.where(np.isnan(values), np.inf, values), groups))
    sorted_groups = groups[order]
    return order[np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]]
