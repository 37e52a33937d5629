"""The permission to read the user's own images for a store that names their folder.

A store names the location of the images of an external network. A store from an untrusted source could name any folder
of this machine, and pages would show its content. Images are therefore read only from folders that `train.measure` used
on this account before, which it records in a file in the home folder, and from those that `RNC_IMAGES` lists.
"""

import os
from pathlib import Path

from rnc import names_entered_by_user
from rnc.datasets.custom import CustomImages
from rnc.datasets.specs import DatasetError

FOLDERS_VARIABLE = "RNC_IMAGES"
"""Environment variable with additional allowed folders, separated as in PATH."""
_FILE = "image_folders.jsonl"


def record_as_allowed(images: CustomImages) -> None:
    """Record that images may be read for stores from now on. Raises OSError if the home folder is not writable."""
    names_entered_by_user.append_missing_to_file(_FILE, [str(path) for path in _folders(images)])


def refuse_unless_allowed(images: CustomImages) -> None:
    """Raise DatasetError if a store names images on which no network was measured from this account."""
    listed = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    allowed = [*_recorded(), *(Path(folder).expanduser().resolve() for folder in listed if folder)]
    if any(not path.is_absolute() for path in (images.data, images.test_data) if path is not None):
        raise DatasetError(
            f"the images of this run are not available: {images.data} belongs to a published run, which comes without the "
            "images of its author; measure the network again on your own copy of them"
        )
    try:
        folders = _folders(images)
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(
            f"the store names images by a path that is not valid ({error}); measure the network again"
        ) from None
    for folder in folders:
        if not any(folder.is_relative_to(parent) for parent in allowed):
            raise DatasetError(
                f"the store names images in {folder}, but no network was measured on them from this account, so they are "
                f"not read; if you trust the store, start the app with {FOLDERS_VARIABLE}={folder}"
            )


def record_path() -> Path:
    """Return the path of the file with the recorded folders, even if it does not exist."""
    return names_entered_by_user.state_file(_FILE)


def _folders(images: CustomImages) -> list[Path]:
    return [path.resolve() for path in (images.data, images.test_data) if path is not None]


def _recorded() -> list[Path]:
    return [path for path in map(Path, names_entered_by_user.texts_in_file(_FILE)) if path.is_absolute()]
