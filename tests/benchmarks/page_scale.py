"""Growth of waiting times with a store: `python -m tests.benchmarks.page_scale STORE STORE … [--repeats 3] [--json FILE]`.

STOREs of different numbers of runs (`python -m tests.benchmarks.synthetic`) take turns in one run. Pages are those of
`tests.benchmarks.pages`, timed in the browser. Questions are the reader's, each asked anew of a reader that remembers nothing,
about what the app chooses by itself. A rerun is what a page costs the server when its viewer does something and all answers are
known. Both count seconds of work of the processor, which other programs do not lengthen as much. A row has the median for each
store, the exponent of growth (the slope of log time over log runs), and the line that fits best: seconds that are always
there, and more for every 1,000 runs.
"""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from streamlit.testing.v1 import AppTest

from docs.tools import ROOT, chromium
from rnc.claims import USED
from rnc.store.addresses import STORE_VARIABLE
from rnc.store.reader import StoreReader
from rnc.ui.default_runs import comparable_runs_across_objectives
from rnc.vocabulary import Metric, ProjectionMethod, Role, Split
from tests.benchmarks.pages import PAGES, Case, common_stops, once
from tests.benchmarks.results import Acts, Report, arguments, exponent, in_turn

_SHOWN = [str(Role.CLEAN), str(Role.PERTURBED)]
_CURVES = {Metric.NC1: "own", Metric.NC4: "own", Metric.ACCURACY: "own", Metric.ANGLE: "clean"}


def questions(store: Path) -> Acts:
    """Return the questions that pages ask of a store, about one run of each objective at its last epoch."""
    known = StoreReader(store)
    chosen = comparable_runs_across_objectives(known.runs.all())
    run, epochs = chosen[0], {run: int(known.metrics.measured_epochs([run])["epoch"].max()) for run in chosen}
    last, train = max(epochs.values()), str(Split.TRAIN)
    attack = known.runs.conditions([run]).set_index("shown")["condition"][str(Role.PERTURBED)]
    asked = {
        "runs": lambda r: r.runs.all(),
        "value_counts_by_run": lambda r: r.metrics.value_counts_by_run(),
        "measured_epochs": lambda r: r.metrics.measured_epochs(chosen),
        "conditions": lambda r: r.runs.conditions(chosen),
        "over_epochs": lambda r: r.metrics.over_epochs(chosen, _SHOWN, train, _CURVES),
        "milestones": lambda r: r.metrics.milestones(chosen),
        "evidence": lambda r: r.metrics.evidence(chosen, list(USED), last),
        "layers": lambda r: r.metrics.layers(chosen, _SHOWN, train, last),
        "class_metrics": lambda r: r.metrics.class_metrics(epochs, train),
        "class_means": lambda r: r.vectors.class_means(run, last, train, attack),
        "vector_epochs": lambda r: r.vectors.epochs(chosen),
        "leaps": lambda r: r.metrics.leaps(run, last, train, attack),
        "projection": lambda r: r.samples.projection(run, last, train, ["clean", attack], ProjectionMethod.PCA, 500),
        "sample": lambda r: r.samples.features_at_epoch(run, last, train, ["clean", attack], most=500),
        "costs": lambda r: r.runs.total_costs(run),
        "seconds_per_epoch": lambda r: r.runs.seconds_per_epoch(chosen),
    }
    return {name: partial(_anew, store, ask) for name, ask in asked.items()}


def _anew(store: Path, ask: object) -> None:
    ask(StoreReader(store))  # type: ignore[operator]


def reruns(store: Path) -> Acts:
    """Each page, drawn again by Streamlit's own harness: no browser, no wire."""
    acts: Acts = {}
    for title in PAGES:
        os.environ[STORE_VARIABLE] = str(store)
        page = AppTest.from_file(ROOT / "app.py", default_timeout=600).run()
        page = page.switch_page(f"pages/{title.lower().replace(' ', '_')}.py").run()
        acts[title] = partial(_again, store, page)
    return acts


def _again(store: Path, page: AppTest) -> None:
    os.environ[STORE_VARIABLE] = str(store)
    page.run()
    if page.exception:
        raise RuntimeError(f"{store}: {page.exception}")


def fitted(runs: list[int], seconds: list[float]) -> dict[str, float]:
    """The exponent, and the line through the points."""
    slope, always = np.polyfit(runs, seconds, 1)
    return {
        "exponent": exponent([float(count) for count in runs], seconds),
        "always s": float(always),
        "s per 1,000 runs": float(1000 * slope),
    }


def add_work(report: Report, counts: dict[Path, int], repeats: int) -> None:
    """A row a question and a row a page."""
    for kind, made in (("question", questions), ("rerun", reruns)):
        of_stores = {store: made(store) for store in counts}
        for name in next(iter(of_stores.values())):
            acts = {f"{counts[store]} runs": asked[name] for store, asked in of_stores.items()}
            taken = in_turn(acts, repeats)
            report.add(**{kind: name}, **taken, **fitted(list(counts.values()), list(taken.values())))


def add_pages(report: Report, counts: dict[Path, int], repeats: int) -> None:
    """A row an act in the browser."""
    cases = [Case(f"{count} runs", store) for store, count in counts.items()]
    stops = common_stops(cases, repeats)
    with chromium() as browser:
        for repeat in range(repeats):
            for case in cases:
                sys.stderr.write(f"pages: {case.name}, {repeat + 1} of {repeats}\n")
                once(browser, case, stops)
    for act in cases[0].seconds:
        taken = {case.name: float(np.median(case.seconds[act])) for case in cases}
        report.add(page=act, **taken, **fitted(list(counts.values()), list(taken.values())))


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE")
    parser.add_argument("--only", choices=("work", "pages"), help="questions and reruns, or pages in the browser")
    given = parser.parse_args()
    if len(given.stores) < 2:
        parser.error("growth needs two stores or more")
    torch.set_num_threads(1)
    counts = {store: len(StoreReader(store).runs.all()) for store in given.stores}
    sizes = {f"{count} runs": f"{store.stat().st_size / 1e6:.0f} MB" for store, count in counts.items()}
    report = Report("pages and questions against the size of the store", {"repeats": given.repeats, **sizes})
    if given.only != "pages":
        add_work(report, counts, given.repeats)
    if given.only != "work":
        add_pages(report, counts, given.repeats)
    report.write(given.json)


if __name__ == "__main__":
    main()
