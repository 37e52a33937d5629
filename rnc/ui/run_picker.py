"""The choice of runs in the sidebar: short labels on the chips, descriptions in the list, ids in the address.

Streamlit has one text for an option, which is also what it would write into the address. A selected option is not listed,
however: it gets its short label, the others get their descriptions. The ids are those of a second field that nobody sees, which
is tied to the address in the place of the one on the page.

Tested by tests/pages/test_run_picker.py.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import pandas as pd
import streamlit as st

from rnc.ui.controls_in_address import is_opened_anew
from rnc.ui.markdown import Markdown, escape_markdown, safe_plain_line
from rnc.ui.opened_store import cached_until_runs_change, reader
from rnc.ui.run_colours import MOST_KEPT, assign_colours, colours_as_address_text, colours_from_address_text
from rnc.ui.run_labels import describe_run
from rnc.ui.selection import labelled_runs

RUNS, PICKER, _COLOURS = "runs", "run_picker", "colours"
"""The keys of the runs in the address, of the field on the page, and of the colours in the address."""
MISSING, _OTHERS = "missing_runs", "other_runs_than_those_of_the_address"
_KEPT, _FOLLOWED, _SHOWN, _TEXTS = "run_colours", "followed_default", "shown_run_texts", "run_texts"
_MOST_IN_HELP = 30


def begin(default: list[str]) -> None:
    """Select the runs of the address, or else the default ones, which are written into it.

    While the user has not selected others, new default runs are selected, too.
    """
    if RUNS not in st.session_state:
        if runs_of_address():
            return
        st.query_params[RUNS] = default
    elif st.session_state[RUNS] != st.session_state.get(_FOLLOWED):
        return
    if st.session_state.get(RUNS) != default:
        st.session_state[RUNS] = st.session_state[_FOLLOWED] = default


def runs_of_address() -> list[str]:
    """Return the ids of runs in the address; an empty one asks for nothing."""
    return [run_id for run_id in st.query_params.get_all(RUNS) if run_id]


def tie_coloured_runs_to_address(runs: pd.DataFrame) -> dict[str, str]:
    """Tie the selected runs and their colours to the address; return the names of the colours of those in `runs` by id."""
    objectives = dict(runs.set_index("run_id")["objective"].astype(str))
    with st.container(key="address"):
        bind: Literal["query-params"] | None
        bind = None if st.session_state.pop(_OTHERS, False) else "query-params"  # which would read the address again
        wanted = st.multiselect("Runs in the address", [], key=RUNS, accept_new_options=True, bind=bind)
        return _draw_colours({run_id: objectives[run_id] for run_id in map(str, wanted) if run_id in objectives})


def draw_picker(offered: list[str], selected: list[str]) -> None:
    """Draw the field in which the user selects runs among those that are offered."""
    labels = dict(labelled_runs(tuple(selected))["label"])
    described = _descriptions()
    texts = {run_id: labels.get(run_id) or described.get(run_id, run_id) for run_id in offered}
    if st.session_state.get(PICKER) != selected or st.session_state.get(_SHOWN) != labels:
        st.session_state[PICKER] = selected
    st.session_state[_SHOWN] = labels
    # A click can be under way while a label changes: the texts of the last two reruns are understood.
    st.session_state[_TEXTS] = [
        *st.session_state.get(_TEXTS, [])[-1:],
        {text: run_id for run_id, text in texts.items()},
    ]
    st.multiselect(
        "Runs",
        offered,
        key=PICKER,
        format_func=lambda run_id: texts.get(run_id, run_id),
        on_change=_take_choice,
        help=_explain(labels),
        placeholder="Select runs",
    )


def _take_choice() -> None:
    ids: dict[str, str] = {}
    for texts in st.session_state[_TEXTS]:
        ids |= texts
    offered = set(ids.values())
    chosen = [run if run in offered else ids.get(run) for run in st.session_state[PICKER]]
    clear_notice_of_missing_runs()
    st.session_state[RUNS] = list(filter(None, chosen))


def clear_notice_of_missing_runs() -> None:
    """Forget the runs of the address that are not there, because the user has selected others."""
    st.session_state[MISSING] = ([], False)


def show_default_runs() -> None:
    """Show the default runs in place of those of the address, none of which is there."""
    clear_notice_of_missing_runs()
    del st.query_params[RUNS]
    st.session_state[_OTHERS] = True


def _explain(labels: Mapping[str, str]) -> Markdown:
    """Return the help of the field: the ids of the selected runs, by their labels."""
    lines = [f"- {escape_markdown(label)}: {escape_markdown(run_id)}" for run_id, label in labels.items()]
    more = f"\n- and {len(lines) - _MOST_IN_HELP:d} more" if len(lines) > _MOST_IN_HELP else ""
    return "The ids of the selected runs:\n" + "\n".join(lines[:_MOST_IN_HELP]) + more


@cached_until_runs_change
def _descriptions() -> dict[str, str]:
    """Return each run's description (`describe_run`) by its id; runs with equal ones get their ids in addition."""
    runs = reader().runs.all()
    described = {run["run_id"]: describe_run(run) for run in runs.to_dict("records")}
    counts = Counter(described.values())
    return {
        r: text if counts[text] == 1 else f"{text} \N{MIDDLE DOT} {safe_plain_line(r)}" for r, text in described.items()
    }


def _draw_colours(objectives: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the colours of runs (id -> objective); the address holds those that a fresh visit would not show."""
    earlier = kept_colours()
    if is_opened_anew(_COLOURS):
        earlier |= colours_from_address_text(st.query_params.get(_COLOURS, ""), objectives)
    colours = assign_colours(objectives, earlier)
    keep_colours(colours)
    text = colours_as_address_text(objectives, colours)
    if st.session_state.get(_COLOURS, "") != text:
        st.session_state[_COLOURS] = text
    st.text_input("Colours in the address", key=_COLOURS, bind="query-params")
    return colours


def kept_colours() -> dict[str, str]:
    """Return the names of the colours that the session keeps for runs (ids)."""
    colours: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    return colours


def keep_colours(colours: Mapping[str, str]) -> None:
    """Keep the names of the colours of runs (ids) for the session; those that were shown last stay."""
    colours_of_session = kept_colours()
    for run_id in colours:
        colours_of_session.pop(run_id, None)
    colours_of_session |= colours
    for run_id in list(colours_of_session)[: max(len(colours_of_session) - MOST_KEPT, 0)]:
        del colours_of_session[run_id]
