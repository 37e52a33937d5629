"""Safe display of texts from other people: `escape_markdown` where Streamlit reads Markdown, `safe_plain_line` elsewhere.

Names of runs, classes and data sets, titles, errors and paths may come from a stranger. Streamlit reads most texts as Markdown
with extensions: captions, labels and help of controls, metrics, progress, table cells, buttons side by side.
`tests/security/test_markdown_calls.py` fails if a text reaches such a place in another way.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

Markdown: TypeAlias = str
"""A text that may be read as Markdown: a literal, or a text in which every foreign part has passed through `escape_markdown`."""
MarkdownTable: TypeAlias = pa.Table
"""A table of such texts, as `escaped_arrow_table` makes it."""

MAX_LENGTH = 300
"""Number of characters of a name that are shown; a longer name is cut in the middle."""
MAX_MESSAGE_LENGTH = 2_000
_MOST_NAMED = 5
_JOINER = "\N{WORD JOINER}"
_KEPT = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_SYNTAX = re.compile(r"[\\`*\[\]{}|<>$~&]|(?<![^\W_])_|_(?![^\W_])|:(?=[A-Za-z])|^[#+=-]")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")
_ARROW = re.compile(r"(?<!\S)([-<>~])([-=]?[->=])(?!\S)")
_ANCHOR = re.compile(r"[a-z0-9-]+")
_RECOGNISED_LATER = re.compile(r"(?<=:)(?=//|[\w+/-]+\\?:)|(?<=@)(?=\w)|(?<=www)(?=\.)", re.IGNORECASE)


def safe_plain_line(text: object, max_length: int = MAX_LENGTH) -> str:
    """Return a text on one line, cut if it is too long, without invisible characters or ones that reverse the reading direction.

    For charts, options and other places that do not read Markdown.
    """
    shown = str(text)
    if len(shown) > max_length:
        shown = f"{shown[: max_length // 2]}…{shown[-(max_length // 2) + 1 :]}"
    return shown if shown.isprintable() else "".join(map(_visible, shown))


def escape_markdown(text: object, max_length: int = MAX_LENGTH) -> Markdown:
    """Return Markdown that shows a text literally, without link, image, HTML, formula, colour, icon or emoji.

    Characters with a meaning in Markdown are escaped. Streamlit replaces addresses, `:icons:`, arrows and similar patterns
    after the escapes are removed; an invisible character interrupts these. Ordinary names are not changed.
    """
    shown = _ARROW.sub(rf"\1{_JOINER}\2", safe_plain_line(text, max_length).strip())  # `--store` stays copyable
    escaped = _SYNTAX.sub(lambda match: "\\" + match[0], shown)
    return _RECOGNISED_LATER.sub(_JOINER, _NUMBERED.sub(r"\1\\\2", escaped))


def first_few(texts: Sequence[Markdown]) -> Markdown:
    """Return the first few of these texts with commas between them, and how many more there are."""
    more = f" and {len(texts) - _MOST_NAMED:d} more" if len(texts) > _MOST_NAMED else ""
    return f"{', '.join(texts[:_MOST_NAMED])}{more}"


def escape_table(frame: pd.DataFrame, anchors: list[str] | None = None) -> pd.DataFrame:
    """Return a table of texts for `st.table`, which reads cells and headers as Markdown.

    With `anchors`, the names of places on the page, one a row, the rows' names are links to them. Raises ValueError for other
    texts.
    """
    escaped = frame.map(escape_markdown).rename(columns=escape_markdown)
    names = frame.index.map(escape_markdown)
    if anchors is not None:
        if wrong := [anchor for anchor in anchors if not _ANCHOR.fullmatch(anchor)]:
            raise ValueError(f"not the name of a place on a page: {wrong[0]!r}")
        names = pd.Index([f"[{name}](#{anchor})" for name, anchor in zip(names, anchors, strict=True)])
    return escaped.set_axis(names.rename(frame.index.name), axis="index")


def escaped_arrow_table(frame: pd.DataFrame, anchors: list[str] | None = None) -> MarkdownTable:
    """Return `escape_table` in the form in which `st.table` sends it, so that a table that is kept is converted once."""
    return pa.Table.from_pandas(escape_table(frame, anchors))


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    hidden = unicodedata.category(character) in _UNSEEN and character not in _KEPT
    return "\N{REPLACEMENT CHARACTER}" if hidden else character
