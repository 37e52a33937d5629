"""Controls that several pages share: the run of a page, and the classes of a map.

Tested by tests/pages/test_pages.py.
"""

from typing import Any

import pandas as pd
import streamlit as st

from rnc.ui.charts.projection import has_legend
from rnc.ui.controls_in_address import tie
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.run_labels import earlier_label_by_run_id
from rnc.ui.selection import Selection, selected_runs

_NO_RUN = "is not one of the selected runs. The first of these is shown."


def choose_run(selection: Selection) -> pd.Series:
    """Let the user choose one of the selected runs for the page, and return its row, with `label` and `colour`."""
    runs = selected_runs(selection)
    first = runs["label"].iloc[0]
    label = st.segmented_control(
        "Run",
        list(runs["label"]),
        default=first,
        required=True,
        format_func=escape_markdown,
        **tie_run_choice_to_address("run", runs, _NO_RUN),
    )
    return runs.set_index("label", drop=False).loc[label or first].squeeze()


def tie_run_choice_to_address(key: str, runs: pd.DataFrame, why: Markdown, *others: str) -> dict[str, Any]:
    """Return the arguments that tie a control to the address (`tie`) whose options are the labels of runs, and `others`.

    The chosen run stays chosen if its label changes, because other runs are selected. An address can also have a run's id, or
    the label that it had in earlier versions.
    """
    labels: dict[str, str] = dict(runs["label"])
    before: dict[str, str] = st.session_state.get(f"{key}_labels", labels)
    now = {label: labels[run_id] for run_id, label in before.items() if run_id in labels}
    chosen = str(st.session_state.get(key, ""))
    if now.get(chosen, chosen) != chosen:
        st.session_state[key] = now[chosen]
    st.session_state[f"{key}_labels"] = labels
    texts = {label: escape_markdown(label) for label in [*labels.values(), *others]}
    earlier = dict(labels)
    for run_id, text in earlier_label_by_run_id(runs.reset_index(drop=True)).items():
        earlier |= {text: labels[run_id], escape_markdown(text): labels[run_id]}
    return tie(key, texts, "the run", why, earlier=earlier)


def choose_vertices(classes: list[str], key: str) -> list[str]:
    """Let the user choose three classes, and return them, or fewer while the choice is not complete."""
    return st.multiselect(
        "Vertices",
        classes,
        classes[:3],
        max_selections=3,
        key=key,
        bind="query-params",
        help="The map is the plane through the clean means of these three classes. Between the means, distances are those in "
        "feature space; samples are projected onto the plane.",
    )


def choose_highlighted_classes(classes: list[str], key: str) -> list[str]:
    """Return the classes to highlight on a map; none if they are few, because the map's legend then does the same."""
    if has_legend(classes):
        return []
    return st.multiselect(
        "Highlight classes",
        classes,
        key=key,
        bind="query-params",
        placeholder="search for a class",
        help="The map shows these classes in strong colours and names them in its legend. Hover over a point for its class.",
    )
