"""The store that this app shows: its one reader, its writer, and the training that the app may start into it.

Tested by tests/pages/test_pages.py.
"""

from pathlib import Path

import streamlit as st

from rnc.store.addresses import gallery_path, store_path
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.ui.readonly import refuse_if_readonly
from rnc.ui.training_process import Training, training_of


@st.cache_resource(show_spinner=False)
def _reader(path: Path, gallery: Path | None) -> StoreReader:
    return StoreReader(path, gallery)


def reader() -> StoreReader:
    """Return the reader of this app's store and of the gallery, shared by all sessions."""
    return _reader(store_path().resolve(), gallery_path())


def writer() -> StoreWriter:
    """Return the writer, the only way for a page to change the store. Raises ReadOnlyError in a public view."""
    refuse_if_readonly()
    return StoreWriter(store_path().resolve())


def training() -> Training:
    """Return the training that this app may start into its store."""
    return training_of(store_path().resolve())
