"""The matrix and cards of the findings page: verdicts, their numbers, and links to the evidence."""

from collections.abc import Iterable
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.claims import Judgement, Verdict
from rnc.ui.charts.claims import course_panel
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown, escape_table
from rnc.vocabulary import Objective, Role, Split

SIGNS = {
    Verdict.SUPPORTED: "✓\N{NO-BREAK SPACE}supported",
    Verdict.CONTRADICTED: "✗\N{NO-BREAK SPACE}contradicted",
    Verdict.NOT_MEASURED: "",
}
LINKS = {
    "collapse": "Collapse curves",
    "geometry": "Geometry of the class means",
    "projections": "Projections and leaps",
    "layers": "Layers",
}
_OF_ONE_RUN = ("geometry", "projections")  # pages that show a single run; the link names one to which the claim applies
_MOST_ROWS, _HEIGHT = 12, 460  # a card with the numbers of many runs scrolls
_MOST_NAMED = 5
BETWEEN = 10
"""Number of epochs for which a number is drawn, in addition to the first and the last."""
_Parameters = dict[str, str | Iterable[str]]
ATTACKED: _Parameters = {"conditions": [str(Role.CLEAN), str(Role.PERTURBED)]}
NOISY: _Parameters = {"conditions": [str(Role.CLEAN), str(Role.GAUSSIAN), str(Role.SIGN_NOISE)]}
PERTURBED: _Parameters = {"condition": str(Role.PERTURBED)}
EVIDENCE: dict[str, tuple[str, _Parameters]] = {
    "C1": ("collapse", {"conditions": [str(Role.CLEAN)]}),
    "C2": ("collapse", ATTACKED),
    "C3": ("projections", PERTURBED),
    "C4": ("geometry", {"condition": str(Role.TARGETED)}),
    "C5": ("collapse", NOISY),
    "C6": ("collapse", ATTACKED),
    "C7": ("geometry", PERTURBED),
    "C8": ("collapse", ATTACKED | {"split": str(Split.TEST)}),
    "C9": ("collapse", ATTACKED),
    "C9 released": ("collapse", ATTACKED),
    "C10": ("layers", PERTURBED),
    "C11": ("collapse", ATTACKED | {"split": str(Split.TEST)}),
}
"""The page with the evidence for a claim, and the URL parameters of the right selection."""


def draw_matrix(judgements: list[Judgement], labels: pd.Series) -> None:
    """Draw claims x runs: the verdict of each run to which a claim applies."""
    table = pd.DataFrame(
        {label: [SIGNS[j.of(str(run_id))] for j in judgements] for run_id, label in labels.items()},
        index=pd.Index([f"{judgement.claim} · {judgement.title}" for judgement in judgements], name="claim"),
    )
    st.table(escape_table(table), alt="claims by runs")
    st.caption("An empty cell: the claim is not about such a run, or the run was not measured for it.")


def tell_unjudged(runs: pd.DataFrame) -> None:
    """Name the runs (with `objective`, `label`) for which no claim is judged, if there are any."""
    own = list(runs.loc[runs["objective"] == Objective.OWN, "label"])
    if own:
        named = [escape_markdown(label) for label in own[:_MOST_NAMED]]
        more = f" and {len(own) - _MOST_NAMED:d} more" if len(own) > _MOST_NAMED else ""
        st.info(
            f"No claim is judged by {', '.join(named)}{more}: brought along by `train.measure`, and how they were "
            "trained nobody here knows. What was measured is on the other pages.", icon=":material/info:"
        )  # fmt: skip


def draw_card(judgement: Judgement, labels: pd.Series, figures: PageFigures, sql: str) -> None:
    """Draw a claim: verdict, statement, the numbers that decide it, the main number over epochs, and a link to the evidence.

    `sql` is the query that returned the evidence.
    """
    card = st.container(border=True, height="stretch")
    with card:
        match judgement.verdict:
            case Verdict.SUPPORTED:
                st.badge(escape_markdown(judgement.verdict), icon=":material/check:", color="green")
            case Verdict.CONTRADICTED:
                st.badge(escape_markdown(judgement.verdict), icon=":material/close:", color="red")
            case Verdict.NOT_MEASURED:
                st.badge(escape_markdown(judgement.verdict), icon=":material/remove:", color="gray")
        st.subheader(f"{escape_markdown(judgement.claim)} · {escape_markdown(judgement.title)}", anchor=False)
        st.markdown(escape_markdown(judgement.statement, MAX_MESSAGE_LENGTH))
        if judgement.numbers:
            _draw_numbers(judgement, labels)
            _draw_course(judgement, labels, figures, card, sql)
        else:
            st.caption("None of the chosen runs bears on this claim.")
        st.caption(f"Criterion: {escape_markdown(judgement.criterion, MAX_MESSAGE_LENGTH)}")
        page, parameters = EVIDENCE[judgement.claim]
        if page in _OF_ONE_RUN and judgement.numbers:
            parameters = parameters | {"run": escape_markdown(labels[judgement.numbers[0].run_id])}
        st.page_link(f"pages/{page}.py", label=LINKS[page], icon=":material/arrow_forward:", query_params=parameters)


def _draw_numbers(judgement: Judgement, labels: pd.Series) -> None:
    table = pd.DataFrame(
        {
            "run": [labels[n.run_id] for n in judgement.numbers],
            "number": [n.name for n in judgement.numbers],
            "value": [f"{n.value:.4g}" for n in judgement.numbers],
            "bound": [n.bound.replace(" ", "\N{NO-BREAK SPACE}") for n in judgement.numbers],
            "met": ["yes" if n.met else "no" for n in judgement.numbers],
        }
    )
    height: Literal["content"] | int = "content" if len(table) <= _MOST_ROWS else _HEIGHT
    st.table(escape_table(table), hide_index=True, height=height, alt=f"numbers of {judgement.claim}")


def _draw_course(judgement: Judgement, labels: pd.Series, figures: PageFigures, card: DeltaGenerator, sql: str) -> None:
    """Draw the main number over epochs, if it is known for more than one."""
    points = [(labels[number.run_id], epoch, number.value) for epoch, number in judgement.course]
    frame = pd.DataFrame(points, columns=["run", "epoch", "value"])
    if frame["epoch"].nunique() > 1:
        number = judgement.course[0][1]
        panel = course_panel(frame, number.name, number.limit, list(labels))
        frame.attrs["sql"] = sql
        name = f"{judgement.claim}: {number.name} over epochs"
        figures.draw(card, panel, name, frame, key=f"course_{judgement.claim}")
