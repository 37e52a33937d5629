"""Make the tables of data/gallery/README.md and docs/findings.md, and their figures, from the published runs: `make gallery`."""

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.readme_figures import value
from docs.tools import ROOT, app, chromium, fill, table, visit
from rnc.claims import USED, Verdict, judge_each_claim
from rnc.models import weights
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Split
from train import named_run_sets

GALLERY = ROOT / "data" / "gallery"
COLLAPSE = {
    Metric.NC1: "NC1",
    Metric.NC2_EQUINORM: "NC2 norms",
    Metric.NC2_EQUIANGULARITY: "NC2 angles",
    Metric.NC3: "NC3",
    Metric.NC4: "NC4",
}
VERDICT_LABELS = {Verdict.SUPPORTED: "supported", Verdict.CONTRADICTED: "**contradicted**", Verdict.NOT_MEASURED: "–"}
WANTED = [
    ("a", "cifar10-cpu-*", "CPU: PreAct-ResNet-18 at width 1/8, 2,000 images, 80 epochs"),
    ("a", "cifar10-tpt-*", "CPU: PreAct-ResNet-18 at width 1/8, 500 images, 160 epochs, past zero training error"),
    ("b", "cifar10-vgg11_bn-st-s1", "VGG11-BN, whole CIFAR-10, the paper's settings, l_inf"),
    ("b", "cifar10-vgg11_bn-*-linf-s1", "the same, adversarial training and both TRADES"),
    ("c", "cifar10-preact_resnet18-st-s1", "PreAct-ResNet-18 likewise"),
    ("c", "cifar10-preact_resnet18-*-linf-s1", "the same, adversarial training and both TRADES"),
    ("d", "cifar10-*-l2-s1", "both networks under l_2"),
    ("e", "cifar10-*-s[23]", "seeds 2 and 3 of (b) to (d)"),
    ("f", "cifar100-*", "CIFAR-100, everything"),
    ("g", "imagenette-*", "ImageNette, everything"),
]
FIGURES = {
    "nc1.svg": ("collapse", "NC1 · within-class variability over epochs", {}),
    "equiangularity.svg": ("collapse", "NC2 · equiangularity, means over epochs", {}),
    "angle.svg": ("collapse", "Angle to clean means over epochs", {}),
    "accuracy.svg": ("collapse", "Accuracy over epochs", {"split": "test"}),
    "nearest-centre-layers.svg": ("layers", "Nearest-centre accuracy along the network", {}),
    "nc1-layers.svg": ("layers", "NC1 · within-class variability along the network", {}),
    "leaps.svg": ("projections", "leaping matrix", {}),
    "plane.png": ("projections", "projected features", {}),
}
"""File: the page of the figure, its name in that page's export, and the choices in the address."""


class Published:
    """The runs of a gallery with short names, in the order of the wanted list, and the numbers of their last epoch."""

    def __init__(self, folder: Path) -> None:
        """Read the folder alone, without a store."""
        self.reader = StoreReader(Path(tempfile.gettempdir()) / "no-such-store.duckdb", folder)
        runs = self.reader.runs.all().set_index("run_id", drop=False).rename_axis(None)
        recipes_of = {config.run_id: name for name, config in configs_by_name().items()}
        self.runs = runs.assign(recipe=[recipes_of.get(run_id, run_id) for run_id in runs.index])
        order = {run_id: place for place, run_id in enumerate(recipes_of)}
        self.runs = self.runs.sort_values("run_id", key=lambda ids: ids.map(order))
        metrics = [Metric.ACCURACY, Metric.ANGLE, *COLLAPSE]
        self.last = {split: self.reader.metrics.last_values(metrics, split) for split in Split}

    def number(
        self, run_id: str, condition: str, metric: Metric, split: Split = Split.TRAIN, means: str = "own"
    ) -> float:
        """Return a number of a run's last epoch."""
        return value(self.last[split], run_id, condition, metric, means)


def configs_by_name() -> dict[str, named_run_sets.RunConfig]:
    """Return every run that has a name, in the order of the wanted list."""
    named = {name: make() for name, make in (named_run_sets.cpu_runs() | named_run_sets.paper_runs()).items()}
    wanted = [config.run_id for _group, pattern, _text in WANTED for config in named_run_sets.find(pattern)]
    position = {run_id: number for number, run_id in reversed(list(enumerate(wanted)))}
    return dict(sorted(named.items(), key=lambda item: position[item[1].run_id]))


def wanted_table(published: Published) -> str:
    """Return the table of wanted runs, in order, with the state of each group."""
    rows = []
    for group, pattern, text in WANTED:
        configs = named_run_sets.find(pattern)
        done = published.runs[published.runs["run_id"].isin([config.run_id for config in configs])]
        state = f"{len(done)} of {len(configs)} done" if len(done) else f"missing ({len(configs)})"
        if len(done):
            hours = done["wall_seconds"].sum() / 3600
            state += f": {done['finished_at'].max():%Y-%m-%d}, {done['device'].iloc[0]}, {hours:.1f} h together"
        rows.append([group, text, state, f"`python -m train.run '{pattern}'`"])
    return table(["", "runs", "state", "command"], rows)


def accuracy_table(published: Published) -> str:
    """Return accuracy at each run's last epoch, clean and under PGD, and the mean angle between the two simplices."""
    rows = []
    for run in published.runs.itertuples():
        cells = [f"`{run.recipe}`", str(run.epochs)]
        for split in Split:
            clean, attacked = (published.number(run.run_id, s, Metric.ACCURACY, split) for s in ("clean", "perturbed"))
            cells.append(f"{clean:.1%} / {attacked:.1%}")
        angle = published.number(run.run_id, "perturbed", Metric.ANGLE, means="clean")
        rows.append([*cells, f"{angle:.2f} rad"])
    return table(["run", "epochs", "train accuracy, clean / PGD", "test accuracy, clean / PGD", "mean angle"], rows)


def collapse_table(published: Published) -> str:
    """Return NC1 to NC4 on training images at each run's last epoch, clean / perturbed."""
    rows = []
    for run in published.runs.itertuples():
        pairs = [[published.number(run.run_id, s, metric) for s in ("clean", "perturbed")] for metric in COLLAPSE]
        rows.append([f"`{run.recipe}`", *(f"{clean:.3g} / {attacked:.3g}" for clean, attacked in pairs)])
    return table(["run", *COLLAPSE.values()], rows)


def verdict_table(published: Published) -> str:
    """Return the verdict on each claim for each run, as on the findings page."""
    evidence = published.reader.metrics.evidence(
        list(published.runs["run_id"]), list(USED), int(published.runs["epochs"].max())
    )
    judgements = judge_each_claim(published.runs.reset_index(drop=True), evidence)
    names = {run_id: recipe.removeprefix("cifar10-") for run_id, recipe in published.runs["recipe"].items()}
    rows = [[f"{j.claim} · {j.title}", *(VERDICT_LABELS[j.of(str(run_id))] for run_id in names)] for j in judgements]
    return table(["claim", *names.values()], rows)


def running_statistics_table(published: Published) -> str:
    """Return BatchNorm's running statistics in the last network of each run, over all layers and channels."""
    rows = []
    networks = published.reader.runs.checkpoints(list(published.runs["run_id"])).set_index("run_id")
    for stored in networks.loc[[run_id for run_id in published.runs.index if run_id in networks.index]].itertuples():
        state = weights.load(Path(stored.path), stored.sha256).state_dict()
        means = max(float(state[name].abs().max()) for name in state if name.endswith("running_mean"))
        variances = [state[name] for name in state if name.endswith("running_var")]
        least, most = min(float(v.min()) for v in variances), max(float(v.max()) for v in variances)
        updates = max(int(state[name]) for name in state if name.endswith("num_batches_tracked"))
        recipe = published.runs.loc[stored.Index, "recipe"]
        rows.append([f"`{recipe}`", f"{means:.3g}", f"{least:.3g} to {most:.3g}", f"{updates:,}"])
    return table(["run", "largest absolute running mean", "running variances", "updates"], rows)


def export_figures(folder: Path) -> None:
    """Save each figure through the app's own export, with the runs that the app shows first on an empty store."""
    folder.mkdir(parents=True, exist_ok=True)
    with app(Path(tempfile.mkdtemp()) / "none.duckdb", str(GALLERY)) as address, chromium() as browser:
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        for name, (where, figure, choices) in FIGURES.items():
            visit(page, f"{address}/{where}?{urlencode(choices)}")
            _export_figure(page, figure, folder / name)


def _export_figure(page: Page, figure: str, path: Path) -> None:
    page.get_by_role("button", name="Export").click()
    figure_choice = page.get_by_role("combobox", name="Figure")
    figure_choice.fill(figure)
    figure_choice.press("Enter")
    page.wait_for_timeout(1_500)
    with page.expect_download() as download:
        page.get_by_role("button", name=path.suffix[1:].upper(), exact=True).click()
    download.value.save_as(path)


def main() -> None:
    """Rewrite the generated parts of both documents."""
    published = Published(GALLERY)
    fill(GALLERY / "README.md", "wanted", wanted_table(published))
    for document in (GALLERY / "README.md", ROOT / "docs" / "findings.md"):
        fill(document, "accuracy", accuracy_table(published))
        fill(document, "collapse", collapse_table(published))
    fill(ROOT / "docs" / "findings.md", "verdicts", verdict_table(published))
    fill(ROOT / "docs" / "findings.md", "running statistics", running_statistics_table(published))
    export_figures(ROOT / "docs" / "images" / "findings")


if __name__ == "__main__":
    main()
