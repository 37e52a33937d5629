"""What an attacker climbs (or, targeted, descends): a value per sample from logits (N, C) and labels (N,)."""

from collections.abc import Callable

import torch
from torch.nn import functional

Objective = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (N, C), labels (N,)) -> one value per sample (N,)."""


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
