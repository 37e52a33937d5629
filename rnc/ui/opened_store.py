"""The store that this app shows: its one reader, its writer, and the training that the app may start into it."""

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from functools import cache, lru_cache, wraps
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

from rnc.store.addresses import gallery_path, store_path
from rnc.store.compute_once import LocksByKey
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.ui.readonly import refuse_if_readonly
from rnc.ui.training_process import Training, training_of

_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")
_MOST_KEPT = 64
"""Largest number of results kept for each function; those that were used last stay."""


@cache
def _reader(path: Path, gallery: Path | None) -> StoreReader:
    return StoreReader(path, gallery)


def reader() -> StoreReader:
    """Return the reader of this app's store and of the gallery, shared by all sessions."""
    return _reader(store_path(), gallery_path())


def cached_until_store_changes(compute: Callable[_Arguments, _Value]) -> Callable[_Arguments, _Value]:
    """Make a function of the store keep its results until the store changes, or the app shows another one.

    The arguments must be hashable. All sessions share the results: do not change them in place. Of several sessions that want
    the same result at once, one computes it.
    """
    return _cached_until_change(lambda: reader().version(), compute)


def cached_until_runs_change(compute: Callable[_Arguments, _Value]) -> Callable[_Arguments, _Value]:
    """Make a function of runs and their configs keep its results until there are others, whatever is measured meanwhile."""
    return _cached_until_change(lambda: reader().runs.configs_version(), compute)


def _cached_until_change(
    version: Callable[[], Hashable], compute: Callable[_Arguments, _Value]
) -> Callable[_Arguments, _Value]:
    stores: dict[Hashable, tuple[Hashable, Callable[_Arguments, _Value]]] = {}
    lock, computing = Lock(), LocksByKey()

    @wraps(compute)
    def current(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Value:
        # The version is read first: a change during the computation gives the next call a version of its own.
        place, version_now = (store_path(), gallery_path()), version()
        with lock:
            known_version, cached = stores.get(place, (None, compute))
            if known_version != version_now:  # nothing of the version before is kept: a training changes it often
                cached = lru_cache(_MOST_KEPT)(compute)  # type: ignore[assignment]  # (the arguments are hashable)
                stores[place] = version_now, cached
        # Whoever keeps the store open waits for nobody: the other thread could be waiting for the store to be closed.
        with nullcontext() if reader().is_kept_open else computing.of((cached, arguments, *options.items())):
            return cached(*arguments, **options)

    return current


def writer() -> StoreWriter:
    """Return the writer, the only way for a page to change the store. Raises ReadOnlyError in a public view."""
    refuse_if_readonly()
    return StoreWriter(store_path())


def training() -> Training:
    """Return the training that this app may start into its store."""
    return training_of(store_path())
