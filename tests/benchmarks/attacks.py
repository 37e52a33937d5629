"""PGD against the plain way, torchattacks and Foolbox: `.venv-rivals/bin/python -m tests.benchmarks.attacks`.

`make bench` makes that environment; without it, only the plain way is compared. All attack the same network in eval mode,
with the same budget, steps and random start. `plain` is float32 and eager, and calls `loss.backward()`, which makes
gradients of the weights, too. Then how the cost grows with the steps, and, given a checkpoint of 30-90 % robust accuracy
(`--checkpoint FILE --data-root FOLDER`), the accuracy that each leaves on the images that the network was trained on.
"""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.attacks import PGD, L2Ball, LinfBall
from rnc.device_and_threads import exact_float32
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from tests.benchmarks.checkpoints import load_attacked
from tests.benchmarks.results import Report, arguments, exponent, in_turn

NETWORKS = (("small_cnn", "digits"), ("vgg11_bn", "cifar10"), ("preact_resnet18", "cifar10"))
Attack = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(clean images (N, c, h, w), labels (N,)) -> perturbed images."""
Ball = LinfBall | L2Ball


def ours(model: nn.Module, images: torch.Tensor, ball: Ball, steps: int, step_size: float) -> Attack:
    """As the probe and the lab attack."""
    folded = folded_copy(model, images[:CHECKED_IMAGES])
    assert folded is not None
    return lambda x, y: PGD(ball, steps, step_size, check_pixels=False).run(folded, x, y)


def not_folded(model: nn.Module, ball: Ball, steps: int, step_size: float) -> Attack:
    """The same loop on the network itself."""
    return lambda x, y: PGD(ball, steps, step_size, check_pixels=False).run(model, x, y)


def plain(model: nn.Module, ball: Ball, steps: int, step_size: float) -> Attack:
    """As people write it."""

    def attack(clean: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, epsilon = clean, ball.epsilon
        if isinstance(ball, LinfBall):
            x = (clean + (torch.rand_like(clean) * 2 - 1) * epsilon).clamp(0, 1)
        for _step in range(steps):
            x = x.detach().requires_grad_(True)
            functional.cross_entropy(model(x), y).backward()
            gradient = x.grad
            assert gradient is not None
            if isinstance(ball, LinfBall):
                delta = (x.detach() + step_size * gradient.sign() - clean).clamp(-epsilon, epsilon)
            else:
                unit = gradient / (gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-10)
                delta = x.detach() + step_size * unit - clean
                delta = delta * (epsilon / delta.flatten(1).norm(dim=1).clamp_min(1e-10)).clamp_max(1).view(-1, 1, 1, 1)
            x = (clean + delta).clamp(0, 1)
        return x.detach()

    return attack


def libraries(model: nn.Module, ball: Ball, steps: int, step_size: float) -> dict[str, Attack]:
    """Those that are installed."""
    found: dict[str, Attack] = {}
    linf, epsilon = isinstance(ball, LinfBall), ball.epsilon
    if find_spec("torchattacks"):
        import torchattacks

        kind, extra = (torchattacks.PGD, {}) if linf else (torchattacks.PGDL2, {"eps_for_division": 1e-10})
        found["torchattacks"] = kind(model, eps=epsilon, alpha=step_size, steps=steps, random_start=True, **extra)
    if find_spec("foolbox"):
        import foolbox

        bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        kind = foolbox.attacks.LinfPGD if linf else foolbox.attacks.L2PGD
        attack = kind(abs_stepsize=step_size, steps=steps)
        found["foolbox"] = lambda x, y: attack(bounded, x, y, epsilons=epsilon)[1]
    return found


def speed(report: Report, network: str, dataset: str, ball: Ball, given: argparse.Namespace) -> None:
    """One row: images a CPU second of each, and how much faster than the others ours is."""
    spec = datasets.spec(dataset)
    model = models.build(network, spec)
    with torch.no_grad():
        model(torch.rand(64, *spec.image_shape))  # (running statistics that are not those of the start)
    model.eval()
    images, labels = torch.rand(given.batch, *spec.image_shape), torch.arange(given.batch) % spec.num_classes
    steps, size = given.steps, ball.epsilon / 4
    attacks = {"ours": ours(model, images, ball, steps, size), "not folded": not_folded(model, ball, steps, size)}
    attacks |= {"plain": plain(model, ball, steps, size)} | libraries(model, ball, steps, size)
    acts = {name: lambda attack=attack: attack(images, labels) for name, attack in attacks.items()}  # type: ignore[misc]
    taken = in_turn(acts, given.repeats)
    report.add(
        network=network, px=spec.image_shape[1], norm="l_inf" if isinstance(ball, LinfBall) else "l_2", batch=given.batch,
        **{f"{name} images/s": given.batch / value for name, value in taken.items()},
        **{f"ours / {name}": value / taken["ours"] for name, value in taken.items() if name != "ours"},
    )  # fmt: skip


def growth(report: Report, repeats: int) -> None:
    """The exponent of the cost in the steps."""
    spec = datasets.spec("digits")
    model = models.build("small_cnn", spec).eval()
    images, labels = torch.rand(128, *spec.image_shape), torch.arange(128) % 10
    steps = [5, 20, 80]
    attacks = [ours(model, images, LinfBall(0.1), count, 0.025) for count in steps]
    acts = {
        str(count): lambda attack=attack: attack(images, labels) for count, attack in zip(steps, attacks, strict=True)
    }  # type: ignore[misc]
    taken = list(in_turn(acts, repeats).values())
    report.add(grows="steps", sizes=steps, ms=[round(1e3 * s, 1) for s in taken], exponent=exponent(steps, taken))


def robust_accuracy(
    report: Report, checkpoint: Path, data_root: Path | None, ball: Ball, given: argparse.Namespace
) -> None:
    """One row: the accuracy in % that each attack leaves, 1,000 images at a time."""
    attacked = load_attacked(checkpoint, data_root, given.images)
    model, images, labels = attacked.model, attacked.images, attacked.labels
    steps, size = given.steps, ball.epsilon / 4
    attacks = {"ours": ours(model, images, ball, steps, size), "plain": plain(model, ball, steps, size)}
    attacks |= libraries(model, ball, steps, size)

    def share(perturbed: Attack | None) -> float:
        parts = zip(images.split(500), labels.split(500), strict=True)
        moved = (model(x if perturbed is None else perturbed(x, y)).argmax(1) == y for x, y in parts)
        return 100 * float(torch.cat(list(moved)).float().mean())

    report.add(
        checkpoint=attacked.name, images=len(labels),
        norm="l_inf" if isinstance(ball, LinfBall) else "l_2", clean=share(None),
        **{f"{name} %": share(attack) for name, attack in attacks.items()},
    )  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--networks", nargs="+", default=[name for name, _dataset in NETWORKS])
    parser.add_argument("--checkpoint", type=Path, nargs="*", default=[])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--images", type=int, default=1000, help="attacked of a checkpoint's training images")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    exact_float32()
    report = Report(f"PGD-{given.steps} in eval mode", {"repeats": given.repeats})
    for network, dataset in NETWORKS:
        if network in given.networks:
            speed(report, network, dataset, LinfBall(8 / 255), given)
    if "vgg11_bn" in given.networks:
        speed(report, "vgg11_bn", "cifar10", L2Ball(0.5), given)
    growth(report, given.repeats)
    for checkpoint in given.checkpoint:
        for ball in (LinfBall(8 / 255), L2Ball(0.5)):
            robust_accuracy(report, checkpoint, given.data_root, ball, given)
    report.write(given.json)


if __name__ == "__main__":
    main()
