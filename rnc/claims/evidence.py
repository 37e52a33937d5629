"""The numbers of one run that decide the claims.

Tested by tests/rnc/test_claims.py.
"""

import copy
import math
import operator
from dataclasses import dataclass

import pandas as pd

from rnc.vocabulary import FEATURES_LAYER, Metric, Role, Split

_COMPARISONS = {"≤": operator.le, "≥": operator.ge, "<": operator.lt}
_BOUNDS_IN_WORDS = {"≤": "at most {} is allowed", "≥": "at least {} is needed", "<": "less than {} is needed"}


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and the claim's bound for it; NaN meets no bound."""

    run_id: str
    name: str
    value: float
    sign: str
    """≤, ≥ or <."""
    limit: float
    shown: str = str(Role.CLEAN)
    """The role of the condition that it is measured under, or the slug of an extra condition."""

    @property
    def bound(self) -> str:
        """Return the bound as text."""
        return f"{self.sign} {self.limit:.4g}"

    @property
    def value_and_bound_in_words(self) -> str:
        """Return the value and the bound in words: `0.354, where at most 0.3 is allowed`."""
        return f"{self.value:.3g}, where {_BOUNDS_IN_WORDS[self.sign].format(f'{self.limit:.3g}')}"

    @property
    def margin(self) -> float:
        """Return how far the value is from the bound, as a share of the bound; negative beyond the bound."""
        return (self.value - self.limit if self.sign == "≥" else self.limit - self.value) / abs(self.limit)

    @property
    def met(self) -> bool:
        """Return whether the number is within its bound."""
        return bool(_COMPARISONS[self.sign](self.value, self.limit))


class RunEvidence:
    """The evidence of one run: its metrics at initialisation, at the epoch of the verdict, and at some epochs between."""

    def __init__(self, run_id: str, objective: str, num_classes: int, values: pd.DataFrame) -> None:
        self.run_id, self.objective, self.num_classes = run_id, objective, num_classes
        self.epochs = sorted(int(epoch) for epoch in values["epoch"].unique())
        self.last = self.epochs[-1]
        keys = ["split", "shown", "means", "layer", "metric", "epoch"]
        columns = [values[key].tolist() for key in keys]  # itertuples takes ten times as long on texts
        self._values = dict(zip(zip(*columns, strict=True), values["value"].tolist(), strict=True))
        layers = values[values["depth"].notna()].drop_duplicates("layer").sort_values("depth")["layer"]
        self._stages = [layer for layer in layers if layer != FEATURES_LAYER]
        shares = values[values["share"].lt(1)].drop_duplicates("shown")
        self._smaller_attacks = dict(zip(shares["shown"], shares["share"], strict=True))

    def until(self, epoch: int) -> "RunEvidence":
        """Return the same run, judged at one of its earlier epochs."""
        earlier = copy.copy(self)
        earlier.last = epoch
        return earlier

    def at(
        self,
        shown: str,
        metric: Metric,
        *,
        split: Split = Split.TRAIN,
        means: str = "own",
        layer: str = FEATURES_LAYER,
        epoch: int | None = None,
    ) -> float:
        """Return a value at the given epoch, by default the last; NaN if it is not measured."""
        key = (str(split), str(shown), means, layer, str(metric), self.last if epoch is None else epoch)
        return float(self._values.get(key, math.nan))

    def relative_to_clean_at_start(self, shown: str, metric: Metric) -> float:
        """Return a value divided by that of clean data at initialisation."""
        return ratio(self.at(shown, metric), self.at(Role.CLEAN, metric, epoch=0))

    def relative_to_clean(self, shown: str, metric: Metric) -> float:
        """Return a value divided by that of clean data."""
        return ratio(self.at(shown, metric), self.at(Role.CLEAN, metric))

    def radians_from_clean_means(self, shown: str) -> float:
        """Return the mean angle (rad) between the centred class means and the clean ones."""
        return self.at(shown, Metric.ANGLE, means="clean")

    def stages(self) -> list[str]:
        """Return the stages of the network from the pixels on, without the penultimate features."""
        return self._stages

    def epsilon_shares_of_weaker_attacks(self) -> dict[str, float]:
        """Return the untargeted attacks in the run's norm below its epsilon, with their share of it."""
        return self._smaller_attacks

    def at_most(self, name: str, value: float, bound: float, shown: str = Role.CLEAN) -> Number:
        """Return a number with an upper bound, under the condition that is shown by this name."""
        return Number(self.run_id, name, value, "≤", bound, str(shown))

    def below(self, name: str, value: float, bound: float, shown: str = Role.CLEAN) -> Number:
        """Return a number with an upper bound that it must not reach."""
        return Number(self.run_id, name, value, "<", bound, str(shown))

    def at_least(self, name: str, value: float, bound: float, shown: str = Role.CLEAN) -> Number:
        """Return a number with a lower bound."""
        return Number(self.run_id, name, value, "≥", bound, str(shown))


def ratio(value: float, reference: float) -> float:
    """Return value / reference; infinite if only the reference is 0, NaN if both are 0."""
    if reference == 0:
        return math.nan if value == 0 or math.isnan(value) else math.inf
    return value / reference
