"""Which classes of a map people look at: those that span its plane, and those that stand out on it."""

import streamlit as st

from rnc.ui.charts.projection import has_legend


def choose_vertices(names: list[str], key: str) -> list[str]:
    """Return three classes, or fewer while people choose."""
    return st.multiselect(
        "Vertices", names, names[:3], max_selections=3, key=key, bind="query-params",
        help="Three classes whose clean means span the plane: the sides of the triangle are as long as in feature space, samples "
        "are projected.",
    )  # fmt: skip


def choose_classes(names: list[str], key: str) -> list[str]:
    """Return the classes to single out on a map; where they are few, its legend is for that, and none is returned."""
    if has_legend(names):
        return []
    return st.multiselect(
        "Single out classes", names, key=key, bind="query-params", placeholder="search for a class",
        help="They stand out, and the map names their colours; hover over a point for its class.",
    )  # fmt: skip
