"""Configs side by side: a row per field, a column per run."""

import json
from typing import Any

import pandas as pd
import streamlit as st

_MISSING = "–"


def config_table(configs: dict[str, dict[str, Any]]) -> pd.DataFrame:
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
    """Draw the differences between the configs of the chosen runs (with `label`), or all fields on request."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Configs side by side", anchor=False)
        every = st.toggle("All fields", key="all_fields", bind="query-params", help="also those in which they agree")
    if len(runs) < 2:
        st.caption("Choose two or more runs in the sidebar.")
        return
    configs = {label: json.loads(config) for label, config in zip(runs["label"], runs["config"], strict=True)}
    table = config_table(configs)
    apart = differing(table)
    shown = table if every else apart
    if shown.empty:
        st.caption("Their configs are the same, field by field.")
        return
    st.dataframe(
        shown.reset_index(), hide_index=True, key="differences", alt="Fields of the chosen runs' configs, a column a run",
        column_config={"field": st.column_config.TextColumn(pinned=True, width=170)},
    )  # fmt: skip
    st.caption(f"{len(apart)} of {len(table)} fields differ. A dash: the run's config does not have the field.")


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {
            key: text for part in value for key, text in _flat(value[part], f"{name}.{part}" if name else part).items()
        }
    return {name: value if isinstance(value, str) else json.dumps(value)}
