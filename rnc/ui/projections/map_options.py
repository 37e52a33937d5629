"""The choice of maps: a selected run in one projection, optionally a second map beside it, and how both are drawn.

Tested by tests/pages/test_projections.py.
"""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from rnc.ui import opened_store
from rnc.ui.condition_controls import choose_one
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.run_and_class_controls import choose_highlighted_classes, choose_run, choose_vertices
from rnc.ui.selection import Selection, condition_names, condition_slug, selected_runs
from rnc.vocabulary import ProjectionMethod, Role, Split

SIMPLEX = "Simplex plane"
METHODS = [*(method.value.upper() for method in ProjectionMethod), SIMPLEX]
MOST_DRAWN = 5_000
"""Number of samples on a map by default; more take seconds to draw."""
_AS_FIRST = "as the first"
_ABOUT_METHODS = (
    "PCA: one basis for all epochs, fitted to the clean features of all epochs together. UMAP: of the last epoch only, fitted to "
    "its clean features. Simplex plane: the plane through the clean means of three classes."
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
    def measured_condition_slug(self) -> str | None:
        """The condition's slug; None if the run was not measured under it."""
        return condition_slug(self.run.run_id, self.condition_name)

    @property
    def all_class_names(self) -> list[str]:
        """The names of the classes, in the order of their labels."""
        return list(self.run.classes)


@dataclass(frozen=True)
class MapDisplay:
    """The user's options for all maps of the page."""

    arrows: bool
    images_on_hover: bool
    all_samples: bool
    """True if all samples are drawn, and not MOST_DRAWN of them at most."""
    fit_to_epoch: bool
    """True if a map's axes end where its own points end, and not where those of all epochs and conditions do."""
    two_maps: bool
    film: bool
    """True if a film of the runs is shown above their maps."""


@dataclass(frozen=True)
class MapClasses:
    """The names of the classes whose means span a simplex plane, and of those that the maps highlight."""

    vertices: list[str]
    highlighted: list[str]


def choose_first(selection: Selection) -> MapChoice:
    """Let the user choose the map for the sidebar's epoch, condition and split."""
    with st.container(horizontal=True, gap="medium"):
        with st.container(width="content"):
            run = choose_run(selection)
        method = st.segmented_control(
            "Projection",
            METHODS,
            default=METHODS[0],
            key="method",
            bind="query-params",
            required=True,
            help=_ABOUT_METHODS,
            width="content",
            format_func=escape_markdown,
        )
    return MapChoice(run, selection.epoch, selection.condition_name, selection.split, method or METHODS[0])


def choose_second(first: MapChoice, selection: Selection) -> MapChoice:
    """Let the user choose the second map, of the same images: its run, epoch, condition and projection.

    The epoch, condition and projection are initially those of the first map.
    """
    runs = selected_runs(selection)
    runs = runs[(runs["images_from"] == first.run["images_from"]) & (runs["run_id"] != first.run.run_id)]
    run_ids = dict(zip(runs["label"], runs["run_id"], strict=True))
    with st.container(horizontal=True):
        about = "Any selected run with the same images."
        label = _select("Second run", list(run_ids), "beside_run", about, another=bool(run_ids))
        run = first.run if label is None else runs.loc[run_ids[label]]
        epoch = _select("Its epoch", _epochs(run.run_id), "beside_epoch", "The epoch of the first map, or another one.")
        names = [name for name in condition_names([run.run_id]) if name != Role.CLEAN]
        about = "The condition to compare with the clean images of this map."
        tied = {"key": "beside_condition", "bind": "query-params"}
        condition_name = choose_one("Its condition", [_AS_FIRST, *names], tied, help=about, width=190)
        method = _select("Its projection", METHODS, "beside_method", _ABOUT_METHODS)
    return replace(
        first,
        run=run,
        cursor=first.cursor if epoch is None else int(epoch),
        condition_name=first.condition_name if condition_name == _AS_FIRST else condition_name,
        method=method or first.method,
    )


def _select(label: Markdown, options: list[str], key: str, help: Markdown, *, another: bool = False) -> str | None:
    """Return the chosen option, or None for the first map's value, which is the default unless `another` is set."""
    option = st.selectbox(
        label, [_AS_FIRST, *options], int(another), key=key, bind="query-params", help=help, width=190
    )
    return None if option in (None, _AS_FIRST) else str(option)


def _epochs(run_id: str) -> list[str]:
    """Return the epochs for which a run has a map."""
    reader = opened_store.reader()
    epochs = {*reader.samples.available_projections(run_id)["epoch"], *reader.vectors.epochs([run_id])["epoch"]}
    return [str(epoch) for epoch in sorted(epochs)]


def choose_display() -> MapDisplay:
    """Draw the switches above the maps, and return what they are set to."""
    with st.container(horizontal=True, gap="medium"):
        arrows = st.toggle("Arrows from clean", True, key="arrows", bind="query-params")
        images_on_hover = st.toggle(
            "Images on hover",
            True,
            key="hover",
            bind="query-params",
            help="Show the image of a sample under the pointer. A map of thousands of samples is drawn in half the time without "
            "images.",
        )
        all_samples = st.toggle(
            "All samples",
            key="all_samples",
            bind="query-params",
            help=f"Draw all stored samples. Otherwise at most {MOST_DRAWN:,} are drawn, equally many of each class.",
        )
        fit_to_epoch = st.toggle(
            "Fit to this epoch",
            key="fit",
            bind="query-params",
            help="Fit the axes to the points of this epoch and condition. Otherwise all epochs and conditions of a run have the "
            "same axes, so that clusters are seen to grow and to collapse.",
        )
        two_maps = st.toggle(
            "Two maps",
            key="two",
            bind="query-params",
            help="Compare two maps side by side. Samples that are selected on one are highlighted on both.",
        )
        film = st.toggle(
            "Film",
            key="film",
            bind="query-params",
            help="Move the samples over all stored epochs and along the attack, above the map. The map shows the epoch at which "
            "the film stays.",
        )
    return MapDisplay(arrows, images_on_hover, all_samples, fit_to_epoch, two_maps, film)


def choose_vertices_and_highlights(choices: list[MapChoice]) -> MapClasses:
    """Let the user choose the vertices of simplex planes, and the classes to highlight on other maps."""
    classes, methods = choices[0].all_class_names, {choice.method for choice in choices}
    vertices = choose_vertices(classes, "vertices") if SIMPLEX in methods else []
    highlighted = choose_highlighted_classes(classes, "single_out") if methods != {SIMPLEX} else []
    return MapClasses(vertices, highlighted)
