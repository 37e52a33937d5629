"""Named runs: one function each, returning the configs that it trains."""

from collections.abc import Callable

from rnc.vocabulary import Objective
from train.config import RunConfig


def tiny() -> list[RunConfig]:
    """A few seconds on digits, for tests and a first look; it does not collapse."""
    return [RunConfig(epochs=2, steps=3, sample_size=100, umap=False)]


def demo() -> list[RunConfig]:
    """Digits past zero training error: standard, adversarial and TRADES training with one epsilon."""
    return [RunConfig(objective=objective) for objective in (Objective.AT, Objective.TRADES, Objective.ST)]


RECIPES: dict[str, Callable[[], list[RunConfig]]] = {"tiny": tiny, "demo": demo}
