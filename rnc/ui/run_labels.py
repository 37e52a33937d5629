"""Labels of runs in legends, tables and exported figures."""

import json

import pandas as pd

from rnc.ui.markdown import single_line
from rnc.vocabulary import SYNTHETIC

_TELLING = {
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
    norm and seed that distinguish the runs. Runs with equal labels get the end of their ids in addition. A run with made-up
    numbers always says so.
    """
    told = [field for field in _TELLING if runs[field].nunique() > 1]
    labels = []
    for run in runs.to_dict("records"):
        words = (
            [run["name"]]
            if run["name"]
            else [run["objective"].upper(), *(_TELLING[field](run[field]) for field in told)]
        )
        labels.append(" ".join(filter(None, [*words, f"({SYNTHETIC})" if run["synthetic"] else ""])))
    alike = pd.Series(labels).duplicated(keep=False)
    ends = [f" {run_id.rsplit('-', 1)[-1]}" if twin else "" for run_id, twin in zip(runs["run_id"], alike, strict=True)]
    told_apart = zip(runs["run_id"], labels, ends, strict=True)
    return {run_id: single_line(label + end) for run_id, label, end in told_apart}


def labels_over_seeds(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id; runs that differ only in their seed share a label.

    Gallery runs and made-up runs do not share labels with other runs.
    """
    configs = [
        json.dumps(json.loads(text) | {"seed": None} | {mark: bool(marks[mark]) for mark in MARKS}, sort_keys=True)
        for text, marks in zip(runs["config"], runs[MARKS].to_dict("records"), strict=True)
    ]
    first = runs.assign(seed=0, config=configs).drop_duplicates("config")
    label = dict(zip(first["config"], run_labels(first).values(), strict=True))
    return {run_id: label[config] for run_id, config in zip(runs["run_id"], configs, strict=True)}
