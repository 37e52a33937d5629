"""The location of the user's own images on disk, for each split: class folders, Parquet files or an npz file.

Tested by tests/rnc/datasets/test_find_splits.py.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnc.datasets import image_folder, npz_file, parquet_folder
from rnc.datasets.decoding import ImageSource
from rnc.datasets.find_splits import find_splits, join_names
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

ACCEPTED_FORMATS = "a folder with a subfolder for each class, Parquet files, or an npz file"


@dataclass(frozen=True)
class ImageLocation:
    """The images of one split: class folders in a folder, some Parquet files, or an npz file."""

    path: Path
    folders: tuple[Path, ...] = ()
    parquet: tuple[Path, ...] = ()
    split: Split = Split.TRAIN
    """The split inside an npz file."""

    @property
    def encoded(self) -> bool:
        """Return whether it contains encoded images instead of arrays."""
        return bool(self.folders or self.parquet)

    def source(self, spec: DatasetSpec) -> ImageSource:
        """Return the encoded images of a folder or of Parquet files."""
        if self.parquet:
            folder = self.path if self.path.is_dir() else self.path.parent
            return parquet_folder.ParquetFolder(spec, folder, list(self.parquet))
        return image_folder.from_class_folders(spec, self.path, list(self.folders))

    def arrays(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the arrays of an npz file; None for encoded images."""
        return None if self.encoded else npz_file.load_arrays(self.path, self.split)


def locate(data: Path, test_data: Path | None, split: Split) -> ImageLocation | None:
    """Return the location of a split; None for a test split that does not exist.

    Raises DatasetError with the accepted formats if there are no images.
    """
    if split is Split.TEST and test_data is not None:
        return locate(test_data, None, Split.TEST) or locate(test_data, None, Split.TRAIN)
    try:
        location = _in_folder(data, split) if data.is_dir() else _in_file(data, split)
    except OSError as error:
        raise DatasetError(f"{data} cannot be read ({error}); check its permissions") from error
    if location is None and split is Split.TRAIN:
        raise DatasetError(f"{data}: there are no images; give {ACCEPTED_FORMATS}")
    return location


def describe_unused(data: Path, *, only_test: bool) -> list[str]:
    """Return sentences on the unused files of a folder or npz file; with `only_test`, only its test split is used."""
    if not data.is_dir():
        location = _in_file(data, Split.TRAIN)
        if location is None or location.encoded:
            return []
        arrays = npz_file.unused_arrays(data, only_test=only_test)
        return [f"arrays {join_names(arrays)} in {data.name}"] if arrays else []
    splits = find_splits(data)
    used = [split for split in splits.files if not only_test or split is Split.TEST] or list(splits.files)
    unused = [f"the {split} images in {data.name}" for split in splits.files if split not in used]
    class_folders = [folder for split in used for folder in splits.files[split].folders]
    return splits.unused + unused + image_folder.describe_unused(class_folders)


def _in_file(path: Path, split: Split) -> ImageLocation | None:
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file or folder; give {ACCEPTED_FORMATS}")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1" or path.suffix == ".parquet":
        return ImageLocation(path, parquet=(path,)) if split is Split.TRAIN else None
    if magic[:2] == b"PK" or path.suffix == ".npz":
        exists = split is Split.TRAIN or npz_file.has_split(path, split)
        return ImageLocation(path, split=split) if exists else None
    raise DatasetError(f"{path}: the file is neither Parquet nor npz; give {ACCEPTED_FORMATS}")


def _in_folder(folder: Path, split: Split) -> ImageLocation | None:
    files = find_splits(folder).files.get(split)
    return None if files is None else ImageLocation(files.path, files.folders, files.parquet)
