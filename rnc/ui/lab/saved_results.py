"""Results in the store: save one, list them, open one by its URL, delete one.

Tested by tests/pages/test_attack_lab.py.
"""

import json

import pandas as pd
import streamlit as st

from rnc.lab import saved_results
from rnc.store.errors import StoreError
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.lab.server_job_queue import Answer
from rnc.ui.lab.source_labels import class_names
from rnc.ui.readonly import is_readonly

SAVED = "Saved results"
"""The name of the list in the choice of activities."""
_ADDRESS, _KEY_DIGITS = "lab_kept", 12


def offer_to_save(answer: Answer) -> None:
    """Offer to save a complete result in the store, under a title that the user chooses."""
    if answer.result.stopped or is_readonly():
        return
    with st.popover("Save result", icon=":material/bookmark_add:", width="content"):
        title = st.text_input(
            "Title", f"{answer.request.condition.label} · {answer.request.sources[0].run_id}", key="lab_title"
        )
        if st.button("Save in the store", key="lab_keep", icon=":material/bookmark_add:") and title:
            try:
                new = saved_results.save(opened_store.writer(), answer.request, answer.result, title)
            except (ValueError, StoreError) as error:
                show_error(str(error))
                return
            st.success(
                f"{'Saved' if new else 'This result was saved before, and now has this title'}: open it under “{SAVED}”."
            )


def choose_saved() -> Answer | None:
    """Let the user open a saved result; if there is none to show, say so on the page and return None."""
    saved = opened_store.reader().lab.results()
    if saved.empty:
        how = "" if is_readonly() else " Run an attack, a sweep or a check, and press “Save result” above it."
        st.info(f"No results are saved yet.{how}")
        return None
    titles = dict(zip(saved["key"], saved["title"], strict=True))
    address = st.query_params.get(_ADDRESS, "")
    place = next((place for place, key in enumerate(titles) if address and key.startswith(address)), None)
    if address and place is None:
        st.warning("The result in this page's address is not saved in this store.", icon=":material/link_off:")
    picked = st.selectbox(
        "Result",
        list(titles),
        place,
        format_func=titles.__getitem__,
        key="lab_result",
        placeholder="choose one",
        help="the address of this page then opens it",
    )
    st.dataframe(_listed(saved), hide_index=True, key="lab_kept_table", column_config=_COLUMNS)
    if picked is None:
        return None
    st.query_params[_ADDRESS] = picked[:_KEY_DIGITS]
    if not is_readonly():
        _offer_to_delete(picked)
    try:
        result = saved_results.load(opened_store.reader(), picked)
    except ValueError as error:
        show_error(f"This result cannot be read: {error}")
        return None
    if result is None:
        return None
    return Answer(result.request, result.result, class_names(result.request.sources[0].run_id))


def _offer_to_delete(key: str) -> None:
    """Offer to delete the opened result from the store."""
    with st.popover("Delete", icon=":material/delete:", width="content"):
        st.caption("This deletes the result from the store; the same request computes it again.")
        if st.button("Delete this result", key="lab_forget", type="primary"):
            opened_store.writer().delete_lab_result(key)
            st.query_params.pop(_ADDRESS)
            st.session_state.pop("lab_result")
            st.rerun()


_COLUMNS = {
    "title": st.column_config.TextColumn("result", width="large"),
    "saved_at": st.column_config.DatetimeColumn("saved (UTC)", format="YYYY-MM-DD HH:mm"),
    "seconds": st.column_config.NumberColumn("took (s)", format="%.1f"),
    "MB": st.column_config.NumberColumn(format="%.2f"),
}


def _listed(saved: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the list: title, kind, time, duration and size."""
    summaries = [json.loads(summary) for summary in saved["summary"]]
    return pd.DataFrame(
        {
            "title": saved["title"],
            "kind": [str(summary.get("kind", "")).removesuffix("Result").lower() for summary in summaries],
            "saved_at": saved["saved_at"],
            "seconds": [summary.get("seconds") for summary in summaries],
            "MB": saved["bytes"] / 1e6,
        }
    )
