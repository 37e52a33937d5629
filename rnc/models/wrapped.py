"""A wrapper that makes any torch classifier with a final linear layer a `FeatureClassifier`, without copying its weights."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rnc.conditions import check_pixel_statistic
from rnc.models.functional_last_layer import LastOperation
from rnc.models.interface import FeatureClassifier
from rnc.models.last_layer import LastLayer, find_last_layer, listed
from rnc.models.modes import model_mode
from rnc.models.outputs import relative_difference, tensor_at
from rnc.models.traced_pass import Trace, trace_forward
from rnc.vocabulary import FEATURES_LAYER, PIXELS_LAYER

_FEW_STAGES = 4


class WrappedClassifier(FeatureClassifier):
    """A module whose stages and features are recorded by hooks that exist for one pass."""

    def __init__(
        self, last: LastLayer | LastOperation, stages: dict[str, bool], mean: Sequence[float], std: Sequence[float]
    ) -> None:
        """Take the last layer and the names of the stages, each with a flag whether its output is overwritten later."""
        super().__init__(mean, std)
        self.module = last.module
        # Bypasses nn.Module, which would register the layer a second time besides `module`.
        object.__setattr__(self, "classifier", last.layer)
        self._last, self.classifier_name, self._stages = last, last.name, stages
        self.arguments: dict[str, Any] = {}
        """The arguments of the module's builder besides the number of classes."""
        parameter = next(last.module.parameters())
        self.to(device=parameter.device)
        self.mean, self.std = self.mean.to(parameter.dtype), self.std.to(parameter.dtype)

    @property
    def weight(self) -> torch.Tensor:
        """Return W (C, d) as the network uses it."""
        return self._last.weight_and_bias()[0]

    @property
    def bias(self) -> torch.Tensor:
        """Return b (C,) as the network uses it; zeros if it has none."""
        return self._last.weight_and_bias()[1]

    def logits_of(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, C) of penultimate features (N, d)."""
        return functional.linear(features, *self._last.weight_and_bias())

    @property
    def description(self) -> str:
        """Return a description of the layers found in the module."""
        position = self._last.position_of_logits
        outputs = "" if position is None else f"; its logits: the entry {position!r} of its output"
        stages = listed(self.stage_names) or "none"
        return f"the network's last layer: {self._last.description} (d = {self.weight.shape[1]}){outputs}; its stages: {stages}"

    @torch.no_grad()
    def mismatch(self, images: torch.Tensor) -> float:
        """Return the largest difference between the logits and W h + b, relative to the largest logit.

        Both are computed on images (N, c, h, w) in eval mode.
        """
        with model_mode(self, training=False):
            return relative_difference(self.logits_of(self.features(images)), self(images))

    @property
    def stage_names(self) -> list[str]:
        """Return the stages in the order of a pass, by their names in the module."""
        return list(self._stages)

    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, activation) of every stage for images (N, c, h, w) in [0, 1].

        One pass computes all of them, and each is held until it is yielded: less memory than an attack on the batch
        needs.
        """
        recorded: dict[str, torch.Tensor] = {}

        def recorder(name: str) -> Callable[..., None]:
            def hook(_layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
                recorded[name] = output.clone() if self._stages[name] else output

            return hook

        with _remove_after(
            self.module.get_submodule(name).register_forward_hook(recorder(name)) for name in self._stages
        ):
            self.module(self.normalised(images))
        for name in self._stages:
            yield _result_name(name), recorded.pop(name)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features h (N, d): the linear layer's input, normalised to length 1 if the layer does that."""
        with self._last.record_inputs() as recorded:
            self.module(self.normalised(images))
        return self._last.features(recorded[-1])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, C)."""
        return tensor_at(self.module(self.normalised(images)), self._last.position_of_logits)


def wrap(
    module: nn.Module,
    classifier: str | None = None,
    stages: Sequence[str] | None = None,
    *,
    image_shape: tuple[int, int, int] = (3, 224, 224),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> WrappedClassifier:
    """Return a classifier in the project's interface: pixels in [0, 1] in, logits, features and stages out.

    The module maps images (N, c, h, w) to logits (N, C), or to a tuple, dict or object that contains them. `classifier`
    and `stages` name submodules: the last linear layer (found automatically if not named; one that normalises its
    weights or features is accepted), and the stages to measure (by default its direct parts that have weights, or the
    parts inside those if there are few). `mean` and `std`, one number each or one per channel, normalise the pixels;
    without them the module sees unchanged pixels. Nothing is copied: the weights stay those of the module, and train
    and eval apply to it. A trial pass with images of `image_shape` (c, h, w) checks all this.

    Raises ValueError, listing the available names, if the module does not end in that layer or a stage is not valid.
    """
    check_normalisation(image_shape[0], mean, std)
    trace = trace_forward(module, image_shape)
    last = find_last_layer(module, trace, image_shape, classifier)
    name = last.name
    chosen = _default_stages(module, trace, name) if stages is None else _checked_stages(module, trace, name, stages)
    return WrappedClassifier(last, {stage: trace.calls[stage].overwritten for stage in chosen}, mean, std)


def _checked_stages(module: nn.Module, trace: Trace, classifier: str, requested: Sequence[str]) -> list[str]:
    """Return the requested stages, in the order of the pass."""
    available = [name for name in trace.stages if name != classifier]
    for name in requested:
        if name not in available:
            call = trace.calls.get(name)
            why = (
                "is not a module that a pass calls"
                if call is None
                else "does not return one tensor with a row per image"
            )
            raise ValueError(f"stage {name!r} of the network {why}; the possible stages are: {listed(available)}")
    return [name for name in available if name in set(requested)]


def _default_stages(module: nn.Module, trace: Trace, classifier: str) -> list[str]:
    """Return the direct parts that have weights, expanded if there are fewer than `_FEW_STAGES`.

    A part is also expanded if it contains the classifier, gives an output other than a batch, or is never called
    itself.
    """
    parts = _parts(module, trace, "", classifier)
    chosen = _with_weights(module, trace, parts)
    if len(chosen) < _FEW_STAGES:
        expanded = [inner for name in parts for inner in _expand(module, name)]
        chosen = _with_weights(module, trace, expanded)
    return chosen


def _parts(module: nn.Module, trace: Trace, prefix: str, classifier: str) -> list[str]:
    possible_stages, parts = set(trace.stages), []
    for child, part in module.named_children():
        name = prefix + child
        if classifier.startswith(f"{name}.") or (name not in possible_stages and any(True for _ in part.children())):
            parts += _parts(part, trace, f"{name}.", classifier)
        elif name != classifier:
            parts.append(name)
    return parts


def _expand(module: nn.Module, name: str) -> list[str]:
    """Return the children of a plain sequence; any other part as it is."""
    part = module.get_submodule(name)
    inner = [f"{name}.{child}" for child, _part in part.named_children()]
    return inner if isinstance(part, nn.Sequential) and inner else [name]


def _with_weights(module: nn.Module, trace: Trace, names: list[str]) -> list[str]:
    weighted = {name for name in names if any(True for _ in module.get_submodule(name).parameters())}
    return [name for name in trace.stages if name in weighted]


def check_normalisation(channels: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError for numbers that cannot normalise pixels."""
    for what, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, channels) or not bool(torch.isfinite(torch.tensor(numbers)).all()):
            raise ValueError(f"{what} must be one finite number, or one for each of {channels} channels, got {numbers}")
        for number in numbers:
            check_pixel_statistic(what, number)
    if any(number <= 0 for number in std):
        raise ValueError(f"std must be greater than 0, got {std}")


def _result_name(name: str) -> str:
    """Return the stage's name in results; `pixels` and `features` are reserved for the input and for h."""
    return f"{name} (stage)" if name in (PIXELS_LAYER, FEATURES_LAYER) else name


@contextmanager
def _remove_after(hooks: Any) -> Iterator[None]:
    """Keep hooks for the block, and remove them at its end."""
    installed = list(hooks)
    try:
        yield
    finally:
        for hook in installed:
            hook.remove()
