"""The small amount of CSS that all pages need because Streamlit has no option for it.

Tested by tests/pages/test_pages.py.
"""

ENDS_OF_NAMES = """
[data-tag] > span[title], [data-item-hl] {
    display: block; align-content: center; direction: rtl; text-align: left;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
[data-tag] > span[title]::before, [data-tag] > span[title]::after { content: "\\200E"; }
"""
"""Show the end of a chosen name that is too long, because run ids begin alike and end in objective, norm and seed.

The direction of the text does so; the left-to-right marks around a name keep what it ends in, such as a full stop, in its place.
"""

CONTRAST = """
[data-testid="stCaptionContainer"] { opacity: 0.8 !important; }
[data-tag], [data-tag] svg, button[kind="primary"]:not(:disabled) { color: light-dark(#ffffff, #10181d) !important; }
button[kind="primary"]:disabled { color: light-dark(#5f6368, #a8adb3) !important; }
"""
"""Give captions and text on the primary colour a contrast of 4.5 in both themes (WCAG 2.2, criterion 1.4.3)."""

ROOM = """
[data-testid="stHeading"] h1 { padding-top: 0 !important; }
[data-testid="stHeading"] h3 { scroll-margin-top: 7rem; }
[data-testid="stMainBlockContainer"] { padding-inline: clamp(1rem, 3.5vw, 5rem) !important; }
@media (min-width: 769px) {
    [data-testid="stSidebar"][data-collapsed="false"] { min-width: clamp(280px, 28vw, 360px) !important; }
}
@media (max-width: 768px) {
    [data-testid="stVegaLiteChart"] { max-width: 100% !important; overflow: auto hidden; }
    [data-testid="stVegaLiteChart"] svg.marks { max-width: 100% !important; height: auto !important; }
    [data-testid="stMainBlockContainer"] { padding-block: 4.25rem 4rem !important; }
    [data-testid="stHeading"] h1 { font-size: 1.6rem !important; }
    [data-testid="stTable"] { overflow-x: auto; }
    [data-testid="stButtonGroup"] [role="radiogroup"] { flex-wrap: wrap; }
}
@media (min-width: 769px) and (max-width: 1285px) {
    [data-testid="stHeading"] h1 { font-size: 2rem !important; }
    [data-testid="stSidebar"][data-collapsed="false"] { max-width: max(28vw, 280px) !important; }
}
"""
"""Leave more width to the charts in a narrow window, where Streamlit's margins and the sidebar would take half of 1024 pixels,
and begin all pages at the same height.

On a phone, a chart with a fixed width is drawn smaller, a table scrolls sideways instead of being cut, choices wrap, and a
title takes one line. In a wide window, the sidebar has the width set in `app.py`, also for a server's first visitor, for whom
Streamlit would use 300 pixels.
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

UNUSED_CONTROLS = "unused_controls"
"""The beginning of the key of a container whose controls are not of the drawn page."""
HIDDEN = f"[class*=st-key-{UNUSED_CONTROLS}] {{ display: none !important; }}"
"""Hide what the drawn page does not use, without losing its values."""

VERDICTS = """
.verdicts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(215px, 100%), 1fr)); gap: 8px; }
.verdicts a { display: grid; align-content: space-between; gap: 5px; padding: 7px 10px; border-radius: 8px; text-decoration: none;
    color: inherit; border: 1px solid light-dark(#d3d6dc, #45484d); font-size: 0.82rem; line-height: 1.25; }
.verdicts a > span:first-child::before { content: "›"; float: right; margin-left: 4px; font-weight: 700; }
.verdicts a:hover, .verdicts a:focus-visible { border-color: currentColor; }
.verdicts .supported b { color: light-dark(#11633c, #6fd49b); }
.verdicts .contradicted b { color: light-dark(#a52222, #ff9d94); }
.verdicts .none { border-style: dashed; }
.verdicts .gauge { position: relative; display: block; height: 6px; margin-bottom: 6px; border-radius: 3px; overflow: visible;
    background: linear-gradient(90deg, light-dark(#f3cfcb, #6b3230) 50%, light-dark(#c9e8d6, #275640) 50%); }
.verdicts .gauge i { position: absolute; top: -3px; width: 12px; height: 12px; margin-left: -6px; border-radius: 50%;
    background: light-dark(#25282d, #f2f2f0); }
.st-key-claims_by_runs tbody th { min-width: 11rem; }
.st-key-claims_by_runs tbody th a { color: inherit; text-decoration-color: #8888; }
[class*=st-key-card_of_] :is(td, th) { padding-inline: 3px !important; }
@media (min-width: 769px) and (max-width: 1100px) {
    [class*=st-key-card_of_] :is(td, th) { padding-inline: 2px !important; font-size: 0.75rem !important; }
}
.st-key-opening_film { min-height: 298px; }
.st-key-opening [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
@media (max-width: 1285px) {
    .st-key-opening > * > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 100%; }
    .st-key-opening > * > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:last-child { order: -1; }
}
@media (max-width: 640px) { .st-key-opening_film { min-height: 0; } }
"""
"""The verdicts as tiles, each with a gauge: the bound is in its middle, the allowed side is green. The tables of the
cards fit beside each other in a narrow window."""

RUNS = """
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-address"]) { display: none; }
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
"""The elements that tie the field of runs and other controls to the address are not shown. In the field of runs, a chip has its
run's colour at its left edge, and descriptions in the list, which begin with what matters, take two lines."""

FIGURES = """
[data-testid="stElementToolbarButton"]:has(> * [aria-label^="Download as PNG"]) { display: none; }
[data-full-screen="legend"] {
    position: fixed; top: 0.75rem; left: 2rem; right: 8rem; width: auto; z-index: 1000060; max-height: 40vh; overflow-y: auto;
}
[data-full-screen="legend"] .rnc-legend label { white-space: normal; }
[data-full-screen="chart"] {
    --room-above: max(3.5rem, calc(var(--end-of-legend) + 0.5rem));
    padding-top: var(--room-above) !important; align-items: safe center !important;
}
[data-full-screen="chart"] [data-testid="stVegaLiteChart"] {
    max-height: calc(100vh - var(--room-above) - 0.75rem); overflow: auto;
}
@media (max-width: 768px) {
    [data-full-screen="legend"] { left: 0.75rem; right: 0.75rem; }
    [data-full-screen="legend"] .rnc-legend { font-size: 12px; gap: 2px 12px; }
    [data-full-screen="chart"] { --room-above: calc(var(--end-of-legend) + 3.25rem); }
}
@media (max-height: 500px) {
    [data-full-screen="legend"] { max-height: 25vh; }
    [data-full-screen="legend"] .rnc-legend { font-size: 12px; gap: 0 12px; }
}
"""
"""Leave one way to a chart's file, the page's export: Streamlit's picture has neither the legend that panels share nor the
width of a paper. A chart in full screen keeps this legend, above it, and scrolls below it if it is higher than what is left of
the window; rnc/ui/page_script.py marks both."""

LEGEND = """
.rnc-legend { display: flex; flex-wrap: wrap; gap: 4px 22px; font-size: 14px }
.rnc-legend label { white-space: nowrap; cursor: pointer; border-radius: 4px; position: relative }
.rnc-legend input { position: absolute; opacity: 0; margin: 0; cursor: pointer; inset: 0 }
.rnc-legend label:has(input:not(:checked)) { opacity: 0.45; text-decoration: line-through }
.rnc-legend label:has(input:focus-visible) { outline: 2px solid currentColor; outline-offset: 2px }
"""
"""The legend that panels share, whose entries are boxes to tick that look like lines."""

STYLE = f"<style>{ENDS_OF_NAMES}{CONTRAST}{ROOM}{TOOLTIPS}{HIDDEN}{VERDICTS}{RUNS}{FIGURES}{LEGEND}</style>"
