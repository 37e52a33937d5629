"""What an attacker climbs (or, targeted, descends): a value per sample from logits (N, C) and labels (N,)."""

from collections.abc import Callable

import torch
from torch.nn import functional

Objective = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (N, C), labels (N,)) -> one value per sample (N,)."""

_TINY = 1e-12  # stands for a difference of logits that is 0, and is added to no other: a ratio knows no scale


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """-log p(label), (N,) in nats."""
    return functional.cross_entropy(logits, labels, reduction="none")


def kl_from(clean_logits: torch.Tensor) -> Objective:
    """The objective KL(p_clean || p) of TRADES' inner attack (Zhang et al. 2019); labels play no part.

    `clean_logits` (N, C) are taken as constants.
    """
    clean_log = clean_logits.detach().log_softmax(1)

    def kl(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (clean_log.exp() * (clean_log - logits.log_softmax(1))).sum(1)

    return kl


def margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """max over i != label of z_i, less z_label: above 0 where the network decides otherwise (Carlini and Wagner 2017).

    It is their f_6 with no bound on the confidence (kappa); C >= 2.
    """
    return _strongest_other(logits, labels) - _logit(logits, labels)


def dlr(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The margin over z_(1) - z_(3), the largest and the third largest logit (Croce and Hein 2020, equation 6); C >= 3.

    Neither a shift nor a factor of the logits changes it, so that steep networks keep a gradient.
    """
    largest = logits.topk(3, dim=1).values
    return margin(logits, labels) / _not_zero(largest[:, 0] - largest[:, 2])


def targeted_dlr_from(true_labels: torch.Tensor) -> Objective:
    """The targeted ratio, to be descended (Croce and Hein 2020, equation 7); C >= 4. `true_labels` are (N,).

    (z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2) with the true label y and the target t. A sample that is of its target
    already is measured against the strongest other class in the place of y.
    """

    def targeted_dlr(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        largest = logits.topk(4, dim=1).values
        own = torch.where(targets == true_labels, _strongest_other(logits, targets), _logit(logits, true_labels))
        return (own - _logit(logits, targets)) / _not_zero(largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2)

    return targeted_dlr


def _not_zero(difference: torch.Tensor) -> torch.Tensor:
    """The difference (N,) of logits as it is, and the smallest stand-in where all the logits in it are alike."""
    return torch.where(difference > 0, difference, _TINY)


def _logit(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return logits.gather(1, labels[:, None])[:, 0]


def _strongest_other(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The largest logit but the label's, (N,)."""
    return logits.scatter(1, labels[:, None], -torch.inf).max(1).values
