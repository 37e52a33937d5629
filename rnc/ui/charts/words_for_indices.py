"""Formulas in the titles of charts: a page shows words in the place of indices, which a browser's drawing cannot lower.

Exported figures have real indices (`rnc.ui.charts.export`).
"""

from typing import Any

_WORDS = {
    "Σ_W ": "Σ within · ",
    "Σ_W": "Σ within",
    "Σ_B": "Σ between",
    "μ_c": "class mean",
    "μ_G": "global mean",
}
_TEXTS = ("title", "text", "subtitle")


def without_indices(part: Any) -> Any:
    """Return a specification, or a part of it, whose titles have words in the place of letters with an index."""
    if isinstance(part, list):
        return [without_indices(each) for each in part] if part and isinstance(part[0], dict) else part
    if not isinstance(part, dict):
        return part
    return {
        name: _in_words(value) if name in _TEXTS and isinstance(value, str) else without_indices(value)
        for name, value in part.items()
    }


def _in_words(text: str) -> str:
    for symbol, words in _WORDS.items():
        text = text.replace(symbol, words)
    return text
