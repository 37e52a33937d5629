"""The part of the geometry page that shows how far the class means are from a simplex, over epochs.

Tested by tests/pages/test_pages.py.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from rnc.class_mean_geometry import are_alike, distances_from_simplex_by_measure
from rnc.conditions import condition_in_words
from rnc.store.stored_vector_checks import as_matrix
from rnc.ui import opened_store
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.geometry import SIMPLEX_DISTANCES, simplex_distance_lines
from rnc.ui.charts.interaction import MOUSE_NOTE
from rnc.ui.charts.mark_explanations import explain_marks
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown, escape_table
from rnc.ui.pages.geometry import COINCIDENT
from rnc.ui.playable_sliders import chart_options_for_choosing_epoch
from rnc.ui.selection import Selection, run_colours, selected_runs
from rnc.vocabulary import Split

_LINE = ["run_id", "shown", "condition", "epoch"]
_HELP = r"""
Computed from the stored class means $\mu_c$ alone, at every epoch that stored them, with
$\tilde\mu_c = \mu_c - \frac{1}{C}\sum_k \mu_k$ and the Gram matrix $G_{ck} = \tilde\mu_c^\top \tilde\mu_k$:

- **Gram matrix**: $\left\| G/\|G\|_F - \left(I - \frac{1}{C}\mathbf{1}\mathbf{1}^\top\right)/\sqrt{C-1} \right\|_F$,
  which covers angles and norms and does not depend on the size of the simplex (Zhu et al. 2021, for the classifier)
- **Cosines**: the mean of $\left|\cos(\tilde\mu_c, \tilde\mu_k) + \frac{1}{C-1}\right|$ over pairs of classes
  (Papyan, Han, Donoho 2020)
- **Norms**: the standard deviation (unbiased) of $\|\tilde\mu_c\|$ divided by their mean (Papyan, Han, Donoho 2020)

If a condition leaves classes without samples, $C$ is the number of the other classes.
"""
_MOST_ROWS = 8
"""Largest number of rows of the table of smallest distances before it scrolls."""
_MAX_NUMBERS = 2**24
"""Largest number of entries of the Gram matrices that are computed at once: an eighth of a GiB of float64."""


def distances_over_epochs(means: pd.DataFrame) -> pd.DataFrame:
    """Return run_id, shown, condition, epoch, and a column per distance, from class means (`reader.vectors.means_over_epochs`).

    Epochs with fewer than two classes have no row.
    """
    parts = []
    counts = means.groupby(_LINE, sort=False)["class"].transform("size")
    for count, group in means.groupby(counts):  # an equal number of classes, which fit into one array
        count = int(str(count))
        if count < 2:
            continue
        vectors = as_matrix(group["vector"])
        vectors[~np.isfinite(vectors)] = np.nan
        vectors = vectors.reshape(-1, count, vectors.shape[1])
        coincide = np.array([are_alike(class_means) for class_means in vectors])
        batch = max(_MAX_NUMBERS // count**2, 1)
        batches = [
            distances_from_simplex_by_measure(vectors[begin : begin + batch]) for begin in range(0, len(vectors), batch)
        ]
        columns = {
            name: np.where(coincide, np.nan, np.concatenate([distances[name] for distances in batches]))
            for name in batches[0]
        }
        parts.append(group[_LINE].drop_duplicates().reset_index(drop=True).assign(**columns))
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*_LINE, *SIMPLEX_DISTANCES])


def draw_simplex_distances_over_epochs(figures: PageFigures, selection: Selection) -> None:
    """Draw a panel per distance over epochs, for the selected runs, clean and under the selected condition."""
    runs, conditions = selected_runs(selection), selection.clean_and_condition
    colours = run_colours(runs)
    distances = distances_over_epochs(
        opened_store.reader().vectors.means_over_epochs(selection.runs, conditions, selection.split)
    )
    distances = distances.assign(run=distances["run_id"].map(runs["label"]))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Distance from the simplex over epochs", anchor=False, help=_HELP)
        log = st.toggle(
            "Log axes", True, key="log_distance", bind="query-params", help="Logarithmic axes leave out zeros."
        )
    if distances.empty:
        st.info(f"The selected runs stored no class means of {escape_markdown(selection.split.images)}.")
        return
    st.html(curve_legend(colours, conditions))
    left, right, below, table = [*st.columns(2), *st.columns(2)]
    for place, (name, info) in zip((left, right, below), SIMPLEX_DISTANCES.items(), strict=True):
        lines = distances[[*_LINE, "run"]].assign(value=distances[name])
        chart = simplex_distance_lines(lines, info, colours, conditions, selection.epoch, log=log)
        figures.draw(
            place, chart, f"{info.label} over epochs", lines, **chart_options_for_choosing_epoch(f"distance_{name}")
        )
    st.caption(f"{explain_marks(selection.epoch)} A logarithmic axis leaves out zeros. {MOUSE_NOTE}")
    with table:
        _draw_smallest_distances(distances, selection.split)


def smallest_distances(distances: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return run, condition, epoch and distance of each run's smallest Gram-matrix distance, and the runs that have none.

    `distances` is that of `distances_over_epochs`, with the runs' labels in `run`.
    """
    defined = distances.dropna(subset=["gram"])
    smallest = defined.loc[defined.groupby("run_id", sort=False)["gram"].idxmin()]
    undefined = distances.loc[~distances["run_id"].isin(defined["run_id"]), "run"].unique()
    table = smallest[["run", "shown", "epoch", "gram"]].rename(columns={"shown": "condition", "gram": "distance"})
    return table.reset_index(drop=True), list(undefined)


def _draw_smallest_distances(distances: pd.DataFrame, split: Split) -> None:
    """Draw the table of `smallest_distances`, and name the runs that have none."""
    table, undefined = smallest_distances(distances)
    st.markdown("**Smallest distance of each run's Gram matrix**")
    if len(table):
        texts: dict[str, Callable[..., str]] = {
            "condition": condition_in_words,
            "epoch": "{:d}".format,
            "distance": "{:.3f}".format,
        }
        shown = table.assign(**{column: table[column].map(text) for column, text in texts.items()})
        st.table(escape_table(shown), hide_index=True, height="content" if len(table) <= _MOST_ROWS else 300)
    reasons = [f" {escape_markdown(label)}: {COINCIDENT}." for label in undefined]
    st.caption(f"Measured on {escape_markdown(split.images)}.{''.join(reasons)}")
