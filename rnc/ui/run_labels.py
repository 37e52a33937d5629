"""Labels of runs, classes and epochs in legends, tables, captions and exported figures."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pandas as pd

from rnc.conditions import NORM_SIGNS, format_pixels
from rnc.ui.markdown import Markdown, escape_markdown, safe_plain_line
from rnc.vocabulary import SYNTHETIC, Norm, Objective

_SEPARATOR = " \N{MIDDLE DOT} "
_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
_SETTING: dict[str, Callable[[Any], str]] = {
    "dataset": lambda name: _TITLES.get(name, name),
    "model": "{}".format,
    "width": "width {:g}".format,
    "subset": lambda count: f"{count:,} images" if count else "all images",
    "norm": lambda name: NORM_SIGNS.get(name, name),
}
"""The fields of a run's setting, with their formats; runs that differ in one are not comparable without its mention."""
_INSTANCE: dict[str, Callable[[Any], str]] = {
    "published": lambda of_gallery: "gallery" if of_gallery else "",
    "seed": "seed {}".format,
}
"""The fields that distinguish runs of one setting and objective; a label has them only if another run has the same one."""
MARKS = ["published", "synthetic"]
"""Columns that distinguish runs with equal configs; runs for which they are false come first."""


def run_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id.

    The label is the run's name (`train.measure --name`), or else its objective, with as few fields of the setting as tell the
    settings of these runs apart. Runs with equal labels get in addition what distinguishes them: gallery, seed, or the end of
    their ids. A synthetic run always says so.
    """
    rows = _rows(runs)
    labels = [_label(run, fields) for run, fields in zip(rows, _distinguishing(rows), strict=True)]
    for name, text in _INSTANCE.items():
        pairs = list(zip(rows, labels, strict=True))
        values: dict[str, set] = defaultdict(set)
        for run, label in pairs:
            values[label].add(run[name])
        labels = [_joined(label, text(run[name])) if len(values[label]) > 1 else label for run, label in pairs]
    shared = {label for label, count in Counter(labels).items() if count > 1}
    return {
        run_id: safe_plain_line(_joined(label, run_id.rsplit("-", 1)[-1]) if label in shared else label)
        for run_id, label in zip(runs["run_id"], labels, strict=True)
    }


def _rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what labels are made of, for each run; a few lists are much quicker than groups of a frame."""
    names = ["name", "objective", "synthetic", *_SETTING, *_INSTANCE]
    columns = [runs[name].tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _distinguishing(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return for each run the fields of the setting in which runs differ that agree with it in all fields before."""
    fields: list[list[str]] = [[] for _run in rows]
    agreeing: list[tuple] = [() for _run in rows]
    for name in _SETTING:
        values: dict[tuple, set] = defaultdict(set)
        for run, others in zip(rows, agreeing, strict=True):
            values[others].add(run[name])
        for named, others in zip(fields, agreeing, strict=True):
            named += [name] if len(values[others]) > 1 else []
        agreeing = [(*others, run[name]) for run, others in zip(rows, agreeing, strict=True)]
    return fields


def _label(run: dict, fields: list[str]) -> str:
    """Return the label of a run with the given fields, before labels are made unique."""
    words = (
        [run["name"]] if run["name"] else [run["objective"].upper(), *(_SETTING[name](run[name]) for name in fields)]
    )
    return _joined(*words, SYNTHETIC if run["synthetic"] else "")


def _joined(*words: str) -> str:
    return _SEPARATOR.join(filter(None, words))


def describe_run(run: dict) -> str:
    """Return a run (row of `reader.runs.all`) on one line: name, objective, data, epsilon, epochs, seed, date and origin."""
    is_external = run["objective"] == Objective.OWN
    epsilon: Any = run.get("epsilon")
    has_epsilon = isinstance(epsilon, int | float) and math.isfinite(epsilon)
    norm = "" if run["norm"] == Norm.LINF else f"{_SETTING['norm'](run['norm'])} "
    words = [
        run["name"],
        "external" if is_external else run["objective"].upper(),
        _SETTING["dataset"](run["dataset"]),
        f"{norm}\N{GREEK SMALL LETTER EPSILON} {format_pixels(epsilon)}" if has_epsilon else "",
        "" if is_external else f"{run['epochs']} epochs",
        f"seed {run['seed']}",
        f"{run['started_at']:%Y-%m-%d}",
        SYNTHETIC if run["synthetic"] else "gallery" if run["published"] else "this store",
    ]
    return safe_plain_line(_joined(*words))


def earlier_label_by_run_id(runs: pd.DataFrame) -> dict[str, str]:
    """Return the labels by which addresses of earlier versions name runs, by their ids: all varying fields, with spaces."""
    texts: dict[str, Callable[[Any], str]] = {
        name: text for name, text in _SETTING.items() if name not in ("dataset", "norm")
    }
    texts = {"dataset": str, "model": str, **texts, "norm": str, "seed": _INSTANCE["seed"]}
    texts["published"] = lambda of_gallery: "(gallery)" if of_gallery else ""
    fields = [name for name in texts if runs[name].nunique() > 1]
    labels = {}
    for run in runs.to_dict("records"):
        words = (
            [run["name"]] if run["name"] else [run["objective"].upper(), *(texts[name](run[name]) for name in fields)]
        )
        labels[run["run_id"]] = " ".join(filter(None, [*words, f"({SYNTHETIC})" if run["synthetic"] else ""]))
    return labels


def labels_over_seeds(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id; runs that differ only in their seed share a label.

    Gallery runs and synthetic runs do not share labels with other runs.
    """
    configs = [
        json.dumps(json.loads(text) | {"seed": None} | {mark: bool(marks[mark]) for mark in MARKS}, sort_keys=True)
        for text, marks in zip(runs["config"], runs[MARKS].to_dict("records"), strict=True)
    ]
    first = runs.assign(seed=0, config=configs).drop_duplicates("config")
    label = dict(zip(first["config"], run_labels(first).values(), strict=True))
    return {run_id: label[config] for run_id, config in zip(runs["run_id"], configs, strict=True)}


def name_classes(frame: pd.DataFrame, classes: list[str], *columns: str) -> pd.DataFrame:
    """Return the frame with class names in place of class numbers in the given columns."""
    return frame.assign(**{column: frame[column].map(dict(enumerate(classes))) for column in columns})


def describe_epochs(epochs: dict[str, int]) -> Markdown:
    """Return the epoch at which each run (label) is shown, in words; stated once if it is the same for all."""
    if len(epochs) > 1 and len(set(epochs.values())) == 1:
        return f"all at epoch {next(iter(epochs.values())):d}"
    return ", ".join(f"{escape_markdown(label)} at epoch {epoch:d}" for label, epoch in epochs.items())
