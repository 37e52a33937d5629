"""A legend shared by several panels, as HTML in the colours of the page's theme; a click on an entry hides its lines.

Each entry is a box to tick, and rules of style hide what is drawn in the colour or the dashes of an entry without a tick, in all
panels below the legend in its column. Another legend of the page has panels and ticks of its own. No script and no answer of the
server is needed, and exported files are as they were.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from html import escape

from rnc.conditions import conditions_in_words
from rnc.ui.charts.palette import RunColours, dash_scale

_LINE = "display:inline-block;width:36px;height:3px;vertical-align:middle;margin-right:6px;background:{ink}"
_HELP = "Click to hide or show"
_PLACE = '[data-testid="stElementContainer"]'
"""The element that Streamlit puts around the legend; the panels are in elements after it."""


def curve_legend(runs: RunColours, conditions: list[str]) -> str:
    """Return the legend: colours of runs, then dashes of conditions, in words, in the colour of the text."""
    dashes = dash_scale(conditions).to_dict()["range"]
    words = conditions_in_words(conditions).values()
    boxes = [_box(colour, run, colour) for run, colour in runs.items()]
    boxes += [_box(_value(dash), name, _dashed(dash)) for name, dash in zip(words, dashes, strict=True)]
    rules = [_hiding(colour, "stroke", "fill") for colour in runs.values()]
    rules += [_hiding(_value(dash), "stroke-dasharray") for dash in dashes]
    return f'<div class="rnc-legend">{"".join(boxes)}</div><style>{"".join(dict.fromkeys(rules))}</style>'


def _box(value: str, name: str, ink: str) -> str:
    line = f'<span style="{_LINE.format(ink=ink)}"></span>'
    box = f'<input type="checkbox" value="{value}" checked>'
    return f'<label title="{_HELP}">{box}{line}{escape(name)}</label>'


def _value(dash: list[int]) -> str:
    return ",".join(map(str, dash))


def _hiding(value: str, *attributes: str) -> str:
    """Return the rule that hides what is drawn with a value while its box has no tick."""
    drawn = ", ".join(f'[{attribute}="{value}" i]' for attribute in attributes)
    marks = "svg.marks g.role-mark:not(.mark-rule)"
    below = f'{_PLACE}:has(> * > .rnc-legend [value="{value}"]:not(:checked)) ~ *'
    return f"{below} {marks} :is({drawn}) {{ display: none }}\n"


def _dashed(pattern: list[int]) -> str:
    """Return the CSS background of a Vega dash pattern, which alternates lengths of line and gap."""
    stops, position = [], 0
    for index, length in enumerate(pattern):
        ink = "transparent" if index % 2 else "currentColor"
        stops.append(f"{ink} {position}px {position + length}px")
        position += length
    return "currentColor" if 0 in pattern else f"repeating-linear-gradient(90deg,{','.join(stops)})"
