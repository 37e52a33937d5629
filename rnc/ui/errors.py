"""Display of errors: a sentence on the page, and the ID under which the log contains the details.

Tested by tests/rnc/test_log.py.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec

import streamlit as st
from streamlit.errors import FragmentHandledException

from rnc import log
from rnc.safe_paths import UnsafePathError
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown
from rnc.ui.readonly import ReadOnlyError, without_folder

_Arguments = ParamSpec("_Arguments")


def show_error(text: str, icon: str = ":material/error:") -> None:
    """Show an error that the user can act on, with its text unchanged."""
    with suppress(StoreError):  # the store's path itself can be what is wrong
        text = without_folder(text, store_path())
    st.error(f"{escape_markdown(text, MAX_MESSAGE_LENGTH)} {_reference(log.report_error(text))}", icon=icon)


@contextmanager
def show_errors() -> Iterator[None]:
    """Show that something went wrong in the program, at this place of the page, and raise the exception again.

    Errors that say what to do are shown and not raised.
    """
    try:
        yield
    except FragmentHandledException:  # already shown by the fragment in which it happened
        raise
    except (StoreError, ReadOnlyError, UnsafePathError) as error:  # these errors say what to do
        show_error(str(error), icon=":material/database:")
    except Exception as error:
        text = "Something went wrong in this program. Your runs were not changed. Reload the page, or select something else."
        st.error(f"{text} {_reference(log.log_exception(error))}", icon=":material/bug_report:")
        raise


def show_errors_of_fragment(draw: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Wrap a fragment in `telling`, because a fragment runs without the page around it."""

    @functools.wraps(draw)
    def guarded(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> None:
        with show_errors():
            draw(*arguments, **named)

    return guarded


def _reference(error_id: str) -> Markdown:
    return f"(error `{escape_markdown(error_id)}` in the log)"
