"""VGG11 with BatchNorm (Simonyan and Zisserman 2015) and one linear layer, as trained in the paper (section 2)."""

from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models.interface import StagedClassifier
from rnc.models.scaled_channel_counts import channels, is_large

CHANNELS = (64, 128, 256, 256, 512, 512, 512, 512)
_POOLED_FIRST = (2, 3, 5, 7)  # convolutions after a max pool: the pools follow convolutions 1, 2, 4 and 6
_LEAST_SIDE = 2 ** len(_POOLED_FIRST)


def vgg11_bn(spec: DatasetSpec, width: float = 1.0) -> StagedClassifier:
    """Return a network with stages conv1 to conv8, each 3x3 conv (with bias)-BN-ReLU; h is the average over the final map.

    A 2x2 max pool belongs to the stage after it, so the activation of a stage is the output of its ReLU. Images of 64
    px and more have one more pool at the end. 9,231,114 parameters at 10 classes and 32 px. Raises ValueError for
    images below 16 px, which are too small for four pools.
    """
    side = min(spec.image_shape[1:])
    if side < _LEAST_SIDE:
        raise ValueError(
            f"vgg11_bn needs images of at least {_LEAST_SIDE} px, but {spec.name} has {side}; use small_cnn"
        )
    stages: dict[str, nn.Module] = {}
    before = spec.image_shape[0]
    for number, base in enumerate(CHANNELS, start=1):
        after = channels(base, width)
        layers = [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        stages[f"conv{number}"] = nn.Sequential(*[nn.MaxPool2d(2)] * (number in _POOLED_FIRST), *layers)
        before = after
    pool = nn.Sequential(*[nn.MaxPool2d(2)] * is_large(spec), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = StagedClassifier(spec, stages, pool, before)
    network.apply(_initialise)
    return network


def _initialise(module: nn.Module) -> None:
    """Initialise convolutions by N(0, 2/fan_in), the linear layer by N(0, 0.01^2), biases by 0; BatchNorm keeps 1 and 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
