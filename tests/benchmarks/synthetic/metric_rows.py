"""The numbers of a run that was never trained: metrics that fall or rise over epochs, with noise, in the store's own rows.

Nothing here is measured. What is true to `train.run` is which rows there are (tests compare the keys), not what they say.
"""

import hashlib
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from rnc.conditions import CLEAN, Condition
from rnc.store.row_buffer import Rows, text_column
from rnc.vocabulary import FEATURES_LAYER, PIXELS_LAYER, ClassMetric, ConditionKind, Metric, Objective, Role, Split
from train.config import RunConfig

NUM_CLASSES = 10
_PER_CLASS = 100  # images of a class in either split
_NOISE = 0.04
_FALLING = {  # at initialisation, and where collapse ends
    Metric.NC1: (2.0, 0.02),
    Metric.NC2_EQUINORM: (0.3, 0.02),
    Metric.NC2_EQUIANGULARITY: (0.4, 0.03),
    Metric.NC2_COS_STD: (0.4, 0.03),
    Metric.NC2_EQUINORM_W: (0.1, 0.02),
    Metric.NC2_EQUIANGULARITY_W: (0.2, 0.03),
    Metric.NC2_COS_STD_W: (0.2, 0.03),
    Metric.NC3: (2.0, 0.03),
    Metric.NC4: (0.9, 0.001),
    Metric.CDNV: (1.3, 0.01),
    Metric.NC1_TRACE: (2.5, 0.02),
    Metric.GNC2: (0.1, 0.002),
    Metric.UNC3: (0.02, 0.0001),
    Metric.LOSS: (2.3, 0.002),
    Metric.NC5: (0.9, 0.3),
}
_RISING = {Metric.ACCURACY: (0.1, 1.03), Metric.NCC_ACCURACY: (0.6, 1.03)}  # (shares end at 1)
_TURNED = {
    Metric.ANGLE: 1.6,
    Metric.ANGLE_UNCENTRED: 1.2,
    Metric.DISTANCE: 4.0,
    Metric.DISTANCE_UNCENTRED: 3.0,
    Metric.GLOBAL_MEAN_ANGLE: 0.5,
    Metric.GLOBAL_MEAN_DISTANCE: 1.0,
}
_OWN = (*(metric for metric in _FALLING if metric is not Metric.NC5), Metric.CLASSES_PRESENT, *_RISING)
_CROSS = (Metric.NC1, Metric.NC1_TRACE, Metric.NCC_ACCURACY)
_CLASS_OWN = {ClassMetric.COUNT: float(_PER_CLASS), ClassMetric.NORM: 5.0, ClassMetric.VARIANCE: 0.5}
_CLASS_TURNED = {
    ClassMetric.ANGLE: 1.6,
    ClassMetric.ANGLE_UNCENTRED: 1.2,
    ClassMetric.DISTANCE: 4.0,
    ClassMetric.DISTANCE_UNCENTRED: 3.0,
}
_LEFT_BY_ATTACK = {Objective.ST: 1.1, Objective.AT: 0.35, Objective.AT_EVAL_ATTACK: 0.4, Objective.TRADES: 0.45}
_HARD = {Role.CLEAN: 0.0, Role.GAUSSIAN: 0.03, Role.SIGN_NOISE: 0.06, Role.TARGETED: 0.1, Role.RELABELLED: 0.3}
_HARDER_ON_TEST = 0.3


class _Key(NamedTuple):
    """All of a row of table `metric` but run, epoch and value; and how far its condition is from collapse (1: none)."""

    split: str
    condition: str
    means_split: str
    means_condition: str
    layer: str
    metric: str
    hard: float


def generator(run_id: str, part: str) -> np.random.Generator:
    """The random numbers of one part of a run: the same run has the same rows wherever it is made."""
    return np.random.default_rng(list(hashlib.sha256(f"{run_id} {part}".encode()).digest()))


def hardness(config: RunConfig, role: Role, condition: Condition, split: Split) -> float:
    """Return how far a condition keeps features from collapse: 0 is not at all, 1 is as at initialisation."""
    attack = _LEFT_BY_ATTACK.get(config.objective, 0.6)
    hard = _HARD.get(role, attack)
    if role is Role.EXTRA and condition.epsilon is not None:
        hard = attack * min(condition.epsilon / config.attack.epsilon, 1.0)
    return hard + (_HARDER_ON_TEST if split is Split.TEST else 0.0)


def progress(epochs: np.ndarray, last: int) -> np.ndarray:
    """Return how far training is at epochs (E,): 0 at initialisation, nearly 1 at the last."""
    return 1 - np.exp(-6.0 * epochs / max(last, 1))


def add_numbers(rows: Rows, config: RunConfig, run_id: str, layers: list[str]) -> None:
    """Add every epoch's metrics, class metrics, leaps and cost; `layers` are the stages from the pixels on, no features."""
    every, trained = np.arange(config.epochs + 1), np.arange(1, config.epochs + 1)
    always = [named for named in config.conditions if named[0] is not Role.AS_TRAINED]
    recorded = [named for named in config.conditions if named[0] is Role.AS_TRAINED]
    blocks = [  # which conditions are measured when
        (always, every, list(Split)),
        (recorded, trained, [Split.TRAIN]),
        (config.conditions_at_end, np.array([config.epochs]), list(Split)),
    ]
    rng = generator(run_id, "numbers")
    for conditions, epochs, splits in blocks:
        spots = [(split, role, condition) for split in splits for role, condition in conditions]
        keys = [key for spot in spots for key in _keys(config, *spot)]
        _add_metrics(rows, rng, config, run_id, epochs, keys)
        of_classes = [key for spot in spots for key in _class_keys(config, *spot)]
        _add_class_metrics(rows, rng, config, run_id, epochs, of_classes)
        _add_leaps(rows, config, run_id, epochs, spots)
    staged = [(split, *named) for split in Split for named in always if named[0] in (Role.CLEAN, Role.PERTURBED)]
    stages = [key for spot in staged for key in _layer_keys(config, *spot, layers)]
    _add_metrics(rows, rng, config, run_id, np.array(config.layerwise_at(), dtype=int), stages)
    _add_costs(rows, rng, config, run_id, trained)


def _keys(config: RunConfig, split: Split, role: Role, condition: Condition) -> list[_Key]:
    """Return the keys of the metrics of one condition at one epoch."""
    clean, own, hard = CLEAN.slug, condition.slug, hardness(config, role, condition, split)
    keys = [_Key(split, own, split, own, FEATURES_LAYER, metric, hard) for metric in _OWN]
    if split is Split.TEST:
        keys.append(_Key(split, own, Split.TRAIN, clean, FEATURES_LAYER, Metric.NCC_ACCURACY, hard))
    if role is Role.CLEAN:
        return [*keys, _Key(split, own, split, own, FEATURES_LAYER, Metric.NC5, hard)]
    against = [*_CROSS, *_TURNED]
    keys += [_Key(split, own, split, clean, FEATURES_LAYER, metric, hard) for metric in against]
    return keys + [_Key(split, clean, split, own, FEATURES_LAYER, metric, hard) for metric in _CROSS]


def _layer_keys(config: RunConfig, split: Split, role: Role, condition: Condition, layers: list[str]) -> list[_Key]:
    """NC1 around own means and nearest centres of train, of every stage: early ones collapse less, and resist longer."""
    keys = []
    for depth, layer in enumerate(layers):
        away = 1 - (depth + 1) / (len(layers) + 1)
        hard = hardness(config, role, condition, split) * (1 - away) + 0.8 * away
        own, slug = (split, condition.slug), condition.slug
        keys.append(_Key(*own, split, slug, layer, Metric.NC1, hard))
        keys.append(_Key(*own, Split.TRAIN, CLEAN.slug, layer, Metric.NCC_ACCURACY, hard))
    return keys


def _add_metrics(
    rows: Rows, rng: np.random.Generator, config: RunConfig, run_id: str, epochs: np.ndarray, keys: list[_Key]
) -> None:
    if not keys:
        return
    values = np.empty((len(epochs), len(keys)))
    done = progress(epochs, config.epochs)
    for column, key in enumerate(keys):
        values[:, column] = _curve(rng, Metric(key.metric), done, key.hard, key.layer == PIXELS_LAYER)
    rows.add("metric", **_columns(run_id, epochs, _texts(keys)), value=values.ravel())


def _curve(rng: np.random.Generator, metric: Metric, done: np.ndarray, hard: float, constant: bool) -> np.ndarray:
    """A metric over epochs (E,), at `done` of training; the pixels do not learn."""
    noise = rng.normal(scale=_NOISE, size=len(done))
    if metric in _FALLING:
        start, end = _FALLING[metric]
        return start * (end / start) ** (0.1 if constant else done * (1 - hard)) * np.exp(noise)
    if metric in _RISING:
        start, end = _RISING[metric]
        return np.clip(start + (end - start) * (0.1 if constant else done * (1 - hard)) + 0.2 * noise, 0, 1)
    if metric in _TURNED:
        return _TURNED[metric] * hard * (0.3 + 0.7 * done) * np.exp(noise)
    return np.full(len(done), float(NUM_CLASSES))


def _class_keys(config: RunConfig, split: Split, role: Role, condition: Condition) -> list[_Key]:
    """Return the keys of the metrics of each class under one condition at one epoch."""
    own, hard = condition.slug, hardness(config, role, condition, split)
    keys = [_Key(split, own, split, own, FEATURES_LAYER, metric, hard) for metric in _CLASS_OWN]
    turned = [_Key(split, own, split, CLEAN.slug, FEATURES_LAYER, metric, hard) for metric in _CLASS_TURNED]
    return keys if role is Role.CLEAN else keys + turned


def _add_class_metrics(
    rows: Rows, rng: np.random.Generator, config: RunConfig, run_id: str, epochs: np.ndarray, keys: list[_Key]
) -> None:
    if not keys:
        return
    done = progress(epochs, config.epochs)[:, None]
    values = np.empty((len(epochs), len(keys), NUM_CLASSES))
    for place, key in enumerate(keys):
        metric = ClassMetric(key.metric)
        turned = key.hard * (0.3 + 0.7 * done)
        level = _CLASS_OWN[metric] if metric in _CLASS_OWN else _CLASS_TURNED[metric] * turned
        noise = 0.0 if metric is ClassMetric.COUNT else rng.normal(scale=_NOISE, size=(len(epochs), NUM_CLASSES))
        values[:, place] = level * np.exp(noise)
    texts = {name: np.repeat(listed, NUM_CLASSES).tolist() for name, listed in _texts(keys).items()}
    classes = np.tile(np.arange(NUM_CLASSES, dtype=np.int32), len(epochs) * len(keys))
    rows.add("class_metric", **_columns(run_id, epochs, texts), **{"class": classes}, value=values.ravel())


def _add_leaps(
    rows: Rows, config: RunConfig, run_id: str, epochs: np.ndarray, spots: list[tuple[Split, Role, Condition]]
) -> None:
    """Of each class some stay, more go to the next class, a few to the one after."""
    done = progress(epochs, config.epochs)
    pairs = [(true, (true + step) % NUM_CLASSES) for true, step in product(range(NUM_CLASSES), range(3))]
    true, predicted = (np.tile(np.array(side, dtype=np.int32), len(epochs)) for side in zip(*pairs, strict=True))
    for split, role, condition in spots:
        if condition.kind not in (ConditionKind.PGD, ConditionKind.AS_TRAINED) or condition.relabelled:
            continue
        hard = 0.9 if role is Role.TARGETED else min(hardness(config, role, condition, split), 1.0)
        away = np.clip(hard * done + 0.9 * (1 - done), 0.02, 0.98)
        second = (0.2 * away * _PER_CLASS).astype(np.int32)
        first = (away * _PER_CLASS).astype(np.int32) - second
        counts = np.stack([_PER_CLASS - first - second, first, second], axis=1).repeat(NUM_CLASSES, axis=0)
        texts = {"split": [str(split)] * len(pairs), "condition": [condition.slug] * len(pairs)}
        angle = np.where(true == predicted, 0.3, 0.6)
        columns = {"true_class": true, "predicted_class": predicted, "count": counts.ravel(), "angle": angle}
        rows.add("leap", **_columns(run_id, epochs, texts), **columns)


def _add_costs(rows: Rows, rng: np.random.Generator, config: RunConfig, run_id: str, trained: np.ndarray) -> None:
    seconds = np.exp(rng.normal(scale=_NOISE, size=len(trained)))
    rows.add(
        "epoch",
        **_columns(run_id, trained, {"run_id": [run_id]}),
        learning_rate=[config.learning_rate_in(int(epoch)) for epoch in trained],
        train_loss=_curve(rng, Metric.LOSS, progress(trained, config.epochs), 0.0, False),
        train_seconds=seconds,
        measure_seconds=seconds,
        images_per_second=NUM_CLASSES * _PER_CLASS / seconds,
    )


def _texts(keys: list[_Key]) -> dict[str, list[str]]:
    return {name: [str(getattr(key, name)) for key in keys] for name in _Key._fields if name != "hard"}


def _columns(run_id: str, epochs: np.ndarray, texts: dict[str, list[str]]) -> dict[str, Any]:
    """Columns of E x K rows, epoch by epoch: run, epoch, and K texts a column that come again every epoch."""
    count = len(next(iter(texts.values())))
    again = np.tile(np.arange(count), len(epochs))
    columns = {name: text_column(listed, again) for name, listed in texts.items()}
    runs = text_column([run_id], np.zeros(len(again), dtype=int))
    return columns | {"run_id": runs, "epoch": epochs.astype(np.int32).repeat(count)}
