"""The user's selection of runs, epoch, split and condition, which all pages share.

Tested by tests/pages/test_pages.py.
"""

import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pandas as pd
import streamlit as st

from rnc.store.errors import StoreError
from rnc.store.queries.epochs_not_after import all_epochs_up_to_cursor
from rnc.ui.charts.palette import RUN_COLOURS, RunColours
from rnc.ui.opened_store import cached_until_runs_change, cached_until_store_changes, reader
from rnc.ui.run_labels import run_labels
from rnc.vocabulary import Role, Split

_APP = Path(__file__).parents[2] / "app.py"
_SELECTION = "selection"


@dataclass(frozen=True)
class Selection:
    """The sidebar's selection: runs, epoch, split, and the condition that is compared with clean."""

    runs: list[str]
    epoch: int
    condition_name: str
    """A role, to which each run assigns its own attack or noise, or the slug of an extra condition."""
    split: Split
    colours: dict[str, str] = field(default_factory=dict)
    """The colour of each run, by its name in `rnc.ui.charts.palette.RUN_COLOURS`."""

    @property
    def clean_and_condition(self) -> list[str]:
        """The names of the conditions that most charts compare: clean, and the selected one."""
        return [str(Role.CLEAN), self.condition_name]

    @property
    def split_and_run_if_single(self) -> dict[str, str]:
        """The values that all rows of the selection share: its split, and its run if there is only one."""
        return {"split": str(self.split)} | ({"run_id": self.runs[0]} if len(self.runs) == 1 else {})


def set_selection(selection: Selection) -> None:
    """Store the selection for the page that is drawn next in this script run."""
    st.session_state[_SELECTION] = selection


def current_selection(*, may_be_empty: bool = False) -> Selection:
    """Return the selection of this script run; stop the page with a hint if no run is selected."""
    selection: Selection | None = st.session_state.pop(_SELECTION, None)
    if selection is None:
        _run_app_instead()
    if not selection.runs and not may_be_empty:
        st.info("Select at least one run in the sidebar.", icon=":material/arrow_back:")
        st.stop()
    return selection


def _run_app_instead() -> NoReturn:
    """Run `app.py`, which draws the page again, and stop the script that called it.

    Before `st.navigation` was called, Streamlit runs only the requested page, by its old rule for folders named pages/. A server
    declares the pages when it starts (`rnc/ui/warm_up.py`); Streamlit's test harness does not.
    """
    runpy.run_path(str(_APP), run_name="__main__")
    st.stop()


def selected_runs(selection: Selection) -> pd.DataFrame:
    """Return the table of the selected runs in the order of selection, with a short `label` and a `colour` (#RRGGBB) each."""
    runs = labelled_runs(tuple(selection.runs))
    return runs.assign(colour=[RUN_COLOURS[selection.colours[run_id]] for run_id in runs["run_id"]])


def run_colours(runs: pd.DataFrame) -> RunColours:
    """Return the colours of runs (with `label`, `colour`) by their labels; runs that share a label have that of the first."""
    return dict(runs.drop_duplicates("label").set_index("label")["colour"].astype(str))


@cached_until_store_changes
def labelled_runs(run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of runs, with a short `label` each that tells them apart.

    Raises StoreError if a run was deleted since the sidebar read the store.
    """
    runs = reader().runs.all().set_index("run_id", drop=False)
    if missing := [run_id for run_id in run_ids if run_id not in runs.index]:
        raise StoreError(f"{missing[0]} was deleted while this page was drawn; reload the page")
    return runs.loc[list(run_ids)].assign(label=pd.Series(_labels(run_ids)))


@cached_until_runs_change
def _labels(run_ids: tuple[str, ...]) -> dict[str, str]:
    runs = reader().runs.all().set_index("run_id", drop=False)
    return run_labels(runs.loc[list(run_ids)].reset_index(drop=True))


def condition_slug(run_id: str, name: str) -> str | None:
    """Return the slug of the condition that has this name in a run; None if the run was not measured under it."""
    conditions = reader().runs.conditions([run_id])
    slugs = conditions[conditions["shown"] == name]["condition"]
    return None if slugs.empty else str(slugs.iloc[0])


def condition_names(run_ids: list[str]) -> list[str]:
    """Return the names of all conditions under which these runs were measured: roles in their order, then extra conditions."""
    return list(_condition_names(tuple(run_ids)))


@cached_until_store_changes
def _condition_names(run_ids: tuple[str, ...]) -> list[str]:
    roles = [str(role) for role in Role]
    names = reader().runs.conditions(list(run_ids))["shown"].unique().tolist()
    return sorted(names, key=lambda name: (roles.index(name) if name in roles else len(roles), name))


def epoch_not_after(frame: pd.DataFrame, run_id: str, cursor: int) -> int | None:
    """Return the last epoch of a run in (run_id, epoch) `frame` that is not after the cursor; None if there is none."""
    epochs = all_epochs_up_to_cursor(frame[frame["run_id"] == run_id], cursor).get(run_id)
    return epochs[-1] if epochs else None
