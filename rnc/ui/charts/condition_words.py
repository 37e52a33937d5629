"""Conditions in words where a browser draws them: rows keep the names of the store, and legends and tooltips show words.

Tested by tests/rnc/ui/charts/test_condition_words.py.
"""

import json
from collections.abc import Sequence

from rnc.conditions import conditions_in_words


def words_expression(names: Sequence[str], value: str) -> str:
    """Return the Vega expression of a condition in words; `value` is the expression of its name, one of `names`.

    A name that is the same in words is not part of it: it may be any text.
    """
    words = {name: text for name, text in conditions_in_words(names).items() if text != name}
    return f"({json.dumps(words)}[{value}] || {value})" if words else value
