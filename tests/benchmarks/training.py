"""Images a second of training, against the plain loop that people write: `python -m tests.benchmarks.training`.

The plain loop is float32, eager, and attacks by `loss.backward()`, which also makes gradients of the weights. Both do the
same passes in the same BatchNorm modes on the same random images, in turn; the ratio is of medians. `at` is attacked in
train mode, where nothing can be folded, `at-eval-attack` and `trades` in eval mode. A full-length run is
`python -m train.run cifar10-vgg11_bn-st-s1 --data-root FOLDER`.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from rnc import datasets, models
from rnc.datasets import ImageSet
from rnc.device_and_threads import exact_float32, pick_device
from rnc.models import FeatureClassifier
from rnc.probe.execution import Execution, Precision
from rnc.probe.torchrun_ranks import Ranks
from rnc.vocabulary import Objective
from tests.benchmarks.results import Report, arguments, in_turn
from train.config import RunConfig
from train.epoch import Trainer
from train.losses import MODES
from train.training_and_measured_images import TrainingSet

NETWORKS = ("vgg11_bn", "preact_resnet18")
OBJECTIVES = (Objective.ST, Objective.AT, Objective.AT_EVAL_ATTACK, Objective.TRADES)
Plain = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(clean images, labels) -> images, or a loss."""


def plain_epoch(config: RunConfig, data: TrainingSet) -> Callable[[], None]:
    """An epoch as people write it, ready to be called; AT makes the released code's two further passes."""
    images, labels = data.images.pixels(), data.images.labels
    model = models.build(config.model, datasets.spec(config.dataset), config.width).to(images.device).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    perturbed, modes = _plain_attack(model, config), MODES[config.objective]

    def epoch() -> None:
        for part in torch.randperm(len(labels), device=labels.device).split(config.batch_size):
            clean, y = images[part], labels[part]
            model.train(modes.attack)
            x = clean if config.objective is Objective.ST else perturbed(clean, y)
            model.train(modes.loss)
            optimizer.zero_grad()
            logits = model(x)
            if config.objective is Objective.TRADES:
                natural = model(clean)
                kl = functional.kl_div(logits.log_softmax(1), natural.softmax(1), reduction="batchmean")
                loss = functional.cross_entropy(natural, y) + config.trades_beta * kl
            else:
                loss = functional.cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                if modes.perturbed_again:
                    model(x)
                if modes.clean_again:
                    model(clean)

    return epoch


def _plain_attack(model: FeatureClassifier, config: RunConfig) -> Plain:
    attack = config.attack

    def perturbed(clean: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = (clean + (torch.rand_like(clean) * 2 - 1) * attack.epsilon).clamp(0, 1)
        target = model(clean).softmax(1).detach() if config.objective is Objective.TRADES else None
        for _step in range(attack.steps):
            x = x.detach().requires_grad_(True)
            logits = model(x)
            if target is None:
                functional.cross_entropy(logits, y).backward()
            else:
                functional.kl_div(logits.log_softmax(1), target, reduction="sum").backward()
            assert x.grad is not None
            x = x.detach() + attack.step_size * x.grad.sign()
            x = torch.min(torch.max(x, clean - attack.epsilon), clean + attack.epsilon).clamp(0, 1)
        return x.detach()

    return perturbed


def our_epoch(config: RunConfig, data: TrainingSet, precision: Precision, compiled: bool) -> Callable[[], None]:
    """An epoch of `train.run`, ready to be called."""
    device = data.images.labels.device
    execution = Execution.choose(device, precision, compiled)
    model = execution.place_network(models.build(config.model, datasets.spec(config.dataset), config.width))
    trainer = Trainer(model, data, config, execution, Ranks())

    def epoch() -> None:
        trainer.train_epoch(1)

    return epoch


def main() -> None:
    """Measure, print a line a network and objective, and write JSON where asked."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--images", type=int, default=None, help="an epoch; default: 12,800 on a GPU, a batch on a CPU")
    parser.add_argument("--batch", type=int, default=None, help="default: 128 on a GPU, 32 on a CPU")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--objectives", nargs="+", type=Objective, default=OBJECTIVES)
    parser.add_argument("--precision", type=Precision, default=Precision.AUTO)
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    device = pick_device(given.device)
    gpu = device.type == "cuda"
    batch = given.batch or (128 if gpu else 32)
    count = given.images or (100 * batch if gpu else batch)
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    exact_float32()
    shape = datasets.spec("cifar10").image_shape
    images = ImageSet(torch.randint(256, (count, *shape), dtype=torch.uint8), torch.arange(count) % 10).to(device)
    data = TrainingSet(images, torch.arange(count, device=device), torch.arange(1, device=device))
    settings = {"width": given.width, "images": count, "batch": batch, "precision": str(given.precision)}
    report = Report("training", settings | {"compiled": given.compiled, "repeats": given.repeats}, device)
    for network in given.networks:
        for objective in given.objectives:
            config = RunConfig(
                dataset="cifar10", model=network, objective=objective, width=given.width, batch_size=batch
            )
            acts = {
                "plain": plain_epoch(config, data),
                "ours": our_epoch(config, data, given.precision, given.compiled),
            }
            taken = in_turn(acts, given.repeats, device)
            speed = {f"{name} images/s": count / value for name, value in taken.items()}
            report.add(network=network, objective=str(objective), **speed, ratio=taken["plain"] / taken["ours"])
    report.write(given.json)


if __name__ == "__main__":
    main()
