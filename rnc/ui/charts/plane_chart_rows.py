"""The rows of a plane's data sets: its points, the arrows between them, and those that stand out.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from collections.abc import Collection
from functools import reduce
from operator import and_

import numpy as np
import pandas as pd

from rnc.vocabulary import Role

POINTS, MOVES, CHOSEN_POINTS, CHOSEN_MOVES, VEIL = "points", "moves", "chosen_points", "chosen_moves", "veil"
"""The names of the data sets. The last three are those of a page, where chosen points are drawn over a veil."""
_MARKED = {POINTS: CHOSEN_POINTS, MOVES: CHOSEN_MOVES}
_PLACES = ("x", "y", "x2", "y2")
_SMALL = np.iinfo(np.int32)


def point_and_arrow_rows(frame: pd.DataFrame, perturbed: str, *, arrows: bool) -> dict[str, pd.DataFrame]:
    """Return a row per point (shown, sample, label, predicted, x, y), and with `arrows` one per sample with both its places."""
    rows = {POINTS: _sent(frame, "predicted", "shown")}
    return rows | ({MOVES: _sent(_moves(frame, perturbed), "x2", "y2")} if arrows else {})


def choice_in(frame: pd.DataFrame, samples: Collection[int], classes: Collection[str]) -> dict[str, list]:
    """Return what a chosen row has in its columns: one of the samples, one of the classes, or both; without those not drawn."""
    wanted: dict[str, list] = {"sample": list(samples), "label": list(classes)}
    return {column: values for column, values in wanted.items() if frame[column].isin(values).any()}


def with_chosen_marked_and_last(rows: dict[str, pd.DataFrame], choice: dict[str, list]) -> dict[str, pd.DataFrame]:
    """Return the rows with the chosen ones marked (`chosen`) and last; as they are if nothing is chosen."""
    if not choice:
        return rows
    marked = {name: each.assign(chosen=_are_chosen(each, choice)) for name, each in rows.items()}
    return {name: each.sort_values("chosen", kind="stable") for name, each in marked.items()}


def with_chosen_and_veil_rows(rows: dict[str, pd.DataFrame], choice: dict[str, list]) -> dict[str, pd.DataFrame]:
    """Return the rows, the chosen ones once more in data sets of their names, and a row of the veil if anything is chosen."""
    chosen = {_MARKED[name]: each[_are_chosen(each, choice)] for name, each in rows.items()}
    return rows | chosen | {VEIL: pd.DataFrame({"drawn": [True] if choice else []}, dtype=bool)}


def _are_chosen(rows: pd.DataFrame, choice: dict[str, list]) -> pd.Series:
    nothing = pd.Series(bool(choice), index=rows.index)
    return reduce(and_, (rows[column].isin(values) for column, values in choice.items()), nothing)


def _sent(frame: pd.DataFrame, *more: str) -> pd.DataFrame:
    """Return the columns that the marks need, in the types that a browser reads fastest.

    Texts become categories, places have the seven digits of float32, and samples 32 bits, because a browser makes a large
    integer of each with 64.
    """
    needed = [name for name in ("sample", "label", "x", "y", *more) if name in frame]
    sent = frame[needed].replace([np.inf, -np.inf], np.nan).dropna(subset=["x", "y"])
    kinds: dict[str, str] = {name: "category" for name in ("label", "predicted", "shown") if name in needed}
    kinds |= {name: "float32" for name in _PLACES if name in needed}
    if sent["sample"].between(_SMALL.min, _SMALL.max).all():
        kinds["sample"] = "int32"
    return sent.astype(kinds)


def _moves(frame: pd.DataFrame, perturbed: str) -> pd.DataFrame:
    """Return a row per sample with its clean and its perturbed position."""
    clean = frame[frame["shown"] == Role.CLEAN]
    perturbed_points = frame[frame["shown"] == perturbed][["sample", "x", "y"]].rename(columns={"x": "x2", "y": "y2"})
    return clean.merge(perturbed_points, on="sample")
