"""A network that was trained elsewhere, as a run: its files, an epoch each, and the images that it is measured on."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from rnc.probe.measurement_config import Epochs, MeasurementConfig
from rnc.safe_paths import UnsafePathError, checked_name
from rnc.vocabulary import RUN_NAME, Norm, Objective, Split


@dataclass(frozen=True, kw_only=True)
class OwnRun(MeasurementConfig):
    """Networks of one's own, in the order of their epochs, and all that decides what is measured of them."""

    name: str = ""
    """What people call it; data set and model where not given."""
    epochs: tuple[int, ...]
    sha256: tuple[str, ...]
    """Of the files, an epoch each."""
    fingerprints: dict[Split, str]
    """`ImageSet.fingerprint` of each split."""
    network: dict[str, Any]
    """What the network is rebuilt by: `weights.network_metadata`."""
    images: dict[str, Any] | None = None
    """Where images of one's own lie (`OwnImages.to_json`); None for a data set of this house."""
    typed: dict[str, Any] = field(default_factory=dict)
    """Options of the command that are not said otherwise, for who wants to measure again."""

    def __post_init__(self) -> None:
        """Check what the shared part checks, and that the chosen epochs are there."""
        super().__post_init__()
        self.check_epochs()

    @property
    def epochs_there_are(self) -> Epochs:
        """Those of the files, all of which are measured."""
        return Epochs(self.epochs[-1], list(self.epochs), [])

    def to_json(self) -> dict[str, Any]:
        """The config as JSON values: the fields that runs share, and under `own` what only networks of one's own have."""
        shared = {name: getattr(self, name) for name in MeasurementConfig.__dataclass_fields__}
        attack = asdict(self.attack)
        own = {name: getattr(self, name) for name in ("name", "sha256", "network", "images", "typed")}
        told = {
            "objective": Objective.OWN,
            "epochs": self.epochs[-1],
            "measured_epochs": ",".join(map(str, self.epochs)),
            "subset": 0,
            "seed": 0,
            "own": own,
        }
        return json.loads(json.dumps(shared | attack | told))

    @property
    def run_id(self) -> str:
        """NAME-own-norm-s0-hash8, or dataset-model-own-…: the hash is of what is measured, wherever the files lie."""
        decides = self.to_json()
        decides["own"] = {"sha256": self.sha256, "network": self.network, "fingerprints": self.fingerprints}
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
        return f"{_title(self.name, self.dataset, self.model)}-{Objective.OWN}-{self.norm}-s0-{digest}"


def _title(name: str, dataset: str, model: str) -> str:
    """Return how a run's id begins."""
    plain = re.sub(r"[^\w.]+", "_", model)
    return name or f"{dataset}-{plain}"


def check_names(name: str, dataset: str, model: str) -> None:
    """Raise ValueError for names of which a run's id would be made that could not be a folder's name."""
    check_name(name)
    try:
        checked_name(f"{_title(name, dataset, model)}-{Objective.OWN}-{Norm.LINF}-s0-{'0' * 8}", "id of the run")
    except UnsafePathError as error:
        raise ValueError(f"{error}; give it another one: --name NAME") from None


def check_name(name: str) -> None:
    """Raise ValueError for a name that could not be a part of a folder's name and of an address."""
    if name and not re.fullmatch(RUN_NAME, name):
        raise ValueError(f"name must be of letters, digits and . _ -, at most 80 of them, got {name!r}")
