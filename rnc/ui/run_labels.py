"""What a run is called in legends, tables and exported figures."""

import json

import pandas as pd

from rnc.ui.markdown import clean
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
"""The fields that may tell runs apart in a legend, and how they are said."""
MARKS = ["published", "synthetic"]
"""What sets runs apart though they have one config; runs without come first."""


def run_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id.

    It is the name that the run was given (`train.measure --name`), or else its objective and those of data set, network, width,
    images, norm and seed that tell the runs apart. Runs that would have one label get the ends of their ids. One whose numbers
    are made up says so in any case.
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
    return {run_id: clean(label + end) for run_id, label, end in told_apart}


def labels_over_seeds(runs: pd.DataFrame) -> dict[str, str]:
    """Return a short label for each run, by its id: the same for runs that differ by their seed alone.

    Runs of the gallery, and made-up ones, do not share labels with others.
    """
    configs = [
        json.dumps(json.loads(text) | {"seed": None} | {mark: bool(marks[mark]) for mark in MARKS}, sort_keys=True)
        for text, marks in zip(runs["config"], runs[MARKS].to_dict("records"), strict=True)
    ]
    first = runs.assign(seed=0, config=configs).drop_duplicates("config")
    label = dict(zip(first["config"], run_labels(first).values(), strict=True))
    return {run_id: label[config] for run_id, config in zip(runs["run_id"], configs, strict=True)}
