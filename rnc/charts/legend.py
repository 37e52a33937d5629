"""One legend for many panels, as HTML that follows the page's theme."""

from html import escape

from rnc.charts.palette import dash_scale, run_scale

_LINE = (
    '<svg width="34" height="10"><line x1="0" y1="5" x2="34" y2="5" stroke="{colour}" stroke-width="3" {dash}/></svg>'
)


def curve_legend(runs: list[str], conditions: list[str]) -> str:
    """Colours of runs and dashes of conditions, side by side."""
    colours, dashes = run_scale(runs).to_dict(), dash_scale(conditions).to_dict()
    entries = [(_LINE.format(colour=colour, dash=""), run) for run, colour in zip(runs, colours["range"], strict=True)]
    entries += [
        (_LINE.format(colour="currentColor", dash=f'stroke-dasharray="{" ".join(map(str, dash))}"'), condition)
        for condition, dash in zip(conditions, dashes["range"], strict=True)
    ]
    spans = [f'<span style="white-space:nowrap">{line} {escape(name)}</span>' for line, name in entries]
    return f'<div style="display:flex;flex-wrap:wrap;gap:4px 22px;font-size:14px">{"".join(spans)}</div>'
