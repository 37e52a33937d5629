"""UMAP after PCA to 50 dimensions against UMAP of the features as they are: `python -m tests.benchmarks.projection`.

`again` is what people do without a fixed plane: another fit for every further condition, in place of a transform. The
last rows say what a run waits for UMAP at its end: imported and compiled then, or in a process begun beside the training.
"""

import time
from functools import partial

import numpy as np
import torch
from umap import UMAP

from rnc.pca_and_umap_planes import umap_plane
from rnc.umap_process import UmapProcess
from tests.benchmarks.results import Report, arguments, in_turn

_SEED, _NEIGHBORS = 0, 15


def features(samples: int, d: int) -> np.ndarray:
    """Ten classes around their means."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(10, d))
    return (means[np.arange(samples) % 10] + 0.5 * rng.normal(size=(samples, d))).astype(np.float32)


def as_they_are(clean: np.ndarray, others: list[np.ndarray]) -> None:
    """Fitted on all dimensions, then transformed."""
    mapper = UMAP(n_neighbors=_NEIGHBORS, random_state=_SEED, n_jobs=1).fit(clean)
    for other in others:
        mapper.transform(other)


def again(clean: np.ndarray, others: list[np.ndarray]) -> None:
    """Fitted anew on every part."""
    for part in (clean, *others):
        UMAP(n_neighbors=_NEIGHBORS, random_state=_SEED, n_jobs=1).fit(part)


def waiting(report: Report, clean: np.ndarray, others: list[np.ndarray], training: float) -> None:
    """Report the time from the last epoch to the plane, for a process begun at the end and for one begun beside the training."""
    for name, beside in (("begun at the end", 0.0), (f"begun {training:g} s before", training)):
        with UmapProcess() as process:
            time.sleep(beside)
            begin = time.monotonic()
            process.plane(clean, others)
            report.add(what=name, samples=len(clean), d=clean.shape[1], **{"wait s": time.monotonic() - begin})


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--samples", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--d", type=int, default=512)
    parser.add_argument("--training", type=float, default=60.0, help="seconds of training, for the last row")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    report = Report("UMAP of clean features and two attacks", {"repeats": given.repeats, "d": given.d})
    for samples in given.samples:
        clean = features(samples, given.d)
        others = [clean + 0.1, clean - 0.1]
        ways = {"ours": umap_plane, "as they are": as_they_are, "again": again}
        taken = in_turn({name: partial(way, clean, others) for name, way in ways.items()}, given.repeats)
        ratios = {f"{name} / ours": taken[name] / taken["ours"] for name in ("as they are", "again")}
        report.add(samples=samples, **{f"{name} s": value for name, value in taken.items()}, **ratios)
    clean = features(given.samples[0], given.d)
    waiting(report, clean, [clean + 0.1, clean - 0.1], given.training)
    report.write(given.json)


if __name__ == "__main__":
    main()
