"""Controls that several pages share: the run of a page, and the classes of a map.

Tested by tests/pages/test_pages.py.
"""

import pandas as pd
import streamlit as st

from rnc.ui.charts.projection import has_legend
from rnc.ui.markdown import escape_markdown
from rnc.ui.selection import Selection, selected_runs


def choose_run(selection: Selection) -> pd.Series:
    """Let the user choose one of the selected runs for the page, and return its row, with `label`."""
    runs = selected_runs(selection)
    first = runs["label"].iloc[0]
    label = st.segmented_control(
        "Run",
        list(runs["label"]),
        default=first,
        key="run",
        bind="query-params",
        required=True,
        format_func=escape_markdown,
    )
    return runs.set_index("label", drop=False).loc[label or first].squeeze()


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
