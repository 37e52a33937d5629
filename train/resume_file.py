"""The state needed to resume a run: network, momentum and the epochs not yet in the store, in one file per run.

All random numbers are functions of (seed, epoch, sample), so no other state is needed. The file is written at the end
of epochs, as often as the cost allows, and removed when the run has finished. It is fully checked before it is used.
"""

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes

from rnc import event_log
from rnc.models import FeatureClassifier
from rnc.models.weights import write_atomically
from rnc.safe_paths import UnsafePathError, read_plain_file
from rnc.store.file_locations import resume_file
from train.config import RunConfig
from train.resume_file_checks import ResumeError, check_tensors, digest, header_metadata

_COST = 20  # a save may take at most 1/20 of the time since the last one
_MOMENTUM = "momentum_buffer"
_MOST_HEADER_BYTES = 16 * 2**20  # for names, shapes and the rows of epochs
_ROW = {
    "run_id",
    "epoch",
    "learning_rate",
    "train_loss",
    "train_seconds",
    "attack_seconds",
    "images_per_second",
    "measure_seconds",
}


def resume_path(store: Path, run_id: str) -> Path:
    """Return the path of a run's resume file, next to its checkpoints."""
    return resume_file(store, run_id)


@dataclass
class Progress:
    """The progress of a run."""

    epoch: int = 0
    """The number of epochs trained, and measured if required."""
    started: bool = False
    """True if the initialisation is measured."""
    seconds: float = 0.0
    """Wall time of the previous sessions of this run."""
    unwritten: list[dict[str, Any]] = field(default_factory=list)
    """Rows of table `epoch` that wait for the next measured epoch."""

    @property
    def last_stored_epoch(self) -> int | None:
        """Return the last epoch that is completely in the store, or None; stored parts of later epochs are computed again."""
        return self.epoch - len(self.unwritten) if self.started else None

    def check_valid_for(self, config: RunConfig) -> None:
        """Raise ResumeError if this cannot be the progress of a run."""
        if not _is_integer(self.epoch) or not 0 <= self.epoch <= config.epochs:
            raise ResumeError(f"its epoch is {str(self.epoch)[:40]!r}, but the run has {config.epochs} epochs")
        if not isinstance(self.started, bool) or not _is_number(self.seconds) or not 0 <= self.seconds < math.inf:
            raise ResumeError("its progress is not valid")
        if (
            not isinstance(self.unwritten, list)
            or len(self.unwritten) > self.epoch
            or (self.epoch and not self.started)
        ):
            raise ResumeError("its numbers of epochs contradict each other")
        for epoch, row in enumerate(self.unwritten, start=self.epoch - len(self.unwritten) + 1):
            if not isinstance(row, dict) or not {"run_id", "epoch"} <= set(row) <= _ROW:
                raise ResumeError(f"its row of epoch {epoch} is not valid")
            if row["run_id"] != config.run_id or row["epoch"] != epoch:
                raise ResumeError(f"its row of epoch {epoch} is not valid")
            if not all(value is None or _is_number(value) for name, value in row.items() if name != "run_id"):
                raise ResumeError(f"its row of epoch {epoch} has a value that is not a number")


class ResumeFile:
    """The file that saves and restores a run's state."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        """Store the path, and the run's config."""
        self.path, self._config = path, config
        self._last, self._cost = time.monotonic(), 0.0

    def save_if_cheap(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Save, unless the last save is too recent for its cost: at most a twentieth of the time is spent on saving."""
        if time.monotonic() - self._last >= _COST * self._cost:
            self.save(model, optimizer, progress)

    def save(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state; the previous file is kept until the new one is complete."""
        begin = time.monotonic()
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for parameter, state in optimizer.state.items():
            if state.get(_MOMENTUM) is not None:
                tensors[f"momentum.{names[id(parameter)]}"] = state[_MOMENTUM]
        cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"progress": json.dumps(vars(progress)), "run_id": self._config.run_id}
        write_atomically(self.path, tensors_to_bytes(cpu, metadata=metadata | {"sha256": digest(cpu, metadata)}))
        self._last = time.monotonic()
        self._cost = self._last - begin

    def restore(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer) -> Progress:
        """Load the saved state into network and optimiser; a run without a file starts from the beginning.

        Raises ValueError, and changes nothing, if the file is damaged or belongs to another run or network.
        """
        required = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        optional: dict[str, torch.Tensor] = {
            f"momentum.{name}": parameter for name, parameter in model.named_parameters()
        }
        room = sum(tensor.nbytes for tensor in (*required.values(), *optional.values())) + _MOST_HEADER_BYTES
        try:
            content = read_plain_file(self.path, "file", most_bytes=room)
            progress, tensors = self._checked(content)
            check_tensors(tensors, required, optional)
        except (FileNotFoundError, NotADirectoryError):
            return Progress()
        except (ResumeError, UnsafePathError, SafetensorError, OSError) as error:
            raise ValueError(
                f"{self.path}, from which the run would be resumed, cannot be used: {error}. Restore a complete copy of it, or "
                "give --overwrite to train the run again; nothing has been changed"
            ) from None
        model.load_state_dict({name.removeprefix("model."): tensors[name] for name in required})
        for name, parameter in model.named_parameters():
            if f"momentum.{name}" in tensors:
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                optimizer.state[parameter][_MOMENTUM] = momentum
        return progress

    def _checked(self, content: bytes) -> tuple[Progress, dict[str, torch.Tensor]]:
        """Return the content of a file if it is complete and belongs to this run. Raises ResumeError otherwise."""
        metadata = header_metadata(content)
        tensors = tensors_from_bytes(content)
        recorded = metadata.pop("sha256", None)
        if recorded is None:
            event_log.event(
                "resume file of an older version without a checksum", run=self._config.run_id, path=self.path
            )
        elif recorded != digest(tensors, metadata):
            raise ResumeError("it is damaged: its content does not match its checksum")
        if metadata.get("run_id", self._config.run_id) != self._config.run_id:
            raise ResumeError("it belongs to another run")
        try:
            progress = Progress(**json.loads(metadata["progress"]))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise ResumeError("it is damaged: its progress cannot be read") from None
        progress.check_valid_for(self._config)
        return progress, tensors

    def remove(self) -> None:
        """Remove the file. Raises ValueError if it cannot be removed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ValueError(f"{self.path} cannot be removed ({error.strerror}); remove it by hand") from None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
