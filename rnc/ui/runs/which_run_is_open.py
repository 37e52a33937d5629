"""The run that is open on the runs page: `config_of` in the address, opened by a click in its row.

Tested by tests/pages/test_runs.py.
"""

import zlib
from typing import Any

import streamlit as st

_KEY = "config_of"
_TABLE, _CLOSED = "runs_table", "times_a_run_was_closed"


def requested_run() -> str | None:
    """Return the id of the run that the address opens, which need not be in the store; None if it opens none."""
    return st.query_params.get(_KEY) or None


def open_run(run_id: str) -> None:
    """Open a run."""
    st.query_params[_KEY] = run_id


def close_run() -> None:
    """Close the run that is open; its cell of the table is then no longer selected, and can be clicked again."""
    st.query_params.pop(_KEY, None)
    _forget_selection()


def _forget_selection() -> None:
    st.session_state[_CLOSED] = st.session_state.get(_CLOSED, 0) + 1


def table_arguments_for_opening_runs(run_ids: list[str], column: str) -> dict[str, Any]:
    """Return the arguments that make a table with these runs as rows open the run in whose row the user clicks.

    A row is known by its number. Therefore the table is another element once it has other rows, and begins with a selected cell
    in the row of the open run, in `column`. Cells are selected instead of rows, since a row is selected only by its small box.

    It is another element too if its selected cell is not of the open run, for example after Back: a click in a cell that is
    selected already would do nothing.
    """
    open_id = requested_run()
    if _selected_run(_key_of_table(run_ids), run_ids) not in (None, open_id):
        _forget_selection()
    key = _key_of_table(run_ids)
    cells = [(run_ids.index(open_id), column)] if open_id in run_ids else []
    return {
        "key": key,
        "on_select": lambda: open_selected(key, run_ids),
        "selection_mode": "single-cell",
        "selection_default": {"selection": {"rows": [], "columns": [], "cells": cells}},
    }


def open_selected(key: str, run_ids: list[str]) -> None:
    """Open the run in whose row the user clicked, in the table with this key; close the open one if no cell is selected."""
    selected = _selected_run(key, run_ids)
    if selected is None:
        close_run()
    else:
        open_run(selected)


def _key_of_table(run_ids: list[str]) -> str:
    return f"{_TABLE}_{st.session_state.get(_CLOSED, 0)}_{zlib.crc32('/'.join(run_ids).encode()):08x}"


def _selected_run(key: str, run_ids: list[str]) -> str | None:
    """Return the run in whose row the table with this key has its selected cell; None if there is no table or no cell."""
    if key not in st.session_state:
        return None
    cells = st.session_state[key]["selection"]["cells"]
    return run_ids[cells[0][0]] if cells and cells[0][0] < len(run_ids) else None
