"""Requests and results for the tests, and how hypothesis draws them."""

import string
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from rnc.conditions import Condition
from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.gradient_masking import MaskingCheck, MaskingRequest, MaskingResult
from rnc.lab.network_and_images import Source
from rnc.lab.strength_curve import Axis, StrengthCurveRequest, StrengthCurveResult
from rnc.vocabulary import ConditionKind, Norm, Split, TargetRule

PGD = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 6, 0.05)
SOURCE = Source("nets/net.safetensors", "ab" * 32, "digits-small_cnn-st-linf-s0-12345678", 3, "digits", Split.TEST)

texts = st.text(string.printable, min_size=1, max_size=20)
sizes = st.floats(1e-3, 1.0)
attacks = st.one_of(
    st.builds(
        Condition,
        st.just(ConditionKind.PGD),
        st.sampled_from(Norm),
        sizes,
        st.integers(1, 100),
        st.none() | sizes,
        st.sampled_from([TargetRule.UNTARGETED, TargetRule.NEXT]),
    ),
    st.builds(
        Condition, st.sampled_from([ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE]), st.sampled_from(Norm), sizes
    ),
)
sources = st.builds(
    Source,
    checkpoint=texts,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    run_id=texts,
    epoch=st.integers(0, 500),
    dataset=st.just("digits"),
    split=st.just(Split.TEST),
    subset=st.integers(0, 1000),
    fingerprint=st.none() | texts,
    model=st.text(max_size=10),
)
_common: dict[str, Any] = {"images": st.integers(1, 50_000), "seed": st.integers(0, 2**31 - 1)}
attack_requests = st.builds(
    AttackRequest, sources, attacks, layers=st.booleans(), watched=st.integers(1, 500), **_common
)
masking_requests = st.builds(MaskingRequest, sources, attacks.filter(lambda a: a.steps), **_common)


def sweep_values(over: Axis) -> st.SearchStrategy[tuple[float, ...]]:
    each = {
        Axis.EPSILON: st.floats(1e-6, 1) | st.just(0.0),
        Axis.STEPS: st.integers(0, 300).map(float),
        Axis.STEP_SIZE: st.floats(1e-6, 1),
    }[over]
    return st.lists(each, min_size=1, max_size=5, unique=True).map(lambda values: tuple(sorted(values)))


@st.composite
def sweep_requests(draw: st.DrawFn) -> StrengthCurveRequest:
    over = draw(st.sampled_from(Axis))
    condition = draw(attacks if over is Axis.EPSILON else attacks.filter(lambda a: a.steps))
    chosen = tuple(draw(st.lists(sources, min_size=1, max_size=2)))
    common = {name: draw(strategy) for name, strategy in _common.items()}
    return StrengthCurveRequest(chosen, condition, over, draw(sweep_values(over)), layers=draw(st.booleans()), **common)


requests = st.one_of(attack_requests, masking_requests, sweep_requests())


def attack_result(frames: int = 4, watched: int = 5, seed: int = 0) -> AttackResult:
    """Numbers without a meaning, in the right shapes."""
    rng = np.random.default_rng(seed)
    shape = (frames, watched)
    return AttackResult(
        condition=PGD.slug, steps_done=frames - 2, rounds=frames - 1, stopped=False, as_recorded=True, device="cpu",
        seconds=0.5, before={"nc1": 0.1}, after={"nc1": float("nan")}, alignment={"angle": 0.2},
        leaps=pd.DataFrame({"true_class": [0, 1], "predicted_class": [1, 1], "count": [3, 4], "angle": [0.1, np.nan]}),
        layers=pd.DataFrame({name: [] for name in ("layer", "depth", "shown", "metric", "value")}),
        frames=pd.DataFrame({"step": range(-1, frames - 1), "nc1": rng.random(frames)}),
        sample=np.arange(watched), label=rng.integers(3, size=watched), goal=rng.integers(3, size=watched),
        plane=rng.random((*shape, 2)), means_span=rng.random((3, 2)), span=rng.random((*shape, 2)).astype(np.float32),
        loss=rng.random(shape), margin=rng.random(shape), predicted=rng.integers(3, size=shape),
        confidence=rng.random(shape), clean_images=rng.random((2, 1, 4, 4)), perturbed_images=rng.random((2, 1, 4, 4)),
    )  # fmt: skip


def sweep_result() -> StrengthCurveResult:
    points = {
        "source": [0, 1],
        "strength": [0.0, 0.1],
        "layer": ["features", "s"],
        "metric": ["nc1"] * 2,
        "value": [1, np.inf],
    }
    return StrengthCurveResult("epsilon", ["clean", PGD.slug], False, True, "cpu", 1.5, pd.DataFrame(points))


def masking_result() -> MaskingResult:
    checks = [
        MaskingCheck(f"c{w}", "Title", w, "It was ä.", {"a": 0.5, "b": float("nan")}, "Paper, 3") for w in (True, False)
    ]
    return MaskingResult(PGD.slug, 100, False, True, "cpu", 2.0, checks)
