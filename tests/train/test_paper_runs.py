"""The paper's grid: 126 runs by name; each kind of run is built, takes a step and is measured, in small."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import pytest

from rnc.conditions import Condition
from rnc.probe.store_and_device_options import Options
from rnc.vocabulary import Norm, Objective, Role
from tests.conftest import ROOT
from tests.examples import NIGHTLY
from tests.synthetic_images import write_dataset
from tests.train.small import ask
from train.config import RunConfig
from train.loop import train_run
from train.named_run_sets import PAPER_DATASETS, PAPER_MODELS, cpu_runs, find, paper_runs
from train.run import main

RUNS = paper_runs()
FIRST_SEED = [name for name in RUNS if name.endswith("-s1")]
SEVEN = [
    "imagenette-vgg11_bn-st-s1",
    "cifar10-preact_resnet18-at-linf-s1",
    "cifar10-vgg11_bn-at-l2-s1",
    "imagenette-preact_resnet18-trades-linf-s1",
    "cifar10-vgg11_bn-trades-l2-s1",
    "cifar100-vgg11_bn-trades-released-linf-s1",
    "cifar100-preact_resnet18-trades-released-l2-s1",
]
"""Every kind of training, every data set with every network, and each network under both norms.

Which images a loss is computed of makes no difference to its code, so the other pairs are for the night.
"""


def pairs() -> list[str]:
    """Of the 42 runs of one seed, 21 with every pair of data set, network and (objective, norm)."""
    kinds = ["st", *(f"{objective}-{norm}" for objective in ("at", "trades", "trades-released") for norm in Norm)]
    return [
        f"{dataset}-{PAPER_MODELS[(number + turn) % 2]}-{kind}-s1"
        for turn, dataset in enumerate(PAPER_DATASETS)
        for number, kind in enumerate(kinds)
    ]


@pytest.fixture(scope="module")
def configs() -> dict[str, RunConfig]:
    """All 126, each of which builds its network without memory."""
    return {name: make() for name, make in RUNS.items()}


@pytest.mark.usefixtures("loaded_commands")
def test_list_prints_126_runs_one_a_line() -> None:
    """In a process of its own, as people call it (which loads torch itself in tests/train/test_output.py)."""
    command = [sys.executable, "-m", "train.run", "--list"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    assert len(lines) == len(set(lines)) == 126 and lines == list(RUNS)


def test_the_grid_is_the_papers(configs: dict[str, RunConfig]) -> None:
    """3 data sets x 2 networks x 3 seeds x (ST, and AT, TRADES and trades-released under 2 norms)."""
    configs = list(configs.values())
    assert len({config.run_id for config in configs}) == 126
    kinds = Counter((c.dataset, c.model, c.seed) for c in configs)
    assert len(kinds) == 3 * 2 * 3 and set(kinds.values()) == {7}
    trained = Counter((c.objective, c.norm) for c in configs if c.objective is not Objective.ST)
    assert trained == {(o, n): 18 for o in ("at", "trades", "trades-released") for n in Norm}
    for config in configs:
        assert (config.epochs, config.drop_epochs, config.batch_size) == (400, [100, 150], 128)
        assert (config.learning_rate, config.momentum, config.weight_decay, config.trades_beta) == (0.1, 0.9, 5e-4, 6.0)
        assert config.width == 1 and config.subset == 0 and 0 < config.measure_subset <= 10_000
        assert config.measured_at()[0] == 0 and config.measured_at()[-1] == 400


@pytest.mark.parametrize("name", [name for name in FIRST_SEED if "-st-" in name])
def test_standard_training_is_measured_under_both_norms(name: str, configs: dict[str, RunConfig]) -> None:
    config = configs[name]
    own = [condition for role, condition in config.conditions if role is Role.PERTURBED]
    other = [condition for role, condition in config.conditions if role is Role.EXTRA]
    twin = replace(config, norm=Norm.L2, extra_conditions=())
    expected = {c for _role, c in twin.conditions if c.norm is Norm.L2 and not c.relabelled}
    assert [c.norm for c in own] == [Norm.LINF] and set(other) == expected and len(expected) == 4


def test_the_name_of_every_condition_reads_as_itself(configs: dict[str, RunConfig]) -> None:
    slugs = {condition.slug for c in configs.values() for _role, condition in c.conditions + c.conditions_at_end}
    assert len(slugs) > 10
    for slug in slugs:
        assert Condition.from_slug(slug).slug == slug


def test_every_pair_of_the_grid_is_trained() -> None:
    """The runs trained below leave out no value of the grid, and no two values together."""
    grid, chosen = [Counter(found_pairs(names)) for names in (FIRST_SEED, pairs())]
    assert set(chosen) == set(grid) and set(pairs()) <= set(FIRST_SEED) and len(set(pairs())) == 21
    usual = Counter(found_pairs(SEVEN))
    networks_and_images = {pair for pair in grid if {name for name, _value in pair} == {"dataset", "model"}}
    assert set(SEVEN) <= set(pairs()) and networks_and_images <= set(usual)
    assert {value for pair in usual for value in pair} == {value for pair in grid for value in pair}
    norms = {(name.split("-")[1], name.removesuffix("-s1").split("-")[-1]) for name in SEVEN if "-st-" not in name}
    assert norms == set(product(PAPER_MODELS, map(str, Norm)))


def found_pairs(names: list[str]) -> list[frozenset[tuple[str, str]]]:
    values = []
    for name in names:
        dataset, model, kind = name.removesuffix("-s1").split("-", 2)
        values += [
            frozenset(two) for two in combinations({"dataset": dataset, "model": model, "kind": kind}.items(), 2)
        ]
    return values


def test_patterns_choose_runs() -> None:
    assert [config.seed for config in find("cifar10-vgg11_bn-at-l2-s*")] == [1, 2, 3]
    assert len(find("*-s1")) == 42
    with pytest.raises(ValueError, match=r"unknown recipe 'cifar10-vgg11-st-s1'; there are: cifar10-vgg11_bn-st-s1"):
        find("cifar10-vgg11-st-s1")


@pytest.mark.parametrize(("group", "images"), [("cpu", 2000), ("tpt", 500)])
def test_the_runs_for_a_cpu_are_of_real_images_and_four_objectives(group: str, images: int) -> None:
    configs = {name: make() for name, make in cpu_runs().items() if name.startswith(f"cifar10-{group}-")}
    assert [str(c.objective) for c in configs.values()] == ["st", "at", "trades", "trades-released"]
    for name, config in configs.items():
        assert name == f"cifar10-{group}-{config.objective}"
        assert (config.dataset, config.model, config.subset) == ("cifar10", "preact_resnet18", images)
        assert (config.attack.epsilon, config.attack.steps) == (8 / 255, 10)


def test_a_dry_run_tells_what_would_run_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "new" / "rnc.duckdb"
    assert main(["cifar10-cpu-*", "--width", "0.03", "--dry-run", "--store", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all("80 epochs  about " in line for line in lines[:4])
    assert lines[4].startswith("4 runs, one after another on ") and not store.parent.exists()


def in_small(name: str) -> RunConfig:
    """A run of the paper at width 1/32 and with attacks of one step: one training step, one measurement after it."""
    config = RUNS[name]()
    attack = config.attack
    return replace(
        config,
        width=1 / 32,
        epsilon=attack.epsilon,
        steps=1,
        step_size=attack.step_size,
        epochs=1,
        batch_size=200,
        measure_subset=0,
        sample_size=20,
        measured_epochs="1",
        vector_epochs="last",
        checkpoint_epochs="last",
        umap=False,
        epsilon_fractions=(0.5,),
        extra_conditions=tuple(slug.replace("-10-", "-1-") for slug in config.extra_conditions),
    )


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two random images a class of each of the paper's data sets."""
    root = tmp_path_factory.mktemp("images")
    for dataset in PAPER_DATASETS:
        write_dataset(root, dataset, per_class=2)
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one store of all."""
    return tmp_path_factory.mktemp("paper") / "rnc.duckdb"


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", pairs() if NIGHTLY else SEVEN)
def test_every_configuration_takes_a_step_and_is_measured(name: str, store: Path, data_root: Path) -> None:
    config = in_small(name)
    train_run(config, Options(store, data_root=data_root, device="cpu", threads=1))
    assert ask(store, "SELECT state, epochs_done FROM run WHERE run_id = ?", config.run_id) == [("finished", 1)]
    expected = {condition.slug for _role, condition in config.conditions + config.conditions_at_end}
    for split in ("train", "test"):
        where = "run_id = ? AND split = ? AND metric = 'accuracy'"
        found = {slug for (slug,) in ask(store, f"SELECT condition FROM metric WHERE {where}", config.run_id, split)}
        assert found == expected - ({"as_trained"} if split == "test" else set())
    ((layers,),) = ask(
        store, "SELECT count(DISTINCT layer) FROM metric WHERE run_id = ? AND metric = 'nc1'", config.run_id
    )
    assert layers == 2 + (8 if config.model == "vgg11_bn" else 10), "the pixels, every stage, the penultimate features"
