"""A trial pass: two images go through a module, and what was called on the way is written down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from rnc.models.modes import model_mode

_IMAGES = 2
_SEED = 0


@dataclass
class Call:
    """What a pass made of one submodule."""

    times: int = 0
    output: Any = None
    """What it gave, the last time."""
    version: int = 0

    @property
    def gives_a_batch(self) -> bool:
        """Whether its output is one tensor with a row an image."""
        return isinstance(self.output, torch.Tensor) and self.output.dim() > 1 and len(self.output) == _IMAGES

    @property
    def overwritten(self) -> bool:
        """Whether a later layer worked in place on its output, as an in-place ReLU does."""
        return isinstance(self.output, torch.Tensor) and self.output._version != self.version


@dataclass
class Trial:
    """The logits (2, C) of a pass, what each linear layer took in, and the calls by name in their order."""

    logits: torch.Tensor
    calls: dict[str, Call] = field(default_factory=dict)
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        """What may be a stage: called once, with a batch as output."""
        return [name for name, call in self.calls.items() if call.times == 1 and call.gives_a_batch]


def try_out(module: nn.Module, image_shape: tuple[int, int, int]) -> Trial:
    """Pass two random images (c, h, w) through a module in eval mode; its modes are left as they were.

    Raises ValueError, saying what to do, where it cannot take them, gives no finite logits (N, C), or no gradient.
    """
    generator = torch.Generator().manual_seed(_SEED)
    given = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    images = torch.rand(_IMAGES, *image_shape, generator=generator).to(given).requires_grad_()
    trial, hooks = Trial(torch.empty(0)), []
    for name, part in module.named_modules():
        if name:
            hooks.append(part.register_forward_hook(_watcher(name, trial)))
    try:
        with model_mode(module, training=False), torch.enable_grad():
            trial.logits = module(images)
    except Exception as error:  # (whatever a foreign module raises)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"the network cannot take images of shape {tuple(image_shape)}: {reason}; give it those that it was made for"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    _check_logits(trial.logits, images)
    return trial


def _watcher(name: str, trial: Trial) -> Callable[[nn.Module, Any, Any], None]:
    def watch(part: nn.Module, inputs: Any, output: Any) -> None:
        call = trial.calls.setdefault(name, Call())
        call.times += 1
        call.output = output
        call.version = output._version if isinstance(output, torch.Tensor) and not output.is_inference() else 0
        if isinstance(part, nn.Linear) and inputs and isinstance(inputs[0], torch.Tensor):
            trial.inputs[name] = inputs[0]

    return watch


def _check_logits(logits: Any, images: torch.Tensor) -> None:
    if not isinstance(logits, torch.Tensor) or logits.dim() != 2 or len(logits) != len(images) or logits.shape[1] < 2:
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(
            f"the network must give logits (N, C) of at least two classes, but gives {found} for {len(images)} images"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("the network's logits are NaN or infinite on random images; are its weights whole?")
    if not logits.requires_grad:
        raise ValueError("the network gives no gradient in its pixels, so that it cannot be attacked; remove no_grad")
