"""An external network as a run: its files, one per epoch, and the images on which it is measured.

Tested by tests/train/test_measure.py.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from rnc.probe.measurement_config import Epochs, MeasurementConfig
from rnc.safe_paths import UnsafePathError, checked_name
from rnc.vocabulary import RUN_NAME, Norm, Objective, Split


@dataclass(frozen=True, kw_only=True)
class ExternalRun(MeasurementConfig):
    """External networks in the order of their epochs, and all settings that determine their measurement."""

    name: str = ""
    """The display name; the data set and the model if empty."""
    epochs: tuple[int, ...]
    sha256: tuple[str, ...]
    """The checksums of the files, one per epoch."""
    fingerprints: dict[Split, str]
    """The `ImageSet.fingerprint` of each split."""
    network: dict[str, Any]
    """The description from which the network is rebuilt: `weights.network_metadata`."""
    images: dict[str, Any] | None = None
    """The location of the user's own images (`CustomImages.to_json`); None for a data set of the project."""
    cli_arguments: dict[str, Any] = field(default_factory=dict)
    """Options of the command that are not stored elsewhere, for repeating the measurement."""

    def __post_init__(self) -> None:
        """Check the shared settings, and that the chosen epochs exist."""
        super().__post_init__()
        self.check_epochs()

    @property
    def epochs_to_choose_from(self) -> Epochs:
        """Return the epochs of the files, all of which are measured."""
        return Epochs(self.epochs[-1], list(self.epochs), [])

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values: the fields shared by all runs, and under `own` those of external networks alone."""
        shared = {name: getattr(self, name) for name in MeasurementConfig.__dataclass_fields__}
        attack = asdict(self.attack)
        external = {name: getattr(self, name) for name in ("name", "sha256", "network", "images")}
        external["typed"] = self.cli_arguments  # the stored name of an earlier version
        fixed = {
            "objective": Objective.OWN,
            "epochs": self.epochs[-1],
            "measured_epochs": ",".join(map(str, self.epochs)),
            "subset": 0,
            "seed": 0,
            "own": external,
        }
        return json.loads(json.dumps(shared | attack | fixed))

    @property
    def run_id(self) -> str:
        """Return NAME-own-norm-s0-hash8, or dataset-model-own-…; the hash does not depend on the location of the files."""
        identity = self.to_json()
        identity["own"] = {"sha256": self.sha256, "network": self.network, "fingerprints": self.fingerprints}
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
        return f"{_first_part(self.name, self.dataset, self.model)}-{Objective.OWN}-{self.norm}-s0-{digest}"


def _first_part(name: str, dataset: str, model: str) -> str:
    """Return the first part of a run's id."""
    plain = re.sub(r"[^\w.]+", "_", model)
    return name or f"{dataset}-{plain}"


def check_names(name: str, dataset: str, model: str) -> None:
    """Raise ValueError for names that would give a run id that is not a valid folder name."""
    check_folder_name(name)
    try:
        checked_name(f"{_first_part(name, dataset, model)}-{Objective.OWN}-{Norm.LINF}-s0-{'0' * 8}", "id of the run")
    except UnsafePathError as error:
        raise ValueError(f"{error}; give the run another name: --name NAME") from None


def check_folder_name(name: str) -> None:
    """Raise ValueError for a name that is not valid as part of a folder name and of an address."""
    if name and not re.fullmatch(RUN_NAME, name):
        raise ValueError(f"name must consist of at most 80 letters, digits and . _ -, got {name!r}")
