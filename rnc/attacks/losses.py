"""Attack losses, raised by untargeted and lowered by targeted attacks: one value per sample from logits (N, C), labels (N,)."""

from collections.abc import Callable

import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function (logits (N, C), labels (N,)) -> one value per sample (N,)."""

_TINY = 1e-12  # replaces a difference of logits that is 0; other differences stay exact


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return -log p(label), (N,) in nats."""
    return functional.cross_entropy(logits, labels, reduction="none")


def kl_from(clean_logits: torch.Tensor) -> Loss:
    """Return the loss KL(p_clean || p) of TRADES' inner attack (Zhang et al. 2019), which ignores the labels.

    `clean_logits` (N, C) are treated as constants.
    """
    clean_log = clean_logits.detach().log_softmax(1)

    def kl(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (clean_log.exp() * (clean_log - logits.log_softmax(1))).sum(1)

    return kl


def margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return max over i != label of z_i, minus z_label: positive if the network decides otherwise (Carlini and Wagner 2017).

    This is their f_6 without a bound on the confidence (kappa); C >= 2.
    """
    return _strongest_other(logits, labels) - _logit(logits, labels)


def dlr(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the margin divided by z_(1) - z_(3), the largest minus the third largest logit (Croce and Hein 2020, eq. 6); C >= 3.

    It is invariant to shifting and scaling the logits, so networks with very large logits still have a useful gradient.
    """
    largest = logits.topk(3, dim=1).values
    return margin(logits, labels) / _not_zero(largest[:, 0] - largest[:, 2])


def targeted_dlr_from(true_labels: torch.Tensor) -> Loss:
    """Return the targeted DLR loss, which is to be lowered (Croce and Hein 2020, equation 7); C >= 4.

    It is (z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2) with the true label y, from `true_labels` (N,), and the target t.
    For a sample whose true class is the target, the strongest other class takes the place of y.
    """

    def targeted_dlr(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        largest = logits.topk(4, dim=1).values
        z_y = torch.where(targets == true_labels, _strongest_other(logits, targets), _logit(logits, true_labels))
        return (z_y - _logit(logits, targets)) / _not_zero(largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2)

    return targeted_dlr


def _not_zero(difference: torch.Tensor) -> torch.Tensor:
    """Return the differences (N,) of logits, with zeros (all logits involved are equal) replaced by a tiny positive number."""
    return torch.where(difference > 0, difference, _TINY)


def _logit(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return logits.gather(1, labels[:, None])[:, 0]


def _strongest_other(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the largest logit apart from the label's, (N,)."""
    return logits.scatter(1, labels[:, None], -torch.inf).max(1).values
