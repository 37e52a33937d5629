"""The check that the images of a run are on this machine, before an attack asks for them.

Tested by tests/pages/test_lab_form.py.
"""

import numpy as np
import streamlit as st

from rnc import datasets
from rnc.store.addresses import store_path
from rnc.ui.readonly import is_readonly, without_folder
from rnc.vocabulary import Split

_PRESENT = "lab_images_present"


def reason_without_images(images_from: str, split: Split) -> str | None:
    """Return why images of a split cannot be attacked here, and how to get them; None if they are there.

    Nothing is downloaded. Images that were there once in a session are not looked for again.
    """
    place = (images_from, str(split), str(datasets.data_root()))
    present: set[tuple[str, str, str]] = st.session_state.setdefault(_PRESENT, set())
    if place in present:
        return None
    try:
        datasets.load_subset(images_from, split, np.array([0]))
    except (ValueError, OSError) as error:
        why = without_folder(str(error), store_path()).rstrip(".")
        return f"The attack needs images that are not on this machine: {why}{_way_to_download(images_from, split)}"
    present.add(place)
    return None


def _way_to_download(images_from: str, split: Split) -> str:
    """Return the command that downloads a split, as the end of a sentence; nothing for images of users, and in a public view."""
    if images_from not in datasets.names() or is_readonly():
        return ""
    command = f"from rnc import datasets; datasets.load('{images_from}', '{split}')"
    return f', or download them there with: python -c "{command}"'
