"""Named runs: recipes of a few runs, and every run of the paper by a name of its own."""

import difflib
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from itertools import product

from rnc.vocabulary import Condition, ConditionKind, Norm, Objective, TargetRule
from train.config import RunConfig
from train.settings import attack

PAPER_DATASETS = ("cifar10", "cifar100", "imagenette")
PAPER_MODELS = ("vgg11_bn", "preact_resnet18")
PAPER_SEEDS = (1, 2, 3)
_TRAINED_UNDER_A_NORM = (Objective.AT, Objective.TRADES, Objective.TRADES_RELEASED)
_MEASURED = {"cifar10": 10_000, "cifar100": 10_000, "imagenette": 4_000}


def tiny() -> list[RunConfig]:
    """A few seconds on digits, for tests and a first look; it does not collapse."""
    return [RunConfig(epochs=2, steps=3, sample_size=100, umap=False, epsilon_fractions=(0.5,))]


def demo() -> list[RunConfig]:
    """Digits past zero training error: standard, adversarial and TRADES training with one epsilon."""
    return [RunConfig(objective=objective) for objective in (Objective.AT, Objective.TRADES, Objective.ST)]


RECIPES: dict[str, Callable[[], list[RunConfig]]] = {"tiny": tiny, "demo": demo}


def paper_run(dataset: str, model: str, objective: Objective, norm: Norm, seed: int) -> RunConfig:
    """A run of the paper, in its settings (section 2): 400 epochs, the learning rate dropping after 100 and 150."""
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
    """The paper's 126 runs by name: 3 data sets x 2 networks x (ST, and 3 objectives under 2 norms) x 3 seeds."""
    named: dict[str, Callable[[], RunConfig]] = {}
    trained = [(Objective.ST, Norm.LINF), *product(_TRAINED_UNDER_A_NORM, Norm)]
    for dataset, model, (objective, norm), seed in product(PAPER_DATASETS, PAPER_MODELS, trained, PAPER_SEEDS):
        under = "" if objective is Objective.ST else f"-{norm}"
        chosen = (dataset, model, objective, norm, seed)
        named[f"{dataset}-{model}-{objective}{under}-s{seed}"] = partial(paper_run, *chosen)
    return named


def cpu_runs() -> dict[str, Callable[[], RunConfig]]:
    """Real CIFAR-10 for people without a GPU: a narrow PreAct-ResNet-18 on 2,000 images.

    All four take an hour to an hour and a half on two cores; standard training ends at 100 % train accuracy.
    """
    objectives = (Objective.ST, Objective.AT, Objective.TRADES, Objective.TRADES_RELEASED)
    return {f"cifar10-cpu-{objective}": partial(_cpu_run, objective) for objective in objectives}


def _cpu_run(objective: Objective) -> RunConfig:
    return RunConfig(
        dataset="cifar10",
        model="preact_resnet18",
        objective=objective,
        width=0.125,
        subset=2_000,
        batch_size=64,
        epochs=80,
        measure_subset=1_000,
        measured_epochs="0,1,5,10,20,30,50,80",
        vector_epochs="milestones",
        checkpoint_epochs="milestones",
    )


def find(name: str) -> list[RunConfig]:
    """The configs of a recipe, of a run, or of all runs that a pattern such as `cifar10-*-s1` fits.

    Raises ValueError, naming what comes close, where there is none.
    """
    if name in RECIPES:
        return RECIPES[name]()
    runs = cpu_runs() | paper_runs()
    chosen = [make() for run, make in runs.items() if fnmatch(run, name)]
    if not chosen:
        close = difflib.get_close_matches(name, [*RECIPES, *runs], n=3) or [*RECIPES, *cpu_runs()]
        raise ValueError(
            f"unknown recipe {name!r}; there are: {', '.join(close)}, …: --list prints the runs of the paper"
        )
    return chosen


def _under(dataset: str, norm: Norm) -> tuple[str, ...]:
    """The slugs of the conditions of section 3 under a norm."""
    usual = attack(dataset, norm, None, None, None)
    size = (usual.epsilon, usual.steps, usual.step_size)
    conditions = [
        Condition(ConditionKind.PGD, norm, *size),
        Condition(ConditionKind.PGD, norm, *size, TargetRule.NEXT),
        Condition(ConditionKind.GAUSSIAN, norm, usual.epsilon),
        Condition(ConditionKind.SIGN_NOISE, norm, usual.epsilon),
    ]
    return tuple(condition.slug for condition in conditions)
