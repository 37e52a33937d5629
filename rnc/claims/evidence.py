"""The numbers of one run that claims are judged by."""

import math
from dataclasses import dataclass

import pandas as pd

from rnc.vocabulary import FEATURES_LAYER, Metric, Role, Split


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and whether it is within the claim's bound."""

    run_id: str
    name: str
    value: float
    bound: str
    met: bool


class RunEvidence:
    """The evidence of one run: its metrics at initialisation and at the epoch that it is judged at."""

    def __init__(self, run_id: str, objective: str, num_classes: int, values: pd.DataFrame) -> None:
        self.run_id, self.objective, self.num_classes, self._rows = run_id, objective, num_classes, values
        self.last = int(values["epoch"].max())
        keys = ["split", "shown", "means", "layer", "metric", "epoch"]
        self._values = dict(zip(values[keys].itertuples(index=False, name=None), values["value"], strict=True))

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
        layers = self._rows[["layer", "depth"]].drop_duplicates().dropna().sort_values("depth")["layer"]
        return [layer for layer in layers if layer != FEATURES_LAYER]

    def smaller_attacks(self) -> dict[str, float]:
        """The untargeted attacks in the run's norm below its epsilon, as shares of it."""
        shares = self._rows[self._rows["share"].lt(1)].drop_duplicates("shown")
        return dict(zip(shares["shown"], shares["share"], strict=True))

    def at_most(self, name: str, value: float, bound: float) -> Number:
        """A number with an upper bound; NaN meets none."""
        return Number(self.run_id, name, value, f"≤ {bound:.4g}", value <= bound)

    def at_least(self, name: str, value: float, bound: float) -> Number:
        """A number with a lower bound; NaN meets none."""
        return Number(self.run_id, name, value, f"≥ {bound:.4g}", value >= bound)


def ratio(value: float, reference: float) -> float:
    """value / reference; infinite where only the reference is 0, NaN where both are."""
    if reference == 0:
        return math.nan if value == 0 or math.isnan(value) else math.inf
    return value / reference
