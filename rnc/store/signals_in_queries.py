"""The stop of a program (Ctrl-C, SIGTERM) while DuckDB runs a query."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


@contextmanager
def interruption_as_raised(connection: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
    """Raise the exception of a signal handler, such as KeyboardInterrupt, as the handler raised it.

    DuckDB calls signal handlers while a query runs, and reports an exception of theirs as RuntimeError("Query interrupted"),
    which a caller would take for a failure. The query goes on in DuckDB's threads, and a rollback or the end of the connection
    would wait for it; the query of the given connection is ended.
    """
    try:
        yield
    except RuntimeError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, Exception):
            raise
        if connection:
            connection.interrupt()
        raise cause from None
