"""The little CSS that all pages need, where Streamlit has no option for it."""

ENDS_OF_NAMES = """
[data-tag] > span[title], [data-item-hl] {
    display: block; align-content: center; direction: rtl; text-align: left;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
"""
"""Where a choice has too long a name, its end is shown: run ids begin alike, and end in objective, norm and seed."""

CONTRAST = """
[data-testid="stCaptionContainer"] { opacity: 0.8 !important; }
[data-tag], [data-tag] svg, button[kind="primary"] { color: light-dark(#ffffff, #10181d) !important; }
"""
"""Captions, and what stands on the primary colour, have a contrast of 4.5 in both themes (WCAG 2.2, criterion 1.4.3)."""

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
"""In a narrow window the charts get the room: Streamlit's margins and the sidebar would take half of 1024 pixels.

On a phone a chart of a width of its own is moved sideways by a finger, where it would be cut.
In a wide window the sidebar is as wide as `app.py` says, also for a server's first visitor, whom Streamlit gives 300 pixels.
"""

STYLE = f"<style>{ENDS_OF_NAMES}{CONTRAST}{ROOM}</style>"
