"""Values of the address that are not there: named above the page, and kept in the address until the user chooses another.

Streamlit removes such a value from the address without a word. A control is therefore tied to the address only while it can
show what the address asks for.

Tested by tests/pages/test_addresses.py.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rnc.ui.markdown import Markdown, escape_markdown

_Value = TypeVar("_Value", bound=Hashable)
_MISSING, _PLACE = "missing_values", "place_of_notices"
_MOST_NAMED = 5


def reserve_notices() -> None:
    """Reserve the place above the page in which missing values are named."""
    st.session_state[_PLACE] = st.container()


def notice(text: Markdown) -> None:
    """Say above the page that something of the address is not there."""
    place = st.session_state.get(_PLACE)
    (st if place is None else place).warning(text, icon=":material/link_off:")


def is_opened_anew(key: str) -> bool:
    """Return whether a control takes its value from the address: it is drawn first, or the user went back or forward."""
    context = get_script_run_ctx()
    return key not in st.session_state or bool(context and context.is_history_navigation)


def name_values(values: Sequence[str]) -> Markdown:
    """Return the first few values of an address, as Markdown."""
    named = ", ".join(f"**{escape_markdown(value)}**" for value in values[:_MOST_NAMED])
    return f"{named} and {len(values) - _MOST_NAMED:d} more" if len(values) > _MOST_NAMED else named


def tie(
    key: str,
    texts: Mapping[_Value, str],
    why: Markdown,
    *,
    many: bool = False,
    earlier: Mapping[str, _Value] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tie a control with these options (value -> text in the address) to the address.

    If the address has a text that no option has, `why` says above the page what that means, after the text itself. `many` is
    true if several values can be chosen. `earlier` has the texts by which earlier versions named the options.
    """
    asked = st.query_params.get_all(key)
    value_of = {**(earlier or {}), **{text: value for value, text in texts.items()}}
    missing = [text for text in asked if text not in value_of]
    values = [value_of[text] for text in asked if text in value_of]
    if not is_opened_anew(key) and key not in _remembered():
        return {"key": key, "bind": "query-params"}
    if all(text in texts.values() for text in asked):
        if _remembered().pop(key, None) is not None:
            st.session_state[key] = values if many else values[-1] if values else None
        return {"key": key, "bind": "query-params"}
    if values and key not in _remembered():
        st.session_state[key] = values if many else values[-1]
    if not missing:
        st.query_params[key] = [texts[value] for value in values] if many else texts[values[-1]]
        return {"key": key}  # tied from the next rerun on, when the address has the text of today
    return untied(key, missing, why)


def untied(key: str, missing: Sequence[str], why: Markdown) -> dict[str, Any]:
    """Name values of the address above the page, and return the arguments of a control that leaves them in the address."""
    _remembered()[key] = list(missing)
    notice(f"{name_values(missing)}: {why}")
    return {"key": key, "on_change": choose, "args": (key,)}


def is_untied(key: str) -> bool:
    """Return whether the address has a value that a control cannot show."""
    return key in _remembered()


def choose(key: str, value: Hashable = None) -> None:
    """Put a value, or the one that the user has chosen, into the address, in place of a value that is not there."""
    _remembered().pop(key, None)
    st.session_state[key] = st.session_state[key] if value is None else value


def _remembered() -> dict[str, list[str]]:
    remembered: dict[str, list[str]] = st.session_state.setdefault(_MISSING, {})
    return remembered
