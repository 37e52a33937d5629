"""Attacks on a network whose logits are multiplied by 1 to 10,000: its decisions stay, its gradients vanish.

`python -m tests.benchmarks.confident_networks`. A small network is trained on the digits here, in seconds. Beside each
accuracy under attack stands the share of images at which float32 gives a gradient of exactly 0 (`still`): no attack that
follows the gradient can move these, whatever its step. The objective without this limit is the margin or DLR.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.attacks import SampleNoise, attack_steps
from rnc.conditions import Condition
from rnc.device_and_threads import exact_float32
from rnc.vocabulary import Split
from tests.benchmarks.results import Report, arguments

SCALES = (1.0, 3.0, 10.0, 1e2, 1e3, 1e4)
ATTACKS = (
    "pgd-linf-0.14-10",
    "fgsm-linf-0.14",
    "pgd-linf-0.14-10-step0.014-momentum1",
    "apgd-linf-0.14-20",
    "pgd-l2-1-10",
    "fgsm-l2-1",
    "pgd-l2-1-10-step0.1-momentum1",
    "apgd-l2-1-20",
    "apgd-l2-1-20-dlr",
)


def trained(epochs: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network in eval mode, and the test images and labels of the digits."""
    spec = datasets.spec("digits")
    train, test = datasets.load("digits", Split.TRAIN), datasets.load("digits", Split.TEST)
    torch.manual_seed(0)
    model = models.build("small_cnn", spec)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    images, labels = train.pixels(), train.labels
    for _epoch in range(epochs):
        for batch in torch.randperm(len(labels)).split(128):
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval(), test.pixels(), test.labels


def gradient_is_zero(
    logits_fn: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """At which images (N,) the gradient of the cross entropy is exactly 0."""
    images = images.detach().requires_grad_(True)
    loss = functional.cross_entropy(logits_fn(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0].flatten(1).abs().amax(1) == 0


def main() -> None:
    """Train, attack, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--images", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    exact_float32()
    report = Report("% of the right decisions left by attacks on scaled logits", {"epochs": given.epochs})
    model, images, labels = trained(given.epochs)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    right = model(images).argmax(1) == labels
    images, labels = images[right][: given.images], labels[right][: given.images]
    for scale in SCALES:

        def logits_fn(x: torch.Tensor, scale: float = scale) -> torch.Tensor:
            return scale * model(x)

        still = gradient_is_zero(logits_fn, images, labels)
        row = {"logits times": f"{scale:g}", "still %": round(100 * float(still.float().mean()), 1)}
        for slug in ATTACKS:
            noise = SampleNoise(0, torch.arange(len(labels)))
            kept = images
            for step in attack_steps(Condition.from_slug(slug), logits_fn, images, labels, 10, noise):
                kept = step.kept
            row[slug] = round(100 * float((logits_fn(kept).argmax(1) == labels).float().mean()), 1)
        report.add(**row)
    report.write(given.json)


if __name__ == "__main__":
    main()
