"""Named runs: recipes of a few runs, and every run of the paper under its own name."""

import difflib
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from itertools import product

from rnc.conditions import Condition
from rnc.probe.default_attack_with_overrides import attack
from rnc.vocabulary import ConditionKind, Norm, Objective, TargetRule
from train.config import RunConfig

PAPER_DATASETS = ("cifar10", "cifar100", "imagenette")
PAPER_MODELS = ("vgg11_bn", "preact_resnet18")
PAPER_SEEDS = (1, 2, 3)
_TRAINED_UNDER_A_NORM = (Objective.AT, Objective.TRADES, Objective.TRADES_RELEASED)
_MEASURED = {"cifar10": 10_000, "cifar100": 10_000, "imagenette": 4_000}


def tiny() -> list[RunConfig]:
    """Return a run of a few seconds on digits, for tests and a first look; it does not collapse."""
    return [RunConfig(epochs=2, steps=3, sample_size=100, umap=False, epsilon_fractions=(0.5,))]


def demo() -> list[RunConfig]:
    """Return runs on digits beyond zero training error: standard, adversarial and TRADES training with one epsilon.

    Standard training is first: it takes the least time, and the others are compared with it.
    """
    return [RunConfig(objective=objective) for objective in (Objective.ST, Objective.AT, Objective.TRADES)]


def paper_run(dataset: str, model: str, objective: Objective, norm: Norm, seed: int) -> RunConfig:
    """Return a run of the paper, in its settings (section 2): 400 epochs, learning-rate drops after 100 and 150."""
    return RunConfig(
        dataset=dataset,
        model=model,
        objective=objective,
        norm=norm,
        seed=seed,
        epochs=400,
        measure_subset=_MEASURED[dataset],
        vector_epochs="milestones",
        checkpoint_epochs="milestones",
        extra_conditions=_under(dataset, Norm.L2) if objective is Objective.ST else (),
    )


def paper_runs() -> dict[str, Callable[[], RunConfig]]:
    """Return the paper's 126 runs by name: 3 data sets x 2 networks x (ST, and 3 objectives under 2 norms) x 3 seeds."""
    named: dict[str, Callable[[], RunConfig]] = {}
    trained = [(Objective.ST, Norm.LINF), *product(_TRAINED_UNDER_A_NORM, Norm)]
    for dataset, model, (objective, norm), seed in product(PAPER_DATASETS, PAPER_MODELS, trained, PAPER_SEEDS):
        under = "" if objective is Objective.ST else f"-{norm}"
        chosen = (dataset, model, objective, norm, seed)
        named[f"{dataset}-{model}-{objective}{under}-s{seed}"] = partial(paper_run, *chosen)
    return named


def paper() -> list[RunConfig]:
    """Return all of the paper's runs, for `train.sweep`."""
    return [make() for make in paper_runs().values()]


RECIPES: dict[str, Callable[[], list[RunConfig]]] = {"tiny": tiny, "demo": demo, "paper": paper}


def cpu_runs() -> dict[str, Callable[[], RunConfig]]:
    """Return runs on real CIFAR-10 without a GPU: a narrow PreAct-ResNet-18, four objectives, 60 to 90 minutes for each set.

    `cifar10-cpu-*` use 2,000 images and generalise a little to the test set; only standard training ends at 100 % train
    accuracy. `cifar10-tpt-*` use 500 images for longer and pass zero training error (TPT), where collapse occurs.
    """
    objectives = (Objective.ST, Objective.AT, Objective.TRADES, Objective.TRADES_RELEASED)
    kinds = {"cpu": _CPU, "tpt": _TPT}
    return {
        f"cifar10-{kind}-{name}": partial(replace, kinds[kind], objective=name)
        for kind, name in product(kinds, objectives)
    }


_CPU = RunConfig(
    dataset="cifar10",
    model="preact_resnet18",
    width=0.125,
    subset=2_000,
    batch_size=64,
    epochs=80,
    measure_subset=1_000,
    measured_epochs="0,1,5,10,20,30,50,80",
    vector_epochs="milestones",
    checkpoint_epochs="milestones",
)
_TPT = replace(
    _CPU,
    subset=500,
    batch_size=25,
    epochs=160,
    lr_drops=(0.5, 0.75),
    measure_subset=500,
    measured_epochs="0,1,3,10,20,40,60,80,90,100,120,140,160",
    vector_epochs="0,10,40,80,120,160",
)
"""3,200 steps in total; the learning rate therefore drops later than in the paper's 156,000 steps."""


def find(name: str) -> list[RunConfig]:
    """Return the configs of a recipe, of a run, or of all runs that match a pattern such as `cifar10-*-s1`.

    Raises ValueError with similar names if there is no match.
    """
    if name in RECIPES:
        return RECIPES[name]()
    runs = cpu_runs() | paper_runs()
    chosen = [make() for run, make in runs.items() if fnmatch(run, name)]
    if not chosen:
        close = difflib.get_close_matches(name, [*RECIPES, *runs], n=3) or [*RECIPES, *cpu_runs()]
        raise ValueError(
            f"unknown recipe {name!r}; there are: {', '.join(close)}, …; --list prints the runs of the paper"
        )
    return chosen


def _under(dataset: str, norm: Norm) -> tuple[str, ...]:
    """Return the slugs of the conditions of section 3 under a norm."""
    default = attack(dataset, norm, None, None, None)
    size = (default.epsilon, default.steps, default.step_size)
    conditions = [
        Condition(ConditionKind.PGD, norm, *size),
        Condition(ConditionKind.PGD, norm, *size, TargetRule.NEXT),
        Condition(ConditionKind.GAUSSIAN, norm, default.epsilon),
        Condition(ConditionKind.SIGN_NOISE, norm, default.epsilon),
    ]
    return tuple(condition.slug for condition in conditions)
