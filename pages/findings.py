"""Home: what the chosen runs say of the paper's claims, with the numbers and the way to the evidence."""

import pandas as pd
import streamlit as st

from rnc import controls
from rnc.claims import USED, Judgement, Verdict, judge
from rnc.vocabulary import Metric, Role, Split

LOOKS = {
    Verdict.SUPPORTED: ("green", ":material/check:"),
    Verdict.CONTRADICTED: ("red", ":material/close:"),
    Verdict.NOT_MEASURED: ("gray", ":material/remove:"),
}
EVIDENCE = {
    "C1": ("pages/collapse.py", "Collapse curves", {"conditions": [str(Role.CLEAN)]}),
    "C2": ("pages/collapse.py", "Collapse curves", {"conditions": [str(Role.CLEAN), str(Role.PERTURBED)]}),
    "C6": ("pages/collapse.py", "Collapse curves", {"conditions": [str(Role.CLEAN), str(Role.PERTURBED)]}),
    "C7": ("pages/geometry.py", "Geometry of the class means", {"condition": str(Role.PERTURBED)}),
}


def draw_card(judgement: Judgement, labels: pd.Series) -> None:
    """One claim: verdict, statement, the numbers that decide it, and the link to its evidence."""
    with st.container(border=True, height="stretch"):
        colour, icon = LOOKS[judgement.verdict]
        st.badge(str(judgement.verdict), icon=icon, color=colour)
        st.subheader(f"{judgement.claim} · {judgement.title}", anchor=False)
        st.markdown(judgement.statement)
        if judgement.numbers:
            table = pd.DataFrame(
                {
                    "run": [labels[n.run_id] for n in judgement.numbers],
                    "number": [n.name for n in judgement.numbers],
                    "value": [n.value for n in judgement.numbers],
                    "bound": [n.bound for n in judgement.numbers],
                    "met": ["yes" if n.met else "no" for n in judgement.numbers],
                }
            )
            formats = {"value": st.column_config.NumberColumn(format="%.3g")}
            st.dataframe(table, hide_index=True, key=f"numbers_{judgement.claim}", column_config=formats)
        else:
            st.caption("None of the chosen runs bears on this claim yet.")
        st.caption(f"Criterion: {judgement.criterion}")
        page, label, parameters = EVIDENCE[judgement.claim]
        st.page_link(page, label=label, icon=":material/arrow_forward:", query_params=parameters)


selection = controls.selection()
runs = controls.chosen_runs(selection)
st.title("What an attack does to a network's geometry")
st.markdown(
    "Claims of *On the Robustness of Neural Collapse and the Neural Collapse of Robustness* (Su, Zhang, Tsilivis, Kempe; "
    "TMLR 2024), judged on the training images of the chosen runs, each at its last measured epoch not after the cursor."
)
reader = controls.reader()
shown = [str(Role.CLEAN), str(Role.PERTURBED)]
own = reader.curves(selection.runs, shown, Split.TRAIN, [metric for metric in USED if metric is not Metric.ANGLE])
clean = reader.against_clean(selection.runs, shown, Split.TRAIN, [Metric.ANGLE])
values = pd.concat([own, clean])
judgements = judge(runs.reset_index(drop=True), values[values["epoch"] <= selection.epoch])
for first in range(0, len(judgements), 2):
    for column, judgement in zip(st.columns(2), judgements[first : first + 2], strict=False):
        with column:
            draw_card(judgement, runs["label"])
