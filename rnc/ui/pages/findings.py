"""The cards of the findings page: verdicts, their numbers, and links to the evidence.

Tested by tests/pages/test_pages.py.
"""

from collections.abc import Iterable
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.claims import Judgement, Verdict, judge
from rnc.ui import opened_store
from rnc.ui.charts.claims import course_panel
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.marks import BOUND_NOTE
from rnc.ui.figures import PageFigures
from rnc.ui.glossary import explain
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown, escape_table, first_few
from rnc.ui.pages.evidence import evidence_of
from rnc.ui.pages.verdicts import anchor, describe_unjudged
from rnc.ui.selection import run_colours
from rnc.vocabulary import Objective, Role, RunState, Split

_BADGES: dict[Verdict, tuple[str, Literal["green", "red", "gray"]]] = {
    Verdict.SUPPORTED: (":material/check:", "green"),
    Verdict.CONTRADICTED: (":material/close:", "red"),
    Verdict.TOO_EARLY: (":material/hourglass_empty:", "gray"),
    Verdict.NOT_MEASURED: (":material/remove:", "gray"),
}
"""The icon and colour of each verdict."""
_LINKS = {
    "collapse": "Collapse curves",
    "geometry": "Geometry of the class means",
    "projections": "Projections and leaps",
    "layers": "Layers",
}
_PAGES_OF_ONE_RUN = ("geometry", "projections")  # the link to such a page names a run to which the claim applies
_MOST_ROWS, _HEIGHT = 12, 460  # a card with the numbers of many runs scrolls
_Parameters = dict[str, str | Iterable[str]]
_ATTACKED: _Parameters = {"conditions": [str(Role.CLEAN), str(Role.PERTURBED)]}
_NOISY: _Parameters = {"conditions": [str(Role.CLEAN), str(Role.GAUSSIAN), str(Role.SIGN_NOISE)]}
_PERTURBED: _Parameters = {"condition": str(Role.PERTURBED)}
_EVIDENCE: dict[str, tuple[str, _Parameters]] = {
    "C1": ("collapse", {"conditions": [str(Role.CLEAN)]}),
    "C2": ("collapse", _ATTACKED),
    "C3": ("projections", _PERTURBED),
    "C4": ("geometry", {"condition": str(Role.TARGETED)}),
    "C5": ("collapse", _NOISY),
    "C6": ("collapse", _ATTACKED),
    "C7": ("geometry", _PERTURBED),
    "C8": ("collapse", _ATTACKED | {"split": str(Split.TEST)}),
    "C9": ("collapse", _ATTACKED),
    "C9 released": ("collapse", _ATTACKED),
    "C10": ("layers", _PERTURBED),
    "C11": ("collapse", _ATTACKED | {"split": str(Split.TEST)}),
}
"""The page with the evidence for a claim, and the URL parameters of the right selection."""


@opened_store.cached_until_store_changes
def judged(run_ids: tuple[str, ...], epoch: int) -> tuple[list[Judgement], str]:
    """Return the judgements on runs, each at its last measured epoch not after `epoch`, and the query for the evidence."""
    evidence = evidence_of(run_ids, epoch)
    runs = opened_store.reader().runs.all().set_index("run_id", drop=False).loc[list(run_ids)].reset_index(drop=True)
    return judge(runs, evidence), evidence.attrs.get("sql", "")


def name_unjudged_runs(runs: pd.DataFrame) -> None:
    """Name the runs (with `objective`, `label`) for which no claim is judged, if there are any."""
    external = list(runs.loc[runs["objective"] == Objective.OWN, "label"])
    if external:
        names = first_few([escape_markdown(label) for label in external])
        st.info(
            f"No claim is tested on {names}: these networks were measured by `train.measure`, and it is not known how they "
            "were trained. The other pages show their measurements.",
            icon=":material/info:",
        )


def name_earlier_epochs(judgements: list[Judgement], runs: pd.DataFrame) -> None:
    """Name the finished runs that are judged at an epoch before their last, because the visitor has moved the cursor there."""
    at = {number.run_id: epoch for judgement in judgements for epoch, number in judgement.course}
    earlier = [
        f"{escape_markdown(run['label'])} at epoch {at[run['run_id']]:d} of {run['epochs']:d}"
        for run in runs.to_dict("records")
        if run["state"] == RunState.FINISHED and at.get(run["run_id"], run["epochs"]) < run["epochs"]
    ]
    if earlier:
        st.info(
            f"Judged at the epoch selected in the sidebar: {first_few(earlier)}. The claims are about the "
            "end of training.",
            icon=":material/history:",
        )


def draw_cards(figures: PageFigures, judgements: list[Judgement], runs: pd.DataFrame, sql: str) -> None:
    """Draw a card per claim on runs (with `label`, `colour`), in two columns; `sql` is the query that returned the evidence."""
    st.header(
        "Claim by claim", anchor=False, help=explain("claim", "NC1", "NC2", "NC3", "NC4", "simplex", "leap", "PGD")
    )
    st.html(curve_legend(run_colours(runs), []))
    st.caption(BOUND_NOTE)
    for begin in range(0, len(judgements), 2):
        for column, judgement in zip(st.columns(2), judgements[begin : begin + 2], strict=False):
            with column:
                _draw_card(figures, judgement, runs, sql)


def _draw_card(figures: PageFigures, judgement: Judgement, runs: pd.DataFrame, sql: str) -> None:
    """Draw a claim: verdict, statement, the numbers that decide it, the main number over epochs, and a link to the evidence."""
    card, labels = st.container(border=True, height="stretch"), runs["label"]
    with card:
        icon, colour = _BADGES[judgement.verdict]
        st.badge(escape_markdown(judgement.verdict), icon=icon, color=colour)
        st.subheader(
            f"{escape_markdown(judgement.claim)} · {escape_markdown(judgement.title)}", anchor=anchor(judgement.claim)
        )
        st.markdown(escape_markdown(judgement.statement, MAX_MESSAGE_LENGTH))
        if number := judgement.deciding():
            which = "Main number" if number.met else "Furthest beyond its bound"
            st.markdown(
                f"{which}: {escape_markdown(labels[number.run_id])}, "
                f"{escape_markdown(number.name)} **{escape_markdown(number.in_words)}**."
            )
        if judgement.numbers:
            _draw_numbers(judgement, labels)
            _draw_course(figures, card, judgement, runs, sql)
        st.caption(describe_unjudged(judgement, runs))
        st.caption(f"Criterion: {escape_markdown(judgement.criterion, MAX_MESSAGE_LENGTH)}")
        st.caption(f"Source of the bounds: {escape_markdown(judgement.bounds, MAX_MESSAGE_LENGTH)}")
        page, parameters = _EVIDENCE[judgement.claim]
        if page in _PAGES_OF_ONE_RUN and judgement.numbers:
            parameters = parameters | {"run": escape_markdown(labels[judgement.numbers[0].run_id])}
        st.page_link(f"pages/{page}.py", label=_LINKS[page], icon=":material/arrow_forward:", query_params=parameters)


def _draw_numbers(judgement: Judgement, labels: pd.Series) -> None:
    table = pd.DataFrame(
        {
            "run": [labels[number.run_id] for number in judgement.numbers],
            "number": [number.name for number in judgement.numbers],
            "value": [f"{number.value:.4g}" for number in judgement.numbers],
            "bound": [number.bound.replace(" ", "\N{NO-BREAK SPACE}") for number in judgement.numbers],
            "met": ["yes" if number.met else "no" for number in judgement.numbers],
        }
    )
    height: Literal["content"] | int = "content" if len(table) <= _MOST_ROWS else _HEIGHT
    st.table(escape_table(table), hide_index=True, height=height, alt=f"numbers of {judgement.claim}")


def _draw_course(
    figures: PageFigures, card: DeltaGenerator, judgement: Judgement, runs: pd.DataFrame, sql: str
) -> None:
    """Draw the main number over epochs, if it is known for more than one."""
    points = [(runs["label"][number.run_id], epoch, number.value) for epoch, number in judgement.course]
    frame = pd.DataFrame(points, columns=["run", "epoch", "value"])
    if frame["epoch"].nunique() > 1:
        number = judgement.course[0][1]
        panel = course_panel(frame, number.name, number.limit, run_colours(runs))
        frame.attrs["sql"] = sql
        name = f"{judgement.claim}: {number.name} over epochs"
        figures.draw(card, panel, name, frame, key=f"course_{judgement.claim}")
