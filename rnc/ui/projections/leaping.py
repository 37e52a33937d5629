"""The leaps of each class's features under an attack, as a matrix and as flows between the classes."""

import pandas as pd
import streamlit as st

from rnc.ui import state
from rnc.ui.charts.leaping_flows import leap_flows, top_flows
from rnc.ui.charts.leaping_matrix import leaping_matrix
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.run_labels import name_classes


def draw_all_leaps(figures: PageFigures, maps: Maps) -> None:
    """Draw the leaps of every map, only once for maps that differ only in their projection."""
    told = set()
    for place, (choice, plane) in enumerate(maps):
        what = (choice.run.run_id, plane.epoch, choice.condition)
        if what not in told:
            told.add(what)
            of = f" ({place + 1:d})" if len(maps) > 1 else ""
            _draw_leaps(figures, choice, plane.epoch, of)


def _draw_leaps(figures: PageFigures, choice: MapChoice, epoch: int, of: Markdown) -> None:
    """Draw the leaps of a map's run, epoch and condition; `of` names the map if there are two."""
    names = choice.names
    leaps = state.reader().leaps(choice.run.run_id, epoch, choice.split, str(choice.condition))
    if leaps.empty:
        st.caption(f"Leaps are measured for attacks only: choose one as the condition to see where features go{of}.")
        return
    sql = leaps.attrs.get("sql")
    leaps = name_classes(leaps, names, "true_class", "predicted_class")
    flows = top_flows(leaps)
    leaps.attrs["sql"] = flows.attrs["sql"] = sql
    with st.container(horizontal=True, key=f"side_by_side_leaps{of}", gap="medium"):
        with st.container():
            matrix = leaping_matrix(leaps, names, f"Where the features leap{of}")
            figures.draw(st.container(), matrix, f"leaping matrix{of}", key=f"leaps{of}", rows=leaps)
        with st.container():
            arrows = leap_flows(flows, names, f"Flows between the classes{of}")
            figures.draw(st.container(), arrows, f"leaping flows{of}", rows=flows, key=f"flows{of}", width="content")
    st.caption(_told(leaps, flows, choice))


def _told(leaps: pd.DataFrame, flows: pd.DataFrame, choice: MapChoice) -> Markdown:
    away = leaps[leaps["true_class"] != leaps["predicted_class"]]
    share_away = away["count"].sum() / leaps["count"].sum()
    told = f"{share_away:.1%} of the {escape_markdown(choice.split)} images are decided as another class."
    if len(flows) < len(away):
        share = flows["count"].sum() / away["count"].sum()
        told += f" The {len(flows)} largest of {len(away)} flows are drawn: {share:.0%} of the leaps."
    return f"{told} Arrows are as wide as the share of a class that goes this way, and coloured by that class."
