"""An attack at several strengths on one or several networks, with the same images and the same seed."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import torch

from rnc.lab.engine import collapse_under_attack
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.stepwise_attack import SUCCESS, ReportProgress, Round, StepwiseAttack, Stopped
from rnc.lab.strength_curve import NEAREST_CLEAN, WITHOUT_GRADIENT, StrengthCurveRequest, StrengthCurveResult
from rnc.vocabulary import FEATURES_LAYER, Metric

_COLUMNS = ["source", "strength", "layer", "metric", "value"]


def measure_strength_curve(
    networks: Iterable[AttackInputs], request: StrengthCurveRequest, progress: ReportProgress, stopped: Stopped
) -> StrengthCurveResult:
    """Attack at every strength, one network after the other. After a stop, the result omits what was not completed.

    `networks` may load each network when it is its turn, so that only one is in memory.

    Raises ValueError if an attack does, and if the networks would be attacked on different images.
    """
    began = time.monotonic()
    rounds = sum(condition.num_points_over_restarts for condition in request.conditions)
    count = _RoundCount(len(request.sources) * rounds, progress)
    rows: list[tuple] = []
    indices = None
    as_recorded = is_complete = True
    device = ""
    for number, inputs in enumerate(networks):
        if indices is not None and not torch.equal(indices, inputs.indices):
            raise ValueError("the runs took different images of the data set; compare runs of the same subset")
        indices = inputs.indices
        device = inputs.device_name
        as_recorded = as_recorded and inputs.as_recorded
        curve = _Curve(inputs, request, lambda *row, n=number: rows.append((n, *row)))
        is_complete = curve.measure(count, stopped)
        if not is_complete:
            break
    return StrengthCurveResult(
        over=str(request.over),
        conditions=[condition.slug for condition in request.conditions],
        stopped=not is_complete,
        as_recorded=as_recorded,
        device=device,
        points=pd.DataFrame(rows, columns=_COLUMNS),
        seconds=time.monotonic() - began,
        images=0 if indices is None else len(indices),
    )


class _RoundCount:
    """Counter of the rounds over all strengths."""

    def __init__(self, total: int, progress: ReportProgress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        progress(0, total, None)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total, None)


class _Curve:
    """The curve of one network; `add` gets strength, layer, metric and value of each point."""

    def __init__(self, inputs: AttackInputs, request: StrengthCurveRequest, add: Callable[..., None]) -> None:
        self._inputs, self._request, self._add = inputs, request, add
        clean = inputs.features(inputs.images)
        self._clean_means = collapse_under_attack.clean_means(inputs, clean)
        self._clean_layer_means = (
            collapse_under_attack.layer_means(inputs, inputs.images, inputs.labels) if request.layers else None
        )

    def measure(self, count: _RoundCount, stopped: Stopped) -> bool:
        """Attack at every strength and measure the images; return whether all strengths were completed."""
        for value, condition in zip(self._request.values, self._request.conditions, strict=True):
            attack = StepwiseAttack(self._inputs, condition, self._request.seed)
            last = _last_round(attack, count, stopped)
            if last is None:
                return False
            self._measure_point(value, attack, last)
        return True

    def _measure_point(self, strength: float, attack: StepwiseAttack, last: Round) -> None:
        inputs, labels = self._inputs, attack.measured_by
        features = inputs.features(last.images)
        values: dict[str, Any] = collapse_under_attack.collapse_metrics(inputs, features, labels)
        values |= collapse_under_attack.mean_alignment(inputs, self._clean_means, features, labels)
        values[SUCCESS] = attack.share_wrong_or_on_target(features.predicted)
        values[WITHOUT_GRADIENT] = last.without_gradient / len(labels)
        if self._clean_layer_means is not None:
            of_features = collapse_under_attack.nc1_and_ncc_accuracy(inputs, features, labels, self._clean_means)
            values[NEAREST_CLEAN] = of_features[Metric.NCC_ACCURACY]
        for metric, value in values.items():
            self._add(strength, FEATURES_LAYER, metric, value)
        if self._clean_layer_means is not None:
            for layer, of_layer in collapse_under_attack.layerwise(
                inputs, last.images, labels, self._clean_layer_means
            ).items():
                for name, value in of_layer.items():
                    self._add(strength, layer, str(name), value)


def _last_round(attack: StepwiseAttack, count: _RoundCount, stopped: Stopped) -> Round | None:
    """Run an attack and return its last round; None if it was stopped earlier."""
    last = None
    for done, last in enumerate(attack.rounds(), 1):  # noqa: B007  (the last round is returned)
        count()
        if stopped() and done < attack.num_rounds:
            return None
    return last
