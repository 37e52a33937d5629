"""Controls that choose conditions: the page shows them in words, and the address has their names.

Streamlit has one text for an option, which is also what it writes into the address. The names are therefore those of a second
control that nobody sees, which is tied to the address in the place of the one on the page.

Tested by tests/pages/test_condition_words.py.
"""

from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from rnc.conditions import conditions_in_words
from rnc.ui.controls_in_address import replace_unavailable_value
from rnc.ui.markdown import Markdown, escape_markdown, safe_plain_line

_IN_WORDS = "_in_words"
"""Suffix of the control's key on the page, in addition to the key of the address."""


def choose_one(
    label: Markdown,
    names: Sequence[str],
    tied: dict[str, Any],
    *,
    help: Markdown,
    width: int | Literal["stretch"] = "stretch",
) -> str:
    """Let the user choose one of the names of conditions in a list; `tied` are the arguments that tie it to the address."""
    with st.container(key=f"address_of_{tied['key']}"):
        name = str(st.selectbox(f"{label} in the address", names, **tied))
    words = _words(names)
    shown = _on_the_page(tied["key"], words[name], words)
    st.selectbox(label, list(words.values()), help=help, width=width, **shown)
    return name


def choose_several(label: Markdown, names: Sequence[str], default: Sequence[str], tied: dict[str, Any]) -> list[str]:
    """Let the user choose several of the names of conditions by a click on each; the rest as for `choose_one`."""
    options: dict[str, Any] = {"selection_mode": "multi"}
    with st.container(key=f"address_of_{tied['key']}"):
        chosen = st.pills(
            f"{label} in the address", names, default=default, format_func=escape_markdown, **options, **tied
        )
    words = _words(names)
    shown = _on_the_page(tied["key"], [words[name] for name in chosen], words)
    st.pills(label, list(words.values()), format_func=escape_markdown, **options, **shown)
    return [str(name) for name in chosen]


def _words(names: Sequence[str]) -> dict[str, str]:
    return {name: safe_plain_line(words) for name, words in conditions_in_words(names).items()}


def _on_the_page(key: str, value: Any, words: dict[str, str]) -> dict[str, Any]:
    """Return the arguments of the control on the page, which has the value, in words, of the one that is tied to the address."""
    shown = key + _IN_WORDS
    if st.session_state.get(shown) != value:
        st.session_state[shown] = value
    return {"key": shown, "on_change": _take_choice, "args": (key, {text: name for name, text in words.items()})}


def _take_choice(key: str, name_of: dict[str, str]) -> None:
    """Put the name of what was chosen, or the names, into the address. A text that is no option any more is left out."""
    value: Any = st.session_state[key + _IN_WORDS]
    chosen: Any = (
        [name_of[text] for text in value if text in name_of] if isinstance(value, list) else name_of.get(value)
    )
    if chosen is not None:
        replace_unavailable_value(key, chosen)
