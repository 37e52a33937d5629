"""Specs of the data sets: classes in the order of their labels, image shape, mean and std. Loads no images.

Tested by tests/rnc/datasets/test_registry.py.
"""

from dataclasses import dataclass

from rnc.datasets import digits


@dataclass(frozen=True)
class DatasetSpec:
    """The properties of a data set that a model needs: class names, image shape (c, h, w), and per-channel train mean and std."""

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    any_size: bool = False
    """True if images of any size are resized by the shorter side and cropped at the centre; if false, they are errors."""

    @property
    def num_classes(self) -> int:
        """Return C."""
        return len(self.classes)


class DatasetError(ValueError):
    """The error of images that are not available; the message names the file or the folders, and a remedy."""


_DIGITS = tuple("0123456789")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
_FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_IMAGENETTE = (
    "tench,English springer,cassette player,chain saw,church,French horn,garbage truck,gas pump,golf ball,parachute"
)
_HALF = (0.5, 0.5, 0.5)

# Mean and std are those of the paper (section 2) if it gives them, so that runs are comparable with it.
SPECS = {
    spec.name: spec
    for spec in (
        DatasetSpec("digits", _DIGITS, (1, 8, 8), digits.MEAN, digits.STD),
        DatasetSpec("mnist", _DIGITS, (1, 28, 28), (0.1307,), (0.3081,)),
        DatasetSpec("fashion_mnist", tuple(_FASHION.split(",")), (1, 28, 28), (0.2860,), (0.3530,)),
        DatasetSpec("cifar10", _CIFAR10, (3, 32, 32), (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
        DatasetSpec(
            "cifar100", tuple(_CIFAR100.split()), (3, 32, 32), (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
        ),
        DatasetSpec("imagenette", tuple(_IMAGENETTE.split(",")), (3, 160, 160), _HALF, _HALF, any_size=True),
    )
}
"""The spec of each data set, by name."""
