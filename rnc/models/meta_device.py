"""Networks without memory for their weights, compared with a file before anything is allocated, and filled afterwards.

The description of a network in a file (its width, its number of classes, the size of its images) may be false. On
torch's `meta` device a network of any size takes no memory for its weights.

Tested by tests/rnc/models/test_weights.py.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MOST_FORWARD_BYTES = 8 * 2**30
"""Limit for the total output of all operations in a pass of two images; ResNet-152 at 224 pixels needs 0.6 GiB."""
_FORWARD_IMAGES = 2
_ALLOCATING = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})


class _OnMetaDevice(TorchFunctionMode):
    """Context that creates weights on `meta`. Small tables (arange, tensor) stay real, as some networks use their values."""

    def __torch_function__(self, func: Any, _types: Iterable[Any], args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        if func in _ALLOCATING and options.get("device") is None:
            options["device"] = torch.device("meta")
        return func(*args, **options)


def build_on_meta(builder: Callable[[], nn.Module]) -> nn.Module:
    """Return the module that `builder` builds, with its weights on the `meta` device."""
    with _OnMetaDevice():
        return builder()


def check_shapes(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless the file's tensors match the module's state, by name and shape."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing, unknown = expected.keys() - shapes.keys(), shapes.keys() - expected.keys()
    for names, problem in ((missing, "missing"), (unknown, "unknown to the network")):
        if names:
            raise ValueError(f"tensors that are {problem}: {len(names)}, such as {min(names)[:80]!r}")
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise ValueError(f"tensor {name[:80]!r} has shape {shapes[name]}, but the network needs {shape}")


def load_tensors(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a module: tensors on `meta` are replaced by the given tensors, real ones are copied to.

    Raises ValueError for a tensor of another kind of numbers, and if a part of the module remains on `meta`.
    """
    expected = module.state_dict()
    state = {name: _as_type(name, tensors[name], expected[name].dtype) for name in expected}
    module.load_state_dict(state, assign=any(tensor.is_meta for tensor in expected.values()))
    empty = [name for name, tensor in (*module.named_parameters(), *module.named_buffers()) if tensor.is_meta]
    if empty:
        raise ValueError(f"the file has no values for {empty[0]!r}")


def _as_type(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if tensor.is_floating_point() != dtype.is_floating_point or tensor.is_complex() or dtype.is_complex:
        raise ValueError(f"tensor {name[:80]!r} has the type {tensor.dtype}, but the network needs {dtype}")
    return tensor.to(dtype)


class _ByteCount(TorchDispatchMode):
    """Context that adds up the bytes of operations' outputs. Raises ValueError at more than MOST_FORWARD_BYTES."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, _types: Iterable[Any], args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if not func.is_view:
            inputs = {id(leaf) for leaf in tree_leaves(args)}
            new = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor) and id(leaf) not in inputs]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in new)
        if self.bytes > MOST_FORWARD_BYTES:
            raise ValueError(
                f"a pass of {_FORWARD_IMAGES} images takes more than {MOST_FORWARD_BYTES / 2**30:.0f} GiB; "
                "the images that the file describes are too large for this network"
            )
        return output


def check_forward_size(module: nn.Module, image_shape: tuple[int, int, int]) -> None:
    """Raise ValueError if a pass of two images (c, h, w) needs more than MOST_FORWARD_BYTES, or fails because of shapes."""
    meta_module = copy.deepcopy(module).to("meta").eval()
    images = torch.empty(_FORWARD_IMAGES, *image_shape, device="meta")
    try:
        with torch.no_grad(), _ByteCount():
            meta_module(images)
    except (RuntimeError, NotImplementedError, AssertionError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"the network does not accept images of shape {image_shape}: {reason}") from None
