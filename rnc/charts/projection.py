"""Features in the plane, and where an attack moves them."""

from typing import Any

import altair as alt
import pandas as pd

from rnc.charts.palette import GREY, class_scale
from rnc.vocabulary import Role

HEIGHT = 520
_SQUARE = 500
_OUTSIDE = 1.3  # where the names of a triangle's vertices stand, from its middle


PICKED_SAMPLE = "picked_sample"
"""The selection that `feature_plane` fills with the sample clicked on."""


def feature_plane(
    frame: pd.DataFrame,
    classes: list[str],
    perturbed: str,
    *,
    arrows: bool,
    triangle: pd.DataFrame | None = None,
    reach: pd.DataFrame | None = None,
    path: pd.DataFrame | None = None,
) -> alt.LayerChart:
    """Points (shown, sample, label, predicted, x, y): clean as circles, `perturbed` as triangles, coloured by true class.

    With `arrows`, a line leads from each clean point to its perturbed self. `triangle` (label, x, y) has the vertices of a
    simplex plane, which are joined and named. The axes take in `reach` (x, y), too, where frames of a film share them.
    `path` (x, y, place) is drawn as the way of one sample. Click a class in the legend to single it out.
    """
    pick = alt.selection_point(fields=["label"], bind="legend", name="picked_class")
    seen = frame if reach is None else pd.concat([frame[["x", "y"]], reach])
    across, up = _filled(seen) if triangle is None else _isometric(seen, triangle)
    told: dict[str, Any] = {"title": "true class"}
    if triangle is not None:  # legends inside the square: beside it they would take from its width
        told = {"values": list(triangle["label"]), "orient": "top-left", "title": None}
    legend = alt.Legend(symbolOpacity=1, **told)
    place: dict[str, Any] = {
        "x": alt.X("x:Q", axis=None, scale=across),
        "y": alt.Y("y:Q", axis=None, scale=up),
        "color": alt.Color("label:N", scale=class_scale(classes), sort=classes, legend=legend),
    }
    shapes = alt.Legend(title=None, symbolFillColor=GREY, orient="right" if triangle is None else "top-right")
    points = _points(frame, perturbed, shapes).encode(
        **place, opacity=alt.condition(pick, alt.value(0.85), alt.value(0.06))
    )
    picked = alt.selection_point(fields=["sample"], name=PICKED_SAMPLE)
    layers = [points.add_params(pick, picked)]
    if arrows:
        lines = alt.Chart(_moves(frame, perturbed)).mark_rule(strokeWidth=1).encode(**place, x2="x2:Q", y2="y2:Q")
        layers.insert(0, lines.encode(opacity=alt.condition(pick, alt.value(0.35), alt.value(0.02))))
    if path is not None:
        way = alt.Chart(path).mark_line(color=GREY, strokeWidth=2, point=alt.OverlayMarkDef(size=14, color=GREY))
        layers.append(way.encode(x=place["x"], y=place["y"], order="place:Q"))
    if triangle is not None:
        layers += _simplex(triangle)
        return alt.LayerChart(layer=layers, height=_SQUARE, width=_SQUARE).interactive()
    return alt.LayerChart(layer=layers, height=HEIGHT).interactive()


def _points(frame: pd.DataFrame, perturbed: str, legend: alt.Legend) -> alt.Chart:
    """One mark a sample and condition, its shape the condition."""
    shapes = alt.Scale(domain=[str(Role.CLEAN), perturbed], range=["circle", "triangle-up"])
    return (
        alt.Chart(frame)
        .mark_point(size=42, filled=True)
        .encode(
            shape=alt.Shape("shown:N", scale=shapes, legend=legend),
            tooltip=["sample:Q", alt.Tooltip("label:N", title="true"), "predicted:N", "shown:N"],
        )
    )


def _filled(seen: pd.DataFrame) -> tuple[alt.Scale, alt.Scale]:
    """Scales that fill the chart with what is seen in all frames, a margin around it."""
    low, high = seen[["x", "y"]].min(), seen[["x", "y"]].max()
    margin = 0.04 * (high - low).where(high > low, 1.0)
    across, up = (alt.Scale(domain=[low[a] - margin[a], high[a] + margin[a]], nice=False) for a in ("x", "y"))
    return across, up


def _isometric(frame: pd.DataFrame, triangle: pd.DataFrame) -> tuple[alt.Scale, alt.Scale]:
    """Scales of one unit for a square: an equilateral triangle looks like one."""
    seen = pd.concat([frame[["x", "y"]], _OUTSIDE * triangle[["x", "y"]]])
    middle, half = (seen.max() + seen.min()) / 2, 1.12 * float((seen.max() - seen.min()).max()) / 2
    across, up = (alt.Scale(domain=[middle[axis] - half, middle[axis] + half], nice=False) for axis in ("x", "y"))
    return across, up


def _simplex(triangle: pd.DataFrame) -> list[alt.Chart]:
    """The sides and the names of the vertices, a little outside; their middle is the origin."""
    closed = pd.concat([triangle, triangle.head(1)], ignore_index=True).assign(place=range(len(triangle) + 1))
    outside = triangle.assign(x=_OUTSIDE * triangle["x"], y=_OUTSIDE * triangle["y"])
    sides = alt.Chart(closed).mark_line(color=GREY, strokeWidth=1.5).encode(x="x:Q", y="y:Q", order="place:Q")
    names = alt.Chart(outside).mark_text(color=GREY, fontSize=13, fontWeight="bold")
    return [sides, names.encode(x="x:Q", y="y:Q", text="label:N")]


def _moves(frame: pd.DataFrame, perturbed: str) -> pd.DataFrame:
    """One row a sample: where it was and where the attack brought it."""
    clean = frame[frame["shown"] == Role.CLEAN]
    moved = frame[frame["shown"] == perturbed][["sample", "x", "y"]].rename(columns={"x": "x2", "y": "y2"})
    return clean.merge(moved, on="sample")
