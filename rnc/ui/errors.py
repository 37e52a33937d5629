"""Display of errors: a sentence on the page, and the ID under which the log contains the details.

Tested by tests/rnc/test_event_log.py.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec

import streamlit as st

from rnc import event_log
from rnc.safe_paths import UnsafePathError
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown
from rnc.ui.readonly import ReadOnlyError, without_folder

_Arguments = ParamSpec("_Arguments")
ERRORS_FOR_USERS = (StoreError, ReadOnlyError, UnsafePathError)
"""Errors whose messages say what to do."""


def show_error(text: str, icon: str = ":material/error:") -> None:
    """Show an error that the user can act on, with its text unchanged."""
    with suppress(StoreError):  # the store's path itself can be what is wrong
        text = without_folder(text, store_path())
    st.error(f"{escape_markdown(text, MAX_MESSAGE_LENGTH)} {_reference(event_log.report_error(text))}", icon=icon)


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error that says what to do at this place of the page, and end what is drawn there."""
    try:
        yield
    except ERRORS_FOR_USERS as error:
        _show_error_for_users(error)


def show_errors_of_fragment(draw: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Wrap a fragment in `show_errors`, because a fragment runs without the page around it."""

    @functools.wraps(draw)
    def guarded(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> None:
        with show_errors():
            draw(*arguments, **named)

    return guarded


def show_unexpected_error(error: Exception) -> bool:
    """Show an error that no page expects: it ended the page, a part of it or a callback. The log has its traceback.

    Streamlit calls this function (`st.App(on_script_error=...)`), and shows the error itself unless the result is True.
    """
    if isinstance(error, ERRORS_FOR_USERS):  # of a callback, which has no page around it
        _show_error_for_users(error)
    else:
        text = "Something went wrong in this program. Your runs were not changed. Reload the page, or select something else."
        st.error(f"{text} {_reference(event_log.log_exception(error))}", icon=":material/bug_report:")
    return True


def _show_error_for_users(error: Exception) -> None:
    show_error(str(error), icon=":material/database:")


def _reference(error_id: str) -> Markdown:
    return f"(error `{escape_markdown(error_id)}` in the log)"
