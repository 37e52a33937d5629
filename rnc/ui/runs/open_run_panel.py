"""The run that is open on the runs page, below the table: tags and note, the command that repeats it, config, conditions, time.

Tested by tests/pages/test_runs.py.
"""

import json

import pandas as pd
import streamlit as st

from rnc.conditions import condition_in_words
from rnc.store.run_card import train_command
from rnc.store.run_editor import LONGEST_NOTE, MOST_TAGS
from rnc.ui import opened_store
from rnc.ui.markdown import escape_markdown
from rnc.ui.readonly import READONLY_MESSAGE, is_readonly
from rnc.ui.runs.deletion import draw_answer_of_one, draw_archive_and_delete_buttons
from rnc.ui.runs.demo_training_menu import PLACE
from rnc.ui.runs.save_archive_delete import draw_outcome, key_of_fields, save_tags_and_note
from rnc.ui.runs.table import run_table
from rnc.ui.runs.which_run_is_open import close_run, requested_run
from rnc.ui.training_process import Phase
from rnc.ui.training_status import start_training
from rnc.vocabulary import Objective, RunState

_TABS = ["Tags and note", "Reproduce this run", "Config", "Conditions", "Time by phase"]


def draw_open_run(all_runs: pd.DataFrame, runs: pd.DataFrame) -> None:
    """Draw the run that the address opens, if it opens one: its state, and a tab for each part of what the store has about it.

    The run may be hidden by the filter, that is in `all_runs` and not in `runs`.
    """
    run_id = requested_run()
    if run_id is None:
        draw_outcome("panel")  # a deleted run is closed
        return
    chosen = all_runs[all_runs["run_id"] == run_id]
    with st.container(border=True, key="open_run"):
        if chosen.empty:
            st.warning(
                f"This address opens the run {escape_markdown(run_id)}, which is not in this store. It may have been deleted, or "
                "be in another store.",
                icon=":material/link_off:",
            )
            st.button("Close", key="close_run", on_click=close_run)
            draw_outcome("marks")
            draw_outcome("panel")
            return
        run = chosen.iloc[0]
        _draw_head(run, tuple(runs["run_id"]))
        if _can_change(run):
            draw_answer_of_one(run)
        _draw_tabs(run, [tag for tags in all_runs["tags"] for tag in tags])


def _draw_head(run: pd.Series, in_table: tuple[str, ...]) -> None:
    is_hidden = run["run_id"] not in in_table
    table = run_table((str(run["run_id"]),) if is_hidden else in_table)
    row = table[table["run_id"] == run["run_id"]].iloc[0]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top"):
        st.subheader(escape_markdown(row["label"]), anchor=False, width="content")
        with st.container(horizontal=True, width="content"):
            if _can_change(run):
                draw_archive_and_delete_buttons(run)
            st.button("Close", key="close_run", icon=":material/close:", on_click=close_run)
    parts = [row["run_id"], row["state"], f"epoch {row['epochs'].replace('/', 'of')}", row["origin"]]
    st.caption(" · ".join(map(escape_markdown, parts)))
    if is_hidden:
        st.caption("The filter in the sidebar hides this run in the table.")
    if run["error"]:
        st.caption(f"It ended with: {escape_markdown(run['error'])}")
    if not is_readonly() and _can_be_resumed(run):
        _draw_resume(run)


def _can_change(run: pd.Series) -> bool:
    """Return whether the run is one of the store, and the view is not a public one."""
    return not is_readonly() and not run["published"]


def _can_be_resumed(run: pd.Series) -> bool:
    """Return whether a run of this store was trained by this program, and ended before its last epoch."""
    is_ours = not run["published"] and not run["synthetic"] and run["objective"] != Objective.OWN
    return is_ours and run["state"] in (RunState.INTERRUPTED, RunState.FAILED)


def _draw_resume(run: pd.Series) -> None:
    is_under_way = opened_store.training().phase in (Phase.RUNNING, Phase.STOPPING)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Resume",
            key="resume_run",
            icon=":material/play_arrow:",
            on_click=start_training,
            args=(str(run["run_id"]), PLACE),
            disabled=is_under_way,
            help="Goes on after the last saved epoch, with the same numbers as without the stop.",
        )
        if is_under_way:
            st.caption("A training is under way, and at most one is started from here at a time.")


def _draw_tabs(run: pd.Series, known_tags: list[str]) -> None:
    marks, command, config, conditions, time = st.tabs(_TABS, key="run_panel")
    with marks:
        _draw_annotations(run, known_tags)
    with command:
        _draw_command(run)
        used = run[["device", "execution", "git_commit", "threads"]].dropna().astype(str).to_dict()
        st.json({**used, **json.loads(run["versions"])}, expanded=True)
    with config:  # it contains the names of all classes, possibly a thousand
        st.json(json.loads(run["config"]), expanded=2)
    with conditions:
        _draw_conditions(run["run_id"])
    with time:
        _draw_time(run["run_id"])


def _draw_conditions(run_id: str) -> None:
    """Draw the run's conditions in words, each with its name, by which commands and addresses call it."""
    table = opened_store.reader().runs.conditions([run_id])
    words = {"role": table["role"].map(condition_in_words), "in words": table["condition"].map(condition_in_words)}
    shown = table.assign(**words)[["role", "in words", "epsilon", "step_size", "steps", "label_rule", "condition"]]
    columns = {"in words": "condition", "condition": "name", "step_size": "step size", "label_rule": "label"}
    st.dataframe(shown, hide_index=True, placeholder="–", key="conditions_of_run", column_config=columns)


def _draw_annotations(run: pd.Series, known_tags: list[str]) -> None:
    """Draw tags and note of a run, editable if the run may be changed; `known_tags` are those of all runs."""
    if not _can_change(run):
        st.text("\n".join(filter(None, [", ".join(run["tags"]), run["note"]])) or "none")
        st.caption(READONLY_MESSAGE if is_readonly() else "Runs of the built-in gallery cannot be changed.")
        return
    run_id = str(run["run_id"])
    draw_outcome("marks")
    key = key_of_fields(run_id, list(run["tags"]), run["note"])
    st.multiselect(
        "Tags",
        sorted({*known_tags, *run["tags"]}),
        default=run["tags"],
        key=f"tags_{key}",
        accept_new_options=True,
        max_selections=MOST_TAGS,
        placeholder="choose or type",
        help="A tag is saved as soon as it is chosen or entered, or taken off.",
        on_change=save_tags_and_note,
        args=(run_id, key),
    )
    st.text_area(
        "Note",
        run["note"],
        key=f"note_{key}",
        max_chars=LONGEST_NOTE,
        height=100,
        help="The note is saved when you leave its field.",
        on_change=save_tags_and_note,
        args=(run_id, key),
    )


def _draw_command(run: pd.Series) -> None:
    if run["synthetic"]:
        st.caption(
            "The numbers of this run are from `python -m tests.benchmarks.synthetic`. No training reproduces them."
        )
    else:
        st.code(train_command(json.loads(run["config"])), language="bash", wrap_lines=True)


def _draw_time(run_id: str) -> None:
    """Draw the share of each part in the run's time, if the run recorded it."""
    seconds = opened_store.reader().runs.total_costs(run_id)[["attack", "step", "measurement", "store"]].T[0]
    if seconds.isna().any():
        st.caption("The store does not have the times of this run.")
        return
    table = pd.DataFrame(
        {"phase": seconds.index, "seconds": seconds.to_numpy(), "share": (seconds / seconds.sum()).to_numpy()}
    )
    columns = {
        "share": st.column_config.ProgressColumn(format="percent", max_value=1.0),
        "seconds": st.column_config.NumberColumn(format="%.1f"),
    }
    st.dataframe(table, hide_index=True, key="costs", column_config=columns)
