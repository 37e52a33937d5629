"""How a run is computed on its device: what makes it fast and should not show in the result beyond rounding."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar, cast

import torch

from rnc.models import FeatureClassifier
from rnc.models.memory_layout import channels_last_is_safe
from rnc.models.modes import model_mode

Network = TypeVar("Network", bound=torch.nn.Module)


class Precision(StrEnum):
    """What training multiplies in; measurement is always float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BF16 = "bf16"


_TRIED_IMAGES = 2


@dataclass(frozen=True)
class Execution:
    """The choices in force. On a CPU bfloat16 is about 26 times slower than float32, so that `auto` means float32 there."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = True
    compiled: bool = False

    @classmethod
    def choose(
        cls, device: torch.device, precision: Precision, compiled: bool, model: torch.nn.Module | None = None
    ) -> "Execution":
        """What is asked for, `auto` being what helps on the device.

        channels_last helps on GPUs and on CPUs up to AVX2; with AVX-512 it costs a fifth (docs/performance.md). A network
        whose layers torch cannot compute so, where one is given, stays contiguous on a CPU.
        """
        bf16 = device.type == "cuda" if precision is Precision.AUTO else precision is Precision.BF16
        wide = device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        safe = device.type != "cpu" or model is None or channels_last_is_safe(model)
        return cls(device, bf16, channels_last=safe and not wide, compiled=compiled)

    def autocast(self) -> AbstractContextManager:
        """The block in which a training step, its attack included, multiplies in the chosen precision."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def place(self, images: torch.Tensor) -> torch.Tensor:
        """Images (n, c, h, w) in the chosen memory layout."""
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def prepare(self, model: FeatureClassifier) -> FeatureClassifier:
        """The network on the device in the chosen memory layout."""
        placed = model.to(self.device)
        return placed.to(memory_format=torch.channels_last) if self.channels_last else placed

    def prepared(self, model: FeatureClassifier, image_shape: tuple[int, int, int]) -> tuple["Execution", str]:
        """Prepare a network that somebody else wrote, and try a pass with images (c, h, w) in the chosen memory layout.

        Returns the execution that holds, and a sentence where that is not this one: code with `.view` takes contiguous
        memory alone. Raises what the network raises in contiguous memory too.
        """
        self.prepare(model)
        if not self.channels_last:
            return self, ""
        try:
            _try_pass(model, self.place(torch.zeros(_TRIED_IMAGES, *image_shape, device=self.device)))
        except RuntimeError as error:
            plain = replace(self, channels_last=False)
            model.to(memory_format=torch.contiguous_format)
            _try_pass(model, torch.zeros(_TRIED_IMAGES, *image_shape, device=self.device))
            return (
                plain,
                f"the network is run in contiguous memory, for it cannot run in channels_last: {_short(error)}",
            )
        return self, ""

    def compile(self, model: Network) -> Network:
        """The same network, its passes compiled where that was asked for."""
        return cast(Network, torch.compile(model)) if self.compiled else model

    def __str__(self) -> str:
        """For table `run`."""
        parts = ["bf16 training" if self.bf16 else "float32"]
        parts += ["channels_last"] * self.channels_last + ["compiled"] * self.compiled
        return ", ".join(parts)


def _try_pass(model: FeatureClassifier, images: torch.Tensor) -> None:
    """A pass in eval mode and the gradient in the pixels, as an attack takes it."""
    asking = images.requires_grad_()
    with model_mode(model, training=False), torch.enable_grad():
        torch.autograd.grad(model(asking).sum(), asking)


def _short(error: BaseException) -> str:
    """The first sentence of an error."""
    return " ".join(str(error).split()).split(". ")[0][:160]
