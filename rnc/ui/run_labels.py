"""Labels of runs, classes and epochs in legends, tables, captions and exported figures."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from rnc.ui.markdown import Markdown, escape_markdown, single_line
from rnc.vocabulary import SYNTHETIC

_DISTINGUISHING: dict[str, Callable[[Any], str]] = {
    "dataset": "{}".format,
    "model": "{}".format,
    "width": "width {:g}".format,
    "subset": lambda count: f"{count:,} images" if count else "all images",
    "norm": "{}".format,
    "seed": "seed {}".format,
    "published": lambda of_gallery: "(gallery)" if of_gallery else "",
}
"""The fields that may distinguish runs in a legend, with their formats."""
MARKS = ["published", "synthetic"]
"""Columns that distinguish runs with equal configs; runs for which they are false come first."""


def run_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id.

    The label is the run's name (`train.measure --name`), or else its objective and those of data set, network, width, images,
    norm and seed that distinguish the runs. Runs with equal labels get the end of their ids in addition. A synthetic run
    always says so.
    """
    fields = [field for field in _DISTINGUISHING if runs[field].nunique() > 1]
    labels = [_label(run, fields) for run in runs.to_dict("records")]
    shared = {label for label, count in Counter(labels).items() if count > 1}
    return {
        run_id: single_line(f"{label} {run_id.rsplit('-', 1)[-1]}" if label in shared else label)
        for run_id, label in zip(runs["run_id"], labels, strict=True)
    }


def _label(run: dict, fields: list[str]) -> str:
    """Return the label of a run with the given fields, before labels are made unique."""
    words = [run["name"]] if run["name"] else [run["objective"].upper()]
    if not run["name"]:
        words += [_DISTINGUISHING[field](run[field]) for field in fields]
    return " ".join(filter(None, [*words, f"({SYNTHETIC})" if run["synthetic"] else ""]))


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
