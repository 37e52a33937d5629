"""Random images on disk in the form that the Hugging Face hub uses, for tests that need a data set's shape alone."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rnc import datasets
from rnc.vocabulary import Split


def encoded(image: np.ndarray) -> bytes:
    """A PNG of an image (c, h, w) uint8, grey or RGB."""
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(root: Path, dataset: str, split: Split, images: np.ndarray, labels: np.ndarray) -> Path:
    """Write images (N, c, h, w) uint8 and labels (N,) as the one Parquet file of a split; returns its path."""
    classes = list(datasets.spec(dataset).classes)
    features = {"label": {"names": classes, "_type": "ClassLabel"}}
    header = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pictures = [{"bytes": encoded(image), "path": None} for image in images]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(pictures, struct), "label": pa.array(labels.tolist(), pa.int64())})
    path = root / dataset / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(header), path)
    return path


def write_dataset(root: Path, dataset: str, per_class: int = 2, seed: int = 0) -> None:
    """Write train and test of random images, as many of each class."""
    spec, numbers = datasets.spec(dataset), np.random.default_rng(seed)
    labels = np.tile(np.arange(spec.num_classes), per_class)
    for split in Split:
        images = numbers.integers(256, size=(len(labels), *spec.image_shape), dtype=np.uint8)
        write_parquet(root, dataset, split, images, labels)
