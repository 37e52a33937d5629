"""Colours of the texts on charts, which differ between the light and the dark theme.

A specification holds both colours, and the browser chooses by the page's background: a chart follows the theme without a rerun,
and an exported picture, whose background is white, has the colour of the light theme.

Tested by tests/rnc/ui/charts/test_text_colours.py.
"""

from typing import Any

import altair as alt

QUIET_TEXT = {"light": "#5F5D5A", "dark": "#B4B2AE"}
"""Colour of axis labels, legends, formulas and names, by theme: a contrast of at least 4.5 to the page (WCAG 2.2, 1.4.3)."""


def by_theme(colours: dict[str, str]) -> str:
    """Return the Vega expression of a colour that is given by theme."""
    return f"luminance(background) < 0.2 ? '{colours['dark']}' : '{colours['light']}'"


def quiet_text() -> alt.ExprRef:
    """Return the colour of names and lengths that are written into a chart."""
    return alt.ExprRef(by_theme(QUIET_TEXT))


def on_fill(value: str) -> str:
    """Return the Vega test that chooses white text instead of black, on a cell with the colour of this field's value.

    Both have the same contrast to a colour of this luminance, 4.6.
    """
    return f"luminance(scale('color', {value})) < 0.179"


_TEXT = {"expr": by_theme(QUIET_TEXT)}
SCREEN_CONFIG: dict[str, Any] = {
    "axis": {"labelColor": _TEXT, "titleColor": _TEXT},
    "legend": {"labelColor": _TEXT, "titleColor": _TEXT},
    "title": {"subtitleColor": _TEXT},
}
"""The configuration of a chart on a page, on top of Streamlit's theme, whose axis labels have a contrast of 3.7 in light."""
