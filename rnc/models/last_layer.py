"""The last layer as a network uses it: logits = W h + b with the weights and features in effect in eval mode.

Most layers are plain: W and b are their parameters. Others compute W from their parameters at every pass (weight and
spectral normalisation, hooks) or normalise the features to length 1 first (cosine classifiers); a scale may follow.
Their W and b are measured on the layer itself with unit vectors, so they are also correct for weights loaded later. A
network whose `forward` computes the product without a layer has a `LastOperation`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rnc.models.last_operation import FUNCTION, LastOperation, find_last_operation
from rnc.models.linearity import largest_difference
from rnc.models.modes import model_mode
from rnc.models.outputs import Key, apart, element, factor
from rnc.models.tracing import Trial, random_images

_TOLERANCE = 1e-4  # relative to the largest logit
_LISTED = 40
_PROBED_AT_ONCE = 2**24


@dataclass(frozen=True)
class LastLayer:
    """A linear layer of a module, and how the logits follow from it."""

    module: nn.Module
    image_shape: tuple[int, int, int]
    name: str
    size: int
    """The feature dimension d."""
    key: Key
    """The position of the logits in the module's output."""
    plain: bool
    """True if W is the layer's parameter without changes."""
    normalised: bool
    """True if the features are normalised to length 1."""
    scaled: bool
    """True if the logits are the layer's outputs multiplied by a number."""

    @property
    def layer(self) -> nn.Module:
        """Return the layer itself."""
        return self.module.get_submodule(self.name)

    @property
    def told(self) -> str:
        """Return a description in words."""
        added = [
            "" if self.plain else "its weights as it uses them",
            "its features brought to length 1" if self.normalised else "",
            "its outputs multiplied by a number" if self.scaled else "",
        ]
        return ", ".join([self.name, *filter(None, added)])

    @contextmanager
    def overheard(self) -> Iterator[list[torch.Tensor]]:
        """Collect the inputs of the layer within the block."""
        held: list[torch.Tensor] = []

        def keep(_part: nn.Module, inputs: tuple[torch.Tensor, ...], options: dict[str, Any]) -> None:
            held.append(next(iter((*inputs, *options.values()))))

        hook = self.layer.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield held
        finally:
            hook.remove()

    def features(self, taken: torch.Tensor) -> torch.Tensor:
        """Return the features (N, d) that the weights multiply, from the layer's input."""
        return functional.normalize(taken) if self.normalised else taken

    def weight_and_bias(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W (C, d) and b (C,) in effect; the module's modes and buffers stay unchanged."""
        weight, bias = self._parameters() if self.plain else self._probed()
        scale = self._scale() if self.scaled else 1.0
        return (weight, bias) if scale == 1.0 else (scale * weight, scale * bias)

    def difference(self, taken: torch.Tensor, logits: torch.Tensor) -> float:
        """Return the largest difference between logits (N, C) and W h + b, relative to the largest logit."""
        weight, bias = self.weight_and_bias()
        return apart(functional.linear(self.features(taken), weight, bias), logits)

    def _parameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = self.layer.get_parameter("weight"), self.layer._parameters.get("bias")
        return weight, weight.new_zeros(len(weight)) if bias is None else bias

    @torch.no_grad()
    def _probed(self) -> tuple[torch.Tensor, torch.Tensor]:
        like = next(self.module.parameters())
        layer, rows = self.layer, []
        with model_mode(layer, training=False):
            first = torch.zeros(1, self.size, dtype=like.dtype, device=like.device)
            first[0, 0] = 1
            bias = (layer(first) + layer(-first))[0] / 2
            for places in torch.arange(self.size, device=like.device).split(max(1, _PROBED_AT_ONCE // self.size)):
                rows.append(layer(functional.one_hot(places, self.size).to(like.dtype)) - bias)
        return torch.cat(rows).T.contiguous(), bias

    @torch.no_grad()
    def _scale(self) -> float:
        """Return the factor from the layer's outputs to the logits, measured in a pass."""
        with model_mode(self.module, training=False), outputs_of(self.layer) as held:
            logits = element(self.module(random_images(self.module, self.image_shape)), self.key)
        return factor(held[-1], logits)


def find_last_layer(
    module: nn.Module, trial: Trial, image_shape: tuple[int, int, int], asked: str | None
) -> LastLayer | LastOperation:
    """Return the last layer, by its name if given, including the position of its logits in the module's output.

    If no module is that layer, it may be a product computed in `forward`. Raises ValueError, listing the linear layers
    and the measured difference, if no output is W h + b.
    """
    layers = list(trial.inputs)
    if asked not in (None, FUNCTION, *layers):
        raise ValueError(f"{asked!r} is no linear layer of the network; there are: {listed(layers)}")
    names = layers[::-1] if asked is None else [asked] if asked in layers else []
    forms = (form for key in trial.outputs for name in names for form in _forms(module, trial, image_shape, name, key))
    differences: dict[str, float] = {}
    for form in forms:
        difference = form.difference(trial.inputs[form.name], trial.outputs[form.key])
        if difference <= _TOLERANCE:
            difference = largest_difference(form, module, image_shape)
        if difference <= _TOLERANCE:
            return form
        differences[form.name] = min(difference, differences.get(form.name, difference))
    if asked in (None, FUNCTION):
        operation, least = find_last_operation(module, trial, image_shape, _TOLERANCE)
        if operation is not None:
            return operation
        if least is not None and not names:
            differences[FUNCTION] = least
    raise ValueError(_refused(trial, names, layers, differences) + _unused(module, trial))


def listed(names: list[str]) -> str:
    """Return the names in one line, the first ones if there are many."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _forms(
    module: nn.Module, trial: Trial, image_shape: tuple[int, int, int], name: str, key: Key
) -> Iterator[LastLayer]:
    """Yield the ways in which a layer may produce the logits; none if it cannot."""
    taken, given, logits = trial.inputs[name], trial.calls[name].output, trial.outputs[key]
    if trial.calls[name].times > 1 or taken.dim() != 2 or not isinstance(given, torch.Tensor):
        return
    scale = 1.0 if given is logits else factor(given, logits) if given.shape == logits.shape else 0.0
    if given.shape != logits.shape or not scale > 0:
        return
    weight = module.get_submodule(name)._parameters.get("weight")
    shared = (module, image_shape, name, taken.shape[1], key)
    if weight is not None and weight.shape == (logits.shape[1], taken.shape[1]):
        yield LastLayer(*shared, plain=True, normalised=False, scaled=given is not logits)
    for normalised in (False, True):
        yield LastLayer(*shared, plain=False, normalised=normalised, scaled=given is not logits)


def _refused(trial: Trial, names: list[str], layers: list[str], differences: dict[str, float]) -> str:
    name = next(iter(differences), names[0] if names else FUNCTION)
    if name == FUNCTION:
        measured = (
            "" if name not in differences else f"; a product in its forward differs by {_share(differences[name])}"
        )
        return f"the network has no linear layer that a pass calls; it must end in one, logits = W h + b{measured}"
    taken = trial.inputs[name]
    if name not in differences and (trial.calls[name].times > 1 or taken.dim() != 2):
        return f"{name} must see each image once, as features (N, d), but is given {tuple(taken.shape)}"
    measured = f", but they differ by {_share(differences[name])}" if name in differences else ""
    return (
        f"the network's outputs are not those of {name}: it must end in that layer, without a softmax or other layers "
        f"after it{measured}; its linear layers are: {listed(layers)}"
    )


def _share(difference: float) -> str:
    return f"{100 * difference:.3g} % of the largest logit from W h + b"


def _unused(module: nn.Module, trial: Trial) -> str:
    """Return words on linear layers without a call that hooks can observe, whose weights a function may use."""
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear) and name not in trial.calls]
    return f"; a pass does not call {listed(names)}" if names else ""


@contextmanager
def outputs_of(layer: nn.Module) -> Iterator[list[Any]]:
    """Collect the outputs of a layer within the block."""
    held: list[Any] = []
    hook = layer.register_forward_hook(lambda _part, _inputs, output: held.append(output))
    try:
        yield held
    finally:
        hook.remove()
