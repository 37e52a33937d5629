"""The colours, dashes and shapes of all charts, safe for colour-blind readers in light and dark themes.

Colour means the class in charts of classes, and the run in curves over epochs. The dash of a line or the shape of a point means
the condition.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

import altair as alt

from rnc.vocabulary import Role

RUNS = ["#0072B2", "#C68900", "#009E73", "#CC79A7", "#4B9DCB", "#D55E00", "#909090", "#9E962C"]
"""Colours of Okabe and Ito (2008) without black; the pale ones are darker here, so that all have a contrast of 3 to the page in
both themes."""

CLASSES = [
    "#4477AA",
    "#EE6677",
    "#228833",
    "#A39636",
    "#4F9DB7",
    "#AC3679",
    "#909090",
    "#E77331",
    "#009988",
    "#8866CC",
]
"""Tol's bright scheme (2021) and three of his vibrant and muted colours, with a contrast of 3 to the page in both themes; class
labels are written beside them."""

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


def run_scale(labels: list[str]) -> alt.Scale:
    """Return a run's colour by its position among the chosen runs; after the eighth, the same hues darker, then lighter."""
    return alt.Scale(domain=labels, range=_shades(RUNS, len(labels)))


def run_colour(run: str, runs: list[str]) -> str:
    """Return the colour of one of the runs, for a chart of this run alone."""
    return _shades(RUNS, len(runs))[runs.index(run)]


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
