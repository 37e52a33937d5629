"""Handwritten digits bundled with scikit-learn: 1,797 real 8x8 images of 10 classes (UCI, Alpaydin and Kaynak 1998)."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rnc.vocabulary import Split

TRAIN_PER_CLASS = 140
TEST_PER_CLASS = 34
LEVELS = 16
"""The byte that represents a pixel of 1."""
MEAN, STD = (0.3056,), (0.3760,)  # of the 1,400 training images; a test recomputes them
_SPLIT_SEED = 0


def load(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 1, 8, 8) uint8 in 0..16 and labels (N,) int64 of a fixed split, balanced over the classes.

    The smallest class has 174 images, so 140 + 34 of each class are used and the rest are left out.
    """
    images, labels = _bundled()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    rows = (
        slice(0, TRAIN_PER_CLASS) if split is Split.TRAIN else slice(TRAIN_PER_CLASS, TRAIN_PER_CLASS + TEST_PER_CLASS)
    )
    chosen = np.concatenate([order[labels[order] == c][rows] for c in range(10)])
    chosen = np.sort(chosen)
    return images[chosen], labels[chosen]


def _bundled() -> tuple[np.ndarray, np.ndarray]:
    """Return all images (1797, 1, 8, 8) and labels, from scikit-learn's file if it exists, because its import takes seconds."""
    package = find_spec("sklearn")
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz" if package and package.origin else None
    if file is not None and file.is_file():
        table = np.loadtxt(file, np.uint8, delimiter=",")
        return table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.int64)
