"""Where a run's networks lie: `checkpoints/RUN_ID/epoch-0040.safetensors` in the store's folder."""

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
