"""Lakes whose catalog, data files or `rnc.lake` a stranger has written: `make test-lake` (PostgreSQL, requirements-lake.txt)."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rnc.store import lake_store
from rnc.store.addresses import store_path
from rnc.store.copy import copy_run
from tests.rnc.store import postgres
from tests.security import hostile_stores as make
from tests.security.guard import MARKER, World
from tests.security.hostile_stores import HONEST, RUN, TEXTS, Base
from tests.security.job_server import Server
from tests.security.test_hostile_stores import Step

pytestmark = pytest.mark.skipif("RNC_TEST_LAKE" not in os.environ, reason="needs a lake: make test-lake")


@pytest.fixture(scope="module")
def catalogs() -> Iterator[str]:
    """A PostgreSQL server: what libpq needs to reach it, but for the data base's name."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with postgres.server(durable=False) as server:
        yield server


class Lake:
    """A lake in the stranger's folder, and the stranger's ways into its catalog."""

    def __init__(self, address: str, given: str) -> None:
        self.address = address
        self.store = store_path(address)
        self._given = given
        self._database = next(part for part in address.split() if part.startswith("dbname=")).removeprefix("dbname=")

    def psql(self, sql: str) -> None:
        """Change the catalog where it lies."""
        host, port, user = (part.split("=")[1] for part in self._given.split())
        where = postgres.programs()
        assert where is not None
        command = [
            where / "psql",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            host,
            "-p",
            port,
            "-U",
            user,
            "-c",
            sql,
            self._database,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def change(self, *statements: str) -> None:
        """Change the lake by DuckDB, as anybody may who reaches the catalog."""
        with duckdb.connect() as connection:
            connection.execute(f"SET extension_directory = '{Path.home() / '.cache' / 'rnc' / 'duckdb'}'")
            for extension in lake_store._EXTENSIONS:
                connection.execute(f"LOAD {extension}")
            catalog = self.address.partition(" data=")[0]
            connection.execute(f"ATTACH '{catalog}' AS lake (DATA_PATH '{self.store.with_suffix('.data')}/'); USE lake")
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def shared(catalogs: str, base: Base, world: World, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with both runs of the honest store, whose address the victim has given once; in the victim's folder lies a table
    that could be one of its files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(world.scratch / "state"))  # (as in the server of jobs)
    made = Lake(postgres.new_lake(catalogs, world.given), catalogs)
    for run_id in (RUN, HONEST):
        copy_run(base.store, made.store, run_id)
    with duckdb.connect() as connection:
        table = f"SELECT '{RUN}' AS run_id, ['{MARKER}'] AS tags, '{MARKER}' AS note, NULL::TIMESTAMP AS archived_at"
        connection.execute(f"COPY ({table}) TO '{world.victim / 'private.parquet'}' (FORMAT parquet)")
    return made


def steps(made: Lake, *pages: str) -> list[Step]:
    """All that is done with a lake that is named by the file that stands for it."""
    given = {"store": str(made.store)}
    shown = [(f"page:{name}", given | {"asked": {"runs": [RUN, HONEST]}}) for name in pages or ("runs", "collapse")]
    commands = ("list", "doctor", "copy", "export", "kept", "list:upgrade", "doctor:repair")
    return [*shown, *((name, given) for name in commands)]


def test_an_honest_lake_passes(server: Server, shared: Lake, world: World) -> None:
    report = server.run(
        world, steps(shared, "runs", "collapse", "findings", "geometry", "projections", "film", "layers", "attack_lab")
    )
    report.assert_harmless()
    assert RUN in report.steps["list"] and "copied" in report.steps["copy"]


_FILE = "UPDATE ducklake_data_file SET {} WHERE table_id = (SELECT max(table_id) FROM ducklake_table WHERE table_name = '{}')"
_DELETED = (
    "INSERT INTO ducklake_delete_file (delete_file_id, table_id, begin_snapshot, data_file_id, path, path_is_relative, format, "
    "delete_count, file_size_bytes, footer_size) SELECT 90000 + data_file_id, table_id, begin_snapshot, data_file_id, '{}', "
    "false, 'parquet', 1, 100, 10 FROM ducklake_data_file"
)
_CATALOGS: dict[str, str] = {
    "an absolute file": _FILE.format("path = '{victim}/private.parquet', path_is_relative = false", "run_mark"),
    "a file above": _FILE.format("path = '../../../../victim/private.parquet'", "run_mark"),
    "a pipe": _FILE.format("path = '{victim}/pipe', path_is_relative = false", "run"),
    "a device": _FILE.format("path = '{victim}/zero', path_is_relative = false", "run"),
    "another machine": _FILE.format("path = 'https://evil.example/x.parquet', path_is_relative = false", "run"),
    "a bucket": _FILE.format("path = 's3://evil/x.parquet', path_is_relative = false", "run"),
    "another folder": "UPDATE ducklake_metadata SET value = '{victim}/' WHERE key = 'data_path'",
    "a table's folder": "UPDATE ducklake_table SET path = '{victim}/', path_is_relative = false",
    "a schema's folder": "UPDATE ducklake_schema SET path = '../../../victim/', path_is_relative = true",
    "a file of deletions": _DELETED.format("{victim}/pipe"),
    "wrong counts": "UPDATE ducklake_data_file SET record_count = 9223372036854775807, file_size_bytes = 9223372036854775807",
    "wrong columns": "UPDATE ducklake_column SET column_type = 'varchar' WHERE column_type IN ('int32', 'float64')",
    "defaults": "UPDATE ducklake_column SET initial_default = '{victim}', default_value = '''x''); SELECT 1; --'",
    "a server that waits": "ALTER TABLE ducklake_snapshot RENAME TO kept; CREATE VIEW ducklake_snapshot AS "
                           "SELECT kept.* FROM kept, pg_sleep(100000)",
    "a catalog of views": "ALTER TABLE ducklake_data_file RENAME TO kept; CREATE VIEW ducklake_data_file AS "
                          "SELECT kept.* FROM kept, generate_series(1, 100000)",
}  # fmt: skip


@pytest.mark.parametrize("attack", _CATALOGS)
def test_catalogs(attack: str, server: Server, shared: Lake, world: World) -> None:
    shared.psql(_CATALOGS[attack].replace("{victim}", str(world.victim)))
    server.run(world, steps(shared)).assert_harmless()


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("table", ["run_mark", "condition"])
def test_views(table: str, number: int, server: Server, shared: Lake, world: World) -> None:
    expression = make.reads(number, world)
    columns = {
        "run_mark": f"run_id, tags, {expression} AS note, archived_at",
        "condition": f"* REPLACE ({expression} AS norm)",
    }
    view = f"CREATE VIEW {table} AS SELECT {columns[table]} FROM other"
    try:
        shared.change(f"ALTER TABLE {table} RENAME TO other", view)
    except duckdb.Error:  # (DuckDB tries what a view reads, and makes none of what cannot be read here)
        shared.change(f"DROP TABLE IF EXISTS {table}", f"CREATE VIEW {table} AS SELECT 1 AS run_id")
    report = server.run(world, steps(shared))
    report.assert_harmless()
    assert " 1 errors" in report.steps["page:runs"], "a view is refused in words"


def test_macros(server: Server, shared: Lake, world: World) -> None:
    """Where the catalog can hold them."""
    try:
        shared.change(*(f"CREATE MACRO {macro.replace('{victim}', str(world.victim))}" for macro in make._MACROS))
    except duckdb.Error as error:
        pytest.skip(f"this DuckLake keeps no macros: {error}")
    server.run(world, steps(shared)).assert_harmless()


@pytest.mark.parametrize(
    "key", ["writer", "parent", "absolute", "statement", "terminal", "markup", "long", "device", "separators"]
)
def test_texts(key: str, server: Server, base: Base, shared: Lake, world: World) -> None:
    """As run id and as path of networks; `writer` names the lock that all writers of a lake take."""
    value = key if key == "writer" else make.text(key, world)
    quoted = "'" + value.replace("'", "''") + "'"
    keys = [column.table for column in base.columns if column.name == "run_id"]
    shared.change(
        f"UPDATE checkpoint SET path = {quoted}",
        *(f"UPDATE {table} SET run_id = {quoted} WHERE run_id = '{RUN}'" for table in keys),
        f"UPDATE run SET error = {quoted}, device = {quoted} WHERE run_id = {quoted}",
    )
    server.run(world, steps(shared, "runs", "attack_lab")).assert_harmless()


def test_numbers(server: Server, shared: Lake, world: World) -> None:
    shared.change(
        "INSERT INTO metric SELECT * REPLACE (2147483647 AS epoch) FROM metric LIMIT 1",
        "UPDATE run SET epochs_done = -2147483648, wall_seconds = 'nan'::DOUBLE, started_at = 'infinity'::TIMESTAMP",
        "INSERT INTO run SELECT run.* FROM run, range(1000000)",
    )
    server.run(world, steps(shared)).assert_harmless()


_ADDRESSES: dict[str, str | Callable[[Path, World], Any]] = {
    "another machine": "ducklake:postgres:host=192.0.2.1 dbname=x",
    "another name": "ducklake:postgres:host=evil.example dbname=x",
    "more hosts": "ducklake:postgres:host=127.0.0.1,192.0.2.1 port={port},5432 dbname=none user=rnc",
    "a hidden address": "ducklake:postgres:host=127.0.0.1 hostaddr=192.0.2.1 dbname=x",
    "an option": "{honest} options='-c search_path=evil'",
    "a password's file": "{honest} passfile={victim}/secret.txt",
    "a key's file": "{honest} sslmode=prefer sslkey={victim}/secret.txt sslcert={victim}/pipe sslrootcert={victim}/pipe",
    "a service": "ducklake:postgres:service=x servicefile={victim}/secret.txt",
    "a socket": "ducklake:postgres:host={victim} dbname=x",
    "a url": "ducklake:postgres:postgresql://192.0.2.1/x?sslkey={victim}/secret.txt",
    "a database": "{victim}/foreign.duckdb",
    "a new database": "{victim}/made.duckdb",
    "a lake of a file": "ducklake:{victim}/made.ducklake",
    "sqlite": "ducklake:sqlite:{victim}/secret.txt",
    "md": "md:x",
    "http": "https://evil.example/x.duckdb",
    "a statement": "x' AS lake; COPY (SELECT 1) TO '{victim}/made.csv'; --",
    "a newline": "{honest}\nhost=192.0.2.1",
    "nothing": "",
    "nul": "ducklake:postgres:host=127.0.0.1\0dbname=x",
    "no text": "\udcff\udcfe",
    "long": "{honest} " + "x" * 2_000_000,
    "a pipe": lambda file, _world: os.mkfifo(file),
    "a link": lambda file, world: file.symlink_to(world.victim / "secret.txt"),
    "a device": lambda file, world: file.symlink_to(world.victim / "zero"),
    "huge": lambda file, _world: (file.write_bytes(b""), os.truncate(file, 2**33)),
    "a folder": lambda file, _world: file.mkdir(),
    "data leads out": lambda file, world: _data_leads_out(file, world),
    "locks lead out": lambda file, world: _locks(file, lambda locks: locks.symlink_to(world.victim / "precious")),
    "the writers' lock is a pipe": lambda file, _world: _locks(file, os.mkfifo, "writer.lock"),
    "the writers' lock leads out": lambda file, world: _locks(
        file, lambda lock: lock.symlink_to(world.victim / "uv.lock"), "writer.lock"
    ),
}


def _kept_file(file: Path, change: Callable[[], Any]) -> None:
    """Put the file that stands for the lake back, and change what lies beside it."""
    file.write_text(file.with_name("kept.txt").read_text())
    change()


def _locks(file: Path, change: Callable[[Path], Any], name: str = "") -> None:
    """Put the file back, and something else in the place of its locks, or of one of them."""
    locks = file.parent / "locks"
    shutil.rmtree(locks, ignore_errors=True)
    if name:
        locks.mkdir()
    _kept_file(file, lambda: change(locks / name))


def _data_leads_out(file: Path, world: World) -> None:
    """The folder of the lake's tables is a link."""
    file.write_text(file.with_name("kept.txt").read_text())
    data = file.with_suffix(".data")
    if data.exists():
        data.rename(data.with_name("moved"))
    data.symlink_to(world.victim / "precious")


@pytest.mark.parametrize("attack", _ADDRESSES)
def test_files_that_stand_for_a_lake(attack: str, server: Server, shared: Lake, catalogs: str, world: World) -> None:
    """`rnc.lake` as a stranger may write it: no other machine, file or option is reached by it."""
    honest = shared.store.read_text()
    shared.store.rename(shared.store.with_name("kept.txt"))
    made = _ADDRESSES[attack]
    if callable(made):
        made(shared.store, world)
    else:
        port = catalogs.split("port=")[1].split()[0]
        content = (
            made.replace("{honest}", honest.strip()).replace("{victim}", str(world.victim)).replace("{port}", port)
        )
        shared.store.write_bytes(content.encode(errors="surrogateescape"))
    given = {"store": str(shared.store)}
    report = server.run(
        world, [(name, given) for name in ("list", "doctor", "page:runs", "copy", "export", "doctor:repair")]
    )
    report.assert_harmless()


def test_there_are_enough() -> None:
    assert len(_ADDRESSES) + len(_CATALOGS) > 40 and len(TEXTS) >= 12
