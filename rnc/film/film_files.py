"""The files of a film: one with its states and the values of its samples, and one with the positions of each view.

A file begins with `RNCF` and the length of its header as uint32, all little-endian. The header is JSON, padded by spaces to a
multiple of eight bytes. Its entry `arrays` has the type, shape and offset after the header of each array.

Tested by tests/rnc/film/test_film_files.py.
"""

import json
from typing import Any

import numpy as np

from rnc.conditions import condition_in_words
from rnc.film.sample_values import sample_values
from rnc.film.stored_states import FilmRequest, StoredStates
from rnc.film.views import View, positions
from rnc.store.reader import StoreReader
from rnc.vocabulary import MILESTONE_MEANINGS, MILESTONE_NAMES, Milestone

MAGIC = b"RNCF"
_ALIGNMENT = 8
_LARGEST_FLOAT16 = 60_000.0


def states_file(reader: StoreReader, request: FilmRequest, classes: list[str]) -> bytes:
    """Return the file of a film's epochs, steps, samples, and the values of the samples in every state.

    Raises ValueError if the run stored no features of the split.
    """
    states = StoredStates(reader, request)
    values = sample_values(reader, states, len(classes))
    milestones = reader.metrics.milestones([request.run_id])
    header = {
        "run": request.run_id,
        "split": str(request.split),
        "condition": request.condition,
        "condition_in_words": condition_in_words(request.condition),
        "classes": classes,
        "stored": states.samples.stored,
        "epochs": states.epochs,
        "steps": values.steps,
        "last_step": request.last_step,
        "drops": [int(e) for e in milestones[milestones["milestone"] == Milestone.DROP]["epoch"]],
        "terminal": [int(e) for e in milestones[milestones["milestone"] == Milestone.TERMINAL]["epoch"]],
        "milestone_names": MILESTONE_NAMES,
        "milestone_meanings": MILESTONE_MEANINGS,
    }
    arrays: dict[str, np.ndarray] = {
        "samples": states.samples.indices.astype(np.int32),
        "labels": states.samples.labels.astype(np.int32),
        "predicted": values.predicted.astype(np.int16),
        "margin": _float16(values.margin),
        "loss": _float16(values.loss),
        "confidence": _float16(values.confidence),
        "first_leap": values.first_leap.astype(np.int32),
    }
    return pack(header, arrays)


def view_file(reader: StoreReader, request: FilmRequest, classes: list[str], view: View) -> bytes:
    """Return the file of a view: positions in every state, class means, rows of the classifier, and the ideal simplex.

    Positions are divided by `unit`, which is 1 unless they exceed the range of float16. Raises ValueError, with the reason, if
    the view cannot be made for this run.
    """
    states = StoredStates(reader, request)
    placed = positions(reader, states, view, len(classes))
    every = [placed.samples, placed.means, placed.ideal]
    largest = max((float(np.nanmax(np.abs(part))) for part in every if np.isfinite(part).any()), default=0.0)
    unit = 1.0 if largest <= _LARGEST_FLOAT16 else 2.0 ** np.ceil(np.log2(largest / _LARGEST_FLOAT16))
    header = {
        "view": view.name,
        "epochs": states.epochs,
        "steps": placed.steps,
        "dimensions": placed.samples.shape[-1],
        "unit": unit,
        "extent": _extent(placed.samples / unit),
    }
    arrays = {
        "positions": _float16(placed.samples / unit),
        "means": (placed.means / unit).astype(np.float32),
        "rows": (placed.rows / unit).astype(np.float32),
        "ideal": (placed.ideal / unit).astype(np.float32),
    }
    return pack(header, arrays)


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Return the bytes of a file, given its header without `arrays`, and its arrays."""
    blocks, offset, described = [], 0, {}
    for name, array in arrays.items():
        block = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        described[name] = {"type": array.dtype.name, "shape": list(array.shape), "offset": offset}
        block += bytes(-len(block) % _ALIGNMENT)
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header | {"arrays": described}, allow_nan=False).encode()
    text += b" " * (-(len(text) + len(MAGIC) + 4) % _ALIGNMENT)
    return MAGIC + len(text).to_bytes(4, "little") + text + b"".join(blocks)


def _extent(samples: np.ndarray) -> list[list[float]]:
    """Return the least and the greatest finite coordinate of each dimension, over all states."""
    every = samples.reshape(-1, samples.shape[-1])
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        raise ValueError("the positions of all samples are NaN or infinite, so there is nothing to show")
    return [[float(low), float(high)] for low, high in zip(every.min(axis=0), every.max(axis=0), strict=True)]


def _float16(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16)
