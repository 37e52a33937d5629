"""Whether a network may be laid out channels_last; tested by `tests/rnc/models/test_memory_layout.py`."""

from torch import nn

_VECTOR = 8
"""Numbers of float32 that AVX2 handles together."""


def channels_last_is_safe(model: nn.Module) -> bool:
    """Return False for a network with a strided 1 x 1 convolution of 2 to 7 input channels on a CPU.

    The gradient of such a convolution in channels_last writes past the end of its memory on CPUs of up to AVX2 (torch 2.15,
    oneDNN), which ends in a crash at some later time. Contiguous memory has no such fault. The rule does not ask which CPU
    this is, so that a run is laid out alike everywhere.
    """
    return not any(_is_affected(layer) for layer in model.modules() if isinstance(layer, nn.Conv2d))


def _is_affected(layer: nn.Conv2d) -> bool:
    strided = max(layer.stride) > 1 and tuple(layer.kernel_size) == (1, 1)
    return strided and 1 < layer.in_channels // layer.groups < _VECTOR and layer.weight.device.type in ("cpu", "meta")
