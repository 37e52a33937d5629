"""A last layer without a module: the network's own `forward` multiplies features with weights by a function.

Many cosine classifiers do this: `scale * functional.linear(normalize(h), normalize(self.weight))`. The products of a
pass are recorded; W, b and h are the operands of the product that gives the logits. Tests:
tests/rnc/models/test_functional_last_layer.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from rnc.models.linearity import largest_relative_difference
from rnc.models.modes import model_mode
from rnc.models.outputs import OutputPosition, least_squares_factor, relative_difference, tensor_at
from rnc.models.traced_pass import Trace, random_images

FUNCTION = "<linear function>"
"""The name that stands for it where a layer has its name."""
_PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "addmm", "einsum")
_COSINE = "cosine_similarity"
_SAME = 1e-5  # relative to the largest number: allowed difference between a product and x @ W.T + b


class Product(NamedTuple):
    """The operands and the output of a function of tensors."""

    operands: tuple[torch.Tensor, ...]
    output: torch.Tensor


@dataclass(frozen=True)
class LastOperation:
    """A product in a module's pass; the logits are its output times a number, plus one number per class."""

    module: nn.Module
    image_shape: tuple[int, int, int]
    index: int
    """The index of the product in a pass."""
    features_at: int
    """The index of the features (N, d) among the operands."""
    weight_at: int
    """The index of the weights among the operands."""
    transposed: bool
    """True if the weights have the shape (d, C)."""
    position_of_logits: OutputPosition
    """The position of the logits in the module's output."""
    name: str = FUNCTION

    @property
    def layer(self) -> None:
        """Return None: there is no layer."""
        return None

    @property
    def description(self) -> str:
        """Return a description in words."""
        return "a product computed in forward, without a layer"

    @contextmanager
    def record_inputs(self) -> Iterator[list[torch.Tensor]]:
        """Collect the features (N, d) of a pass within the block."""
        recorded: list[torch.Tensor] = []
        with _Products() as products:
            yield recorded
        recorded.append(products.recorded[self.index].operands[self.features_at])

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the features (N, d) that the weights multiply: the operand of the product, unchanged."""
        return inputs

    @torch.no_grad()
    def weight_and_bias(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W (C, d) and b (C,) as the network uses them, from a pass in eval mode; its modes and buffers stay unchanged."""
        images = random_images(self.module, self.image_shape)
        with model_mode(self.module, training=False), _Products() as products:
            logits = tensor_at(self.module(images), self.position_of_logits)
        return self.weight_and_bias_of(products.recorded[self.index], logits)

    def weight_and_bias_of(self, product: Product, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W (C, d) and b (C,) from the product's operands and the logits (N, C) computed from its output."""
        h, weight = product.operands[self.features_at], product.operands[self.weight_at]
        weight = weight.T if self.transposed else weight
        bias = next((x for x in product.operands if x.dim() == 1), torch.zeros_like(logits[0]))
        scale = least_squares_factor(product.output, logits)
        if relative_difference(scale * product.output, logits) > _SAME:  # a bias is added after the product
            product_alone = functional.linear(h, weight)
            scale = least_squares_factor(product_alone - product_alone.mean(0), logits - logits.mean(0))
            bias = (logits - scale * product_alone).mean(0) / scale if scale else bias
        return scale * weight, scale * bias


def find_last_operation(
    module: nn.Module, trace: Trace, image_shape: tuple[int, int, int], tolerance: float
) -> tuple[LastOperation | None, float | None]:
    """Return the product that gives one of the logits in a trace, or None if there is none, and the least difference found.

    The difference is relative to the largest logit, on images other than those from which W and b were derived.
    """
    with model_mode(module, training=False), torch.no_grad(), _Products() as products:
        module(random_images(module, image_shape))
    least: float | None = None
    for index in reversed(range(len(products.recorded))):
        for key, logits in trace.outputs.items():
            for candidate in _candidates(module, image_shape, products.recorded[index], index, key, logits):
                difference = largest_relative_difference(candidate, module, image_shape)
                if difference <= tolerance:
                    return candidate, difference
                least = difference if least is None else min(difference, least)
    return None, least


def _candidates(
    module: nn.Module,
    shape: tuple[int, int, int],
    product: Product,
    index: int,
    key: OutputPosition,
    logits: torch.Tensor,
) -> Iterator[LastOperation]:
    """Yield the ways in which the operands of a product may be features and weights; none if they cannot."""
    if product.output.shape != logits.shape:
        return
    bias = next((x for x in product.operands if x.shape == logits.shape[1:]), 0.0)
    matrices = [at for at, operand in enumerate(product.operands) if operand.dim() == 2]
    for features_at in (at for at in matrices if len(product.operands[at]) == len(logits)):
        for weight_at in (at for at in matrices if at != features_at):
            for transposed in (False, True):
                h, weight = product.operands[features_at], product.operands[weight_at]
                weight = weight.T if transposed else weight
                if weight.shape != (logits.shape[1], h.shape[1]):
                    continue
                if relative_difference(functional.linear(h, weight) + bias, product.output) <= _SAME:
                    yield LastOperation(module, shape, index, features_at, weight_at, transposed, key)


class _Products(TorchFunctionMode):
    """Context that records the matrix products within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[Product] = []

    def __torch_function__(
        self, function: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function, and record its operands if it is a product with a 2-D output."""
        output = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in (*_PRODUCTS, _COSINE) and output.dim() == 2:
            operands = tuple(_tensors((*args, *(kwargs or {}).values())))
            self.recorded.append(Product(_unit_vectors(operands) if name == _COSINE else operands, output))
        return output


def _unit_vectors(operands: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Return the operands (N, d) and (C, d) of length 1 in `cosine_similarity` of features (N, 1, d) and weights (1, C, d)."""
    if any(operand.dim() != 3 for operand in operands):
        return operands
    return functional.normalize(operands[0][:, 0]), functional.normalize(operands[1][0])


def _tensors(values: tuple[Any, ...]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(tuple(value))
