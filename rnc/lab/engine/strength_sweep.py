"""An attack at several strengths on one or two networks, with the same images and the same seed."""

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch

from rnc.attacks import num_iterations
from rnc.conditions import CLEAN, Condition
from rnc.lab.engine import measures
from rnc.lab.engine.loading import Subject
from rnc.lab.engine.rounds import Stopped, finish, goals, measured_by
from rnc.lab.engine.trajectory import Progress
from rnc.lab.requests import Source, SweepRequest
from rnc.lab.results import WITHOUT_GRADIENT, SweepResult
from rnc.vocabulary import FEATURES_LAYER

_COLUMNS = ["source", "strength", "layer", "metric", "value"]

Load = Callable[[Source], Subject]


def sweep(load: Load, request: SweepRequest, progress: Progress, stopped: Stopped) -> SweepResult:
    """Attack at every strength, one network after the other. After a stop, the result omits what was not completed.

    Raises ValueError if an attack does, and if the two networks would be attacked on different images.
    """
    began = time.monotonic()
    conditions = [request.at(value) for value in request.values]
    each = [1 if condition is CLEAN else num_iterations(condition) for condition in conditions]
    count = _Count(len(request.sources) * sum(each), progress)
    rows: list[tuple] = []
    as_recorded, indices, device = True, None, ""
    whole = True
    for number, source in enumerate(request.sources):
        subject = load(source)
        if indices is not None and not torch.equal(indices, subject.indices):
            raise ValueError("the two runs took different images of the data set; compare runs of the same subset")
        indices, device = subject.indices, subject.device_name
        as_recorded = as_recorded and subject.as_recorded
        whole = _sweep_one(subject, request, conditions, count, stopped, lambda *row, n=number: rows.append((n, *row)))
        if not whole:
            break
    return SweepResult(
        over=str(request.over),
        conditions=[condition.slug for condition in conditions],
        stopped=not whole,
        as_recorded=as_recorded,
        device=device,
        points=pd.DataFrame(rows, columns=_COLUMNS),
        seconds=time.monotonic() - began,
        images=0 if indices is None else len(indices),
    )


class _Count:
    """Counter of the rounds over all strengths."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        progress(0, total, None)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total, None)


def _sweep_one(
    subject: Subject,
    request: SweepRequest,
    conditions: list[Condition],
    count: _Count,
    stopped: Stopped,
    add: Callable[..., None],
) -> bool:
    """Sweep over one network, and return whether it was completed."""
    clean = subject.features(subject.images)
    means = measures.clean_means(subject, clean)
    centres = measures.layer_means(subject, subject.images, subject.labels) if request.layers else {}
    for value, condition in zip(request.values, conditions, strict=True):
        last = finish(subject, condition, request.seed, count, stopped)
        if last is None:
            return False
        goal = goals(subject, condition)
        labels = measured_by(condition, goal, subject.labels)
        found = subject.features(last.kept)
        values: dict[str, Any] = measures.measure(subject, found, labels)
        values |= measures.alignment(subject, means, found, labels)
        values[measures.SUCCESS] = measures.success(condition, goal, subject.labels, found.predicted)
        values[WITHOUT_GRADIENT] = last.without_gradient / len(labels)
        for metric, number in values.items():
            add(value, FEATURES_LAYER, metric, number)
        for layer, of_stage in (measures.layerwise(subject, last.kept, labels, centres) if centres else {}).items():
            for name, number in of_stage.items():
                add(value, layer, str(name), number)
    return True
