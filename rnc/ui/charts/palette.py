"""What colour, dash and shape mean, for every chart. Colour-blind-safe in light and dark themes.

Colour is the class wherever classes are drawn, and the run in curves over epochs; the condition is the line's dash or
the point's shape.
"""

import altair as alt

from rnc.vocabulary import Role

RUNS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442"]
"""Okabe and Ito (2008), black left out: it is lost on a dark ground."""

CLASSES = [
    "#4477AA",
    "#EE6677",
    "#228833",
    "#CCBB44",
    "#66CCEE",
    "#AA3377",
    "#BBBBBB",
    "#EE7733",
    "#009988",
    "#8866CC",
]
"""Tol's bright scheme (2021) and three of his vibrant and muted ones; class labels are written beside them."""

GREY = "#888888"
"""Rules, sides and names that belong to no class and no run: seen on light and dark grounds."""

_DASHES = {
    Role.CLEAN: [1, 0],
    Role.PERTURBED: [6, 3],
    Role.TARGETED: [2, 2],
    Role.GAUSSIAN: [10, 3, 2, 3],
    Role.SIGN_NOISE: [10, 2, 2, 2, 2, 2],
    Role.AS_TRAINED: [6, 3, 2, 3],
    Role.RELABELLED: [3, 1],
}
_EXTRA_DASHES = [[14, 4], [4, 4, 1, 4], [8, 2, 8, 6], [1, 3]]


def run_scale(labels: list[str]) -> alt.Scale:
    """A run's colour, by its place among the chosen runs; after the eighth the same hues darker, then lighter."""
    return alt.Scale(domain=labels, range=_shades(RUNS, len(labels)))


def class_scale(classes: list[str]) -> alt.Scale:
    """A class's colour, by its place in the data set; after the tenth the same hues darker, then lighter, then anew."""
    return alt.Scale(domain=classes, range=_shades(CLASSES, len(classes)))


def _shades(colours: list[str], count: int) -> list[str]:
    return [_shade(colours[i % len(colours)], i // len(colours)) for i in range(count)]


def _shade(colour: str, turn: int) -> str:
    ground, share = ((0, 0.0), (0, 0.45), (255, 0.5))[turn % 3]
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + share * (ground - part)):02X}" for part in parts)


def dash_scale(conditions: list[str]) -> alt.Scale:
    """A condition's dash, the same on every page."""
    extras = [c for c in conditions if c not in list(_DASHES)]
    dashes = {str(role): dash for role, dash in _DASHES.items()}
    dashes |= {c: _EXTRA_DASHES[i % len(_EXTRA_DASHES)] for i, c in enumerate(extras)}
    return alt.Scale(domain=conditions, range=[dashes[c] for c in conditions])
