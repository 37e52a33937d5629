"""What a run needs to go on where it was: network, momentum and the epochs not yet in the store, in one file a run.

Everything random is a function of (seed, epoch, sample), so that nothing else has to be kept. The file is written at
epochs' ends, as often as costs little, and removed when the run has finished.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to_bytes

from rnc.models import FeatureClassifier
from rnc.models.weights import write_whole
from rnc.store.files import resume_file

_COST = 20  # a save may take one part in so many of the time since the last one
_MOMENTUM = "momentum_buffer"


def resume_path(store: Path, run_id: str) -> Path:
    """Where a run's file lies: beside its checkpoints."""
    return resume_file(store, run_id)


@dataclass
class Progress:
    """How far a run is."""

    epoch: int = 0
    """Epochs that are trained, and measured where they had to be."""
    started: bool = False
    """Whether the initialisation is measured."""
    seconds: float = 0.0
    """Wall time of the slices before this one."""
    unwritten: list[dict[str, Any]] = field(default_factory=list)
    """Rows of table `epoch` that wait for the next measured epoch."""

    @property
    def landed(self) -> int | None:
        """The last epoch that the store holds all of, or None; what it holds of later ones is done again."""
        return self.epoch - len(self.unwritten) if self.started else None


class ResumeFile:
    """Saves and restores a run's state."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self.path = path
        self._last, self._cost = time.monotonic(), 0.0

    def save_if_cheap(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Save, unless the last save is too recent for its cost: at most a twentieth of the time goes into saving."""
        if time.monotonic() - self._last >= _COST * self._cost:
            self.save(model, optimizer, progress)

    def save(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state; the file before it stays until this one is whole."""
        begin = time.monotonic()
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for parameter, state in optimizer.state.items():
            if state.get(_MOMENTUM) is not None:
                tensors[f"momentum.{names[id(parameter)]}"] = state[_MOMENTUM]
        cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_whole(self.path, tensors_to_bytes(cpu, metadata={"progress": json.dumps(vars(progress))}))
        self._last = time.monotonic()
        self._cost = self._last - begin

    def restore(self, model: FeatureClassifier, optimizer: torch.optim.Optimizer) -> Progress:
        """Bring network and optimiser to the saved state; a run that has none starts. Raises ValueError for a damaged file."""
        if not self.path.exists():
            return Progress()
        try:
            with safe_open(self.path, framework="pt") as file:
                progress = Progress(**json.loads(file.metadata()["progress"]))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path} is damaged ({error}); give --overwrite to train the run again") from None
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        for name, parameter in model.named_parameters():
            if f"momentum.{name}" in tensors:
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                optimizer.state[parameter][_MOMENTUM] = momentum
        return progress

    def remove(self) -> None:
        """Forget the state."""
        self.path.unlink(missing_ok=True)
