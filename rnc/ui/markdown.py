"""The one way for a text that is not ours to a page: `plain` where Streamlit reads Markdown, `clean` everywhere else.

Names of runs, classes and data sets, titles, errors and paths may have been written by a stranger. Nearly every text that
Streamlit is given is Markdown with extensions: captions, labels and help of controls, metrics, progress, cells of tables,
buttons side by side. `tests/security/test_markdown_calls.py` fails where one is written there another way.
"""

import re
import unicodedata
from typing import TypeAlias

import pandas as pd

Markdown: TypeAlias = str
"""A text that may be read as Markdown: a literal, or one in which every text of others went through `plain`."""

MOST = 300
"""Characters of a name that are shown; what is longer is cut in the middle."""
MOST_OF_A_MESSAGE = 2_000
_JOINER = "\N{WORD JOINER}"
_KEPT = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_SYNTAX = re.compile(r"[\\`*\[\]{}|<>$~&]|(?<![^\W_])_|_(?![^\W_])|:(?=[A-Za-z])|^[#+=-]")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")
_ARROW = re.compile(r"(?<!\S)([-<>~])([-=]?[->=])(?!\S)")
_FOUND_LATER = re.compile(r"(?<=:)(?=//|[\w+/-]+\\?:)|(?<=@)(?=\w)|(?<=www)(?=\.)", re.IGNORECASE)


def clean(text: object, most: int = MOST) -> str:
    """Return a text in one line, without characters that are not seen or that turn others around, and not too long.

    For charts, options and other places that do not read Markdown.
    """
    told = str(text)
    if len(told) > most:
        told = f"{told[: most // 2]}…{told[-(most // 2) + 1 :]}"
    return "".join(map(_seen, told))


def plain(text: object, most: int = MOST) -> Markdown:
    """Return Markdown that shows a text as it is: no link, image, HTML, formula, colour, icon or emoji comes of it.

    What has a meaning in Markdown is escaped. Addresses, `:icons:`, arrows and the like are found by Streamlit in what is left
    when escapes are gone: there an invisible character stands between. Names as people give them are left as they are.
    """
    told = _ARROW.sub(rf"\1{_JOINER}\2", clean(text, most).strip())  # (in a command, `--store` is to be copied)
    escaped = _SYNTAX.sub(lambda found: "\\" + found[0], told)
    return _FOUND_LATER.sub(_JOINER, _NUMBERED.sub(r"\1\\\2", escaped))


def plain_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of texts for `st.table`, which reads cells and headers as Markdown."""
    told = frame.map(plain).rename(columns=plain)
    return told.set_axis(frame.index.map(plain).rename(frame.index.name), axis="index")


def _seen(character: str) -> str:
    if character in "\n\r\t":
        return " "
    hidden = unicodedata.category(character) in _UNSEEN and character not in _KEPT
    return "\N{REPLACEMENT CHARACTER}" if hidden else character
