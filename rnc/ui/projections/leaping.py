"""The leaps of each class's features under an attack, as a matrix and as flows between the classes.

Tested by tests/pages/test_projections.py.
"""

import pandas as pd
import streamlit as st

from rnc.ui import opened_store
from rnc.ui.charts.leaping import arrows_of_leaps_between_classes, leaping_matrix, top_flows
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.projections.maps_side_by_side import constant_columns
from rnc.ui.run_labels import name_classes


def draw_all_leaps(figures: PageFigures, maps: Maps) -> None:
    """Draw the leaps of every map, only once for maps that differ only in their projection."""
    drawn = set()
    for number, (choice, plane) in enumerate(maps, start=1):
        measurement = (choice.run.run_id, plane.epoch, choice.measured_condition_slug)
        if measurement not in drawn:
            drawn.add(measurement)
            _draw_leaps(figures, choice, plane.epoch, suffix=f" ({number:d})" if len(maps) > 1 else "")


def _draw_leaps(figures: PageFigures, choice: MapChoice, epoch: int, suffix: Markdown) -> None:
    """Draw the leaps of a map's run, epoch and condition; `suffix` identifies the map in titles if there are two."""
    leaps = opened_store.reader().metrics.leaps(
        choice.run.run_id, epoch, choice.split, str(choice.measured_condition_slug)
    )
    if leaps.empty:
        st.caption(
            f"Leaps{suffix} are measured under attacks only. Select an attack as the condition to see to which classes features "
            "move."
        )
        return
    sql = leaps.attrs.get("sql")
    leaps = name_classes(leaps, choice.all_class_names, "true_class", "predicted_class")
    flows = top_flows(leaps)
    about = constant_columns(choice, epoch)
    leaps.attrs["sql"] = flows.attrs["sql"] = sql
    with st.container(horizontal=True, key=f"side_by_side_leaps{suffix}", gap="medium"):
        with st.container():
            matrix = leaping_matrix(leaps, choice.all_class_names, f"Leaps from true to predicted class{suffix}")
            figures.draw(
                st.container(), matrix, f"leaping matrix{suffix}", key=f"leaps{suffix}", rows=leaps, about=about
            )
        with st.container():
            arrows = arrows_of_leaps_between_classes(
                flows, choice.all_class_names, f"Flows between the classes{suffix}"
            )
            figures.draw(
                st.container(),
                arrows,
                f"leaping flows{suffix}",
                rows=flows,
                about=about,
                key=f"flows{suffix}",
                width="content",
            )
    st.caption(_describe_leaps(leaps, flows, choice))


def _describe_leaps(leaps: pd.DataFrame, flows: pd.DataFrame, choice: MapChoice) -> Markdown:
    away = leaps[leaps["true_class"] != leaps["predicted_class"]]
    share_away = away["count"].sum() / leaps["count"].sum()
    description = f"{share_away:.1%} of the {escape_markdown(choice.split.images)} are classified as another class."
    if len(flows) < len(away):
        share = flows["count"].sum() / away["count"].sum()
        description += f" The {len(flows)} largest of {len(away)} flows are drawn: {share:.0%} of these images."
    return (
        f"{description} An arrow has the colour of the true class and leads to the predicted one; its width is the share of the "
        "true class's images. A click on a dot shows the arrows of its class alone, and a double-click all of them."
    )
