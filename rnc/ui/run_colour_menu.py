"""The colours of the selected runs on the chips of the sidebar, and a menu in which the user gives them others.

Tested by tests/pages/test_run_picker.py.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from rnc.ui.charts.palette import RUN_COLOURS
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_colours import exchange
from rnc.ui.run_picker import keep_colours

_MOST_LISTED = 24
_HELP = "A run has its colour on all pages, and keeps it when others are selected. The address contains it."
_DOT = (
    ".st-key-run_picker [data-tag]:nth-child({place}) {{ border-left-color: {colour} !important; }}"
    ".st-key-colour_of_{place} {{ border-left: 7px solid {colour}; padding-left: 0.5rem; }}"
)


def draw_colour_choice(labels: Mapping[str, str], colours: Mapping[str, str]) -> None:
    """Draw the menu of colours for runs (id -> label, id -> name of the colour), and mark their chips."""
    st.html(chip_style([RUN_COLOURS[colours[run_id]] for run_id in labels]))
    with st.popover("Colours", icon=":material/palette:", disabled=not labels, help=_HELP):
        for place, (run_id, label) in enumerate(list(labels.items())[:_MOST_LISTED], 1):
            key = f"colour_of_{place}"
            if st.session_state.get(key) != colours[run_id]:
                st.session_state[key] = colours[run_id]
            st.selectbox(
                escape_markdown(label),
                list(RUN_COLOURS),
                key=key,
                on_change=_choose,
                args=(run_id, key, dict(colours)),
                help=escape_markdown(run_id),
            )


def chip_style(colours: Sequence[str]) -> str:
    """Return the style sheet that gives the chips of runs, in their order, these colours (#RRGGBB)."""
    rules = [_DOT.format(place=place, colour=colour) for place, colour in enumerate(colours, 1)]
    return f"<style>{''.join(rules)}</style>"


def _choose(run_id: str, key: str, colours: dict[str, str]) -> None:
    """Give a run the chosen colour; the run that had it gets the one that becomes free."""
    keep_colours(exchange(colours, run_id, st.session_state[key]))
