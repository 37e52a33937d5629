"""A trial pass of two images through a module, which records the calls of its submodules.

Tested by tests/rnc/models/test_last_layer.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from rnc.models.modes import model_mode
from rnc.models.outputs import OutputPosition, relative_difference, tensor_at, tensors_in

_IMAGES = 2
_SEED = 0
_SAME = 1e-5  # relative to the largest logit, between two passes


@dataclass
class Call:
    """The record of one submodule's calls in a pass."""

    times: int = 0
    output: Any = None
    """The output of the last call."""
    version: int = 0

    @property
    def is_batch(self) -> bool:
        """Return whether the output is one tensor with a row per image."""
        return isinstance(self.output, torch.Tensor) and self.output.dim() > 1 and len(self.output) == _IMAGES

    @property
    def overwritten(self) -> bool:
        """Return whether a later layer changed the output in place, as an in-place ReLU does."""
        return isinstance(self.output, torch.Tensor) and self.output._version != self.version


@dataclass
class Trace:
    """The candidate logits (2, C) of a pass, the input of each linear layer, and the calls by name in order."""

    outputs: dict[OutputPosition, torch.Tensor] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        """Return the names that may be stages: called once, with a batch as output."""
        return [name for name, call in self.calls.items() if call.times == 1 and call.is_batch]


def random_images(module: nn.Module, image_shape: tuple[int, int, int]) -> torch.Tensor:
    """Return two fixed random images (2, c, h, w), on the device and in the dtype of the module's weights."""
    generator = torch.Generator().manual_seed(_SEED)
    parameter = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.rand(_IMAGES, *image_shape, generator=generator).to(parameter)


def trace_forward(module: nn.Module, image_shape: tuple[int, int, int]) -> Trace:
    """Pass two random images (c, h, w) through a module in eval mode, twice, and restore its modes.

    Raises ValueError with a remedy if the module rejects the images, gives no finite logits (N, C) or no gradient, or
    gives different logits the second time.
    """
    images = random_images(module, image_shape).requires_grad_()
    trace, hooks = Trace(), []
    for name, layer in module.named_modules():
        if name:
            hooks.append(layer.register_forward_hook(_recorder(name, trace), with_kwargs=True))
    try:
        with model_mode(module, training=False), torch.enable_grad():
            output = module(images)
            while hooks:
                hooks.pop().remove()
            second_output = module(images)
    except Exception as error:  # an external module may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"the network does not accept images of shape {tuple(image_shape)}: {reason.removesuffix('.')}; give it the "
            "images that it was made for"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    trace.outputs = _logits_in(output, images)
    _check_repeatable(trace.outputs, second_output)
    return trace


def _recorder(name: str, trace: Trace) -> Callable[..., None]:
    def record(layer: nn.Module, inputs: Any, options: dict[str, Any], output: Any) -> None:
        call = trace.calls.setdefault(name, Call())
        call.times += 1
        call.output = output
        call.version = output._version if isinstance(output, torch.Tensor) and not output.is_inference() else 0
        first_input = next(iter((*inputs, *options.values())), None)
        if _may_be_last_layer(layer) and isinstance(first_input, torch.Tensor):
            trace.inputs[name] = first_input

    return record


def _may_be_last_layer(layer: nn.Module) -> bool:
    """Return whether a module is a linear layer, or a custom layer with a matrix of weights."""
    return isinstance(layer, nn.Linear) or any(p.dim() == 2 for p in layer.parameters(recurse=False))


def _logits_in(output: Any, images: torch.Tensor) -> dict[OutputPosition, torch.Tensor]:
    """Return the tensors of an output that may be logits: (N, C) with at least two classes, finite, and with a gradient."""
    tensors = tensors_in(output)
    candidates = {k: t for k, t in tensors.items() if t.dim() == 2 and len(t) == len(images) and t.shape[1] > 1}
    if not candidates:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"the network must return logits (N, C) of at least two classes, but returns {shape} for {len(images)} images"
        )
    finite = {key: tensor for key, tensor in candidates.items() if bool(torch.isfinite(tensor).all())}
    if not finite:
        raise ValueError(
            "the network's logits are NaN or infinite on random images; check that its weights are complete"
        )
    attackable = {key: tensor for key, tensor in finite.items() if tensor.requires_grad}
    if not attackable:
        raise ValueError(
            "the network's logits have no gradient with respect to the pixels, so it cannot be attacked; remove no_grad"
        )
    return attackable


def _check_repeatable(outputs: dict[OutputPosition, torch.Tensor], second_output: Any) -> None:
    for key, tensor in outputs.items():
        difference = relative_difference(tensor_at(second_output, key), tensor)
        if not difference <= _SAME:
            raise ValueError(
                "the network gives different logits for the same images in a second pass: they differ by "
                f"{100 * difference:.3g} % of the largest; dropout or noise stays on in eval mode: use nn.Dropout, or "
                "training=self.training"
            )
