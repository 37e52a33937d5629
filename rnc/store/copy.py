"""`python -m rnc.store.copy FROM TO [--run RUN …]`: copy runs into another store, networks included.

A RUN is a run id or a pattern such as 'cifar10-*'; without one all runs are copied. TO keeps its own finished runs: they
are skipped; its unfinished runs are replaced. An interrupted copy leaves TO unchanged: the rows are written in one
transaction, after the networks. Counts, contents and hashes are compared before the commit. FROM may be untrusted: a run
whose id or networks lead out of its folder is not copied. The exit code is 2 if a run could not be copied; the other runs
are copied anyway.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from fnmatch import fnmatch
from pathlib import Path

import duckdb
import pyarrow as pa

from rnc.command_output import fail, print_escaped, run_command
from rnc.safe_paths import quoted
from rnc.store.addresses import store_path
from rnc.store.checkpoint_rows import recorded_digests
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.copied_networks import networks_beside
from rnc.store.errors import StoreBusyError, StoreError, StoreMissingError, StoreWriteError
from rnc.store.file_locations import checked_run_id, real_path, run_lock_file
from rnc.store.locks import run_lock
from rnc.store.run_editor import TABLES_OF_A_RUN
from rnc.store.writer import run_state
from rnc.vocabulary import MOST_EPOCHS, RunState

MOST_COPIED_ROWS = 20_000_000
"""Maximum rows of one run in one table."""
_CONDITIONS = "SELECT * FROM condition WHERE condition IN (SELECT condition FROM run_condition WHERE run_id = ?)"


def copy_run(source: Path, target: Path, run_id: str) -> bool:
    """Copy a run into the target store; return False if it is already there and finished.

    Raises StoreError, and leaves the target unchanged, if the run is still being trained, a network is missing or damaged, its
    id or a recorded path leads elsewhere, or the rows that arrive differ from those sent.
    """
    refuse_one_store(source, target)
    with _locked(source, target, checked_run_id(run_id)):
        if _is_finished(target, run_id):
            return False
        tables = _read(source, run_id)
        recorded = recorded_digests(tables["checkpoint"])
        with networks_beside(source, target, run_id, recorded) as place, writing(target) as connection:
            _land(connection, run_id, tables)
            place()
    return True


def refuse_one_store(source: Path, target: Path) -> None:
    """Raise StoreError if two paths are names of the same store."""
    one, other = real_path(source), real_path(target)
    if one == other or (one.exists() and other.exists() and one.samefile(other)):
        raise StoreError(f"{source} and {target} are one store; name another one to copy into")


@contextmanager
def _locked(source: Path, target: Path, run_id: str) -> Iterator[None]:
    """Hold the run's lock beside both stores; stores in one folder share one lock."""
    shared = run_lock_file(source, run_id) == run_lock_file(target, run_id)
    with run_lock(source, run_id), nullcontext() if shared else run_lock(target, run_id):
        yield


def _is_finished(store: Path, run_id: str) -> bool:
    with suppress(StoreMissingError), reading(store) as connection:
        return run_state(connection, run_id) == RunState.FINISHED
    return False


def _read(source: Path, run_id: str) -> dict[str, pa.Table]:
    """Return all rows of a run, table by table, from one consistent snapshot."""
    with reading(source) as connection:
        connection.begin()
        _check_size(connection, source, run_id)
        tables = {name: _rows(connection, _of_run(name), run_id) for name in TABLES_OF_A_RUN}
        tables["condition"] = _rows(connection, _CONDITIONS, run_id)
        connection.rollback()
    if not tables["run"].num_rows:
        raise StoreError(f"no run {run_id} in {source}; list them: python -m rnc.store {source}")
    return tables


def _check_size(connection: duckdb.DuckDBPyConnection, source: Path, run_id: str) -> None:
    """Raise StoreError if a run has more rows than fit in memory at once."""
    for name in TABLES_OF_A_RUN:
        (rows,) = connection.execute(f"SELECT count(*) FROM {name} WHERE run_id = ?", [run_id]).fetchone() or (0,)
        if rows > MOST_COPIED_ROWS:
            raise StoreError(
                f"run {run_id} has {rows:,} rows in table {name} of {source}; at most {MOST_COPIED_ROWS:,} are copied"
            )
    sql = "SELECT count(DISTINCT epoch) FROM metric WHERE run_id = ?"
    (epochs,) = connection.execute(sql, [run_id]).fetchone() or (0,)
    if epochs > MOST_EPOCHS:
        raise StoreError(f"run {run_id} has {epochs:,} measured epochs in {source}; at most {MOST_EPOCHS:,} are copied")


def _of_run(table: str) -> str:
    return _CONDITIONS if table == "condition" else f"SELECT * FROM {table} WHERE run_id = ?"


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, run_id: str) -> pa.Table:
    return connection.execute(f"{sql} ORDER BY ALL", [run_id]).to_arrow_table()


def _land(connection: duckdb.DuckDBPyConnection, run_id: str, tables: dict[str, pa.Table]) -> None:
    """Replace the rows of an unfinished run, and read the new rows back within the transaction."""
    for name, rows in tables.items():
        if name != "condition":
            connection.execute(f"DELETE FROM {name} WHERE run_id = ?", [run_id])
        known = " WHERE condition NOT IN (SELECT condition FROM condition)" if name == "condition" else ""
        connection.register("incoming", rows)
        connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming{known}")
        connection.unregister("incoming")
    for name, sent in tables.items():
        arrived = _rows(connection, _of_run(name), run_id)
        if not arrived.select(sent.column_names).equals(sent):
            raise StoreError(
                f"table {name} of {run_id} arrived with {arrived.num_rows} rows that are not the {sent.num_rows} sent; "
                f"nothing of {run_id} was copied"
            )


def main(arguments: list[str]) -> int:
    """Print one line per run."""
    parser = argparse.ArgumentParser(
        prog="python -m rnc.store.copy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    parser.add_argument("--run", nargs="+", default=["*"], metavar="RUN")
    given = parser.parse_args(arguments)
    code = 0
    try:
        source, target = store_path(given.source), store_path(given.target)
        refuse_one_store(source, target)
        for run_id in _chosen(source, given.run):
            code = max(code, _copied(source, target, run_id))
    except (StoreError, OSError) as error:
        return fail(error, 2)
    return code


def _copied(source: Path, target: Path, run_id: str) -> int:
    """Copy one run, print the result and return the exit code. Errors that would also stop the other runs are raised."""
    try:
        new = copy_run(source, target, run_id)
    except (StoreBusyError, StoreWriteError):
        raise
    except (StoreError, duckdb.Error) as error:
        return fail(f"run {quoted(str(run_id))} was not copied: {error}", 2)
    print_escaped(f"{run_id}: {'copied' if new else 'already there, finished'}")
    return 0


def _chosen(source: Path, wanted: list[str]) -> list[str]:
    with reading(source) as connection:
        rows = connection.execute("SELECT DISTINCT run_id FROM run ORDER BY run_id").fetchall()
    present = [str(run_id) for (run_id,) in rows]
    for pattern in wanted:
        if not any(fnmatch(run_id, pattern) for run_id in present):
            raise StoreError(f"no run {pattern} in {source}; list them: python -m rnc.store {source}")
    return [run_id for run_id in present if any(fnmatch(run_id, pattern) for pattern in wanted)]


if __name__ == "__main__":
    run_command(main)
