"""The choice of maps: a chosen run in one projection, and optionally a second map beside it."""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from rnc.ui import state
from rnc.ui.controls import choose_run
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.state import Selection
from rnc.vocabulary import ProjectionMethod, Role, Split

SIMPLEX = "Simplex plane"
METHODS = [*(method.value.upper() for method in ProjectionMethod), SIMPLEX]
_LIKEWISE = "as the first"
_ABOUT_METHODS = (
    "PCA: one basis for all epochs, fitted on the pooled clean features. UMAP: the last epoch, fitted on clean features. "
    "Simplex plane: the plane through the clean means of three classes."
)


@dataclass(frozen=True)
class MapChoice:
    """The content of a map: features of a run at its last epoch up to a cursor, clean and under one condition."""

    run: pd.Series
    cursor: int
    condition_name: str
    """The role of the condition, or its slug if it is an extra condition."""
    split: Split
    method: str

    @property
    def condition(self) -> str | None:
        """The condition's slug; None if the run was not measured under it."""
        return state.condition_slug(self.run.run_id, self.condition_name)

    @property
    def names(self) -> list[str]:
        """The classes, in the order of their labels."""
        return list(self.run.classes)


def choose_first(selection: Selection) -> MapChoice:
    """Let the user choose the map for the sidebar's epoch, condition and split."""
    with st.container(horizontal=True, gap="medium"):
        with st.container(width="content"):
            run = choose_run(selection)
        method = st.segmented_control(
            "Projection", METHODS, default=METHODS[0], key="method", bind="query-params", required=True,
            help=_ABOUT_METHODS, width="content", format_func=escape_markdown,
        )  # fmt: skip
    return MapChoice(run, selection.epoch, selection.condition_name, selection.split, method or METHODS[0])


def choose_second(first: MapChoice, selection: Selection) -> MapChoice:
    """Let the user choose the second map, of the same images: its run, epoch, condition and projection.

    The epoch, condition and projection are initially those of the first map.
    """
    runs = state.selected_runs(selection)
    runs = runs[(runs["images_from"] == first.run["images_from"]) & (runs["run_id"] != first.run.run_id)]
    labels = dict(zip(runs["label"], runs["run_id"], strict=True))
    with st.container(horizontal=True):
        about = "of the chosen runs that have the same images"
        label = _select("Second run", list(labels), "beside_run", about, another=bool(labels))
        run = first.run if label is None else runs.loc[labels[label]]
        epoch = _select("Its epoch", _epochs(run.run_id), "beside_epoch", "the epoch cursor, or one of its own")
        measured = state.reader().conditions([run.run_id])["shown"].unique().tolist()
        conditions = [name for name in measured if name != Role.CLEAN]
        condition_name = _select(
            "Its condition", conditions, "beside_condition", "what is set against its clean images"
        )
        method = _select("Its projection", METHODS, "beside_method", _ABOUT_METHODS)
    cursor = first.cursor if epoch is None else int(epoch)
    return replace(
        first,
        run=run,
        cursor=cursor,
        condition_name=condition_name or first.condition_name,
        method=method or first.method,
    )


def _select(label: Markdown, options: list[str], key: str, help: Markdown, *, another: bool = False) -> str | None:
    """Return the chosen option, or None for the first map's value, which is the default unless `another` is set."""
    listed = [_LIKEWISE, *options]
    picked = st.selectbox(label, listed, int(another), key=key, bind="query-params", help=help, width=190)
    return None if picked in (None, _LIKEWISE) else str(picked)


def _epochs(run_id: str) -> list[str]:
    """Return the epochs for which a run has a map."""
    reader = state.reader()
    found = {*reader.projected(run_id)["epoch"], *reader.vector_epochs([run_id])["epoch"]}
    return [str(epoch) for epoch in sorted(found)]
