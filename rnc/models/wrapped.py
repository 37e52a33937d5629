"""Any torch classifier that ends in a linear layer, seen as a `FeatureClassifier`. Its weights stay where they are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rnc.conditions import check_of_pixels
from rnc.models.interface import FeatureClassifier
from rnc.models.trial import Trial, try_out
from rnc.vocabulary import FEATURES_LAYER, PIXELS_LAYER

_LISTED = 40
_FEW_STAGES = 4
_TOLERANCE = 1e-4  # of the largest logit


class WrappedClassifier(FeatureClassifier):
    """A module whose stages and features are overheard by hooks that last for one pass."""

    def __init__(
        self, module: nn.Module, classifier: str, stages: dict[str, bool], mean: Sequence[float], std: Sequence[float]
    ) -> None:
        """Take the names of the linear layer and of the stages, with whether a stage's output is overwritten later."""
        super().__init__(mean, std)
        self.module = module
        # Past nn.Module, which would list the layer twice, once as a part of `module`.
        object.__setattr__(self, "classifier", module.get_submodule(classifier))
        self.classifier_name, self._stages = classifier, stages
        weight = self.classifier.weight
        self.to(device=weight.device)
        self.mean, self.std = self.mean.to(weight.dtype), self.std.to(weight.dtype)

    @property
    def stage_names(self) -> list[str]:
        """The stages in the order of a pass, by their names in the module."""
        return list(self._stages)

    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, activation) of every stage for images (N, c, h, w) in [0, 1].

        One pass makes them all, and they are held until they are yielded: no more than an attack on the batch holds.
        """
        held: dict[str, torch.Tensor] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(_part: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
                held[name] = output.clone() if self._stages[name] else output

            return hook

        with _hooked(self.module.get_submodule(name).register_forward_hook(keep(name)) for name in self._stages):
            self.module(self.normalised(images))
        for name in self._stages:
            yield _told(name), held.pop(name)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The penultimate features h (N, d): what the linear layer takes in."""
        held: list[torch.Tensor] = []

        def keep(_part: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            held.append(inputs[0])

        with _hooked([self.classifier.register_forward_pre_hook(keep)]):
            self.module(self.normalised(images))
        return held[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits (N, C)."""
        return self.module(self.normalised(images))


def wrap(
    module: nn.Module,
    classifier: str | None = None,
    stages: Sequence[str] | None = None,
    *,
    image_shape: tuple[int, int, int] = (3, 224, 224),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> WrappedClassifier:
    """A classifier (images (N, c, h, w) to logits (N, C)) as this house's parts take it: pixels in [0, 1], all outputs.

    `classifier` and `stages` name submodules: the last linear layer (found where not named), and what is looked at on the
    way (None chooses: its direct parts that have weights, or theirs where those are few). `mean` and `std`, a number each
    or one a channel, normalise the pixels; without them the module sees pixels as they are. Nothing is copied: the weights
    stay the module's, and train and eval reach it. A trial pass with images of `image_shape` (c, h, w) checks all this.

    Raises ValueError, with the names there are, where the module does not end in that layer or a stage is none.
    """
    check_normalisation(image_shape[0], mean, std)
    trial = try_out(module, image_shape)
    name = _classifier(module, trial, classifier)
    chosen = _default_stages(module, trial, name) if stages is None else _checked_stages(module, trial, name, stages)
    return WrappedClassifier(module, name, {stage: trial.calls[stage].overwritten for stage in chosen}, mean, std)


def _classifier(module: nn.Module, trial: Trial, asked: str | None) -> str:
    linear = list(trial.inputs)
    if not linear:
        raise ValueError("the network has no linear layer; it must end in one, logits = W h + b")
    name = linear[-1] if asked is None else asked
    if name not in trial.inputs:
        raise ValueError(f"{name!r} is no linear layer of the network; there are: {_listed(linear)}")
    h, layer = trial.inputs[name], module.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    if trial.calls[name].times > 1 or h.dim() != 2:
        raise ValueError(f"{name} must see each image once, as features (N, d), but is given {tuple(h.shape)}")
    with torch.no_grad():
        found = layer(h)
    logits = trial.logits.detach()
    if found.shape != logits.shape or bool(
        (found - logits).abs().max() > _TOLERANCE * logits.abs().max().clamp_min(1e-12)
    ):
        raise ValueError(
            f"the network's outputs are not those of {name}: it must end in that layer, without a softmax or other layers "
            f"after it; its linear layers are: {_listed(linear)}"
        )
    return name


def _checked_stages(module: nn.Module, trial: Trial, classifier: str, asked: Sequence[str]) -> list[str]:
    """The stages that are asked for, in the order of the pass."""
    there = [name for name in trial.stages if name != classifier]
    for name in asked:
        if name not in there:
            call = trial.calls.get(name)
            why = "is no part of it that a pass calls" if call is None else "does not give one batch of numbers a pass"
            raise ValueError(f"stage {name!r} of the network {why}; there are: {_listed(there)}")
    return [name for name in there if name in set(asked)]


def _default_stages(module: nn.Module, trial: Trial, classifier: str) -> list[str]:
    """The direct parts that have weights, opened where the classifier is inside, or where they are too few to tell of."""
    parts = _parts(module, "", classifier)
    chosen = _with_weights(module, trial, parts)
    if len(chosen) < _FEW_STAGES:
        opened = [inner for name in parts for inner in _opened(module, name)]
        chosen = _with_weights(module, trial, opened)
    return chosen


def _parts(module: nn.Module, prefix: str, classifier: str) -> list[str]:
    found = []
    for child, part in module.named_children():
        name = prefix + child
        if classifier.startswith(f"{name}."):
            found += _parts(part, f"{name}.", classifier)
        elif name != classifier:
            found.append(name)
    return found


def _opened(module: nn.Module, name: str) -> list[str]:
    """The children of a plain sequence; any other part as it is."""
    part = module.get_submodule(name)
    inner = [f"{name}.{child}" for child, _part in part.named_children()]
    return inner if isinstance(part, nn.Sequential) and inner else [name]


def _with_weights(module: nn.Module, trial: Trial, names: list[str]) -> list[str]:
    wanted = {name for name in names if any(True for _ in module.get_submodule(name).parameters())}
    return [name for name in trial.stages if name in wanted]


def check_normalisation(channels: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError for numbers that pixels cannot be normalised by."""
    for what, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, channels) or not bool(torch.isfinite(torch.tensor(numbers)).all()):
            raise ValueError(f"{what} must be one finite number, or one for each of {channels} channels, got {numbers}")
        for number in numbers:
            check_of_pixels(what, number)
    if any(number <= 0 for number in std):
        raise ValueError(f"std must be greater than 0, got {std}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _told(name: str) -> str:
    """The name in results, where `pixels` and `features` are taken by the input and by h."""
    return f"{name} (stage)" if name in (PIXELS_LAYER, FEATURES_LAYER) else name


@contextmanager
def _hooked(hooks: Any) -> Iterator[None]:
    """Hooks that are removed at the end of the block."""
    held = list(hooks)
    try:
        yield
    finally:
        for hook in held:
            hook.remove()
