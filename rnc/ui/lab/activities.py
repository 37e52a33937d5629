"""The activities of the attack lab's page: how each makes a request from the form, and how its result is drawn.

Tested by tests/pages/test_attack_lab.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.gradient_masking import MaskingRequest, MaskingResult
from rnc.lab.requests import OneNetworkRequest, Request
from rnc.lab.results import Result
from rnc.lab.source import Source
from rnc.lab.strength_curve import StrengthCurveRequest, StrengthCurveResult
from rnc.ui.errors import show_error
from rnc.ui.figures import PageFigures
from rnc.ui.lab.attack_result import draw_attack
from rnc.ui.lab.checkpoint_picker import choose_other
from rnc.ui.lab.form import AttackForm, draw_strength_form
from rnc.ui.lab.jobs import Answer
from rnc.ui.lab.masking_result import draw_masking
from rnc.ui.lab.strength_curve_result import draw_strength_curve
from rnc.ui.markdown import Markdown
from rnc.ui.selection import Selection


@dataclass(frozen=True)
class Activity:
    """Something that the page does with an attack on a network."""

    button_label: Markdown
    make_request: Callable[[AttackForm, Source, pd.Series, Selection], Request]
    """Draws further fields if needed, and returns the request of the form. Raises ValueError if the values are invalid."""
    result_type: type[Result]
    draw: Callable[[Answer, PageFigures], None]
    measures_layers: bool = True
    """True if the form offers to measure every layer."""


def _attack(form: AttackForm, source: Source, _run: pd.Series, _selection: Selection) -> Request:
    return AttackRequest(source, form.condition, form.images, form.seed, form.layers)


def _strength_curve(form: AttackForm, source: Source, run: pd.Series, selection: Selection) -> Request:
    over, values = draw_strength_form(form.condition)
    other = choose_other(run, source, selection)
    sources = (source,) if other is None else (source, other)
    return StrengthCurveRequest(sources, form.condition, over, values, form.images, form.seed, form.layers)


def _masking(form: AttackForm, source: Source, _run: pd.Series, _selection: Selection) -> Request:
    return MaskingRequest(source, form.condition, form.images, form.seed)


ACTIVITIES = {
    "Attack": Activity("Attack", _attack, AttackResult, draw_attack),
    "Sweep": Activity("Sweep", _strength_curve, StrengthCurveResult, draw_strength_curve),
    "Check for masking": Activity("Check", _masking, MaskingResult, draw_masking, measures_layers=False),
}
"""The activities by their name in the address of the page."""


def _common(request: Request) -> dict[str, Any]:
    """Return what all rows of a result share, for exported tables: the run, epoch and split of its sources, and its attack."""
    described = [{"run_id": each.run_id, "epoch": each.epoch, "split": str(each.split)} for each in request.sources]
    common = {name: value for name, value in described[0].items() if all(each[name] == value for each in described)}
    return common | ({"condition": request.condition.slug} if isinstance(request, OneNetworkRequest) else {})


def draw_answer(answer: Answer, figures: PageFigures) -> None:
    """Draw a result with the function for its kind."""
    figures.describe(**_common(answer.request))
    for activity in ACTIVITIES.values():
        if isinstance(answer.result, activity.result_type):
            activity.draw(answer, figures)
            return
    show_error("This page does not draw results of this kind; open another one.")
