"""The stored networks of a run: `checkpoints/RUN_ID/epoch-0040.safetensors` in the store's folder.

The store keeps the epochs that the config names (`checkpoint_epochs`) and, until the run has finished, the file from
which it can be resumed (`train/resume_file.py`). No other networks are kept.
"""

import re
from pathlib import Path
from typing import Any

from rnc.models import FeatureClassifier, weights
from rnc.store.checkpoint_rows import add_checkpoint
from rnc.store.file_locations import checkpoint_file, is_plain_folder, networks_folder
from rnc.store.row_buffer import Rows

_WRITTEN = re.compile(
    r"epoch-(?P<epoch>\d{1,10})\.safetensors|(?P<partial>\.?(epoch-\d{1,10}|resume)\.safetensors\.partial)"
)
"""The names of the networks that a training writes, and of partial files left by a training or a copy that was killed."""


def save_network(
    model: FeatureClassifier, run_id: str, epoch: int, metadata: dict[str, Any], store: Path, rows: Rows
) -> None:
    """Write the network of an epoch to disk, then add it to `rows`, so that the file is complete before its row is stored.

    `metadata` describes how to rebuild the network.
    """
    path = checkpoint_file(store, run_id, epoch)
    digest = weights.save(model, path, metadata | {"epoch": epoch, "run_id": run_id})
    add_checkpoint(rows, store, run_id, epoch, digest)


def forget_unknown(store: Path, run_id: str, after: int) -> None:
    """Remove the networks of epochs after `after`, whose rows are not in the store, and partially written files."""
    folder = networks_folder(store, run_id)
    if not is_plain_folder(folder):
        return
    for path in folder.iterdir():
        match = _WRITTEN.fullmatch(path.name)
        if match and (match["partial"] or int(match["epoch"]) > after):
            path.unlink()
