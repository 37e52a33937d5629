"""A copy of a network for attacks in eval mode, with BatchNorm, an affine map in this mode, folded into the convolutions.

Folding follows Jacob et al. 2018, section 3.2: gamma / sqrt(variance + eps) scales a convolution's weights, the rest is
its bias. A BatchNorm that does not directly follow a convolution becomes one multiplication and addition. Convolutions
use channels_last and, on a CPU, an algorithm with fewer multiplications where that is faster (`winograd`). The logits
equal those of the network up to rounding, which is checked when a copy is made.
"""

import torch
from torch import fx, nn
from torch.nn import functional

from rnc.models.channels_last_safety import channels_last_is_safe
from rnc.models.fast_cpu import winograd
from rnc.models.modes import model_mode
from rnc.models.outputs import relative_difference

CHECKED_IMAGES = 32
"""Number of images on which a copy must agree with its network."""
_TOLERANCE = 1e-4  # relative to the largest logit; the error of folding is about 1e-6, that of Winograd 1e-5


class FoldedCopy(nn.Module):
    """Module images (N, c, h, w) -> the network's logits (N, C) in eval mode, whatever its current mode.

    It uses the weights of the time when the copy was made, or when `refresh` was last called.
    """

    def __init__(self, model: nn.Module) -> None:
        """Trace the network. Raises the errors of `torch.fx` for a network whose control flow depends on tensor values."""
        super().__init__()
        graph = fx.Tracer().trace(model)
        self._network = fx.GraphModule(model, graph)
        self._refreshed: list[_Conv | _Affine] = []
        layers = dict(self._network.named_modules())
        layer_of = {node: layers[str(node.target)] for node in graph.nodes if node.op == "call_module"}
        folded: set[fx.Node] = set()
        for node, layer in layer_of.items():
            if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
                after = _following_norm(node, layer_of)
                self._replace(node, _Conv(layer, None if after is None else after[1]))
                if after is not None:
                    after[0].replace_all_uses_with(node)
                    graph.erase_node(after[0])
                    folded.add(after[0])
            elif isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats and node not in folded:
                self._replace(node, _Affine(layer))
            elif isinstance(layer, nn.Dropout | nn.Dropout2d):
                self._replace(node, nn.Identity())
        self.folded = len(folded)
        """The number of BatchNorm layers that were folded into a convolution."""
        self._network.delete_all_unused_submodules()
        self._network.recompile()

    def _replace(self, node: fx.Node, layer: nn.Module) -> None:
        node.target = str(node.target).replace(".", "_") + "_in_eval"
        self._network.add_submodule(node.target, layer)
        if isinstance(layer, _Conv | _Affine):
            self._refreshed.append(layer)

    def refresh(self) -> "FoldedCopy":
        """Copy the network's current weights and running statistics; return self."""
        with torch.no_grad():
            for layer in self._refreshed:
                layer.refresh()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        # Not a call of the module: that prints the traceback of every error, and folded_copy expects errors.
        logits: torch.Tensor = self._network.forward(images.contiguous(memory_format=torch.channels_last))
        return logits


def folded_copy(model: nn.Module, images: torch.Tensor) -> FoldedCopy | None:
    """Return a copy that agrees with the network in eval mode on images (N, c, h, w); None if it cannot be made."""
    if not channels_last_is_safe(model):
        return None
    try:
        copy = FoldedCopy(model).refresh()
        with torch.no_grad(), model_mode(model, training=False):
            expected, actual = model(images), copy(images)
    except Exception:  # tracing can fail in many ways; such a network is attacked without a copy
        return None
    return copy if relative_difference(actual, expected) <= _TOLERANCE else None


class _Conv(nn.Module):
    """A convolution, with the following BatchNorm folded in if given."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> None:
        super().__init__()
        self._sources = (conv, norm)  # in a tuple, so that they are not registered as submodules
        weight = torch.empty_like(conv.weight, memory_format=torch.channels_last, requires_grad=False)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", weight.new_zeros(conv.out_channels))
        self.fast = winograd.FastConv(weight) if winograd.is_faster(conv) else None

    def refresh(self) -> None:
        conv, norm = self._sources
        scale, shift = (
            (torch.ones_like(self.bias), torch.zeros_like(self.bias)) if norm is None else _scale_and_shift(norm)
        )
        self.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
        self.bias.copy_(shift if conv.bias is None else conv.bias * scale + shift)
        if self.fast is not None:
            self.fast.discard_transformed_weights()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv, _norm = self._sources
        if self.fast is not None:
            return self.fast(x, self.bias)
        return functional.conv2d(x, self.weight, self.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


class _Affine(nn.Module):
    """A BatchNorm in eval mode."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self._sources = (norm,)
        for name, value in zip(("scale", "shift"), _scale_and_shift(norm), strict=True):
            self.register_buffer(name, value.detach().view(1, -1, 1, 1).clone())

    def refresh(self) -> None:
        for buffer, value in zip((self.scale, self.shift), _scale_and_shift(self._sources[0]), strict=True):
            buffer.copy_(value.view(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.shift, x, self.scale)


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale and the shift (channels,) that a BatchNorm applies in eval mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias


def _following_norm(node: fx.Node, layer_of: dict[fx.Node, nn.Module]) -> tuple[fx.Node, nn.BatchNorm2d] | None:
    """Return the BatchNorm that is the only user of a node's output, or None."""
    user = next(iter(node.users)) if len(node.users) == 1 else None
    layer = layer_of.get(user) if user is not None else None
    return (
        (user, layer) if user is not None and isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats else None
    )
