"""The form of the lab: an attack with its options, the images, and the values of a strength curve.

Every field is bound to the URL, which therefore contains the whole request.

Tested by tests/pages/test_attack_lab.py.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.conditions import Condition, default_step_size, format_pixels, largest_epsilon, parse_pixels, presets
from rnc.lab.requests import MOST_IMAGES, MOST_STEPS
from rnc.lab.strength_curve import MOST_VALUES, Axis
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, StepSchedule, TargetRule

_BOUND: Any = {"bind": "query-params"}
KINDS = {
    "PGD": ConditionKind.PGD,
    "APGD": ConditionKind.APGD,
    "FGSM": ConditionKind.FGSM,
    "Gaussian noise": ConditionKind.GAUSSIAN,
    "sign noise": ConditionKind.SIGN_NOISE,
}
NORMS = {"ℓ∞": Norm.LINF, "ℓ2": Norm.L2}
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
    images: int
    seed: int
    layers: bool


def draw_attack_form(dataset: str, classes: list[str], epsilon: float, *, layerwise: bool = True) -> AttackForm:
    """Draw the form of an attack. Raises ValueError, which says what to do, if the values do not make an attack.

    `epsilon` is the one with which the run was measured; `layerwise` also offers to measure every layer.
    """
    settings = presets(dataset)
    row = st.container(horizontal=True, vertical_alignment="bottom")  # a horizontal container wraps in a narrow window
    row.selectbox(
        "Preset",
        list(settings),
        index=None,
        key="lab_preset",
        placeholder="own settings",
        width=330,
        on_change=_fill_in,
        args=(settings, classes),
        help="fills the fields below; change them as you like",
    )
    kind = KINDS[_segmented(row, "Attack", KINDS, "lab_attack")]
    norm = NORMS[_segmented(row, "Norm", NORMS, "lab_norm")]
    fields = st.columns(4, vertical_alignment="bottom")
    text = _text(fields[0], "Epsilon", format_pixels(epsilon), "lab_epsilon", "in pixels of [0, 1]; 0.1 or 8/255")
    size = parse_pixels(text)
    options = _steps(kind, size, list(fields[1:])) | _options(kind, classes)
    count, seed, layers = _images(layerwise)
    return AttackForm(Condition(kind, norm, size, **options), count, seed, layers)


def _steps(kind: ConditionKind, epsilon: float, fields: list[DeltaGenerator]) -> dict[str, Any]:
    """Draw the fields for steps, restarts and step size of attacks that have them, and return their values."""
    options: dict[str, Any] = {}
    if kind in (ConditionKind.PGD, ConditionKind.APGD):
        options["steps"] = int(fields[0].number_input("Steps", 0, MOST_STEPS, 10, key="lab_steps", **_BOUND))
        options["restarts"] = int(fields[1].number_input("Restarts", 1, 20, 1, key="lab_restarts", **_BOUND))
    if kind is ConditionKind.PGD:
        default = "2.5 ε / steps"
        text = _text(fields[2], "Step size", "", "lab_step_size", f"in pixels of [0, 1]; empty: {default}", default)
        options["step_size"] = parse_pixels(text) if text else default_step_size(epsilon, options["steps"])
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
        fields = st.columns(4, vertical_alignment="bottom")
        rule = TARGETS[_dropdown(fields[0], "Target", list(TARGETS), "lab_target")]
        options: dict = {"target_rule": rule}
        if rule is TargetRule.CLASS:
            options["target_class"] = classes.index(_dropdown(fields[2], "Class", classes, "lab_class"))
        help = "the attack increases it, or decreases it towards a target; KL has no targets"
        options["objective"] = OBJECTIVES[_dropdown(fields[1], "Objective", list(OBJECTIVES), "lab_objective", help)]
        if kind is ConditionKind.PGD:
            fields = st.columns(4, vertical_alignment="bottom")
            options["momentum"] = fields[0].number_input(
                "Momentum", 0.0, 10.0, 0.0, 0.1, key="lab_momentum", help="decay factor of MI-FGSM; 0 is none", **_BOUND
            )
            options["schedule"] = SCHEDULES[_dropdown(fields[1], "Step sizes", list(SCHEDULES), "lab_schedule")]
    return options


def draw_strength_form(condition: Condition) -> tuple[Axis, tuple[float, ...]]:
    """Return the varied parameter and its values, from 0 (or the first step size) to a bound.

    Raises ValueError if the bound is not a valid size.
    """
    fields = st.columns([4, 3, 3], vertical_alignment="bottom")
    over = AXES[_segmented(fields[0], "Vary", AXES, "lab_over")]
    points = int(fields[2].number_input("Points", 2, MOST_VALUES, 9, key="lab_points", **_BOUND))
    if over is Axis.STEPS:
        most = int(fields[1].number_input("Up to", 1, MOST_STEPS, 20, key="lab_most_steps", **_BOUND))
        count = min(points, most + 1)
        return over, tuple(float(round(most * i / (count - 1))) for i in range(count))
    text = _text(
        fields[1],
        "Up to",
        format_pixels(min(2 * (condition.epsilon or 0.0), largest_epsilon(condition.norm or Norm.LINF))),
        f"lab_most_{over}",
        "in pixels of [0, 1]; 0.1 or 16/255",
    )
    most_size = parse_pixels(text)
    if not most_size > 0:
        raise ValueError(f"a sweep needs a bound larger than 0, got {text}")
    first = 1 if over is Axis.STEP_SIZE else 0
    return over, tuple(most_size * (i + first) / (points - 1 + first) for i in range(points))


def _segmented(where: DeltaGenerator, label: Markdown, choices: dict, key: str) -> str:
    first = next(iter(choices))
    picked = where.segmented_control(
        label, list(choices), default=first, key=key, required=True, format_func=escape_markdown, **_BOUND
    )
    return picked or first


def _dropdown(
    where: DeltaGenerator, label: Markdown, choices: list[str], key: str, help: Markdown | None = None
) -> str:
    return str(where.selectbox(label, choices, key=key, help=help, **_BOUND))


def _text(
    where: DeltaGenerator, label: Markdown, default: str, key: str, help: Markdown, placeholder: str | None = None
) -> str:
    return (where.text_input(label, default, key=key, help=help, placeholder=placeholder, **_BOUND) or "").strip()


def _fill_in(settings: dict[str, Condition], classes: list[str]) -> None:
    """Set the fields to the chosen preset."""
    chosen = st.session_state["lab_preset"]
    if chosen is None:
        return
    preset = settings[chosen]
    state: dict[str, Any] = {"lab_attack": _name(KINDS, preset.kind), "lab_norm": _name(NORMS, preset.norm)}
    state["lab_epsilon"] = format_pixels(preset.epsilon or 0.0)
    if preset.steps is not None:
        state |= {"lab_steps": preset.steps, "lab_restarts": preset.restarts}
    if preset.step_size is not None:
        state["lab_step_size"] = format_pixels(preset.step_size)
    if preset.is_attack:
        state |= {
            "lab_target": _name(TARGETS, preset.target_rule),
            "lab_objective": _name(OBJECTIVES, preset.objective),
        }
        state |= {"lab_momentum": preset.momentum, "lab_schedule": str(preset.schedule)}
    if preset.target_class is not None:
        state["lab_class"] = classes[preset.target_class]
    st.session_state.update(state)


def _name(choices: dict, value: object) -> str:
    return next(name for name, choice in choices.items() if choice == value)
