"""The execution of a run on its device: choices that make it fast and change the result only by rounding."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar, cast

import torch

from rnc.models import FeatureClassifier
from rnc.models.channels_last_safety import channels_last_is_safe
from rnc.models.modes import model_mode

Network = TypeVar("Network", bound=torch.nn.Module)


class Precision(StrEnum):
    """The precision of matrix products and convolutions in training; measurement always uses float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BF16 = "bf16"


_TRIED_IMAGES = 2


@dataclass(frozen=True)
class Execution:
    """The chosen options. On a CPU bfloat16 is about 26 times slower than float32, so `auto` means float32 there."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = True
    compiled: bool = False

    @classmethod
    def choose(
        cls, device: torch.device, precision: Precision, compiled: bool, model: torch.nn.Module | None = None
    ) -> "Execution":
        """Return the requested execution, with `auto` resolved for the device.

        channels_last helps on GPUs and on CPUs up to AVX2; with AVX-512 it makes a run a fifth slower
        (docs/performance.md). A given `model` with layers that torch cannot compute in this layout stays contiguous on
        a CPU.
        """
        bf16 = device.type == "cuda" if precision is Precision.AUTO else precision is Precision.BF16
        has_avx512 = device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        is_safe = device.type != "cpu" or model is None or channels_last_is_safe(model)
        return cls(device, bf16, channels_last=is_safe and not has_avx512, compiled=compiled)

    def autocast(self) -> AbstractContextManager:
        """Return a context in which a training step, including its attack, computes in the chosen precision."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def to_memory_layout(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (n, c, h, w) in the chosen memory layout."""
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def place_network(self, model: FeatureClassifier) -> FeatureClassifier:
        """Return the network on the device in the chosen memory layout."""
        placed = model.to(self.device)
        return placed.to(memory_format=torch.channels_last) if self.channels_last else placed

    def place_external(self, model: FeatureClassifier, image_shape: tuple[int, int, int]) -> tuple["Execution", str]:
        """Prepare an external network, and try a pass with images (c, h, w) in the chosen memory layout.

        Returns the execution to use, and a sentence if it differs from this one: code with `.view` needs contiguous
        memory. Raises the error of the network if it also fails in contiguous memory.
        """
        self.place_network(model)
        if not self.channels_last:
            return self, ""
        try:
            _try_pass(model, self.to_memory_layout(torch.zeros(_TRIED_IMAGES, *image_shape, device=self.device)))
        except RuntimeError as error:
            contiguous = replace(self, channels_last=False)
            model.to(memory_format=torch.contiguous_format)
            _try_pass(model, torch.zeros(_TRIED_IMAGES, *image_shape, device=self.device))
            return (
                contiguous,
                f"the network runs in contiguous memory, because it cannot run in channels_last: {_first_sentence(error)}",
            )
        return self, ""

    def compile(self, model: Network) -> Network:
        """Return the same network, compiled if requested."""
        return cast(Network, torch.compile(model)) if self.compiled else model

    def __str__(self) -> str:
        """Return the text for table `run`."""
        parts = ["bf16 training" if self.bf16 else "float32"]
        parts += ["channels_last"] * self.channels_last + ["compiled"] * self.compiled
        return ", ".join(parts)


def _try_pass(model: FeatureClassifier, images: torch.Tensor) -> None:
    """Run a forward pass in eval mode and compute the gradient of the pixels, as an attack does."""
    pixels = images.requires_grad_()
    with model_mode(model, training=False), torch.enable_grad():
        torch.autograd.grad(model(pixels).sum(), pixels)


def _first_sentence(error: BaseException) -> str:
    """Return the first sentence of an error message."""
    return " ".join(str(error).split()).split(". ")[0][:160]
