"""Choice of the networks that a sweep compares: those of the other selected runs at first, and other epochs on request.

Tested by tests/pages/test_compared_networks.py.
"""

from collections.abc import Iterable, Mapping

import pandas as pd
import streamlit as st

from rnc.lab.network_and_images import Source
from rnc.lab.strength_curve import MOST_NETWORKS
from rnc.store.queries.epochs_not_after import all_epochs_up_to_cursor
from rnc.ui import opened_store
from rnc.ui.controls_in_address import first_values_in_markdown, notice
from rnc.ui.lab.checkpoint_picker import attackable
from rnc.ui.markdown import escape_markdown
from rnc.ui.selection import Selection, selected_runs

RUNS, EPOCHS = "lab_with", "lab_epochs"
"""The keys of the compared runs, and of the networks of other epochs; both are in the address."""
_EARLIER = "lab_other"
"""The key by which addresses of earlier versions name both together."""
_LEFT_OUT, _OFFERED = "lab_runs_left_out", "lab_runs_offered"
_MOST_OTHERS = MOST_NETWORKS - 1


def choose_others(run: pd.Series, source: Source, selection: Selection) -> list[Source]:
    """Let the user choose the stored networks to compare with `source`, which is one of `run`.

    They are of the selected runs on the same images. At first, each of those runs is compared, by its network at the epoch of
    the sidebar.
    """
    runs = selected_runs(selection)
    runs = runs[runs["images_from"] == run["images_from"]]
    checkpoints = opened_store.reader().runs.checkpoints(list(runs.index))
    of_runs, of_epochs = _networks(runs, checkpoints, source, selection.epoch)
    _accept_earlier_address(of_runs, of_epochs)
    if not of_runs and not of_epochs:
        st.caption("There is no other network to compare with: select more runs of this data set in the sidebar.")
        return []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = [of_runs[label] for label in _choose_runs(of_runs)]
        chosen += [of_epochs[label] for label in _choose_epochs(list(of_epochs), bool(of_runs))]
    others = [attackable(runs.loc[row["run_id"]], row, selection.split, "A network to compare with") for row in chosen]
    return [other for other in others if other is not None]


def _networks(
    runs: pd.DataFrame, checkpoints: pd.DataFrame, source: Source, cursor: int
) -> tuple[dict[str, dict], dict[str, dict]]:
    """Return the rows of the networks at the cursor by their runs' labels, and those of all others by label and epoch."""
    at_cursor = {
        run_id: epochs[-1] for run_id, epochs in all_epochs_up_to_cursor(checkpoints, cursor).items() if epochs
    }
    place = {run_id: number for number, run_id in enumerate(runs.index)}
    of_runs, of_epochs = {}, {}
    rows = checkpoints.assign(place=checkpoints["run_id"].map(place)).sort_values(
        ["epoch", "place"], ascending=[False, True]
    )
    for row in rows.to_dict("records"):
        run_id, label = row["run_id"], str(runs["label"][row["run_id"]])
        if row["sha256"] == source.sha256:
            continue
        if run_id != source.run_id and row["epoch"] == at_cursor.get(run_id):
            of_runs[label] = row
        else:
            of_epochs[f"{label} · epoch {row['epoch']}"] = row
    in_order = sorted(of_runs.items(), key=lambda item: place[item[1]["run_id"]])
    return dict(in_order), of_epochs


def _choose_runs(of_runs: Mapping[str, dict]) -> list[str]:
    """Return the labels of the runs to compare with: all, but those that the user leaves out.

    A run that was left out stays so when another one is attacked, or further ones are selected.
    """
    if not of_runs:
        return []
    state, labels = st.session_state, list(of_runs)
    ids = {label: str(row["run_id"]) for label, row in of_runs.items()}
    left_out: set[str] = state.setdefault(_LEFT_OUT, set())
    if RUNS in state and state.get(_OFFERED, ids) != ids:
        state[RUNS] = [label for label in labels if ids[label] not in left_out][:_MOST_OTHERS]
    state[_OFFERED] = ids
    chosen = st.pills(
        "Compare with",
        labels,
        selection_mode="multi",
        default=labels[:_MOST_OTHERS],
        format_func=escape_markdown,
        key=RUNS,
        bind="query-params",
        wrap=True,
        help="The other selected runs of the same data set, each by its network at the epoch of the sidebar, on the same images "
        "and with the same seed. Click one to leave it out.",
    )
    chosen = [label for label in labels if label in chosen]
    state[_LEFT_OUT] = (left_out - set(ids.values())) | {ids[label] for label in labels if label not in chosen}
    return chosen


def _choose_epochs(labels: list[str], has_runs: bool) -> list[str]:
    """Return the labels of the networks of other epochs to compare with; their list is opened by a button."""
    if not labels:
        return []
    count = len([label for label in st.session_state.get(EPOCHS, []) if label in labels])
    words = "Other epochs" if has_runs else "Compare with other epochs"
    with st.popover(f"{words} · {count:d}" if count else words, icon=":material/add:", key="lab_epochs_menu"):
        return st.multiselect(
            "Networks of other epochs",
            labels,
            key=EPOCHS,
            bind="query-params",
            placeholder="none",
            max_selections=_MOST_OTHERS,
            help="Other stored networks of the selected runs of the same data set.",
        )


def _accept_earlier_address(of_runs: Mapping[str, dict], of_epochs: Iterable[str]) -> None:
    """Compare with the networks that the address of an earlier version names, and with no others."""
    asked = st.query_params.get_all(_EARLIER)
    if not asked:
        return
    del st.query_params[_EARLIER]
    by_earlier_name = {f"{label} · epoch {row['epoch']}": label for label, row in of_runs.items()}
    labels = [by_earlier_name[text] for text in asked if text in by_earlier_name]
    st.session_state[RUNS], st.query_params[RUNS] = labels, list(map(escape_markdown, labels)) or ""
    st.session_state[EPOCHS] = st.query_params[EPOCHS] = [text for text in asked if text in of_epochs]
    missing = [text for text in asked if text not in by_earlier_name and text not in of_epochs]
    if missing:
        notice(
            f"The address asks for a comparison with {first_values_in_markdown(missing)}, which is not available here."
        )
