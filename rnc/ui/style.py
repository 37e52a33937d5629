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

RUNS = """
[data-testid="stLayoutWrapper"]:has(> .st-key-address) { display: none; }
.st-key-run_picker [data-tag] {
    background: light-dark(#e4e6ea, #363a44) !important; color: light-dark(#1f2328, #f0f2f5) !important;
    border-left-width: 7px; border-left-style: solid;
}
.st-key-run_picker [data-tag] svg { color: inherit !important; }
.st-key-run_picker [data-tag] > span[title] { direction: ltr; }
[role="listbox"][aria-label="Runs"] [role="option"] { padding-block: 0; }
[role="listbox"][aria-label="Runs"] [data-item-hl] {
    direction: ltr; white-space: normal; font-size: 0.75rem; line-height: 1.15; height: auto;
    display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
}
"""
"""The field of runs: what ties it to the address is not shown, a chip has its run's colour at its left edge, and descriptions in
the list, which begin with what matters, take two lines."""

STYLE = f"<style>{ENDS_OF_NAMES}{CONTRAST}{ROOM}{TOOLTIPS}{RUNS}</style>"
