"""The small amount of CSS that all pages need because Streamlit has no option for it.

Tested by tests/pages/test_pages.py.
"""

ENDS_OF_NAMES = """
[data-tag] > span[title], [data-item-hl] {
    display: block; align-content: center; direction: rtl; text-align: left;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
"""
"""Show the end of a chosen name that is too long, because run ids begin alike and end in objective, norm and seed."""

CONTRAST = """
[data-testid="stCaptionContainer"] { opacity: 0.8 !important; }
[data-tag], [data-tag] svg, button[kind="primary"] { color: light-dark(#ffffff, #10181d) !important; }
"""
"""Give captions and text on the primary colour a contrast of 4.5 in both themes (WCAG 2.2, criterion 1.4.3)."""

ROOM = """
[data-testid="stMainBlockContainer"] { padding-inline: clamp(1rem, 3.5vw, 5rem) !important; }
@media (min-width: 769px) {
    [data-testid="stSidebar"][data-collapsed="false"] { min-width: clamp(280px, 28vw, 360px) !important; }
}
@media (max-width: 768px) {
    [data-testid="stVegaLiteChart"] { max-width: 100% !important; overflow: auto hidden; }
}
@media (min-width: 769px) and (max-width: 1285px) {
    [data-testid="stSidebar"][data-collapsed="false"] { max-width: max(28vw, 280px) !important; }
}
"""
"""Leave more width to the charts in a narrow window, where Streamlit's margins and the sidebar would take half of 1024 pixels.

On a phone, a chart with a fixed width scrolls sideways instead of being cut. In a wide window, the sidebar has the width set in
`app.py`, also for a server's first visitor, for whom Streamlit would use 300 pixels.
"""

TOOLTIPS = """
#vg-tooltip-element { pointer-events: none; }
#vg-tooltip-element:has(tr:nth-child(10)) td { padding-block: 0; line-height: 1.3; }
@media (max-width: 500px) {
    #vg-tooltip-element:has(h2) { left: 8px !important; max-width: calc(100vw - 16px); }
}
"""
"""Keep a chart's list of values on the screen: on a phone, where it fits on neither side of a finger, and if it is long, where it
would fit neither above nor below the mouse. The list never catches the mouse."""

_CLOSE = '[aria-label^="Close fullscreen:"]'
_LEGEND = '[data-testid="stElementContainer"]:has(> [data-testid="stHtml"] > div[style*="flex-wrap"])'
FIGURES = f"""
[data-testid="stElementToolbarButton"]:has(> * [aria-label^="Download as PNG"]) {{ display: none; }}
{_LEGEND}:has(~ * {_CLOSE}), [data-testid="stColumn"] *:has({_CLOSE}) ~ {_LEGEND} {{
    position: fixed; top: 0.75rem; left: 2rem; right: 8rem; width: auto; z-index: 1000060;
}}
[data-testid="stFullScreenFrame"]:has({_CLOSE}) {{ padding-top: 3.5rem !important; }}
"""
"""Leave one way to a chart's file, the page's export: Streamlit's picture has neither the legend that panels share nor the
width of a paper. A chart in full screen keeps this legend, above it."""

STYLE = f"<style>{ENDS_OF_NAMES}{CONTRAST}{ROOM}{TOOLTIPS}{FIGURES}</style>"
