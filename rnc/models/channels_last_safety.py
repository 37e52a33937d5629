"""The check that a network may use channels_last.

Tested by tests/rnc/probe/test_execution.py.
"""

from torch import nn

_VECTOR = 8
"""Number of float32 values in one AVX2 register."""


def channels_last_is_safe(model: nn.Module) -> bool:
    """Return False for a network with a strided 1 x 1 convolution of 2 to 7 input channels on a CPU.

    The gradient of such a convolution in channels_last writes past the end of its memory on CPUs of up to AVX2 (torch
    2.15, oneDNN), which causes a crash at a later time. Contiguous memory does not have this fault. The rule does not
    depend on the CPU, so that a run uses the same layout everywhere.
    """
    return not any(_is_affected(layer) for layer in model.modules() if isinstance(layer, nn.Conv2d))


def _is_affected(layer: nn.Conv2d) -> bool:
    strided = max(layer.stride) > 1 and tuple(layer.kernel_size) == (1, 1)
    return strided and 1 < layer.in_channels // layer.groups < _VECTOR and layer.weight.device.type in ("cpu", "meta")
