"""Collapse metrics against the ways people write them: `python -m tests.benchmarks.metrics`.

All get float32 features, labels and logits (which the network's pass has made) and give NC1 to NC4, accuracy, loss and
nearest-centre accuracy. `plain` is as the formulas read: outer products of the residuals, averaged class by class, and a
loop over the samples for the nearest centre; it is timed on 10,000 samples and scaled. `d x d` is the vectorised way: whole
covariances and a pseudo-inverse. `products` are the two that nobody avoids: features by C - 1 directions, and by C
centres. Then how the cost grows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.nn import functional

from rnc import metrics
from tests.benchmarks.results import Report, arguments, exponent, extra_memory, in_turn

_PLAIN_SAMPLES = 10_000
_OUTER_PRODUCTS = 128  # at a time, of 1 MiB each at d = 512: a usual batch


@dataclass(frozen=True)
class Scene:
    """Features around class means, labels, a classifier and its logits."""

    num_classes: int
    means: torch.Tensor
    labels: torch.Tensor
    features: torch.Tensor
    weight: torch.Tensor
    logits: torch.Tensor

    @classmethod
    def made_up(cls, samples: int, d: int, num_classes: int) -> "Scene":
        """So many samples."""
        means, labels = torch.randn(num_classes, d), torch.arange(samples) % num_classes
        features = means[labels] + torch.randn(samples, d)
        weight = means + 0.1 * torch.randn(num_classes, d)
        return cls(num_classes, means, labels, features, weight, features @ weight.T)

    def part(self, samples: int) -> "Scene":
        """The first samples of it."""
        first = {name: getattr(self, name)[:samples] for name in ("features", "labels", "logits")}
        return replace(self, **first)


def ours(scene: Scene) -> dict[str, float]:
    """As the probe measures."""
    batches = [(scene.features, scene.labels)]
    means = metrics.class_means(batches, scene.num_classes)
    scatter = metrics.scatter_around(batches, means)
    found = metrics.collapse(means, scatter, scene.weight)
    found |= metrics.classifier_metrics(scene.labels, scene.logits, scatter.nearest)
    return {str(name): value for name, value in found.items()}


def products(scene: Scene) -> None:
    """The two products that are left when all else costs nothing."""
    scene.features @ scene.means[1:].T
    scene.features @ scene.weight.T


def plain(scene: Scene) -> dict[str, float]:
    """The mean over classes of their mean outer products, and a Python loop for the nearest centre."""
    h, y, c = scene.features, scene.labels, scene.num_classes
    means = torch.stack([h[y == label].mean(0) for label in range(c)])
    within = torch.zeros(h.shape[1], h.shape[1])
    for label in range(c):
        for part in (h[y == label] - means[label]).split(_OUTER_PRODUCTS):
            within += torch.matmul(part[:, :, None], part[:, None, :]).sum(0)
    centred = means - means.mean(0)
    between = sum(torch.outer(m, m) for m in centred) / c
    nearest = torch.tensor([int((means - sample).norm(dim=1).argmin()) for sample in h])
    return _assemble(scene, within / len(h), between, centred, nearest)


def by_covariances(scene: Scene) -> dict[str, float]:
    """Vectorised, through d x d matrices."""
    h, y, c = scene.features, scene.labels, scene.num_classes
    counts = torch.bincount(y, minlength=c)
    means = torch.zeros(c, h.shape[1]).index_add_(0, y, h) / counts[:, None]
    residuals = h - means[y]
    centred = means - means.mean(0)
    nearest = torch.cdist(h, means).argmin(1)
    return _assemble(scene, residuals.T @ residuals / len(h), centred.T @ centred / c, centred, nearest)


def _assemble(
    scene: Scene, within: torch.Tensor, between: torch.Tensor, centred: torch.Tensor, nearest: torch.Tensor
) -> dict[str, float]:
    c, w = scene.num_classes, scene.weight
    rank = torch.linalg.pinv(between, hermitian=True, rtol=1e-6)
    found = {"nc1": torch.trace(within @ rank) / c, "nc3": (w / w.norm() - centred / centred.norm()).square().sum()}
    for name, vectors in (("", centred), ("_w", w)):
        norms = vectors.norm(dim=1)
        unit = vectors / norms[:, None]
        off_diagonal = (unit @ unit.T)[~torch.eye(c, dtype=torch.bool)]
        found[f"nc2_equinorm{name}"] = norms.std() / norms.mean()
        found[f"nc2_equiangularity{name}"] = (off_diagonal + 1 / (c - 1)).abs().mean()
    decided = scene.logits.argmax(1)
    found["nc4"] = (decided != nearest).float().mean()
    found["accuracy"] = (decided == scene.labels).float().mean()
    found["ncc_accuracy"] = (nearest == scene.labels).float().mean()
    found["loss"] = functional.cross_entropy(scene.logits, scene.labels)
    return {name: float(value) for name, value in found.items()}


def compare(report: Report, samples: int, d: int, num_classes: int, repeats: int) -> None:
    """One row: seconds and ratios, after a look that all agree."""
    scene = Scene.made_up(samples, d, num_classes)
    part = scene.part(_PLAIN_SAMPLES)
    found = ours(part)
    for other in (plain(part), by_covariances(part)):
        apart = {
            name: (found[name], value)
            for name, value in other.items()
            if abs(found[name] - value) > 1e-3 * abs(value) + 1e-6
        }
        assert not apart, f"the ways differ: {apart}"
    acts = {"ours": lambda: ours(scene), "d x d": lambda: by_covariances(scene), "products": lambda: products(scene)}
    taken = in_turn(acts, repeats) | {
        name: value * samples / len(part.labels) for name, value in in_turn({"plain": lambda: plain(part)}, 1).items()
    }
    report.add(
        N=samples, d=d, C=num_classes, threads=torch.get_num_threads(),
        **{f"{name} s": value for name, value in taken.items()},
        **{f"{name} / ours": taken[name] / taken["ours"] for name in ("plain", "d x d")},
        **{"ours / products": taken["ours"] / taken["products"], "extra MB": extra_memory(lambda: ours(scene))},
    )  # fmt: skip


def growth(report: Report, repeats: int) -> None:
    """The exponents of the cost in N, d and C, each from three sizes, the others held."""
    held = {"samples": 10_000, "d": 512, "num_classes": 20}
    ladders = {"samples": [5_000, 20_000, 80_000], "d": [128, 512, 2048], "num_classes": [5, 20, 80]}
    for name, sizes in ladders.items():
        scenes = [Scene.made_up(**(held | {name: size})) for size in sizes]
        taken = in_turn(
            {str(size): lambda scene=scene: ours(scene) for size, scene in zip(sizes, scenes, strict=True)}, repeats
        )  # type: ignore[misc]
        report.add(
            grows=name,
            sizes=sizes,
            ms=[round(1e3 * s, 1) for s in taken.values()],
            exponent=exponent(sizes, list(taken.values())),
        )


def growth_in_layers(report: Report, repeats: int) -> None:
    """The exponent of the layerwise measurement's cost in the number of stages, each of 2,000 x 512."""
    scene, sizes = Scene.made_up(2_000, 512, 10), [2, 8, 32]

    def act(stages: int) -> None:
        def passes() -> Iterator[tuple[Iterator[tuple[str, torch.Tensor]], torch.Tensor]]:
            yield ((f"stage{k}", scene.features) for k in range(stages)), scene.labels

        means = metrics.layer_means(passes, scene.num_classes)
        metrics.layerwise(passes, means, means)

    taken = list(in_turn({str(size): partial(act, size) for size in sizes}, repeats).values())
    report.add(grows="layers", sizes=sizes, ms=[round(1e3 * s, 1) for s in taken], exponent=exponent(sizes, taken))


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--d", type=int, default=512)
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    report = Report("collapse metrics", {"repeats": given.repeats})
    for num_classes in (10, 100):
        compare(report, given.samples, given.d, num_classes, given.repeats)
    growth(report, given.repeats)
    growth_in_layers(report, given.repeats)
    report.write(given.json)


if __name__ == "__main__":
    main()
