"""Where perturbed features go, as flows between the classes around a circle."""

from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.palette import GREY, class_scale

MOST_FLOWS = 30
"""More arrows are a tangle."""
_SIDE = 470
_TITLE = 24  # pixels of the side
_LETTER, _NAME_WIDTH = 7, 90
"""Pixels of a letter, and of a name at most; longer ones are cut, and whole on hover."""
_NAMES = 1.1
_STEPS = 24
_WIDEST, _THINNEST = 14.0, 0.6  # pixels, of all samples of a class and of none
_MANY = 24  # classes, from which on names stand like spokes
_NEAREST = 10  # pixels between two spokes
_DOT = 110  # square pixels of a class's dot, where there is room


def top_flows(leaps: pd.DataFrame, most: int = MOST_FLOWS) -> pd.DataFrame:
    """The largest flows from a class to another: true_class, predicted_class, count, angle, share (of the true class).

    `leaps` has all clusters, those that stayed included.
    """
    whole = leaps.groupby("true_class")["count"].transform("sum")
    flows = leaps.assign(share=leaps["count"] / whole.where(whole > 0))
    flows = flows[(flows["true_class"] != flows["predicted_class"]) & (flows["count"] > 0)]
    return flows.sort_values("share", ascending=False, kind="stable").head(most).reset_index(drop=True)


def leap_flows(flows: pd.DataFrame, classes: list[str], title: str) -> alt.LayerChart:
    """The flows of `top_flows` as arrows, as wide as their share and coloured by the class that they leave.

    Classes stand around a circle in the order of their labels, as the vertices of a simplex are all neighbours. Click one to
    single out what leaves it.
    """
    pick = alt.selection_point(fields=["true_class"], name="picked_flow")
    spots = _spots(classes)
    bends = _bends(flows, spots)
    half = (_SIDE - _TITLE) / 2
    radius = (half - min(_LETTER * max(map(len, classes), default=1), _NAME_WIDTH)) / _NAMES
    reach = half / radius
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    place = {"x": alt.X("x:Q", axis=None, scale=scale), "y": alt.Y("y:Q", axis=None, scale=scale)}
    told = [
        alt.Tooltip("true_class:N", title="true"),
        alt.Tooltip("predicted_class:N", title="decided as"),
        "count:Q",
        alt.Tooltip("share:Q", format=".1%", title="share of the true class"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    look = {
        "color": alt.Color("true_class:N", scale=class_scale(classes), legend=None),
        "opacity": alt.when(pick).then(alt.value(0.8)).otherwise(alt.value(0.05)),
        "tooltip": told,
    }
    width = alt.StrokeWidth("share:Q", scale=alt.Scale(domain=[0, 1], range=[_THINNEST, _WIDEST]), legend=None)
    lines = alt.Chart(bends).mark_line(strokeCap="butt")
    lines = lines.encode(**place, **look, strokeWidth=width, detail="flow:N", order="step:Q")
    heads = alt.Chart(_heads(bends)).mark_point(shape="triangle", filled=True)
    size = alt.Size("head:Q", scale=None)
    heads = heads.encode(**place, **look, angle=alt.Angle("heading:Q", scale=None), size=size)
    room = 2 * np.pi * radius / max(len(classes), 1)
    dots = alt.Chart(spots).mark_point(filled=True, size=min(_DOT, max(room, 2) ** 2), opacity=1)
    dots = dots.encode(**place, color=look["color"], tooltip=alt.Tooltip("true_class:N", title="class"))
    layers = [lines, heads, dots.add_params(pick), *_names(spots, flows, place, _NEAREST / (_NAMES * radius))]
    told_title = alt.TitleParams(title, anchor="start", fontSize=14)
    return alt.LayerChart(layer=layers, width=_SIDE, height=_SIDE, title=told_title)


def _apart(turns: pd.Series, flows: pd.DataFrame, nearest: float) -> list[str]:
    """Return the classes of the flows, the largest first, without those that are nearer than `nearest` (rad) to one before."""
    named: list[str] = []
    for name in dict.fromkeys(flows[["true_class", "predicted_class"]].to_numpy().ravel()):
        between = np.abs(turns[named].to_numpy() - turns[name])
        if (np.minimum(between, 2 * np.pi - between) >= nearest).all():
            named.append(name)
    return named


def _spots(classes: list[str]) -> pd.DataFrame:
    """A row a class: true_class, x, y on the unit circle from the top clockwise, turn (rad from the top)."""
    turn = 2 * np.pi * np.arange(len(classes)) / max(len(classes), 1)
    return pd.DataFrame({"true_class": classes, "x": np.sin(turn), "y": np.cos(turn), "turn": turn})


def _bends(flows: pd.DataFrame, spots: pd.DataFrame) -> pd.DataFrame:
    """Points along each flow (flow, step, x, y): a parabola bent towards the middle and to its right, so that two
    classes' flows to each other lie apart."""
    where = spots.set_index("true_class")[["x", "y"]]
    begin, end = (where.reindex(flows[name]).to_numpy(float)[:, None] for name in ("true_class", "predicted_class"))
    aside = (end - begin)[..., ::-1] * np.array([1.0, -1.0])
    near = 1 - 0.35 * np.linalg.norm(end - begin, axis=-1, keepdims=True)  # (neighbours' flows stay near the circle)
    bend = near * (begin + end) / 2 + 0.15 * aside
    t = np.linspace(0.05, 0.93, _STEPS)[None, :, None]
    curve = (1 - t) ** 2 * begin + 2 * t * (1 - t) * bend + t**2 * end
    points = flows.loc[flows.index.repeat(_STEPS)].reset_index(drop=True)
    flat = curve.reshape(-1, 2)
    steps = np.tile(np.arange(_STEPS), len(flows))
    return points.assign(flow=np.repeat(np.arange(len(flows)), _STEPS), step=steps, x=flat[:, 0], y=flat[:, 1])


def _heads(bends: pd.DataFrame) -> pd.DataFrame:
    """The last point of each flow, where it heads (degrees from the top clockwise), and its head's size (square pixels)."""
    last, before = bends[bends["step"] == _STEPS - 1], bends[bends["step"] == _STEPS - 2]
    across, up = (last[axis].to_numpy() - before[axis].to_numpy() for axis in ("x", "y"))
    width = _THINNEST + (_WIDEST - _THINNEST) * last["share"]
    return last.assign(heading=np.degrees(np.arctan2(across, up)), head=(6 + 1.5 * width) ** 2)


def _names(spots: pd.DataFrame, flows: pd.DataFrame, place: dict, nearest: float) -> list[alt.Chart]:
    """The classes' names outside the circle; of many those alone that a flow leaves or reaches, like spokes.

    Of two spokes that are nearer to each other than `nearest` (rad), the one of the larger flow is drawn.
    """
    spokes = len(spots) > _MANY
    if spokes:
        spots = spots[spots["true_class"].isin(_apart(spots.set_index("true_class")["turn"], flows, nearest))]
    spots = spots.assign(x=_NAMES * spots["x"], y=_NAMES * spots["y"], tilt=np.degrees(spots["turn"]) - 90)
    sides = np.sign(np.where(np.abs(spots["x"]) < 0.05, 0 if not spokes else 1, spots["x"]))
    layers = []
    side: int
    align: Literal["left", "center", "right"]
    for side, align in ((1, "left"), (0, "center"), (-1, "right")):
        here = spots[sides == side]
        text = alt.Chart(here.assign(tilt=here["tilt"] - (180 if side < 0 else 0)))
        size = 10 if spokes else 13
        names = text.mark_text(color=GREY, fontSize=size, align=align, baseline="middle", limit=_NAME_WIDTH)
        names = names.encode(**place, text="true_class:N")
        layers.append(names.encode(angle=alt.Angle("tilt:Q", scale=None)) if spokes else names)
    return layers
