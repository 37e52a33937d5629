"""The cards of the findings page: verdicts, their numbers, and links to the evidence.

Tested by tests/pages/test_pages.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import streamlit as st

from rnc.claims import Judgement, Verdict, judge_each_claim
from rnc.conditions import condition_in_words
from rnc.ui import opened_store
from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.claims import course_panel
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.mark_explanations import BOUND_NOTE
from rnc.ui.charts.palette import RunColours
from rnc.ui.figures import PageFigures
from rnc.ui.glossary import explain
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, MarkdownTable, escape_markdown, escaped_arrow_table, first_few
from rnc.ui.pages.read_evidence import evidence_of
from rnc.ui.pages.verdict_tiles_and_table import anchor, describe_unjudged, matrix_of
from rnc.ui.playable_sliders import chart_options_for_choosing_epoch
from rnc.ui.selection import labelled_runs, run_colours
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


@dataclass(frozen=True)
class Course:
    """The number of a claim that decides its verdict, over epochs."""

    name: str
    """The chart's alternative text, which is also its name in the list of exports."""
    chart: Chart
    rows: pd.DataFrame


@dataclass(frozen=True)
class Card:
    """A claim's verdict on the selected runs, and all that its card shows of it."""

    judgement: Judgement
    deciding: Markdown
    """The number that decides the verdict, in words; empty without one."""
    numbers: MarkdownTable | None
    course: Course | None
    """None if the number is known for one epoch only."""
    unjudged: Markdown
    """Why some of the runs have no verdict."""


@dataclass(frozen=True)
class Findings:
    """The verdicts on the selected runs at an epoch, and what the page shows of them."""

    cards: list[Card]
    matrix: MarkdownTable
    """Claims by runs."""
    earlier: list[Markdown]
    """The finished runs that are judged at an epoch before their last, because the visitor has moved the cursor there."""

    @property
    def judgements(self) -> list[Judgement]:
        """The verdicts, one for each claim."""
        return [card.judgement for card in self.cards]


@opened_store.cached_until_store_changes
def judgements_and_query(run_ids: tuple[str, ...], epoch: int) -> tuple[list[Judgement], str]:
    """Return the judgements on runs, each at its last measured epoch not after `epoch`, and the query for the evidence."""
    evidence = evidence_of(run_ids, epoch)
    return judge_each_claim(labelled_runs(run_ids).reset_index(drop=True), evidence), evidence.attrs.get("sql", "")


@opened_store.cached_until_store_changes
def findings_of(run_ids: tuple[str, ...], epoch: int, colours: tuple[str, ...]) -> Findings:
    """Return the verdicts on runs, each in its colour (#RRGGBB), with their tables and charts."""
    judgements, sql = judgements_and_query(run_ids, epoch)
    runs = labelled_runs(run_ids)
    labels = dict(runs["label"])
    inks = run_colours(runs.assign(colour=list(colours)))
    known = opened_store.reader().runs.conditions(list(run_ids))
    conditions = dict(zip(zip(known["run_id"], known["shown"], strict=True), known["condition"], strict=True))
    cards = [
        Card(
            judgement,
            _deciding(judgement, labels),
            _numbers(judgement, labels, conditions) if judgement.numbers else None,
            _course(judgement, labels, inks, sql, epoch) if judgement.numbers else None,
            describe_unjudged(judgement, labels),
        )
        for judgement in judgements
    ]
    return Findings(cards, matrix_of(judgements, runs), _earlier(judgements, runs))


def _deciding(judgement: Judgement, labels: Mapping[str, str]) -> Markdown:
    if (number := judgement.deciding()) is None:
        return ""
    return (
        f"{'Main number' if number.met else 'Furthest beyond its bound'}: {escape_markdown(labels[number.run_id])}, "
        f"{escape_markdown(number.name)} **{escape_markdown(number.value_and_bound_in_words)}**."
    )


def _numbers(
    judgement: Judgement, labels: Mapping[str, str], conditions: Mapping[tuple[str, str], str]
) -> MarkdownTable:
    """Return the numbers of a claim, each with its condition in words unless all are of clean images.

    `conditions` has the slug of each run's (id) condition by its role.
    """
    measured = [condition_in_words(conditions.get((each.run_id, each.shown), each.shown)) for each in judgement.numbers]
    is_clean = all(number.shown == Role.CLEAN for number in judgement.numbers)
    columns = {
        "run": [labels[number.run_id] for number in judgement.numbers],
        "number": [number.name for number in judgement.numbers],
        "value": [f"{number.value:.4g}" for number in judgement.numbers],
        "bound": [number.bound.replace(" ", "\N{NO-BREAK SPACE}") for number in judgement.numbers],
        "met": ["yes" if number.met else "no" for number in judgement.numbers],
        **({} if is_clean else {"condition": measured}),
    }
    return escaped_arrow_table(pd.DataFrame(columns))


def _course(
    judgement: Judgement, labels: Mapping[str, str], colours: RunColours, sql: str, cursor: int
) -> Course | None:
    points = [
        (
            judgement.claim,
            number.run_id,
            labels[number.run_id],
            number.shown,
            epoch,
            number.name,
            number.value,
            number.bound,
            number.met,
        )
        for epoch, number in judgement.course
    ]
    table = pd.DataFrame(
        points, columns=["claim", "run_id", "run", "shown", "epoch", "number", "value", "bound", "met"]
    )
    if table["epoch"].nunique() <= 1:
        return None
    table.attrs["sql"] = sql
    number = judgement.deciding() or judgement.course[0][1]
    panel = course_panel(table[["run", "epoch", "value"]], number.name, number.limit, colours, cursor)
    return Course(f"{judgement.claim}: {number.name} over epochs", panel, table)


def _earlier(judgements: list[Judgement], runs: pd.DataFrame) -> list[Markdown]:
    at = {number.run_id: epoch for judgement in judgements for epoch, number in judgement.course}
    finished = runs[runs["state"] == RunState.FINISHED]
    return [
        f"{escape_markdown(label)} at epoch {at[run_id]:d} of {epochs:d}"
        for run_id, label, epochs in zip(finished["run_id"], finished["label"], finished["epochs"], strict=True)
        if at.get(run_id, epochs) < epochs
    ]


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


def name_finished_runs_judged_early(findings: Findings) -> None:
    """Name the runs that are judged before their end."""
    if findings.earlier:
        st.info(
            f"Judged at the epoch selected in the sidebar: {first_few(findings.earlier)}. The claims are about the "
            "end of training.",
            icon=":material/history:",
        )


def draw_cards(figures: PageFigures, cards: list[Card], runs: pd.DataFrame) -> None:
    """Draw the cards of claims on runs (with `label`, `colour`), in two columns."""
    st.header(
        "Claim by claim", anchor=False, help=explain("claim", "NC1", "NC2", "NC3", "NC4", "simplex", "leap", "PGD")
    )
    st.html(curve_legend(run_colours(runs), []))
    st.caption(BOUND_NOTE)
    for begin in range(0, len(cards), 2):
        for column, card in zip(st.columns(2), cards[begin : begin + 2], strict=False):
            with column:
                _draw_card(figures, card, runs)


def _draw_card(figures: PageFigures, card: Card, runs: pd.DataFrame) -> None:
    """Draw a claim: verdict, statement, the numbers that decide it, the main number over epochs, and a link to the evidence."""
    judgement = card.judgement
    place = st.container(border=True, height="stretch", key=f"card_of_{anchor(judgement.claim)}")
    with place:
        icon, colour = _BADGES[judgement.verdict]
        st.badge(escape_markdown(judgement.verdict), icon=icon, color=colour)
        st.subheader(
            f"{escape_markdown(judgement.claim)} · {escape_markdown(judgement.title)}", anchor=anchor(judgement.claim)
        )
        st.markdown(escape_markdown(judgement.statement, MAX_MESSAGE_LENGTH))
        if card.deciding:
            st.markdown(card.deciding)
        if card.numbers is not None:
            height: Literal["content"] | int = "content" if len(card.numbers) <= _MOST_ROWS else _HEIGHT
            st.table(card.numbers, hide_index=True, height=height, alt=f"numbers of {judgement.claim}")
        if card.course:
            options = chart_options_for_choosing_epoch(f"course_{judgement.claim}")
            figures.draw(place, card.course.chart, card.course.name, card.course.rows, **options)
        st.caption(card.unjudged)
        st.caption(f"Criterion: {escape_markdown(judgement.criterion, MAX_MESSAGE_LENGTH)}")
        st.caption(f"Source of the bounds: {escape_markdown(judgement.bounds, MAX_MESSAGE_LENGTH)}")
        page, parameters = _EVIDENCE[judgement.claim]
        if page in _PAGES_OF_ONE_RUN and judgement.numbers:
            parameters = parameters | {"run": escape_markdown(runs["label"][judgement.numbers[0].run_id])}
        st.page_link(f"pages/{page}.py", label=_LINKS[page], icon=":material/arrow_forward:", query_params=parameters)
