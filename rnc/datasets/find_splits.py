"""The training and the test split of the user's own images, found by their names, and the files next to them.

Splits are recognised by common names (`folder_names.split_of`), ignoring case: as folders of class folders, as names of
Parquet files, or as folders of Parquet files (the hub's `train/0000.parquet`), the last also inside a folder `data` or
a subset's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnc.datasets import folder_names, image_folder, parquet_folder
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.safe_paths import quoted
from rnc.vocabulary import Split

_LISTED = 6
_PARQUET = ".parquet"


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split: class folders in a folder, or some Parquet files."""

    path: Path
    name: str = ""
    """The name of the split as written there; empty if the whole folder is the split."""
    folders: tuple[Path, ...] = ()
    parquet: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FolderSplits:
    """The splits of a folder, and sentences on the other files there, which are not used."""

    files: dict[Split, SplitFiles] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def find_splits(folder: Path) -> FolderSplits:
    """Find the splits of a folder; the result is empty if it contains neither Parquet files nor class folders.

    Raises DatasetError with a remedy if there are several subsets, if a numbered series is incomplete, or if there are
    only test images.
    """
    for base in (folder, folder / "data"):
        splits = _parquet_splits(base)
        if splits.files:
            return splits
    subsets = {path: splits for path in image_folder.class_folders(folder) if (splits := _parquet_splits(path)).files}
    if len(subsets) > 1:
        raise DatasetError(
            f"{folder} contains several subsets: {join_names(path.name for path in subsets)}; "
            f"choose one of them: --data {next(iter(subsets))}"
        )
    if subsets:
        others = [path for path in _visible(folder) if path not in subsets]
        (splits,) = subsets.values()
        return FolderSplits(splits.files, splits.unused + _describe_others(folder, others))
    return _image_splits(folder)


def join_names(names: Iterable[str], most: int = _LISTED) -> str:
    """Return the names in one line, the first ones if there are many; each is made safe to print."""
    all_names = list(names)
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(quoted(name) for name in all_names[:most]) + more


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _describe_others(folder: Path, paths: Sequence[Path]) -> list[str]:
    return [f"next to the images in {folder.name}: {join_names(path.name for path in paths)}"] if paths else []


def _describe_alternatives(split: Split, used: str, others: Sequence[str]) -> list[str]:
    return [f"{join_names(others)}, because {used!r} is the {split} part"] if others else []


def _parquet_splits(base: Path) -> FolderSplits:
    """Return the splits in a folder that are Parquet files, or subfolders of them named after splits."""
    entries = _visible(base)
    direct_files = [path for path in entries if path.name.lower().endswith(_PARQUET) and path.is_file()]
    groups, ungrouped = _group_by_split_name(entries, direct_files)
    if not groups and direct_files:
        parquet_folder.check_series(direct_files)
        train = SplitFiles(base, parquet=tuple(direct_files))
        others = [path for path in entries if path not in direct_files]
        return FolderSplits({Split.TRAIN: train}, _describe_others(base, others))
    files: dict[Split, SplitFiles] = {}
    unused: list[str] = []
    used: list[Path] = []
    for split in Split:
        names = sorted(
            (name for name in groups if folder_names.split_of(name) is split),
            key=folder_names.priority,
        )
        if names:
            parquet_folder.check_series(groups[names[0]])
            files[split] = SplitFiles(base, names[0], parquet=tuple(groups[names[0]]))
            unused += _describe_alternatives(split, names[0], names[1:])
            used += [path for name in names for path in (*groups[name], groups[name][0].parent)]
    if files and Split.TRAIN not in files:
        raise DatasetError(
            f"{base} has test images, but no training images by their names; the other files are: "
            f"{join_names(path.name for path in ungrouped) or 'none'}; give both: --data FILE --test-data FILE"
        )
    others = [path for path in entries if path not in used] if files else []
    return FolderSplits(files, unused + _describe_others(base, others))


def _group_by_split_name(entries: list[Path], direct_files: list[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """Return the files grouped by the name of their split, and the files outside subfolders that have no such name."""
    groups: dict[str, list[Path]] = {}
    for path in direct_files:
        name = folder_names.split_name_in(path.name[: -len(_PARQUET)])
        if name:
            groups.setdefault(name, []).append(path)
    for folder in entries:
        if folder.is_dir() and folder_names.split_of(folder.name) and folder.name not in groups:
            files = [path for path in _visible(folder) if path.name.lower().endswith(_PARQUET)]
            if files:
                groups[folder.name] = files
    grouped = {path for files in groups.values() for path in files}
    return groups, [path for path in direct_files if path not in grouped]


def _image_splits(folder: Path) -> FolderSplits:
    """Return the splits in a folder that are folders of class folders, or the class folders directly inside it."""
    subfolders = image_folder.class_folders(folder)
    split_folders = {path: image_folder.class_folders(path) for path in subfolders if folder_names.split_of(path.name)}
    train, other_trains = _train_split(folder, subfolders, split_folders)
    if not train.folders:
        return FolderSplits()
    tests = [
        path for path in split_folders if path not in train.folders and folder_names.split_of(path.name) is Split.TEST
    ]
    tests.sort(key=_priority)
    usable = [path for path in tests if _share_a_class(split_folders[path], train.folders)]
    unusable = [path.name for path in tests if path not in usable]
    files = {Split.TRAIN: train}
    unused = _describe_alternatives(Split.TRAIN, train.name, [path.name for path in other_trains])
    if usable:
        files[Split.TEST] = SplitFiles(usable[0], usable[0].name, folders=tuple(split_folders[usable[0]]))
        unused += _describe_alternatives(Split.TEST, usable[0].name, [path.name for path in usable[1:]])
    if unusable:
        unused.append(f"{join_names(unusable)}, because no folders of the classes are in it")
    named = {*other_trains, *tests, *([train.path] if train.name else [])}
    for split in files.values():
        others = [path for path in _visible(split.path) if path not in (*split.folders, *named)]
        unused += _describe_others(split.path, others)
    if train.name:
        unused += _describe_others(folder, [path for path in _visible(folder) if path not in named])
    return FolderSplits(files, unused)


def _train_split(
    folder: Path, subfolders: list[Path], split_folders: dict[Path, list[Path]]
) -> tuple[SplitFiles, list[Path]]:
    """Return the training split, and the other folders that are named like one.

    Raises DatasetError if there are only test images.
    """
    trains = [
        path for path, inner in split_folders.items() if inner and folder_names.split_of(path.name) is Split.TRAIN
    ]
    if trains:
        trains.sort(key=_priority)
        return SplitFiles(trains[0], trains[0].name, folders=tuple(split_folders[trains[0]])), trains[1:]
    classes = [path for path in subfolders if not _is_test_split(path, split_folders, subfolders)]
    if subfolders and len(classes) < len(subfolders) and len(classes) < 2:
        raise DatasetError(
            f"{folder} has no training images, only {join_names(path.name for path in subfolders)}; to measure one of them, "
            f"give it: --data {subfolders[0]}"
        )
    return SplitFiles(folder, folders=tuple(classes)), []


def _priority(path: Path) -> tuple[int, str]:
    return folder_names.priority(path.name)


def _is_test_split(path: Path, split_folders: dict[Path, list[Path]], siblings: list[Path]) -> bool:
    """Return whether a folder named like a test split is one, and not a class of that name.

    It is one if its subfolders are named like the folders next to it, or if all of these are such splits too.
    """
    if not split_folders.get(path) or folder_names.split_of(path.name) is not Split.TEST:
        return False
    others = [sibling for sibling in siblings if sibling not in split_folders]
    return (not others and all(split_folders.values())) or _share_a_class(split_folders[path], others)


def _share_a_class(folders: Sequence[Path], classes: Sequence[Path]) -> bool:
    """Return whether at least one of some folders is named like a class."""
    if not classes:
        return False
    spec = DatasetSpec("", tuple(path.name for path in classes), (1, 1, 1), (), ())
    return any(folder_names.label_of(spec, path.name) is not None for path in folders)
