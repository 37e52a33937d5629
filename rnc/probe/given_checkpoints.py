"""The checkpoint files that a command names, directly or by folder.

Tested by tests/rnc/probe/test_epochs_in_file_names.py.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rnc.models.external_weights import SUFFIXES, contains_weights
from rnc.probe.epochs_in_file_names import epochs_in_names
from rnc.safe_paths import quoted

_LISTED = 8


def checkpoint_files(given: Sequence[Path], *, skip_files_without_epoch: bool) -> tuple[list[Path], list[str]]:
    """Return the named files and those in the named folders, and sentences on the files skipped in the folders.

    In a folder, files without weights are skipped, such as those of an optimiser; with `skip_files_without_epoch`, those
    whose names contain no epoch as well, if the names of others do. A file that is named directly is never skipped.
    Raises ValueError if there are no files, or if an epoch is ambiguous.
    """
    files: list[Path] = []
    sentences: list[str] = []
    for path in given:
        if path.is_dir():
            inside, skipped = _in_folder(path, numbered=skip_files_without_epoch)
            files += inside
            sentences += skipped
        else:
            files.append(path)
    if not files:
        raise ValueError("name the checkpoints: --checkpoint FILE [FILE ...], or a folder of them")
    return files, sentences


def _in_folder(folder: Path, *, numbered: bool) -> tuple[list[Path], list[str]]:
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    checkpoints = [path for path in paths if path.name.lower().endswith(SUFFIXES) and path.is_file()]
    if not checkpoints:
        folders = [path for path in paths if path.is_dir()]
        inside = f"; it contains the folders {_listed(folders)}; name the files in them" if folders else ""
        raise ValueError(f"checkpoint {folder} is a folder without {', '.join(SUFFIXES)} files{inside}")
    weights = [path for path in checkpoints if contains_weights(path)]
    if not weights:
        raise ValueError(f"checkpoint {folder} is a folder whose files contain no weights: {_listed(checkpoints)}")
    files = list(epochs_in_names(weights)[0]) if numbered else weights
    reasons = {
        "their suffix is not that of a checkpoint": [path for path in paths if path not in checkpoints],
        "they contain no weights": [path for path in checkpoints if path not in weights],
        "their names contain no epoch, but those of others do": [path for path in weights if path not in files],
    }
    return files, [f"skipped in {folder}: {_listed(paths)} ({why})" for why, paths in reasons.items() if paths]


def _listed(paths: Sequence[Path]) -> str:
    return listed(path.name for path in paths)


def listed(names: Iterable[str], most: int = _LISTED) -> str:
    """Return the names in one line, the first `most` if there are many; each is made safe to print."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(quoted(name) for name in every[:most]) + more
