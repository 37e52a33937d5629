"""Configs side by side: a row per field, a column per run.

Tested by tests/pages/test_runs.py.
"""

import json
from typing import Any

import pandas as pd
import streamlit as st

_MISSING = "–"


def all_config_fields(configs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return the fields of configs (label -> config) as texts, a row per field under its dotted name, in the configs' order.

    A dash marks a field that a config does not have, because it was added later or belongs to another kind of run.
    """
    flat = {label: _flat(config) for label, config in configs.items()}
    names = list(dict.fromkeys(name for fields in flat.values() for name in fields))
    columns = {label: [fields.get(name, _MISSING) for name in names] for label, fields in flat.items()}
    return pd.DataFrame(columns, index=pd.Index(names, name="field"))


def differing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table in which the columns differ."""
    return table[table.nunique(axis="columns") > 1]


def draw_differences(runs: pd.DataFrame) -> None:
    """Draw the differences between the configs of the selected runs (with `label`), or all fields on request."""
    # The toggle is beside the title, because the table's toolbar would cover it at the right edge.
    with st.container(horizontal=True, vertical_alignment="center", gap="large"):
        st.subheader("Configs side by side", anchor=False, width="content")
        all_fields = st.toggle(
            "All fields", key="all_fields", bind="query-params", help="Show the fields in which the runs agree, too."
        )
    if len(runs) < 2:
        st.caption("Select two or more runs in the sidebar to compare their configs.")
        return
    configs = {label: json.loads(config) for label, config in zip(runs["label"], runs["config"], strict=True)}
    table = all_config_fields(configs)
    different = differing(table)
    shown = table if all_fields else different
    if shown.empty:
        st.caption("The configs of the selected runs are equal in all fields.")
        return
    st.dataframe(
        shown.reset_index(),
        hide_index=True,
        key="differences",
        alt="Fields of the configs of the selected runs, one run per column",
        column_config={"field": st.column_config.TextColumn(pinned=True, width=170)},
    )
    st.caption(
        f"{len(different)} of {len(table)} fields differ. A dash marks a field that the config of a run does not have."
    )


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {
            key: text for part in value for key, text in _flat(value[part], f"{name}.{part}" if name else part).items()
        }
    return {name: value if isinstance(value, str) else json.dumps(value)}
