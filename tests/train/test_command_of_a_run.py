"""The command that the runs page and a published run's card show makes the very run again: the same config, the same key."""

import json
import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rnc.store.run_card import train_command
from rnc.vocabulary import TRAINED, Norm
from tests.examples import examples
from train.config import RunConfig
from train.run import parse

SIZES = st.floats(1e-6, 1.0, allow_subnormal=False)
FRACTIONS = st.lists(st.floats(0.01, 0.99), max_size=3).map(tuple)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """Any field at any value, most of them not the default of the day."""
    fields: dict[str, Any] = {
        "dataset": draw(st.sampled_from(["digits", "cifar10", "mnist"])),
        "model": draw(st.sampled_from(["small_cnn", "preact_resnet18"])),
        "objective": draw(st.sampled_from(TRAINED)),
        "norm": draw(st.sampled_from(Norm)),
        "width": draw(st.sampled_from([0.25, 1 / 3, 1.0])),
        "subset": draw(st.sampled_from([0, 500])),
        "epsilon": draw(st.none() | SIZES),
        "step_size": draw(st.none() | SIZES),
        "steps": draw(st.none() | st.integers(1, 50)),
        "trades_beta": draw(st.floats(0, 1e6)),
        "epochs": draw(st.integers(1, 400)),
        "batch_size": draw(st.integers(2, 512)),
        "learning_rate": draw(st.floats(1e-9, 10.0)),
        "momentum": draw(st.floats(0, 0.999)),
        "weight_decay": draw(st.floats(0, 0.1)),
        "lr_drops": draw(FRACTIONS),
        "seed": draw(st.integers(0, 2**31)),
        "measured_epochs": draw(st.sampled_from(["log", "every", "milestones"])),
        "vector_epochs": draw(st.sampled_from(["measured", "milestones", "none", "0"])),
        "checkpoint_epochs": draw(st.sampled_from(["measured", "last", "none", "0"])),
        "sample_size": draw(st.integers(1, 300)),
        "umap": draw(st.booleans()),
        "epsilon_fractions": draw(FRACTIONS),
        "extra_conditions": draw(st.sampled_from([(), ("pgd-l2-0.5-10", "gaussian-linf-0.1")])),
    }
    return RunConfig(**fields)


@examples(25)
@given(config=configs())
def test_the_command_makes_the_very_run_again(config: RunConfig) -> None:
    stored = json.loads(json.dumps(config.to_json()))
    words = shlex.split(train_command(stored))
    assert words[:3] == ["python", "-m", "train.run"]
    [again] = parse(words[3:])
    assert again.config.to_json() == stored and again.config.run_id == config.run_id
