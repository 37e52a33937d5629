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

from rnc.models.functional_last_layer import FUNCTION, LastOperation, find_last_operation
from rnc.models.linearity import largest_relative_difference
from rnc.models.modes import model_mode
from rnc.models.outputs import OutputPosition, least_squares_factor, relative_difference, tensor_at
from rnc.models.traced_pass import Trace, random_images

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
    position_of_logits: OutputPosition
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
    def description(self) -> str:
        """Return a description in words."""
        remarks = [
            "" if self.plain else "with weights that it computes in each pass",
            "with features normalised to length 1" if self.normalised else "",
            "with outputs multiplied by a number" if self.scaled else "",
        ]
        return ", ".join([self.name, *filter(None, remarks)])

    @contextmanager
    def record_inputs(self) -> Iterator[list[torch.Tensor]]:
        """Collect the inputs of the layer within the block."""
        recorded: list[torch.Tensor] = []

        def record(_layer: nn.Module, arguments: tuple[torch.Tensor, ...], options: dict[str, Any]) -> None:
            recorded.append(next(iter((*arguments, *options.values()))))

        hook = self.layer.register_forward_pre_hook(record, with_kwargs=True)
        try:
            yield recorded
        finally:
            hook.remove()

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the features (N, d) that the weights multiply, from the layer's input."""
        return functional.normalize(inputs) if self.normalised else inputs

    def weight_and_bias(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W (C, d) and b (C,) in effect; the module's modes and buffers stay unchanged."""
        weight, bias = self._parameters() if self.plain else self._measured_parameters()
        scale = self._scale() if self.scaled else 1.0
        return (weight, bias) if scale == 1.0 else (scale * weight, scale * bias)

    def difference(self, inputs: torch.Tensor, logits: torch.Tensor) -> float:
        """Return the largest difference between logits (N, C) and W h + b, relative to the largest logit."""
        weight, bias = self.weight_and_bias()
        return relative_difference(functional.linear(self.features(inputs), weight, bias), logits)

    def _parameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = self.layer.get_parameter("weight"), self.layer._parameters.get("bias")
        return weight, weight.new_zeros(len(weight)) if bias is None else bias

    @torch.no_grad()
    def _measured_parameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        parameter = next(self.module.parameters())
        layer, rows = self.layer, []
        with model_mode(layer, training=False):
            unit_vector = torch.zeros(1, self.size, dtype=parameter.dtype, device=parameter.device)
            unit_vector[0, 0] = 1
            bias = (layer(unit_vector) + layer(-unit_vector))[0] / 2
            for indices in torch.arange(self.size, device=parameter.device).split(max(1, _PROBED_AT_ONCE // self.size)):
                rows.append(layer(functional.one_hot(indices, self.size).to(parameter.dtype)) - bias)
        return torch.cat(rows).T.contiguous(), bias

    @torch.no_grad()
    def _scale(self) -> float:
        """Return the factor from the layer's outputs to the logits, measured in a pass."""
        with model_mode(self.module, training=False), outputs_of(self.layer) as recorded:
            logits = tensor_at(self.module(random_images(self.module, self.image_shape)), self.position_of_logits)
        return least_squares_factor(recorded[-1], logits)


def find_last_layer(
    module: nn.Module, trace: Trace, image_shape: tuple[int, int, int], requested: str | None
) -> LastLayer | LastOperation:
    """Return the last layer, by its name if given, including the position of its logits in the module's output.

    If no module is that layer, it may be a product computed in `forward`. Raises ValueError, listing the linear layers
    and the measured difference, if no output is W h + b.
    """
    layers = list(trace.inputs)
    if requested not in (None, FUNCTION, *layers):
        raise ValueError(f"{requested!r} is not a linear layer of the network; the linear layers are: {listed(layers)}")
    names = layers[::-1] if requested is None else [requested] if requested in layers else []
    candidates = (
        candidate
        for key in trace.outputs
        for name in names
        for candidate in _candidates(module, trace, image_shape, name, key)
    )
    differences: dict[str, float] = {}
    for candidate in candidates:
        difference = candidate.difference(trace.inputs[candidate.name], trace.outputs[candidate.position_of_logits])
        if difference <= _TOLERANCE:
            difference = largest_relative_difference(candidate, module, image_shape)
        if difference <= _TOLERANCE:
            return candidate
        differences[candidate.name] = min(difference, differences.get(candidate.name, difference))
    if requested in (None, FUNCTION):
        operation, least = find_last_operation(module, trace, image_shape, _TOLERANCE)
        if operation is not None:
            return operation
        if least is not None and not names:
            differences[FUNCTION] = least
    raise ValueError(_reason(trace, names, layers, differences) + _uncalled_layers(module, trace))


def listed(names: list[str]) -> str:
    """Return the names in one line, the first ones if there are many."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _candidates(
    module: nn.Module, trace: Trace, image_shape: tuple[int, int, int], name: str, key: OutputPosition
) -> Iterator[LastLayer]:
    """Yield the ways in which a layer may produce the logits; none if it cannot."""
    inputs, logits = trace.inputs[name], trace.outputs[key]
    layer_output = trace.calls[name].output
    if trace.calls[name].times > 1 or inputs.dim() != 2 or not isinstance(layer_output, torch.Tensor):
        return
    if layer_output.shape != logits.shape:
        return
    scaled = layer_output is not logits
    if scaled and not least_squares_factor(layer_output, logits) > 0:
        return
    weight = module.get_submodule(name)._parameters.get("weight")
    shared = (module, image_shape, name, inputs.shape[1], key)
    if weight is not None and weight.shape == (logits.shape[1], inputs.shape[1]):
        yield LastLayer(*shared, plain=True, normalised=False, scaled=scaled)
    for normalised in (False, True):
        yield LastLayer(*shared, plain=False, normalised=normalised, scaled=scaled)


def _reason(trace: Trace, names: list[str], layers: list[str], differences: dict[str, float]) -> str:
    name = next(iter(differences), names[0] if names else FUNCTION)
    if name == FUNCTION:
        measured = (
            ""
            if name not in differences
            else f"; a product computed in its forward differs by {_percentage(differences[name])}"
        )
        return f"the network calls no linear layer in a pass; it must end in one, logits = W h + b{measured}"
    inputs, times = trace.inputs[name], trace.calls[name].times
    if name not in differences and (times > 1 or inputs.dim() != 2):
        actual = f"is called {times} times" if times > 1 else f"is given {tuple(inputs.shape)}"
        return f"{name} must be called once in a pass, with features (N, d), but {actual}"
    measured = f", but they differ by {_percentage(differences[name])}" if name in differences else ""
    return (
        f"the network's outputs are not those of {name}: the network must end in that layer, without a softmax or "
        f"other layers after it{measured}; the linear layers are: {listed(layers)}"
    )


def _percentage(difference: float) -> str:
    return f"{100 * difference:.3g} % of the largest logit from W h + b"


def _uncalled_layers(module: nn.Module, trace: Trace) -> str:
    """Return words on linear layers without a call that hooks can observe, whose weights a function may use."""
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear) and name not in trace.calls]
    return f"; these linear layers are not called in a pass: {listed(names)}" if names else ""


@contextmanager
def outputs_of(layer: nn.Module) -> Iterator[list[Any]]:
    """Collect the outputs of a layer within the block."""
    recorded: list[Any] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: recorded.append(output))
    try:
        yield recorded
    finally:
        hook.remove()
