"""`python -m rnc.store.copy FROM TO [--run RUN …]`: bring runs into another store, networks included.

A RUN is a run id or a pattern such as 'cifar10-*'; without one all runs go along. What TO has already it keeps: a finished
run is skipped, an unfinished one gives way. Interrupted copies leave TO as it was: rows land in one transaction, after
the networks. Counts, contents and hashes are compared before it is committed. The exit code is 2 on errors.
"""

import argparse
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

import duckdb
import pyarrow as pa

from rnc.command_line import fail, run_command, say
from rnc.store.connection import StoreError, StoreMissingError, reading, store_path, writing
from rnc.store.run_lock import run_lock
from rnc.store.writer import run_state
from rnc.vocabulary import RunState

_CONDITIONS = "SELECT * FROM condition WHERE condition IN (SELECT condition FROM run_condition WHERE run_id = ?)"


def copy_run(source: Path, target: Path, run_id: str) -> bool:
    """Bring a run into the target store; whether it was not there yet, finished.

    Raises StoreError, and leaves the target as it was, where a run is still being trained, a network is missing or
    damaged, or what arrived is not what was sent.
    """
    with run_lock(source, run_id), run_lock(target, run_id):
        if _is_finished(target, run_id):
            return False
        tables = _read(source, run_id)
        with _networks_beside(source, target, run_id, tables["checkpoint"]) as place, writing(target) as connection:
            _land(connection, run_id, tables)
            place()
    return True


def _is_finished(store: Path, run_id: str) -> bool:
    with suppress(StoreMissingError), reading(store) as connection:
        return run_state(connection, run_id) == RunState.FINISHED
    return False


def _read(source: Path, run_id: str) -> dict[str, pa.Table]:
    """All rows of a run, table by table, as they are at one moment."""
    with reading(source) as connection:
        connection.begin()
        found = {name: _rows(connection, _of_run(name), run_id) for name in _tables(connection)}
        found["condition"] = _rows(connection, _CONDITIONS, run_id)
        connection.rollback()
    if not found["run"].num_rows:
        raise StoreError(f"no run {run_id} in {source}; list them: python -m rnc.store {source}")
    return found


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Those with rows of runs, whatever the schema has."""
    sql = """SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_catalog, table_name)
             WHERE column_name = 'run_id' AND table_type = 'BASE TABLE' AND table_catalog = current_database()
             ORDER BY table_name"""
    found = [name for (name,) in connection.execute(sql).fetchall()]
    return [name for name in found if name.isidentifier()]  # (others are none of ours, and SQL is made of these)


def _of_run(table: str) -> str:
    return _CONDITIONS if table == "condition" else f"SELECT * FROM {table} WHERE run_id = ?"


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, run_id: str) -> pa.Table:
    return connection.execute(f"{sql} ORDER BY ALL", [run_id]).fetch_arrow_table()


@contextmanager
def _networks_beside(source: Path, target: Path, run_id: str, checkpoints: pa.Table) -> Iterator[Callable[[], None]]:
    """Copy the networks, and what an unfinished run goes on from, under other names; what is yielded puts them in place.

    Where the block fails, the files in their places are those of before.
    """
    wanted = dict(zip(checkpoints["path"].to_pylist(), checkpoints["sha256"].to_pylist(), strict=True))
    resume = Path("checkpoints") / run_id / "resume.safetensors"
    if (source.parent / resume).exists():
        wanted[str(resume)] = _digest(source.parent / resume)
    finals = [target.parent / name for name in wanted]
    placed: list[Path] = []
    try:
        for name, digest in wanted.items():
            _stage(source.parent / name, target.parent / name, digest)
        yield lambda: _place(finals, placed)
    except BaseException:
        for final in placed:
            final.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _beside(final, "before").replace(final)
        raise
    finally:
        for final in finals:
            _beside(final, "partial").unlink(missing_ok=True)
            _beside(final, "before").unlink(missing_ok=True)


def _stage(file: Path, final: Path, digest: str) -> None:
    """Copy a file beside its place, and compare what arrived with its hash."""
    if not file.exists():
        raise StoreError(f"network {file} is missing; nothing of its run was copied")
    final.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, _beside(final, "partial"))
    if _digest(_beside(final, "partial")) != digest:
        raise StoreError(f"network {file} is damaged; nothing of its run was copied")


def _place(finals: list[Path], placed: list[Path]) -> None:
    """Give files their names, and note each in `placed`; what had one of these names is kept beside it."""
    for final in finals:
        if final.exists():
            final.replace(_beside(final, "before"))
        placed.append(final)
        _beside(final, "partial").replace(final)


def _beside(file: Path, kind: str) -> Path:
    return file.with_name(f".{file.name}.{kind}")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _land(connection: duckdb.DuckDBPyConnection, run_id: str, tables: dict[str, pa.Table]) -> None:
    """Put the rows in the place of those of an unfinished run, and read them back within the transaction."""
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
    """Print one line a run."""
    parser = argparse.ArgumentParser(
        prog="python -m rnc.store.copy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=store_path, metavar="FROM")
    parser.add_argument("target", type=store_path, metavar="TO")
    parser.add_argument("--run", nargs="+", default=["*"], metavar="RUN")
    given = parser.parse_args(arguments)
    try:
        for run_id in _chosen(given.source, given.run):
            new = copy_run(given.source, given.target, run_id)
            say(f"{run_id}: {'copied' if new else 'already there, finished'}")
    except StoreError as error:
        return fail(error, 2)
    return 0


def _chosen(source: Path, wanted: list[str]) -> list[str]:
    with reading(source) as connection:
        present = [run_id for (run_id,) in connection.execute("SELECT run_id FROM run ORDER BY run_id").fetchall()]
    for pattern in wanted:
        if not any(fnmatch(run_id, pattern) for run_id in present):
            raise StoreError(f"no run {pattern} in {source}; list them: python -m rnc.store {source}")
    return [run_id for run_id in present if any(fnmatch(run_id, pattern) for pattern in wanted)]


if __name__ == "__main__":
    run_command(main)
