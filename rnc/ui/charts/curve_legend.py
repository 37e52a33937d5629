"""A legend shared by several panels, as HTML in the colours of the page's theme.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from html import escape

from rnc.conditions import all_in_words
from rnc.ui.charts.palette import RunColours, dash_scale

_LINE = "display:inline-block;width:36px;height:3px;vertical-align:middle;margin-right:6px;background:{ink}"


def curve_legend(runs: RunColours, conditions: list[str]) -> str:
    """Return the legend: colours of runs, then dashes of conditions, in words, in the colour of the text."""
    dashes = dash_scale(conditions).to_dict()["range"]
    entries = [(colour, run) for run, colour in runs.items()]
    entries += zip(map(_dashed, dashes), all_in_words(conditions).values(), strict=True)
    spans = [
        f'<span style="white-space:nowrap"><span style="{_LINE.format(ink=ink)}"></span>{escape(name)}</span>'
        for ink, name in entries
    ]
    return f'<div style="display:flex;flex-wrap:wrap;gap:4px 22px;font-size:14px">{"".join(spans)}</div>'


def _dashed(pattern: list[int]) -> str:
    """Return the CSS background of a Vega dash pattern, which alternates lengths of line and gap."""
    stops, position = [], 0
    for index, length in enumerate(pattern):
        ink = "transparent" if index % 2 else "currentColor"
        stops.append(f"{ink} {position}px {position + length}px")
        position += length
    return "currentColor" if 0 in pattern else f"repeating-linear-gradient(90deg,{','.join(stops)})"
