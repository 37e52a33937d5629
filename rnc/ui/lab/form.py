"""The form of the lab: an attack with its options, the images, and the values of a strength curve.

Every field is bound to the URL, which therefore contains the whole request. A wrong entry marks its field and leaves the others.

Tested by tests/pages/test_lab_form.py.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.conditions import (
    KIND_NAMES,
    NORM_SIGNS,
    Condition,
    default_step_size,
    format_pixels,
    largest_epsilon,
    presets,
)
from rnc.lab.request_base import MOST_IMAGES, MOST_STEPS
from rnc.lab.strength_curve import MOST_VALUES, Axis
from rnc.ui.lab.size_field import SizeField, WrongFields
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, StepSchedule, TargetRule

_BOUND: Any = {"bind": "query-params"}
_NO_PRESET = "custom"
_KINDS = (
    ConditionKind.PGD,
    ConditionKind.APGD,
    ConditionKind.FGSM,
    ConditionKind.GAUSSIAN,
    ConditionKind.SIGN_NOISE,
)
KINDS = {KIND_NAMES[kind]: kind for kind in _KINDS}
NORMS = {sign: norm for norm, sign in NORM_SIGNS.items()}
TARGETS = {
    "none": TargetRule.UNTARGETED,
    "next class, y + 1": TargetRule.NEXT,
    "likeliest wrong class": TargetRule.LIKELY,
    "one class": TargetRule.CLASS,
}
OBJECTIVES = {
    "cross entropy": AttackObjective.CROSS_ENTROPY,
    "margin (Carlini-Wagner)": AttackObjective.MARGIN,
    "DLR": AttackObjective.DLR,
    "KL (TRADES)": AttackObjective.KL,
}
SCHEDULES = {str(schedule): schedule for schedule in StepSchedule}
AXES = {"epsilon": Axis.EPSILON, "steps": Axis.STEPS, "step size": Axis.STEP_SIZE}


@dataclass(frozen=True)
class AttackForm:
    """The values of the form."""

    condition: Condition
    """The attack; if `problem` says why it is none, an attack without options that stands in for it."""
    images: int
    seed: int
    layers: bool
    wrong: WrongFields
    """The fields with wrong entries, in whose place the values of the form are defaults."""
    problem: str | None = None
    """The reason for which the values, each of which is right, make no attack together."""

    def problem_of_fields(self) -> str | None:
        """Return what to do before the form can be used; None if nothing."""
        if self.wrong.labels:
            return f"Correct {' and '.join(self.wrong.labels)} above"
        return self.problem


def draw_attack_form(dataset: str, classes: list[str], epsilon: float, *, layerwise: bool = True) -> AttackForm:
    """Draw the form of an attack; `AttackForm.problem_of_fields` says what is wrong with the entries.

    `epsilon` is the one with which the run was measured; `layerwise` also offers to measure every layer.
    """
    settings = presets(dataset)
    _forget_changed_preset(settings, classes)
    row = st.container(horizontal=True, vertical_alignment="top")  # a horizontal container wraps in a narrow window
    row.selectbox(
        "Preset",
        [_NO_PRESET, *settings],
        key="lab_preset",
        width=330,
        on_change=_fill_in,
        args=(settings, classes),
        help="fills the fields below; change them as you like",
    )
    kind = KINDS[_segmented(row, "Attack", KINDS, "lab_attack")]
    norm = NORMS[_segmented(row, "Norm", NORMS, "lab_norm")]
    fields, wrong = st.columns(4, vertical_alignment="top"), WrongFields()
    field = SizeField("Epsilon", "lab_epsilon", epsilon, "pixel range 0–1; write 0.1 or 8/255")
    size = wrong.read(fields[0], field, lambda value: _check_epsilon(norm, value))
    options = _steps(kind, (norm, size), list(fields[1:]), wrong) | _options(kind, classes)
    rest = (*_images(layerwise), wrong)
    try:
        return AttackForm(Condition(kind, norm, size, **options), *rest)
    except ValueError as error:
        return AttackForm(Condition(kind, norm, size, options.get("steps")), *rest, str(error))


def _check_epsilon(norm: Norm, epsilon: float) -> None:
    """Raise ValueError if an epsilon is no size, or is larger than the range of pixels."""
    Condition(ConditionKind.GAUSSIAN, norm, epsilon).check_size()


def _check_step_size(norm: Norm, epsilon: float, step_size: float) -> None:
    """Raise ValueError if a step size is no size, or is larger than the range of pixels."""
    Condition(ConditionKind.PGD, norm, epsilon, 1, step_size).check_step_size()


def _steps(
    kind: ConditionKind, ball: tuple[Norm, float], fields: list[DeltaGenerator], wrong: WrongFields
) -> dict[str, Any]:
    """Draw the fields for steps, restarts and step size of attacks that have them, and return their values.

    `ball` is the norm and epsilon of the attack.
    """
    options: dict[str, Any] = {}
    if kind in (ConditionKind.PGD, ConditionKind.APGD):
        options["steps"] = int(fields[0].number_input("Steps", 0, MOST_STEPS, 10, key="lab_steps", **_BOUND))
        options["restarts"] = int(fields[1].number_input("Restarts", 1, 20, 1, key="lab_restarts", **_BOUND))
    if kind is ConditionKind.PGD:
        usual, formula = default_step_size(ball[1], options["steps"]), "2.5 ε / steps"
        field = SizeField("Step size", "lab_step_size", usual, f"pixel range 0–1; empty: {formula}", formula)
        options["step_size"] = wrong.read(fields[2], field, lambda value: _check_step_size(*ball, value))
    return options


def _images(layerwise: bool) -> tuple[int, int, bool]:
    """Return the number of images, the seed, and whether every layer is measured."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.number_input(
            "Images",
            10,
            MOST_IMAGES,
            300,
            step=50,
            key="lab_images",
            help="balanced over the classes",
            width=130,
            **_BOUND,
        )
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="lab_seed", help="of random starts and noise", width=130, **_BOUND
        )
        layers = layerwise and st.toggle(
            "Measure every layer", key="lab_layers", help="NC1 and nearest centre along the network", **_BOUND
        )
    return int(count), int(seed), layers


def _options(kind: ConditionKind, classes: list[str]) -> dict:
    """Return an attack's target, objective and step schedule; nothing for noise."""
    if kind in (ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE):
        return {}
    with st.expander("Target, objective, steps", icon=":material/tune:"):
        fields = st.columns(4, vertical_alignment="top")
        rule = TARGETS[_dropdown(fields[0], "Target", list(TARGETS), "lab_target")]
        options: dict = {"target_rule": rule}
        if rule is TargetRule.CLASS:
            options["target_class"] = classes.index(_dropdown(fields[2], "Class", classes, "lab_class"))
        help = "the attack increases it, or decreases it towards a target; KL has no targets"
        options["objective"] = OBJECTIVES[_dropdown(fields[1], "Objective", list(OBJECTIVES), "lab_objective", help)]
        if kind is ConditionKind.PGD:
            fields = st.columns(4, vertical_alignment="top")
            options["momentum"] = fields[0].number_input(
                "Momentum", 0.0, 10.0, 0.0, 0.1, key="lab_momentum", help="decay factor of MI-FGSM; 0 is none", **_BOUND
            )
            options["schedule"] = SCHEDULES[_dropdown(fields[1], "Step sizes", list(SCHEDULES), "lab_schedule")]
    return options


def draw_strength_form(condition: Condition, wrong: WrongFields) -> tuple[Axis, tuple[float, ...]]:
    """Return the varied parameter and its values, from 0 (or the first step size) to a bound."""
    fields = st.columns([4, 3, 3], vertical_alignment="top")
    over = AXES[_segmented(fields[0], "Vary", AXES, "lab_over")]
    points = int(fields[2].number_input("Points", 2, MOST_VALUES, 9, key="lab_points", **_BOUND))
    if over is Axis.STEPS:
        most = int(fields[1].number_input("Up to", 1, MOST_STEPS, 20, key="lab_most_steps", **_BOUND))
        count = min(points, most + 1)
        return over, tuple(float(round(most * i / (count - 1))) for i in range(count))
    norm, epsilon = condition.norm or Norm.LINF, condition.epsilon or 0.0
    usual = min(2 * epsilon, largest_epsilon(norm))
    field = SizeField("Up to", f"lab_most_{over}", usual, "pixel range 0–1; write 0.1 or 16/255")

    def check(value: float) -> None:
        """Raise ValueError if the bound is no epsilon, or no step size."""
        _check_epsilon(norm, value) if over is Axis.EPSILON else _check_step_size(norm, epsilon, value)

    most_size = wrong.read(fields[1], field, check)
    first = 1 if over is Axis.STEP_SIZE else 0
    return over, tuple(most_size * (i + first) / (points - 1 + first) for i in range(points))


def _segmented(where: DeltaGenerator, label: Markdown, choices: dict, key: str) -> str:
    first = next(iter(choices))
    picked = where.segmented_control(
        label, list(choices), default=first, key=key, required=True, format_func=escape_markdown, wrap=True, **_BOUND
    )
    return picked or first


def _dropdown(
    where: DeltaGenerator, label: Markdown, choices: list[str], key: str, help: Markdown | None = None
) -> str:
    return str(where.selectbox(label, choices, key=key, help=help, **_BOUND))


def _fill_in(settings: dict[str, Condition], classes: list[str]) -> None:
    """Set the fields to the chosen preset."""
    chosen = st.session_state["lab_preset"]
    if chosen in settings:
        st.session_state.update(_entries(settings[chosen], classes))


def _forget_changed_preset(settings: dict[str, Condition], classes: list[str]) -> None:
    """Choose no preset if a field was changed since one was chosen. Call before the fields are drawn."""
    state = st.session_state
    chosen = state.get("lab_preset")
    if chosen in settings and any(
        state[key] != entry for key, entry in _entries(settings[chosen], classes).items() if key in state
    ):
        state["lab_preset"] = _NO_PRESET


def _entries(preset: Condition, classes: list[str]) -> dict[str, Any]:
    """Return the entries of the fields, by their keys, that make an attack."""
    entries: dict[str, Any] = {"lab_attack": _name(KINDS, preset.kind), "lab_norm": _name(NORMS, preset.norm)}
    entries["lab_epsilon"] = format_pixels(preset.epsilon or 0.0)
    if preset.steps is not None:
        entries |= {"lab_steps": preset.steps, "lab_restarts": preset.restarts}
    if preset.step_size is not None:
        entries["lab_step_size"] = format_pixels(preset.step_size)
    if preset.is_attack:
        entries |= {
            "lab_target": _name(TARGETS, preset.target_rule),
            "lab_objective": _name(OBJECTIVES, preset.objective),
        }
        entries |= {"lab_momentum": preset.momentum, "lab_schedule": str(preset.schedule)}
    if preset.target_class is not None:
        entries["lab_class"] = classes[preset.target_class]
    return entries


def _name(choices: dict, value: object) -> str:
    return next(name for name, choice in choices.items() if choice == value)
