"""The filter of runs by their main fields, tags and any word in their configs; archived runs are shown only on request.

Tested by tests/pages/test_runs.py.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from rnc.vocabulary import RunState

FIELDS = {
    "dataset": "Data set",
    "model": "Architecture",
    "objective": "Objective",
    "norm": "Norm",
    "seed": "Seed",
    "state": "State",
    "tags": "Tag",
}
"""The columns of a run that have a choice in the filter, with their labels."""
_PREFIX = "only_"
_TEXT, _ARCHIVED = f"{_PREFIX}text", "archived"
_MOST_SELECTED = 30
_HELP = (
    "A run matches if its id, tags, note and config values contain every word. `name:value` matches a field of the config, for "
    "example `momentum:0.9`."
)


@dataclass(frozen=True)
class RunFilter:
    """The criteria of the filter; a run must meet all of them."""

    text: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """Field of FIELDS -> accepted values; all values are accepted if the list is empty."""
    archived: bool = False
    """True if archived runs are shown too."""

    def matches(self, runs: pd.DataFrame) -> pd.Series:
        """Return a boolean series that is true for the matching rows of `reader.runs.all`."""
        matching = ~runs["archived"].astype(bool) | self.archived
        for name, wanted in self.fields.items():
            if wanted:
                matching &= runs[name].map(lambda value, wanted=wanted: bool(set(_texts(value)) & set(wanted)))
        if words := self.text.lower().split():
            texts = zip(runs["config"], runs["run_id"], runs["note"], runs["tags"], strict=True)
            matching &= np.array(
                [_has(words, json.loads(config), [run_id, note, *tags]) for config, run_id, note, tags in texts],
                dtype=bool,
            )
        return matching

    @property
    def has_criteria(self) -> bool:
        """True if the filter has a criterion, not counting the one for archived runs."""
        return bool(self.text.split() or any(self.fields.values()))


def draw_filter(runs: pd.DataFrame) -> RunFilter:
    """Draw the filter for these runs, with its state in the URL, and return its criteria."""
    run_filter = current_filter(runs)
    matching = runs[run_filter.matches(runs)]
    label = f"Filter · {len(matching)} of {len(runs)}" if len(matching) < len(runs) else "Filter"
    with st.popover(label, icon=":material/filter_list:"):
        st.text_input(
            "Search", key=_TEXT, bind="query-params", help=_HELP, type="search", placeholder="a word, or seed:3"
        )
        # Two columns, so that the filter fits into a window of 900 pixels.
        columns = st.columns(2, gap="small")
        for name, field_label in FIELDS.items():
            if options := _options(runs, name):
                with columns[list(FIELDS).index(name) % 2]:
                    st.multiselect(field_label, options, key=_PREFIX + name, bind="query-params", placeholder="any")
        st.toggle("Show archived runs", key=_ARCHIVED, bind="query-params")
        with st.container(horizontal=True):
            st.button(
                f"Select these {len(matching)}",
                on_click=_select,
                args=(list(matching["run_id"]),),
                key="choose_found",
                disabled=not 0 < len(matching) <= _MOST_SELECTED,
                help=f"Select the runs that match, at most {_MOST_SELECTED}, instead of the current ones.",
            )
            st.button("Clear", on_click=clear_filter, key="clear_filter", disabled=not run_filter.has_criteria)
    return run_filter


def current_filter(runs: pd.DataFrame) -> RunFilter:
    """Return the criteria before the filter is drawn: from its widgets, or from the URL at the start of a session."""
    fields = {name: [v for v in _values(_PREFIX + name) if v in _options(runs, name)] for name in FIELDS}
    return RunFilter(" ".join(_values(_TEXT)), fields, "true" in [str(on).lower() for on in _values(_ARCHIVED)])


def clear_filter() -> None:
    """Remove all criteria; used as a callback."""
    for name in FIELDS:
        st.session_state[_PREFIX + name] = []
    st.session_state[_TEXT] = ""


def _select(run_ids: list[str]) -> None:
    st.session_state["runs"] = run_ids


def _values(key: str) -> list[Any]:
    if key in st.session_state:
        value = st.session_state[key]
        return value if isinstance(value, list) else [value]
    return st.query_params.get_all(key)


def _options(runs: pd.DataFrame, name: str) -> list[str]:
    if name == "state":
        return [str(state) for state in RunState if state in set(runs["state"])]
    return sorted({text for value in runs[name] for text in _texts(value)}, key=lambda text: (len(text), text))


def _texts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def _has(words: list[str], config: dict[str, Any], texts: list[str]) -> bool:
    """Return whether all words (lower case) occur in a config's values or in the other `texts` about a run."""
    searched = "\n".join(map(str, [*texts, *_leaves(config)])).lower()
    return all(word in searched or _field_is(config, word) for word in words)


def _field_is(config: dict[str, Any], word: str) -> bool:
    name, colon, value = word.partition(":")
    return bool(colon) and name in config and value in {str(leaf).lower() for leaf in _leaves(config[name])}


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list) else [value]
