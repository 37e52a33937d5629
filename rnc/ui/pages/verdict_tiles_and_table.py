"""The verdicts of the findings page at a glance: a tile for each claim, and the table of claims by runs.

Tested by tests/pages/test_findings.py.
"""

import math
from collections import Counter
from collections.abc import Mapping
from html import escape

import pandas as pd
import streamlit as st

from rnc.claims import ORIGIN, Judgement, Number, Reason, Verdict
from rnc.ui.markdown import Markdown, MarkdownTable, escape_markdown, escaped_arrow_table, safe_plain_line
from rnc.vocabulary import TERMINAL_ACCURACY_IN_WORDS, Objective

_MARKS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.TOO_EARLY: "…", Verdict.NOT_MEASURED: "–"}
_KINDS = {Verdict.SUPPORTED: "supported", Verdict.CONTRADICTED: "contradicted"}
"""The classes of the style sheet; a claim without a verdict has the class none."""
_REASONS = {
    Reason.OTHER_TRAINING: "not about {}",
    Reason.TOO_EARLY: "too early",
    Reason.NOT_FITTED: f"training accuracy below {TERMINAL_ACCURACY_IN_WORDS}",
    Reason.NOT_MEASURED: "not measured",
}
_COUNTED: dict[Verdict, Markdown] = {
    Verdict.CONTRADICTED: "contradicted",
    Verdict.TOO_EARLY: "too early to judge",
    Verdict.NOT_MEASURED: "not measured",
}
_ABOUT_NONE = "about none of the selected runs"
HOW_TO_READ_TILES = "Green is within a claim's bound. Click a claim for its numbers."
_BOUNDS = {"≤": "at most", "≥": "at least", "<": "less than"}


def anchor(claim: str) -> str:
    """Return the name by which links on the page reach a claim's card."""
    return claim.lower().replace(" ", "-")


def verdict_tiles(judgements: list[Judgement], labels: Mapping[str, str]) -> str:
    """Return a tile for each claim, as HTML: its verdict, its title, and how far its deciding number is from the bound.

    `labels` are those of the runs, by their ids.
    """
    tiles = "".join(_tile(judgement, labels) for judgement in judgements)
    return f'<nav class="verdicts" aria-label="Verdicts">{tiles}</nav>'


def _tile(judgement: Judgement, labels: Mapping[str, str]) -> str:
    verdict, number = judgement.verdict, judgement.deciding()
    if number is None:
        below = f"<span>{_ABOUT_NONE if _is_about_none(judgement) else escape(str(verdict))}</span>"
    else:
        run = safe_plain_line(labels[number.run_id])
        title = f"{run}, {number.name}: {number.value_and_bound_in_words}. {ORIGIN} The card says why."
        below = (
            f'<span title="{escape(title)}">{_gauge(number)}'
            f"{escape(number.name)}: <b>{number.value:.3g}</b> ({_BOUNDS[number.sign]} {number.limit:.3g})</span>"
        )
    mark = f'<b title="{escape(str(verdict))}">{_MARKS[verdict]} {escape(judgement.claim)}</b>'
    kind = _KINDS.get(verdict, "none")
    return (
        f'<a class="{kind}" href="#{anchor(judgement.claim)}" aria-label="{escape(f"{judgement.claim} {verdict}")}">'
        f"<span>{mark} {escape(judgement.title)}</span>{below}</a>"
    )


def tally(judgements: list[Judgement]) -> Markdown:
    """Return how many claims have each verdict, in words: `7 of 12 claims are supported, 2 contradicted.`"""
    counts = Counter(judgement.verdict for judgement in judgements if not _is_about_none(judgement))
    supported, about_none = counts[Verdict.SUPPORTED], len(judgements) - counts.total()
    parts = [f"**{supported:d} of {len(judgements):d} claims {'is' if supported == 1 else 'are'} supported**"]
    parts += [_counted(counts[verdict], words) for verdict, words in _COUNTED.items() if counts[verdict]]
    if about_none:
        parts += [_counted(about_none, _ABOUT_NONE)]
    return f"{', '.join(parts)}."


def _counted(count: int, words: Markdown) -> Markdown:
    return f"{count:d} {words}"


def _is_about_none(judgement: Judgement) -> bool:
    """Return whether a claim is about none of the runs, because they were trained in other ways."""
    return set(judgement.unjudged.values()) == {Reason.OTHER_TRAINING} and not judgement.numbers


def _gauge(number: Number) -> str:
    """Return a bar with the bound in its middle and the number on the side where it is; far away is near the end."""
    at = 50 + 46 * math.tanh(max(min(number.margin, 10.0), -10.0))
    return f'<span class="gauge" aria-hidden="true"><i style="left:{at:.0f}%"></i></span>'


def matrix_of(judgements: list[Judgement], runs: pd.DataFrame) -> MarkdownTable:
    """Return claims by `runs` (with `label`, `objective`): verdicts with the deciding number, or why there is none."""
    of_run = zip(runs["label"], runs["run_id"], runs["objective"], strict=True)
    table = pd.DataFrame(
        {
            label: [_cell(judgement, str(run_id), objective) for judgement in judgements]
            for label, run_id, objective in of_run
        },
        index=pd.Index([f"{judgement.claim} · {judgement.title}" for judgement in judgements], name="claim"),
    )
    return escaped_arrow_table(table, [anchor(judgement.claim) for judgement in judgements])


def draw_matrix(matrix: MarkdownTable) -> None:
    """Draw claims by runs."""
    with st.container(key="claims_by_runs"):
        st.table(matrix, hide_index=False, alt="claims by runs")


def _cell(judgement: Judgement, run_id: str, objective: str) -> str:
    number = judgement.deciding(run_id)
    if objective == Objective.OWN:
        return "training unknown"
    if number is None:
        return _REASONS[judgement.unjudged.get(run_id, Reason.NOT_MEASURED)].format(objective.upper())
    verdict = judgement.of(run_id)
    return (
        f"{_MARKS[verdict]}\N{NO-BREAK SPACE}{verdict}: {number.value:.3g}, {_BOUNDS[number.sign]} {number.limit:.3g}"
    )


def describe_unjudged(judgement: Judgement, labels: Mapping[str, str]) -> Markdown:
    """Return why some of the runs (`labels` by their ids) have no verdict.

    Runs that the claim is not about are named only if it is about no run.
    """
    reasons = [reason for reason in Reason if not (judgement.numbers and reason is Reason.OTHER_TRAINING)]
    runs_of = {reason: [run_id for run_id, its in judgement.unjudged.items() if its is reason] for reason in reasons}
    return " ".join(
        f"{_SENTENCES[reason]} {', '.join(escape_markdown(labels[run_id]) for run_id in run_ids)}."
        for reason, run_ids in runs_of.items()
        if run_ids
    )


_SENTENCES = {
    Reason.OTHER_TRAINING: "Not about this kind of training:",
    Reason.TOO_EARLY: "Too early for a verdict, as training is not at its end:",
    Reason.NOT_FITTED: f"Not judged, as training accuracy is below {TERMINAL_ACCURACY_IN_WORDS}:",
    Reason.NOT_MEASURED: "Not measured:",
}
