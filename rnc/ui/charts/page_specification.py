"""The specification of a chart as a page draws it: its titles in words and never wider than the chart, texts in both themes.

A page shows words in the place of letters with an index, which a browser's drawing cannot lower. Exported figures have real
indices (`rnc.ui.charts.picture_files`).
"""

import json
from functools import lru_cache
from typing import Any

from rnc.ui.charts.chart_with_cached_specification import MOST_KEPT
from rnc.ui.charts.text_colours import SCREEN_CONFIG

_WORDS = {
    "Σ_W ": "Σ within · ",
    "Σ_W": "Σ within",
    "Σ_B": "Σ between",
    "μ_c": "class mean",
    "μ_G": "global mean",
}
_TEXTS = ("title", "text", "subtitle")
_TITLE_LIMIT = {"expr": "width + 20"}
"""The longest title in pixels: the drawn area and most of what its axis takes. It is an expression because Streamlit's limit is
the width of the chart's place when the chart is first drawn, which may be before the page has its columns."""


def page_specification(specification_text: str) -> dict[str, Any]:
    """Return the specification that a page draws for one that is kept as text; each call returns a new copy."""
    specification: dict[str, Any] = json.loads(_page_text(specification_text))
    return specification


@lru_cache(4 * MOST_KEPT)
def _page_text(specification_text: str) -> str:
    specification = with_symbols_as_words(json.loads(specification_text)) | {"config": SCREEN_CONFIG}
    if title := specification.get("title"):
        text = {"text": title} if isinstance(title, str) else title
        specification["title"] = {"limit": _TITLE_LIMIT} | text
    return json.dumps(specification)


def with_symbols_as_words(part: Any) -> Any:
    """Return a specification, or a part of it, whose titles have words in the place of letters with an index."""
    if isinstance(part, list):
        return [with_symbols_as_words(each) for each in part] if part and isinstance(part[0], dict) else part
    if not isinstance(part, dict):
        return part
    return {
        name: _in_words(value) if name in _TEXTS and isinstance(value, str) else with_symbols_as_words(value)
        for name, value in part.items()
    }


def _in_words(text: str) -> str:
    for symbol, words in _WORDS.items():
        text = text.replace(symbol, words)
    return text
