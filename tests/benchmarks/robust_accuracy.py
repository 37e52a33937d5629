"""Accuracy that a network keeps under our attacks, Foolbox's and torchattacks', on the same images and budgets.

`.venv-rivals/bin/python -W ignore -m tests.benchmarks.robust_accuracy --data-root FOLDER --checkpoint FILE …`; the
checkpoints should have 30-90 % robust accuracy. Every attack starts at random points of its own. What is lower is better
for the attacker; `worse by` is ours less the best of the others, in points, with the standard error of the paired
difference. How the rivals' conventions are met:

- Foolbox's fast gradient takes no target, so that its PGD makes that one step from the clean image.
- torchattacks' APGD starts on the sphere and leaves alone what is misclassified already; like ours it hands over a point
  that was misclassified, where it met one.
- torchattacks' APGDT knows no chosen class. With `n_classes=2` it descends to the class that comes second on the clean
  image, for images that are classified correctly; ours is given the likeliest wrong class.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import foolbox
import torch
import torchattacks
from torch import nn

from rnc.attacks import attack_labels, perturbation
from rnc.conditions import Condition, usual_attack
from rnc.device_and_threads import exact_float32
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, TargetRule
from tests.benchmarks.checkpoints import Attacked, load_attacked
from tests.benchmarks.results import Report, arguments

BATCH = 250
Attack = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(clean images (N, c, h, w), true labels (N,), targets (N,)) -> perturbed images."""
KIND, RULE, GOAL = ConditionKind, TargetRule, AttackObjective


def conditions(dataset: str, norm: Norm, apgd_steps: int) -> list[Condition]:
    """Return the conditions that are compared, with the data set's usual budget and its usual PGD."""
    usual = usual_attack(dataset, norm)
    ball, pgd = (norm, usual.epsilon), (norm, usual.epsilon, usual.steps, usual.step_size)
    return [
        Condition(KIND.PGD, *pgd),
        Condition(KIND.PGD, *pgd, RULE.NEXT),
        Condition(KIND.PGD, *pgd, RULE.LIKELY),
        Condition(KIND.FGSM, *ball),
        Condition(KIND.FGSM, *ball, target_rule=RULE.NEXT),
        Condition(KIND.APGD, *ball, apgd_steps),
        Condition(KIND.APGD, *ball, apgd_steps, objective=GOAL.DLR),
        Condition(KIND.APGD, *ball, apgd_steps, target_rule=RULE.LIKELY, objective=GOAL.DLR),
    ]


def rivals(model: nn.Module, condition: Condition) -> dict[str, Attack]:
    """The others' attack of the same name and budget, where they have it."""
    made = {"torchattacks": _torchattacks(model, condition), "foolbox": _foolbox(model, condition)}
    return {name: attack for name, attack in made.items() if attack is not None}


def _torchattacks(model: nn.Module, condition: Condition) -> Attack | None:
    epsilon, linf = condition.epsilon, condition.norm is Norm.LINF
    sizes: dict[str, Any] = {"alpha": condition.step_size, "steps": condition.steps}
    if condition.kind is KIND.APGD:
        kind = torchattacks.APGDT if condition.is_targeted else torchattacks.APGD
        extra: dict[str, Any] = {"n_classes": 2}
        if not condition.is_targeted:
            extra = {"loss": "dlr" if condition.objective is GOAL.DLR else "ce"}
        attack = kind(model, norm="Linf" if linf else "L2", eps=epsilon, steps=condition.steps, **extra)
        return lambda x, y, _targets: attack(x, y)
    if condition.kind is KIND.FGSM:
        made = torchattacks.FGSM(model, eps=epsilon) if linf else None
    elif linf:
        made = torchattacks.PGD(model, eps=epsilon, random_start=True, **sizes)
    else:
        made = torchattacks.PGDL2(model, eps=epsilon, random_start=True, **sizes)
    if made is None:
        return None
    if condition.is_targeted:
        made.set_mode_targeted_by_label(quiet=True)
    return lambda x, y, targets: made(x, targets if condition.is_targeted else y)


def _foolbox(model: nn.Module, condition: Condition) -> Attack | None:
    if condition.kind is KIND.APGD:
        return None
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    attacks, norm = foolbox.attacks, "Linf" if condition.norm is Norm.LINF else "L2"
    sizes: dict[str, Any] = {"abs_stepsize": condition.step_size, "steps": condition.steps}
    if condition.kind is KIND.FGSM and condition.is_targeted:
        attack = getattr(attacks, f"{norm}PGD")(abs_stepsize=condition.epsilon, steps=1, random_start=False)
    elif condition.kind is KIND.FGSM:
        attack = getattr(attacks, f"{norm}FastGradientAttack")()
    else:
        attack = getattr(attacks, f"{norm}PGD")(**sizes)

    def run(x: torch.Tensor, y: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        aim = foolbox.criteria.TargetedMisclassification(targets) if condition.is_targeted else y
        return attack(bounded, x, aim, epsilons=condition.epsilon)[1]

    return run


def compare(report: Report, attacked: Attacked, condition: Condition, seed: int = 0) -> None:
    """A row of the accuracy in % that each leaves, and, where all can be given targets, one of how many miss them."""
    model, images, labels = attacked.model, attacked.images, attacked.labels
    logits_fn = folded_copy(model, images[:CHECKED_IMAGES]) or model
    targets = attack_labels(condition, logits_fn, images, labels, attacked.num_classes)
    perturb, order = perturbation(condition, logits_fn, attacked.num_classes, seed), torch.arange(len(labels))
    found = {"ours": torch.cat([perturb(images[p], labels[p], p).images for p in order.split(BATCH)])}
    for name, attack in rivals(model, condition).items():
        torch.manual_seed(seed)
        found[name] = torch.cat([attack(images[p], labels[p], targets[p]) for p in order.split(BATCH)])
    for name, perturbed in found.items():
        _check(name, condition, perturbed - images)
    with torch.no_grad():
        decided = {name: torch.cat([model(x).argmax(1) for x in made.split(BATCH)]) for name, made in found.items()}
    measures = {"accuracy": {name: decision == labels for name, decision in decided.items()}}
    if condition.is_targeted and condition.kind is not KIND.APGD:
        measures["target missed"] = {name: decision != targets for name, decision in decided.items()}
    for measure, held in measures.items():
        _add(report, attacked, condition, measure, {name: values.double() for name, values in held.items()})


def _check(name: str, condition: Condition, delta: torch.Tensor) -> None:
    """Nobody takes more than the budget."""
    size = delta.flatten(1).abs().amax(1) if condition.norm is Norm.LINF else delta.flatten(1).norm(dim=1)
    assert condition.epsilon is not None
    assert float(size.max()) <= condition.epsilon + 1e-5, f"{name} left the ball: {float(size.max())}"


def _add(report: Report, attacked: Attacked, condition: Condition, measure: str, held: dict[str, torch.Tensor]) -> None:
    shares = {name: 100 * float(held[name].mean()) for name in ("ours", "torchattacks", "foolbox") if name in held}
    best = min((name for name in shares if name != "ours"), key=lambda name: shares[name])
    apart = 100 * (held["ours"] - held[best])
    report.add(
        network=attacked.name, images=len(apart), attack=condition.label, measure=measure,
        **{f"{name} %": shares.get(name, "") for name in ("ours", "torchattacks", "foolbox")},
        **{"worse by": float(apart.mean()), "+-": float(apart.std()) / len(apart) ** 0.5},
    )  # fmt: skip


def main() -> None:
    """Attack, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--images", type=int, default=1000, help="of the run's training images (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random starts (default %(default)s)")
    parser.add_argument("--norms", type=Norm, nargs="+", default=list(Norm), help="(default: both)")
    parser.add_argument("--apgd-steps", type=int, default=20, help="(default %(default)s)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    exact_float32()
    report = Report("Robust accuracy", {"APGD steps": given.apgd_steps})
    for checkpoint in given.checkpoint:
        attacked = load_attacked(checkpoint, given.data_root, given.images)
        for norm in given.norms:
            for condition in conditions(attacked.config["dataset"], norm, given.apgd_steps):
                compare(report, attacked, condition, given.seed)
    report.write(given.json)


if __name__ == "__main__":
    main()
