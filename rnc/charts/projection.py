"""Features in the plane, and where an attack moves them."""

import altair as alt
import pandas as pd

from rnc.charts.palette import class_scale
from rnc.vocabulary import Role

HEIGHT = 520


def feature_plane(frame: pd.DataFrame, classes: list[str], perturbed: str, *, arrows: bool) -> alt.LayerChart:
    """Points (shown, sample, label, predicted, x, y): clean as circles, `perturbed` as triangles, coloured by true class.

    With `arrows`, a line leads from each clean point to its perturbed self. Click a class in the legend to single it out.
    """
    pick = alt.selection_point(fields=["label"], bind="legend", name="picked_class")
    x, y = alt.X("x:Q", axis=None, scale=alt.Scale(zero=False)), alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False))
    colour = alt.Color(
        "label:N", scale=class_scale(classes), sort=classes, legend=alt.Legend(title="true class", symbolOpacity=1)
    )
    points = (
        alt.Chart(frame)
        .mark_point(size=42, filled=True)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=alt.Shape(
                "shown:N",
                scale=alt.Scale(domain=[str(Role.CLEAN), perturbed], range=["circle", "triangle-up"]),
                legend=alt.Legend(title=None, symbolFillColor="#888888"),
            ),
            opacity=alt.condition(pick, alt.value(0.85), alt.value(0.06)),
            tooltip=["sample:Q", alt.Tooltip("label:N", title="true"), "predicted:N", "shown:N"],
        )
        .add_params(pick)
    )
    layers = [points]
    if arrows:
        lines = (
            alt.Chart(_moves(frame, perturbed))
            .mark_rule(strokeWidth=1)
            .encode(
                x=x,
                y=y,
                x2="x2:Q",
                y2="y2:Q",
                color=colour,
                opacity=alt.condition(pick, alt.value(0.35), alt.value(0.02)),
            )
        )
        layers.insert(0, lines)
    return alt.LayerChart(layer=layers, height=HEIGHT).interactive()


def _moves(frame: pd.DataFrame, perturbed: str) -> pd.DataFrame:
    """One row a sample: where it was and where the attack brought it."""
    clean = frame[frame["shown"] == Role.CLEAN]
    moved = frame[frame["shown"] == perturbed][["sample", "x", "y"]].rename(columns={"x": "x2", "y": "y2"})
    return clean.merge(moved, on="sample")
