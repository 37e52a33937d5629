"""Controls whose values are in the page's address, and values of the address that are not there.

The latter are named above the page, and kept in the address until the user chooses another.

Streamlit removes such a value from the address without a word. A control is therefore tied to the address only while it can
show what the address asks for.

Tested by tests/pages/test_addresses.py.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rnc.ui.markdown import Markdown, escape_markdown, first_few

_Value = TypeVar("_Value", bound=Hashable)
_MISSING, _PLACE = "missing_values", "place_of_notices"
_ASKED, _PAGE = "asked_by_the_address", "page_of_the_address"
_NAMED_BY_THEIR_CONTROLS = ("runs", "colours", "epoch", "condition", "split", "run", "film_beside", "conditions")


def reserve_notices() -> None:
    """Reserve the place above the page in which missing values are named."""
    st.session_state[_PLACE] = st.container()


def notice(text: Markdown, title: Markdown = "") -> None:
    """Say above the page that something of the address is not there, with a title if the page itself is not drawn."""
    reserved = st.session_state.get(_PLACE)
    place = st if reserved is None else reserved
    if title:
        place.title(title)
    place.warning(text, icon=":material/link_off:")


def is_opened_anew(key: str) -> bool:
    """Return whether a control takes its value from the address: it is drawn first, or the user went back or forward."""
    context = get_script_run_ctx()
    return key not in st.session_state or bool(context and context.is_history_navigation)


def first_values_in_markdown(values: Sequence[str]) -> Markdown:
    """Return the first few values of an address, as Markdown; one without a letter is called empty."""
    return first_few([f"**{escape_markdown(value.strip())}**" if value.strip() else "(empty)" for value in values])


def tie(
    key: str,
    texts: Mapping[_Value, str],
    what: Markdown,
    why: Markdown,
    *,
    many: bool = False,
    earlier: Mapping[str, _Value] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tie a control with these options (value -> text in the address) to the address.

    If the address has a text that no option has, the page says above its title that the address asks for `what`, followed by the
    text, `which` and `why`. `many` is true if several values can be chosen. `earlier` has the texts by which earlier versions
    named the options.
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
    return untied(key, missing, what, why)


def untied(key: str, missing: Sequence[str], what: Markdown, why: Markdown) -> dict[str, Any]:
    """Name values of the address above the page, and return the arguments of a control that leaves them in the address."""
    _remembered()[key] = list(missing)
    notice(f"The address asks for {what} {first_values_in_markdown(missing)}, which {why}")
    return {"key": key, "on_change": replace_unavailable_value, "args": (key,)}


def has_unavailable_value(key: str) -> bool:
    """Return whether the address has a value that a control cannot show."""
    return key in _remembered()


def replace_unavailable_value(key: str, value: Hashable = None) -> None:
    """Put a value, or the one that the user has chosen, into the address, in place of a value that is not there."""
    _remembered().pop(key, None)
    st.session_state[key] = st.session_state[key] if value is None else value


def remember_request() -> None:
    """Remember what the address asks for when the visit of a page begins."""
    context = get_script_run_ctx()
    if context is None:
        return
    page = context.page_script_hash
    if st.session_state.get(_PAGE) != page or context.is_history_navigation:
        st.session_state[_ASKED] = {key: st.query_params.get_all(key) for key in st.query_params}
    st.session_state[_PAGE] = page


def name_unavailable() -> None:
    """Name above the page what the address asked for and no control of the page has; the controls have been drawn."""
    asked: dict[str, list[str]] = st.session_state.pop(_ASKED, {})
    for key, texts in asked.items():
        if key in _NAMED_BY_THEIR_CONTROLS or has_unavailable_value(key) or key not in st.session_state:
            continue
        shown = st.session_state[key]
        values = list(shown) if isinstance(shown, list | tuple) else [shown]
        missing = [text for text in texts if text and not any(_is_value(text, value) for value in values)]
        if missing:
            instead = first_values_in_markdown([str(value) for value in values if value is not None]) or "nothing"
            notice(
                f"The address asks for {escape_markdown(key)} {first_values_in_markdown(missing)}, "
                f"which is not available here. Shown is {instead}."
            )


def _is_value(text: str, value: object) -> bool:
    """Return whether a text of the address stands for the value of a control."""
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(text) == float(value)
        except ValueError:
            return False
    return text in (str(value), escape_markdown(value))


def _remembered() -> dict[str, list[str]]:
    remembered: dict[str, list[str]] = st.session_state.setdefault(_MISSING, {})
    return remembered
