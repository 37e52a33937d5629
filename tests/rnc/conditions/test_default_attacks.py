"""The menu of attacks: the paper's values for its data sets, the same that training takes, and the field's others."""

import pytest

from rnc import datasets
from rnc.conditions import Condition, presets, usual_attack
from rnc.vocabulary import ConditionKind, Norm
from train.config import RunConfig

PAPER = {  # paper, section 2: epsilon, steps, step size, in 1/255
    ("cifar10", Norm.LINF): (8, 10, 2),
    ("cifar10", Norm.L2): (128, 10, 15),
    ("cifar100", Norm.LINF): (8, 10, 2),
    ("cifar100", Norm.L2): (128, 10, 15),
    ("imagenette", Norm.LINF): (8, 5, 2),
    ("imagenette", Norm.L2): (1536, 5, 360),
}
SIGNS = {Norm.LINF: "ℓ∞", Norm.L2: "ℓ2"}


@pytest.mark.parametrize(("dataset", "norm"), PAPER)
def test_the_papers_attacks(dataset: str, norm: Norm) -> None:
    epsilon, steps, step_size = PAPER[dataset, norm]
    found = presets(dataset)[f"PGD, {SIGNS[norm]}"]
    assert found == Condition(ConditionKind.PGD, norm, epsilon / 255, steps, step_size / 255)


@pytest.mark.parametrize("dataset", datasets.names())
@pytest.mark.parametrize("norm", Norm)
def test_what_training_measures_under_is_in_the_menu(dataset: str, norm: Norm) -> None:
    config = RunConfig(dataset=dataset, norm=norm, model="preact_resnet18")
    measured = [c for _role, c in config.conditions if c.kind is not ConditionKind.CLEAN and not c.relabelled]
    assert set(measured) <= set(presets(dataset).values())
    assert usual_attack(dataset, norm) == config.attack


def test_the_fields_other_attacks_are_in_the_menu() -> None:
    found = {name: condition.slug for name, condition in presets("cifar10").items()}
    assert found["FGSM, ℓ∞"] == "fgsm-linf-8_255"
    assert found["MI-FGSM, ℓ∞"] == "pgd-linf-8_255-10-step0.003137254902-momentum1"
    assert found["APGD-CE, ℓ2"] == "apgd-l2-128_255-100"
    assert found["APGD-DLR, ℓ∞"] == "apgd-linf-8_255-100-dlr"
    assert len(set(found.values())) == len(found) == 18


def test_a_data_set_that_is_not_listed_gets_those_of_cifar() -> None:
    assert presets("holiday-pictures") == presets("cifar10")
