"""The names of attacked networks and of their classes, as the store has them now.

Tested by tests/pages/test_attack_lab.py.
"""

from collections.abc import Sequence

from rnc.lab.source import Source
from rnc.ui.markdown import single_line
from rnc.ui.opened_store import reader
from rnc.ui.run_labels import run_labels

_MOST_CLASSES = 1000


def class_names(run_id: str) -> list[str]:
    """Return the names of a run's classes, or numbers if the run is no longer in the store."""
    runs = reader().runs.all()
    run = runs[runs["run_id"] == run_id]
    return [str(number) for number in range(_MOST_CLASSES)] if run.empty else list(run["classes"].iloc[0])


def network_labels(sources: Sequence[Source]) -> list[str]:
    """Return a short label for each network that tells it from the others: its run and epoch.

    A run that is no longer in the store has its id as label.
    """
    runs = reader().runs.all()
    labels = run_labels(runs[runs["run_id"].isin([source.run_id for source in sources])].reset_index(drop=True))
    return [single_line(f"{labels.get(source.run_id, source.run_id)} · epoch {source.epoch}") for source in sources]
