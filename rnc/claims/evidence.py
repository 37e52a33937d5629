"""The numbers of one run that claims are judged by."""

import copy
import math
import operator
from dataclasses import dataclass

import pandas as pd

from rnc.vocabulary import FEATURES_LAYER, Metric, Role, Split

_HOLDS = {"≤": operator.le, "≥": operator.ge, "<": operator.lt}


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and the claim's bound for it; NaN is within none."""

    run_id: str
    name: str
    value: float
    sign: str
    """≤, ≥ or <."""
    limit: float

    @property
    def bound(self) -> str:
        """As people write it."""
        return f"{self.sign} {self.limit:.4g}"

    @property
    def met(self) -> bool:
        """Whether the number is within its bound."""
        return bool(_HOLDS[self.sign](self.value, self.limit))


class RunEvidence:
    """The evidence of one run: its metrics at initialisation, at the epoch that it is judged at, and at some between."""

    def __init__(self, run_id: str, objective: str, num_classes: int, values: pd.DataFrame) -> None:
        self.run_id, self.objective, self.num_classes = run_id, objective, num_classes
        self.epochs = sorted(int(epoch) for epoch in values["epoch"].unique())
        self.last = self.epochs[-1]
        keys = ["split", "shown", "means", "layer", "metric", "epoch"]
        columns = [values[key].tolist() for key in keys]  # (itertuples takes ten times as long on texts)
        self._values = dict(zip(zip(*columns, strict=True), values["value"].tolist(), strict=True))
        layers = values[values["depth"].notna()].drop_duplicates("layer").sort_values("depth")["layer"]
        self._stages = [layer for layer in layers if layer != FEATURES_LAYER]
        shares = values[values["share"].lt(1)].drop_duplicates("shown")
        self._smaller_attacks = dict(zip(shares["shown"], shares["share"], strict=True))

    def until(self, epoch: int) -> "RunEvidence":
        """The same run, judged at an earlier of its epochs."""
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
        """A value, at the last epoch where none is named; NaN where it is not measured."""
        key = (str(split), str(shown), means, layer, str(metric), self.last if epoch is None else epoch)
        return float(self._values.get(key, math.nan))

    def against_start(self, shown: str, metric: Metric) -> float:
        """A value over that of clean data at initialisation."""
        return ratio(self.at(shown, metric), self.at(Role.CLEAN, metric, epoch=0))

    def against_clean(self, shown: str, metric: Metric) -> float:
        """A value over that of clean data."""
        return ratio(self.at(shown, metric), self.at(Role.CLEAN, metric))

    def angle(self, shown: str) -> float:
        """The mean angle (rad) between the centred class means and the clean ones."""
        return self.at(shown, Metric.ANGLE, means="clean")

    def stages(self) -> list[str]:
        """The stages of the network from the pixels to the features, without the features themselves."""
        return self._stages

    def smaller_attacks(self) -> dict[str, float]:
        """The untargeted attacks in the run's norm below its epsilon, as shares of it."""
        return self._smaller_attacks

    def at_most(self, name: str, value: float, bound: float) -> Number:
        """A number with an upper bound."""
        return Number(self.run_id, name, value, "≤", bound)

    def below(self, name: str, value: float, bound: float) -> Number:
        """A number with an upper bound that it may not reach."""
        return Number(self.run_id, name, value, "<", bound)

    def at_least(self, name: str, value: float, bound: float) -> Number:
        """A number with a lower bound."""
        return Number(self.run_id, name, value, "≥", bound)


def ratio(value: float, reference: float) -> float:
    """value / reference; infinite where only the reference is 0, NaN where both are."""
    if reference == 0:
        return math.nan if value == 0 or math.isnan(value) else math.inf
    return value / reference
