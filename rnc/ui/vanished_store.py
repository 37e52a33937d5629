"""A store that was there and is not any more: the page says so, and neither shows another one nor asks for a selection.

Tested by tests/pages/test_addresses.py.
"""

from pathlib import Path

import streamlit as st

from rnc.store.addresses import store_path
from rnc.ui.markdown import escape_markdown
from rnc.ui.readonly import displayed_path, is_readonly

_SELECTION = ("runs", "colours", "epoch", "condition", "split")
"""Keys that all pages have in their addresses."""
_KEPT = "selection_of_vanished_store"

_seen: set[Path] = set()
"""The files of stores that this server has read."""


def note_store_if_present() -> bool:
    """Note that the store's file is there, and return whether it is."""
    path = store_path()
    is_there = path.exists()
    if is_there:
        _seen.add(path)
    return is_there


def stop_if_store_vanished() -> None:
    """Say that the store is gone and stop the page, if its file was there before. The page goes on when it is back."""
    path = store_path()
    if note_store_if_present() or path not in _seen:
        st.session_state.pop(_KEPT, None)
        return
    _keep_selection()
    st.title("The store is gone")
    st.error(
        f"The store {escape_markdown(displayed_path(path))} was open here, and its file is not there any more: it was deleted, "
        "renamed or moved, or its disk is not connected. Put it back under this name and reload the page; or start the app "
        "with the store's new place (`--store`, or the variable `RNC_STORE`).",
        icon=":material/database_off:",
    )
    if not is_readonly():  # a visitor of a public view decides nothing for the others
        st.button("Go on without it", key="forget_store", on_click=_seen.discard, args=(path,))
    st.stop()


def _keep_selection() -> None:
    """Put the selection back into the address when the page has changed: the controls that would do so are not drawn."""
    selection: dict[str, list[str]] = st.session_state.setdefault(_KEPT, {})
    for key in _SELECTION:
        if values := st.query_params.get_all(key):
            selection[key] = values
        elif key in selection:
            st.query_params[key] = selection[key]
