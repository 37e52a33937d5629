"""The activities of the attack lab's page: how each makes a request from the form, and how its result is drawn.

Tested by tests/pages/test_attack_lab.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.gradient_masking import MaskingRequest, MaskingResult
from rnc.lab.network_and_images import Source
from rnc.lab.request_base import OneNetworkRequest, Request
from rnc.lab.result_base import Result
from rnc.lab.strength_curve import StrengthCurveRequest, StrengthCurveResult
from rnc.ui.errors import show_error
from rnc.ui.figures import PageFigures
from rnc.ui.lab.attack_result import draw_attack
from rnc.ui.lab.form import AttackForm, draw_strength_form
from rnc.ui.lab.image_availability import reason_without_images
from rnc.ui.lab.masking_result import draw_masking
from rnc.ui.lab.networks_to_compare import choose_others
from rnc.ui.lab.saved_results import SAVED
from rnc.ui.lab.server_job_queue import Answer, RequestOfForm
from rnc.ui.lab.strength_curve_result import draw_strength_curve
from rnc.ui.markdown import Markdown
from rnc.ui.selection import Selection


@dataclass(frozen=True)
class Activity:
    """Something that the page does with an attack on a network."""

    button_label: Markdown
    make_request: Callable[[AttackForm, Source, pd.Series, Selection], Request]
    """Draws further fields if needed, and returns the request of the form.

    Raises ValueError if the values are invalid, or do not make a request together.
    """
    request_type: type[Request]
    result_type: type[Result]
    draw: Callable[[Answer, PageFigures], None]
    measures_layers: bool = True
    """True if the form offers to measure every layer."""


def _attack(form: AttackForm, source: Source, _run: pd.Series, _selection: Selection) -> Request:
    return AttackRequest(source, form.condition, form.images, form.seed, form.layers)


def _strength_curve(form: AttackForm, source: Source, run: pd.Series, selection: Selection) -> Request:
    over, values = draw_strength_form(form.condition, form.wrong)
    sources = (source, *choose_others(run, source, selection))
    return StrengthCurveRequest(sources, form.condition, over, values, form.images, form.seed, form.layers)


def _masking(form: AttackForm, source: Source, _run: pd.Series, _selection: Selection) -> Request:
    return MaskingRequest(source, form.condition, form.images, form.seed)


ACTIVITIES = {
    "Attack": Activity("Attack", _attack, AttackRequest, AttackResult, draw_attack),
    "Sweep": Activity("Sweep", _strength_curve, StrengthCurveRequest, StrengthCurveResult, draw_strength_curve),
    "Gradient-masking check": Activity(
        "Check", _masking, MaskingRequest, MaskingResult, draw_masking, measures_layers=False
    ),
}
"""The activities by their name in the address of the page."""


_OLD_NAMES = {"Check for masking": "Gradient-masking check", "Kept": SAVED}


def accept_old_names() -> None:
    """Choose the activity that the address of an earlier version names. Call before the choice is drawn."""
    name = _OLD_NAMES.get(st.query_params.get("lab_do", ""))
    if name is not None and "lab_do" not in st.session_state:
        st.session_state["lab_do"] = name


def activity_name_for_request(request: Request) -> str | None:
    """Return the name of the activity that makes such requests; None if none does."""
    return next((name for name, activity in ACTIVITIES.items() if isinstance(request, activity.request_type)), None)


def draw_fields_and_make_request(
    activity: Activity, form: AttackForm, source: Source, run: pd.Series, selection: Selection
) -> RequestOfForm:
    """Draw the activity's further fields; return the request, or why there is none or it cannot be run here."""
    request, problem = None, None
    try:
        request = activity.make_request(form, source, run, selection)
    except ValueError as error:
        problem = str(error)
    if of_fields := form.problem_of_fields():
        return RequestOfForm(None, of_fields)
    return RequestOfForm(request, problem or reason_without_images(source.dataset, source.split))


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
