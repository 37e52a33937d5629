"""The runs that a visitor can select, and those that are selected at first."""

import pandas as pd

from rnc.claims import is_trained_to_its_end
from rnc.store.errors import StoreError
from rnc.ui import opened_store
from rnc.ui.opened_store import cached_until_runs_change, cached_until_store_changes
from rnc.ui.run_labels import MARKS
from rnc.vocabulary import Objective

_DEFAULT_RUNS = 5  # one per objective
_SETTING = ["dataset", "model", "width", "subset", "norm", "epochs"]
"""The fields in which runs must agree for their objectives to be comparable."""


@cached_until_store_changes
def measured_and_default_runs() -> tuple[pd.DataFrame, list[str]]:
    """Return the table of the measured runs, and those that are selected at first, both of one reading of the store."""
    reader = opened_store.reader()
    with reader.kept_open():
        runs, counts = reader.runs.all(), reader.metrics.value_counts_by_run()
    measured = runs[runs["run_id"].isin(counts["run_id"])]
    if measured.empty:
        return measured, []
    offered = measured[~measured["archived"]]
    return measured, _complete_selection(tuple(offered["run_id"]), tuple(offered["run_id"][is_done(offered)]))


@cached_until_runs_change
def _complete_selection(run_ids: tuple[str, ...], _done: tuple[str, ...]) -> list[str]:
    runs = opened_store.reader().runs.all()
    known = set(runs["run_id"])
    if missing := [run_id for run_id in run_ids if run_id not in known]:
        raise StoreError(f"{missing[0]} was deleted while the store was read; reload the page")
    return choose_default_runs(runs[runs["run_id"].isin(run_ids)])


def default_runs() -> list[str]:
    """Return the runs that are selected at first."""
    return measured_and_default_runs()[1]


def choose_default_runs(runs: pd.DataFrame) -> list[str]:
    """Return the runs that are selected at first: trained to their end, and standard beside adversarial training.

    As long as the store has no such set, the gallery's is returned, followed by the store's runs that are done. Without a gallery
    these are the store's runs, also those under way.
    """
    store, gallery = runs[~runs["published"]], runs[runs["published"]]
    done = store[is_done(store)]
    selected = comparable_runs_across_objectives(done)
    if gallery.empty:
        return (
            selected if includes_comparison_of_objectives(done, selected) else comparable_runs_across_objectives(store)
        )
    if includes_comparison_of_objectives(done, selected):
        return selected
    return [*comparable_runs_across_objectives(gallery)[: _DEFAULT_RUNS - 1], *selected][:_DEFAULT_RUNS]


def is_done(runs: pd.DataFrame) -> pd.Series:
    """Return which runs have been trained to their end."""
    done: pd.Series = is_trained_to_its_end(runs["state"], runs["epochs_done"], runs["epochs"])
    return done


def includes_comparison_of_objectives(runs: pd.DataFrame, selected: list[str]) -> bool:
    """Return whether selected runs show a comparison: standard training beside another one, or an external network."""
    objectives = set(runs[runs["run_id"].isin(selected)]["objective"])
    return Objective.OWN in objectives or (Objective.ST in objectives and len(objectives) > 1)


def comparable_runs_across_objectives(runs: pd.DataFrame) -> list[str]:
    """Return comparable runs: for one setting, a run of each objective, in the order of `Objective`: standard training first.

    The setting is the one with the most objectives, then with the most epochs, then the newest. Gallery runs are used only if
    the store has no other run, and synthetic runs only if there are no others.
    """
    for mark in MARKS:
        runs = runs if runs[mark].all() else runs[~runs[mark]]
    newest: dict[tuple, dict[str, str]] = {}  # setting -> objective -> its newest run; the newest ones come first
    columns = [runs[name].tolist() for name in (*_SETTING, "objective", "run_id")]
    for *setting, objective, run_id in zip(*columns, strict=True):
        newest.setdefault(tuple(setting), {}).setdefault(objective, run_id)
    epochs = _SETTING.index("epochs")
    _setting, one_each = max(newest.items(), key=lambda item: (len(item[1]), item[0][epochs]), default=((), {}))
    order = {str(objective): place for place, objective in enumerate(Objective)}
    in_order = sorted(one_each, key=lambda objective: order.get(objective, len(order)))
    return [one_each[objective] for objective in in_order][:_DEFAULT_RUNS]
