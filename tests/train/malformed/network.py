"""A network of a user's own, as `--model tests.train.malformed.network:small` names it, and good files to damage."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

MODEL = "tests.train.malformed.network:small"
CLASSES = ("ant", "bee", "cow")
SIDE = 8


def small(num_classes: int = 3) -> nn.Module:
    """Two linear layers on 3 x 8 x 8 pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 6), nn.ReLU(), nn.Linear(6, num_classes))


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Good weights."""
    torch.manual_seed(seed)
    return small().state_dict()


def picture(kind: str = "PNG", seed: int = 0, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """An image file's bytes, of random pixels."""
    pixels = np.random.default_rng(seed).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_images(folder: Path, classes: tuple[str, ...] = CLASSES, each: int = 2) -> Path:
    """A folder with a subfolder a class; returns it."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            (folder / name / f"{number}.png").write_bytes(picture(seed=10 * label + number))
    return folder
