"""Controls to choose classes of a map: those whose means span its plane, and those that it highlights."""

import streamlit as st

from rnc.ui.charts.projection import has_legend


def choose_vertices(names: list[str], key: str) -> list[str]:
    """Let the user choose three classes, and return them, or fewer while the choice is not complete."""
    return st.multiselect(
        "Vertices", names, names[:3], max_selections=3, key=key, bind="query-params",
        help="Three classes whose clean means span the plane: the sides of the triangle are as long as in feature space, samples "
        "are projected.",
    )  # fmt: skip


def choose_classes(names: list[str], key: str) -> list[str]:
    """Return the classes to highlight on a map; none if they are few, because the map's legend then does the same."""
    if has_legend(names):
        return []
    return st.multiselect(
        "Single out classes", names, key=key, bind="query-params", placeholder="search for a class",
        help="They stand out, and the map names their colours; hover over a point for its class.",
    )  # fmt: skip
