"""The distance of the chosen runs' class means from an exact simplex, over epochs."""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.simplex import are_alike, centre, cosine_matrix, simplex_cosine, simplex_distances
from rnc.store.vectors import as_matrix
from rnc.ui import state
from rnc.ui.charts.geometry import SIMPLEX_DISTANCES, cosine_heatmap, simplex_distance_lines
from rnc.ui.charts.legend import curve_legend
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.state import Selection
from rnc.vocabulary import Role

_LINE = ["run_id", "shown", "condition", "epoch"]
_HELP = r"""
Computed from the stored class means $\mu_c$ alone, at every epoch that kept them, with
$\tilde\mu_c = \mu_c - \frac{1}{C}\sum_k \mu_k$ and the Gram matrix $G_{ck} = \tilde\mu_c^\top \tilde\mu_k$:

- **Gram matrix**: $\left\| G/\|G\|_F - \left(I - \frac{1}{C}\mathbf{1}\mathbf{1}^\top\right)/\sqrt{C-1} \right\|_F$,
  angles and norms in one number, whatever the size of the simplex (Zhu et al. 2021, there of the classifier's rows)
- **Cosines**: the mean of $\left|\cos(\tilde\mu_c, \tilde\mu_k) + \frac{1}{C-1}\right|$ over pairs (Papyan, Han, Donoho 2020)
- **Norms**: the standard deviation (unbiased) of $\|\tilde\mu_c\|$ over their mean (the same)

Where a condition leaves classes without samples, $C$ is the number of the others.
"""


_MOST_CLASSES = 300
"""Largest number of classes whose pairs are drawn, because the browser receives a rectangle for each pair."""
_MOST_NUMBERS = 2**24
"""Largest number of entries of the Gram matrices that are computed at once: an eighth of a GiB of float64."""
ALIKE = "not defined: all class means are alike"


def distances_over_epochs(means: pd.DataFrame) -> pd.DataFrame:
    """Return run_id, shown, condition, epoch, and a column per distance, from class means (`StoreReader.means_over_epochs`).

    Epochs with fewer than two classes have no row.
    """
    parts = []
    counts = means.groupby(_LINE, sort=False)["class"].transform("size")
    for count, alike in means.groupby(counts):  # an equal number of classes, which fit into one array
        if int(str(count)) < 2:
            continue
        vectors = as_matrix(alike["vector"])
        vectors[~np.isfinite(vectors)] = np.nan
        vectors = vectors.reshape(-1, int(str(count)), vectors.shape[1])
        same = np.array([are_alike(spot) for spot in vectors])
        at_once = max(_MOST_NUMBERS // int(str(count)) ** 2, 1)
        parted = [simplex_distances(vectors[begin : begin + at_once]) for begin in range(0, len(vectors), at_once)]
        found = {name: np.where(same, np.nan, np.concatenate([part[name] for part in parted])) for name in parted[0]}
        parts.append(alike[_LINE].drop_duplicates().reset_index(drop=True).assign(**found))
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*_LINE, *SIMPLEX_DISTANCES])


def draw_cosines(
    figures: PageFigures, place: DeltaGenerator, cosines: np.ndarray, classes: list[str], title: str, alt: str, key: str
) -> None:
    """Draw a heat map of cosines (C, C) between classes, or a message if there are too many classes."""
    if len(classes) > _MOST_CLASSES:
        place.info(
            f"{escape_markdown(title)}: {len(classes):,d} classes are not drawn pair by pair, at most {_MOST_CLASSES:d} are."
        )
        return
    figures.draw(place, cosine_heatmap(cosines, classes, simplex_cosine(len(classes)), title), alt, key=key)


def duality_of(rows: np.ndarray, means: np.ndarray) -> np.ndarray | None:
    """Return the cosines (C, C) of classifier rows (C, d) and centred class means (C, d); None if their shapes differ."""
    return cosine_matrix(rows, centre(means)) if rows.shape == means.shape else None


def draw_duality(
    figures: PageFigures, place: DeltaGenerator, duality: np.ndarray | None, classes: list[str], shown: str
) -> None:
    """Draw the heat map of `duality_of`, or a message if there is none."""
    if duality is None:
        place.info("No classifier with the classes and the width of these means is stored of this epoch.")
        return
    title = f"Cosines of rows of W and means, {shown}"
    draw_cosines(figures, place, duality, classes, title, "cosines of classifier and means", "duality")


def draw_simplex_distances(selection: Selection, figures: PageFigures) -> None:
    """Draw a panel per distance over epochs, for the chosen runs, clean and under the chosen condition."""
    runs = state.selected_runs(selection)
    shown = list(dict.fromkeys([str(Role.CLEAN), selection.condition_name]))
    found = distances_over_epochs(state.reader().means_over_epochs(selection.runs, shown, selection.split))
    found = found.assign(run=found["run_id"].map(runs["label"]))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Distance to the simplex over epochs", anchor=False, help=_HELP)
        log = st.toggle("Log axes", True, key="log_distance", bind="query-params", help="zeros are left out")
    if found.empty:
        st.info(f"The chosen runs kept no class means of {escape_markdown(selection.split)} images.")
        return
    st.html(curve_legend(list(runs["label"]), shown))
    places = [*st.columns(2), *st.columns(2)]
    for place, (name, info) in zip(places, SIMPLEX_DISTANCES.items(), strict=False):
        lines = found[[*_LINE, "run"]].assign(value=found[name])
        chart = simplex_distance_lines(lines, info, list(runs["label"]), shown, selection.epoch, log=log)
        figures.draw(place, chart, f"{info.label} over epochs", lines, key=f"distance_{name}")
    told = told_nearest(found)
    places[-1].caption(f"{escape_markdown(selection.split)} images. Nearest to a simplex by the Gram matrix: {told}.")


def told_nearest(found: pd.DataFrame) -> Markdown:
    """Describe each run's smallest distance by the Gram matrix (from `distances_over_epochs`, with the runs' labels)."""
    defined = found.dropna(subset=["gram"])
    least = defined.loc[defined.groupby("run_id", sort=False)["gram"].idxmin()]
    told = [
        f"{escape_markdown(row.run)} {row.gram:.3f} at epoch {row.epoch:d} ({escape_markdown(row.shown)})"
        for row in least.itertuples()
    ]
    others = found.loc[~found["run_id"].isin(defined["run_id"]), "run"].unique()
    return "; ".join([*told, *(f"{escape_markdown(label)} {ALIKE}" for label in others)])


def why_undefined(means: np.ndarray, what: Markdown) -> Markdown:
    """Describe why the class means (C, d) of `what` have no geometry; empty if they have one."""
    if len(means) < 2:
        return f"This run kept no class means of {what}."
    if not np.isfinite(means).all():
        return f"{what}: not defined: class means are not finite."
    return f"{what}: {ALIKE}." if are_alike(means) else ""
