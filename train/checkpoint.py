"""Where a run's networks lie: `checkpoints/RUN_ID/epoch-0040.safetensors` in the store's folder.

Kept are the epochs that the config names (`checkpoint_epochs`), and, until the run has finished, the one file from
which it goes on (`train/resume.py`). Nothing else stays.
"""

from pathlib import Path

from rnc.models import FeatureClassifier, weights
from rnc.store.rows import Rows
from train.config import RunConfig


def save_checkpoint(model: FeatureClassifier, config: RunConfig, epoch: int, store: Path, rows: Rows) -> None:
    """Write the network of an epoch to disk, then enter it in `rows`: the file is whole before its row can land."""
    relative = Path("checkpoints") / config.run_id / f"epoch-{epoch:04d}.safetensors"
    metadata = config.to_json() | {"epoch": epoch, "run_id": config.run_id}
    digest = weights.save(model, store.parent / relative, metadata)
    rows.add("checkpoint", run_id=config.run_id, epoch=epoch, path=relative.as_posix(), sha256=digest)


def forget_unknown(store: Path, run_id: str, after: int) -> None:
    """Remove the networks of epochs after `after`, whose rows are not in the store, and half-written files."""
    folder = store.parent / "checkpoints" / run_id
    for path in (*folder.glob("epoch-*.safetensors"), *folder.glob("*.partial")):
        if path.suffix == ".partial" or int(path.stem.removeprefix("epoch-")) > after:
            path.unlink()
