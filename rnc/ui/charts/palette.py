"""The colours, dashes and shapes of all charts, safe for colour-blind readers in light and dark themes.

Colour means the class in charts of classes, and the run in all others. Both never stand on one page with hues that can be
confused. The dash of a line or the shape of a point means the condition.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import altair as alt

from rnc.vocabulary import Role

RunColours: TypeAlias = Mapping[str, str]
"""The label of each run -> its colour as `#RRGGBB`, in the order of the legend."""

_HUES = {
    "blue": "#0072B2",
    "orange": "#C68900",
    "green": "#009E73",
    "pink": "#CC79A7",
    "sky blue": "#4B9DCB",
    "vermilion": "#D55E00",
    "grey": "#909090",
    "olive": "#9E962C",
}
"""Colours of Okabe and Ito (2008) without black; the pale ones are darker here, so that all have a contrast of 3 to the page in
both themes."""

CLASSES = [
    "#4477AA",
    "#EE6677",
    "#228833",
    "#A39636",
    "#4F9DB7",
    "#AC3679",
    "#A0693F",
    "#E77331",
    "#009988",
    "#8866CC",
]
"""After Tol's bright scheme (2021), with a brown in place of its grey and three of his vibrant and muted colours; all have a
contrast of 3 to the page in both themes. Class labels are written beside them."""

GREY = "#888888"
"""Colour of rules and sides that belong to no class or run, with a contrast of 3 to the page in both themes."""

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


def run_scale(colours: RunColours | Iterable[tuple[str, str]]) -> alt.Scale:
    """Return the scale that gives each run (label) its colour."""
    by_label = dict(colours)
    return alt.Scale(domain=list(by_label), range=list(by_label.values()))


def class_scale(classes: list[str]) -> alt.Scale:
    """Return a class's colour by its position in the data set; after the tenth, the hues repeat darker, then lighter."""
    return alt.Scale(domain=classes, range=class_colours(len(classes)))


def class_colours(count: int) -> list[str]:
    """Return the colours of classes in the order of their labels, as `#RRGGBB`."""
    return _shades(CLASSES, count)


def _shades(colours: list[str], count: int) -> list[str]:
    return [_shade(colours[i % len(colours)], i // len(colours)) for i in range(count)]


def _shade(colour: str, repeat: int) -> str:
    ground, share = ((0, 0.0), (0, 0.45), (255, 0.5))[repeat % 3]
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + share * (ground - part)):02X}" for part in parts)


def dash_scale(conditions: list[str]) -> alt.Scale:
    """Return a condition's dash, which is the same on every page."""
    extras = [c for c in conditions if c not in list(_DASHES)]
    dashes = {str(role): dash for role, dash in _DASHES.items()}
    dashes |= {c: _EXTRA_DASHES[i % len(_EXTRA_DASHES)] for i, c in enumerate(extras)}
    return alt.Scale(domain=conditions, range=[dashes[c] for c in conditions])


RUN_COLOURS: dict[str, str] = {
    f"{shade}{name}": _shade(colour, repeat)
    for repeat, shade in enumerate(("", "dark ", "light "))
    for name, colour in _HUES.items()
}
"""The name of each colour that a run can have -> `#RRGGBB`: the hues, then the same ones darker, then lighter."""
