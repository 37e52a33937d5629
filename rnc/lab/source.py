"""The source of an attack in the lab: a stored network and its images. Does not import torch."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rnc.lab.checks import RequestError, member, text, whole
from rnc.safe_paths import UnsafePathError, path_inside, quoted
from rnc.vocabulary import Split

_MOST = 2**31 - 1
_MOST_LETTERS = {"checkpoint": 4096, "run_id": 1000, "dataset": 2**19, "model": 1000, "fingerprint": 200}
"""Longest length of each text; a data set may be a reference to a user's images with the names of their classes."""


@dataclass(frozen=True)
class Source:
    """A stored network and the images that it is attacked on, as a run recorded them. Raises RequestError."""

    checkpoint: str
    """The file's path. The result depends on the file's `sha256`, not on its place."""
    sha256: str
    run_id: str
    epoch: int
    dataset: str
    split: Split
    subset: int = 0
    """The number of images of the split that the run used; 0 for all."""
    fingerprint: str | None = None
    """`ImageSet.fingerprint` of these images; None if the run did not record it."""
    model: str = ""
    """The name of the network's model; networks of the same name are expected to take equally long."""

    def __post_init__(self) -> None:
        """Check the fields and convert the split to its enum."""
        object.__setattr__(self, "split", member(Split, "split", self.split))
        whole("epoch", self.epoch, 0, _MOST)
        whole("subset", self.subset, 0, _MOST)
        for name in ("checkpoint", "run_id", "dataset"):
            text(f"{name} of a source", getattr(self, name))
        for name, most in _MOST_LETTERS.items():
            if isinstance(value := getattr(self, name), str) and len(value) > most:
                raise RequestError(f"the {name} of a source may have {most:,} letters, got {len(value):,}")
        if not isinstance(self.sha256, str) or len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise RequestError(f"the sha256 of a checkpoint has 64 hexadecimal digits, got {self.sha256!r}")
        if not isinstance(self.model, str) or not isinstance(self.fingerprint, str | None):
            raise RequestError("model and fingerprint of a source must be texts")

    @property
    def label(self) -> str:
        """The label shown to users: `RUN · epoch 10 · test`."""
        return f"{self.run_id} · epoch {self.epoch} · {self.split}"

    @property
    def determines(self) -> dict[str, Any]:
        """The fields on which a result depends."""
        names = ("sha256", "dataset", "split", "subset", "fingerprint")
        return {name: getattr(self, name) for name in names}


def source_to_json(source: Source) -> dict[str, Any]:
    """Return the source as a JSON object; `Source(**object)` reads it back."""
    return {f.name: getattr(source, f.name) for f in fields(source)}


def check_place(source: Source, folders: Iterable[Path]) -> None:
    """Raise RequestError unless the network lies inside one of the folders after symbolic links are resolved."""
    place, reason = Path(source.checkpoint), ""
    for folder in folders:
        for home in (folder.absolute(), folder.resolve()):
            if not place.is_relative_to(home):
                continue
            try:
                path_inside(home, place.relative_to(home).as_posix(), "checkpoint")
                return
            except UnsafePathError as error:
                reason = f": {error}"
    raise RequestError(
        f"the network {quoted(source.checkpoint)} is not read"
        f"{reason or ': it lies outside the folders of this store and gallery'}"
    )
