"""A config is checked whole, names its run stably, and says under which conditions the run is measured."""

import json
import math
import re
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest

from rnc.conditions import CLEAN, Condition
from rnc.vocabulary import TRAINED, Norm, Objective, Role
from train.config import RunConfig

BAD: list[tuple[dict[str, Any], str]] = [
    ({"dataset": "imagenet"}, "unknown dataset 'imagenet'; there are: cifar10, cifar100, digits"),
    ({"model": "vgg99"}, "unknown model 'vgg99'; there are: preact_resnet18, small_cnn, vgg11_bn"),
    (
        {"model": "torchvision:resnet18"},
        "unknown model 'torchvision:resnet18'; there are: preact_resnet18, small_cnn, vgg11_bn",
    ),
    ({"objective": "adversarial"}, "adversarial"),
    ({"norm": "l7"}, "l7"),
    ({"steps": 0}, "steps must be at least 1, got 0"),
    ({"epochs": -1}, "epochs must be at least 0"),
    ({"batch_size": 1}, "batch_size must be at least 2"),
    ({"sample_size": 0}, "sample_size must be at least 1"),
    ({"seed": -1}, "seed must be at least 0"),
    ({"lr_drops": (0.5, 1.0)}, "lr_drops are fractions between 0 and 1"),
    ({"lr_drops": (0.0,)}, "lr_drops are fractions"),
    ({"lr_drops": (math.nan,)}, "lr_drops are fractions"),
    ({"lr_drops": (100,)}, "lr_drops are fractions"),
    ({"measured_epochs": "often"}, "'often' is not a valid choice of epochs"),
    ({"measured_epochs": "0,61"}, "outside 0..60"),
    ({"measured_epochs": "none,"}, "not a valid choice of epochs"),
    ({"vector_epochs": "7", "measured_epochs": "last"}, "not measured; measured are [60]"),
    ({"checkpoint_epochs": "7", "measured_epochs": "last"}, "not measured; measured are [60]"),
    ({"extra_conditions": ("pgd-l7-0.5-10",)}, "'pgd-l7-0.5-10' is not a condition"),
    ({"epsilon_fractions": (1.0,)}, "epsilon_fractions are fractions between 0 and 1"),
    ({"subset": -1}, "subset must be at least 0"),
    ({"subset": 9}, "subset must be 0 (all images) or at least 10, one image of each class"),
    ({"measure_subset": 9}, "measure_subset must be 0 (all images) or at least 10, one image of each class"),
    ({"model": "vgg11_bn"}, "vgg11_bn needs images of at least 16 px"),
    ({"ood_dataset": "cifar10"}, "ood_dataset must be another data set with images of shape (1, 8, 8), or noise"),
    ({"ood_dataset": "digits"}, "ood_dataset must be another data set"),
    ({"ood_dataset": "svhn"}, "unknown dataset 'svhn'"),
    ({"layerwise_epochs": "7", "measured_epochs": "last"}, "not measured; measured are [60]"),
    ({"umap_epochs": "often"}, "'often' is not a valid choice of epochs"),
    ({"extra_conditions": ("as_trained",)}, "as_trained is always measured"),
    ({"extra_conditions": ("pgd-linf-0.1-10-class10",)}, "target class 10 does not exist; choose 0 to 9"),
    ({"epsilon": 8.0}, "epsilon 8 is more than the whole range of pixels, [0, 1]; did you mean 8/255?"),
    ({"epsilon": 128.0, "norm": "l2"}, "white one, 8, with pixels in [0, 1]; did you mean 128/255?"),
    ({"epsilon": 12.0, "norm": "l2"}, "white one, 8, with pixels in [0, 1]; did you mean 12/255?"),
    ({"step_size": 2.0}, "step size 2 is more than the whole range of pixels, [0, 1]; did you mean 2/255?"),
    ({"extra_conditions": ("pgd-linf-8-10",)}, "epsilon 8 is more than the whole range"),
    ({"extra_conditions": ("gaussian-l2-9",)}, "did you mean 9/255?"),
    ({"extra_conditions": ("blur",)}, "examples: clean, pgd-linf-8_255-10"),
]
POSITIVE, NOT_NEGATIVE = ("width", "epsilon", "step_size", "learning_rate"), ("momentum", "weight_decay", "trades_beta")


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(changes) for changes, _message in BAD])
def test_a_bad_field_is_refused_with_advice(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RunConfig(**changes)


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", POSITIVE)
def test_sizes_are_finite_and_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0, got {value}"):
        RunConfig(**{name: value})


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
@pytest.mark.parametrize("name", NOT_NEGATIVE)
def test_weights_are_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0, got {value}"):
        RunConfig(**{name: value})
    assert getattr(RunConfig(**{name: 0.0}), name) == 0.0


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RunConfig().seed = 2  # type: ignore[misc]


def test_plain_text_names_an_objective_and_a_norm() -> None:
    """A config read back from JSON is the config: `training_loss` asks `objective is Objective.ST`."""
    config = RunConfig(objective="st", norm="l2")  # type: ignore[arg-type]
    assert config.objective is Objective.ST and config.norm is Norm.L2


def test_the_run_id_is_readable_and_the_same_in_every_process() -> None:
    assert re.fullmatch(r"digits-small_cnn-st-linf-s1-[0-9a-f]{8}", RunConfig().run_id)
    named = RunConfig(objective=Objective.AT_EVAL_ATTACK, norm=Norm.L2, seed=12, epsilon=8 / 255)
    assert named.run_id.startswith("digits-small_cnn-at-eval-attack-l2-s12-")
    assert named.run_id == replace(named).run_id == RunConfig(**json.loads(json.dumps(_as_arguments(named)))).run_id


def _as_arguments(config: RunConfig) -> dict[str, Any]:
    found = config.to_json()
    assert found["lr_drops"] == [0.25, 0.375] and found["norm"] == "l2"
    return found | {name: tuple(value) for name, value in found.items() if isinstance(value, list)}


OTHER: dict[str, Any] = {
    "dataset": "mnist",
    "width": 0.5,
    "subset": 100,
    "measure_subset": 100,
    "layerwise_epochs": "last",
    "umap_epochs": "measured",
    "epsilon_fractions": (0.5,),
    "objective": Objective.AT,
    "norm": Norm.L2,
    "epsilon": 8 / 255,
    "step_size": 2 / 255,
    "steps": 11,
    "trades_beta": 1.0,
    "epochs": 61,
    "batch_size": 64,
    "learning_rate": 0.05,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "lr_drops": (0.5,),
    "seed": 2,
    "measured_epochs": "every",
    "vector_epochs": "last",
    "checkpoint_epochs": "none",
    "sample_size": 100,
    "umap": False,
    "extra_conditions": ("pgd-l2-0.5-10",),
}


def test_every_field_changes_the_run_id() -> None:
    names = {field.name for field in fields(RunConfig)}
    changed = [RunConfig(**{name: value}) for name, value in OTHER.items()]
    assert names - set(OTHER) == {"model", "ood_dataset"}, "digits have but one of each"
    changed += [
        RunConfig(dataset="cifar10", **more) for more in ({}, {"model": "vgg11_bn"}, {"ood_dataset": "cifar100"})
    ]
    ids = [RunConfig().run_id, *(config.run_id for config in changed)]
    assert len(set(ids)) == len(ids)


def test_equal_configs_have_one_run_id() -> None:
    whole, decimal = RunConfig(epsilon=1, weight_decay=0), RunConfig(epsilon=1.0, weight_decay=0.0)
    assert whole == decimal and whole.run_id == decimal.run_id


def test_the_config_is_stored_by_field() -> None:
    stored = RunConfig(extra_conditions=("gaussian-l2-1",)).to_json()
    assert set(stored) == {field.name for field in fields(RunConfig)}
    assert json.loads(json.dumps(stored)) == stored and stored["extra_conditions"] == ["gaussian-l2-1"]


def test_the_conditions_of_a_run() -> None:
    config = RunConfig(epsilon=8 / 255, step_size=1 / 255, steps=7)
    found = {role: condition.slug for role, condition in config.conditions}
    assert config.conditions[0] == (Role.CLEAN, CLEAN)
    assert found == {
        Role.CLEAN: "clean",
        Role.PERTURBED: "pgd-linf-8_255-7-step1_255",
        Role.RELABELLED: "pgd-linf-8_255-7-step1_255-predicted",
        Role.TARGETED: "pgd-linf-8_255-7-step1_255-next",
        Role.GAUSSIAN: "gaussian-linf-8_255",
        Role.SIGN_NOISE: "sign_noise-linf-8_255",
    }


def test_extra_conditions_come_last_and_once() -> None:
    own = RunConfig().conditions
    slugs = ("pgd-l2-0.5-10", own[1][1].slug, "clean", "gaussian-l2-0.5")
    found = RunConfig(extra_conditions=slugs).conditions
    assert found[: len(own)] == own
    assert found[len(own) :] == [
        (Role.EXTRA, Condition.from_slug(slugs[0])),
        (Role.EXTRA, Condition.from_slug(slugs[3])),
    ]


def test_an_extra_condition_named_twice_is_measured_once() -> None:
    """`pgd-linf-8_255-10` and its form with the default step written out are one condition."""
    slugs = ("pgd-linf-8_255-10", "pgd-linf-8_255-10", "pgd-linf-8_255-10-step2_255")
    found = [condition.slug for role, condition in RunConfig(extra_conditions=slugs).conditions if role is Role.EXTRA]
    assert found == ["pgd-linf-8_255-10"]


def test_what_a_run_trains_on_is_measured_where_it_differs_from_the_clean_images() -> None:
    for objective in TRAINED:
        roles = {role for role, _condition in RunConfig(objective=objective).conditions}
        assert (Role.AS_TRAINED in roles) is (objective is not Objective.ST)


def test_at_the_end_the_attack_is_measured_at_fractions_of_its_size() -> None:
    """{1, 2, 4, 8}/255 in the paper's setting: the 8/255 is what every epoch is measured under."""
    config = RunConfig(dataset="cifar10", model="vgg11_bn", width=0.125)
    found = [(c.epsilon * 255, c.step_size * 255, c.steps) for _role, c in config.conditions_at_end]
    assert found == [pytest.approx((e, e / 4, 10)) for e in (1, 2, 4)]
    again = replace(config, extra_conditions=(config.conditions_at_end[0][1].slug,))
    assert len(again.conditions_at_end) == 2, "a condition is measured once"


PAPER_ATTACKS = {
    ("cifar10", Norm.LINF): (8 / 255, 10, 2 / 255),
    ("cifar10", Norm.L2): (128 / 255, 10, 15 / 255),
    ("cifar100", Norm.LINF): (8 / 255, 10, 2 / 255),
    ("cifar100", Norm.L2): (128 / 255, 10, 15 / 255),
    ("imagenette", Norm.LINF): (8 / 255, 5, 2 / 255),
    ("imagenette", Norm.L2): (1536 / 255, 5, 360 / 255),
}


@pytest.mark.parametrize(("dataset", "norm"), PAPER_ATTACKS)
def test_a_data_set_has_its_own_attack(dataset: str, norm: Norm) -> None:
    """Paper, section 2."""
    attack = RunConfig(dataset=dataset, norm=norm).attack
    assert (attack.epsilon, attack.steps, attack.step_size) == PAPER_ATTACKS[dataset, norm]


def test_what_is_given_takes_the_attacks_place() -> None:
    cifar = partial(RunConfig, dataset="cifar10")
    assert cifar(epsilon=4 / 255).attack.step_size == pytest.approx(1 / 255), "2.5 epsilon / steps"
    assert cifar(steps=20).attack.step_size == pytest.approx(1 / 255)
    assert cifar(step_size=1 / 255).attack == replace(cifar().attack, step_size=1 / 255)
    stored = cifar().to_json()
    assert (stored["epsilon"], stored["steps"], stored["step_size"]) == (8 / 255, 10, 2 / 255)
    assert cifar().run_id == cifar(epsilon=8 / 255, steps=10, step_size=2 / 255).run_id


def test_the_learning_rate_of_every_epoch() -> None:
    config = RunConfig(epochs=8, learning_rate=1.0, lr_drops=(0.25, 0.5))
    rates = [config.learning_rate_in(epoch) for epoch in range(1, 9)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01])
    assert RunConfig(epochs=1).learning_rate_in(1) == RunConfig().learning_rate, "no drop before the first epoch"


def test_umap_projects_epochs_that_keep_vectors() -> None:
    config = RunConfig(epochs=10, measured_epochs="0,4,10", vector_epochs="0,10", umap_epochs="measured")
    assert config.umap_at() == [0, 10] and replace(config, umap=False).umap_at() == []


def test_the_drops_of_the_papers_run() -> None:
    assert RunConfig(epochs=400).drop_epochs == [100, 150]
    assert RunConfig(epochs=400, lr_drops=()).drop_epochs == []
    assert {100, 150} <= set(RunConfig(epochs=400).measured_at())


def test_what_is_kept_is_measured() -> None:
    config = RunConfig(epochs=10, measured_epochs="0,4,10", vector_epochs="last", checkpoint_epochs="0,10")
    assert (config.measured_at(), config.vectors_at(), config.checkpoints_at()) == ([0, 4, 10], [10], [0, 10])
    config = RunConfig(epochs=10, measured_epochs="0,4,10", vector_epochs="none")
    assert (config.vectors_at(), config.checkpoints_at()) == ([], [0, 4, 10])
