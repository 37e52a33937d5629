"""Conditions in words: the texts with which pages, figures and films show the names that stores and addresses have.

A name is a role (`sign_noise`), which each run gives to one of its conditions, or the slug of one condition (`pgd-linf-0.07-10`).
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from rnc.conditions.condition import Condition
from rnc.conditions.naming import KIND_NAMES
from rnc.vocabulary import Role

_ROLES = {str(role): str(role) for role in Role} | {
    str(kind): name for kind, name in KIND_NAMES.items() if kind in [*Role]
}
"""Each role in words; one that has the name of a kind of condition is called like it."""


@lru_cache(1024)
def condition_in_words(name: str) -> str:
    """Return a name of a condition in words: `sign noise`, `Gaussian noise`, `PGD-10, ℓ∞ ε = 0.07`.

    A text that is neither a role nor a slug is returned as it is. It may come from anyone, and must be escaped where it is shown.
    """
    if name in _ROLES:
        return _ROLES[name]
    try:
        return Condition.from_slug(name).label
    except ValueError:
        return name


def conditions_in_words(names: Sequence[str]) -> dict[str, str]:
    """Return different names in words, by name; those that have the same words are followed by the name itself."""
    words = {name: condition_in_words(name) for name in names}
    counts = Counter(words.values())
    return {name: text if counts[text] == 1 else f"{text} ({name})" for name, text in words.items()}
