"""Named queries to the store with DataFrames as answers, grouped by subject (`rnc/store/queries/`).

Caching: `rnc/store/cached_queries.py`. Results are shared: do not change them in place.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from rnc.store.backends import backend_of
from rnc.store.cached_queries import CachedQueries
from rnc.store.queries.metrics import MetricQueries
from rnc.store.queries.runs import RunQueries
from rnc.store.queries.samples import SampleQueries
from rnc.store.queries.saved_lab_results import LabQueries
from rnc.store.queries.vectors import VectorQueries


class StoreReader:
    """Queries to one store and the published runs beside it. Safe to share between threads.

    Example: `reader.runs.all()`, `reader.metrics.curves([run_id], ["clean"], "train", ["nc1"])`.
    """

    def __init__(self, path: Path, gallery: Path | None = None) -> None:
        """Set the paths of the store and of a folder of published runs; if neither exists yet, answers are those of no runs.

        The store may itself be such a folder; then only its runs are read.
        """
        self._cached = CachedQueries(path, gallery)
        self.runs = RunQueries(self._cached)
        self.metrics = MetricQueries(self._cached)
        self.vectors = VectorQueries(self._cached)
        self.samples = SampleQueries(self._cached, self.runs)
        self.lab = LabQueries(self._cached)

    @property
    def path(self) -> Path:
        """The store's path."""
        return self._cached.path

    def one_version(self) -> AbstractContextManager[None]:
        """Return a block within which all queries ask one version of the store (`CachedQueries.one_version`)."""
        return self._cached.one_version()

    def kept_open(self) -> AbstractContextManager[None]:
        """Return a block of many queries by this thread, for which the store is opened a few times a second, not each time."""
        return self._cached.kept_open()

    @property
    def is_kept_open(self) -> bool:
        """True if this thread is within such a block, in which it must not wait for another thread."""
        return self._cached.is_kept_open

    def version(self) -> tuple[int, ...]:
        """Return a value that changes with the store and the folder of published runs."""
        return self._cached.version()

    def left_out(self) -> dict[str, str]:
        """Return the published runs that are not read: the name of each one's folder, and the reason."""
        return self._cached.left_out()

    def unused_bytes(self) -> int:
        """Return the unused bytes that deleted rows have left in the store's file; 0 if there is no such file."""
        if not backend_of(self.path).is_one_file:
            return 0
        sizes = self._cached.query(
            """SELECT block_size * free_blocks AS free, block_size * used_blocks AS used FROM pragma_database_size()
               WHERE database_name = current_database()"""
        )
        if sizes.empty or not self.path.is_file():
            return 0
        # Free blocks at the end of the file are counted as free, but the file has been cut already.
        beyond = self.path.stat().st_size - int(sizes["used"].iloc[0])
        return max(0, min(int(sizes["free"].iloc[0]), beyond))
