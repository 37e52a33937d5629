"""Tests of a store's kept definitions: they outlive this process's own transactions, but no change by another program."""

import re
from pathlib import Path

import duckdb
import pytest

from rnc.store import schema_checks
from rnc.store.backends import backend_of
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreError
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.architecture import ROOT, python_files
from tests.rnc.store.hand_written import begin, one_epoch

pytestmark = pytest.mark.one_file("a lake's definitions are listed each time: its catalog is in no file")
MACRO = "CREATE MACRO list_contains(a, b) AS true"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a")
    return path


def are_known(store: Path) -> bool:
    """Return whether the next connection need not list the definitions of a store."""
    known = [schema_checks._known.get((store, sql)) for sql in schema_checks._KEPT]
    return all(entry is not None and entry[0] == backend_of(store).files_state() for entry in known)


def listed(store: Path) -> list[list[tuple]]:
    with duckdb.connect(str(store), read_only=True) as connection:
        return [connection.execute(sql).fetchall() for sql in schema_checks._KEPT]


def change(store: Path, statement: str) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute(statement)


def test_the_schemas_own_are_known_once_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    with writing(path):
        pass
    assert are_known(path)
    columns, (view,), macros = (schema_checks._known[path, sql][1] for sql in schema_checks._KEPT)
    columns_of_file, (view_of_file,), macros_of_file = listed(path)
    assert (columns, macros, view[:2]) == (columns_of_file, macros_of_file, view_of_file[:2])
    assert schema_checks._words(view[2]) == schema_checks._words(view_of_file[2])  # (DuckDB quotes in one of the two)


def test_they_stay_known_while_rows_are_written(store: Path) -> None:
    writer, before = StoreWriter(store), listed(store)
    writer.write_epoch("a", 0, one_epoch("a", 0))
    assert are_known(store)
    large = Rows()
    large.add("metric", run_id="a", epoch=1, split="test", condition="clean", metric="nc1", value=[0.5] * 300_000)
    for rows in (large, one_epoch("a", 2)):
        writer.write_epoch("a", int(rows.tables()["metric"]["epoch"][0]), rows)
        assert are_known(store)
    writer.end_run("a", RunState.FINISHED, 1.0)
    writer.delete_run("a")
    assert are_known(store) and listed(store) == before
    assert not store.with_name(store.name + ".wal").exists()


def test_a_transaction_without_changes_leaves_the_file_as_it_is(store: Path) -> None:
    before = backend_of(store).files_state()
    with writing(store):
        pass
    assert backend_of(store).files_state() == before


@pytest.mark.parametrize("side", [reading, writing])
@pytest.mark.parametrize("own", ["creation", "rows", "failure", "upgrade"])
def test_what_another_program_defines_after_an_own_transaction_is_found(
    own: str, side: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "rnc.duckdb"
    begin(store, "a")
    if own == "rows":
        StoreWriter(store).write_epoch("a", 0, one_epoch("a", 0))
    elif own == "failure":
        with pytest.raises(duckdb.CatalogException), writing(store) as connection:
            connection.execute("DELETE FROM run; DELETE FROM nothing")
    elif own == "upgrade":
        change(store, "DROP TABLE attack_path; UPDATE schema_version SET version = 4")
        with writing(store):
            pass
    change(store, MACRO)
    with pytest.raises(StoreError, match="macro"), side(store):
        pytest.fail("it was opened")


def test_definitions_that_were_there_before_are_never_taken_for_known(tmp_path: Path) -> None:
    """A file without tables, in which another program made a macro: it is not given the schema, now or later."""
    store = tmp_path / "rnc.duckdb"
    change(store, MACRO)
    for _attempt in range(2):
        with pytest.raises(StoreError, match="macro"), writing(store):
            pytest.fail("it was opened")


def test_rows_are_counted_after_each_transaction(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schema_checks.MOST_ROWS, "run", 1)
    with reading(store):
        pass
    begin(store, "b")
    assert are_known(store)
    for side in (reading, writing):
        with pytest.raises(StoreError, match=r"table run of .* has 2 rows; at most 1 are read"), side(store):
            pytest.fail("it was opened")


def test_a_log_that_cannot_be_moved_into_the_file_costs_only_the_knowledge(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> tuple:
        raise duckdb.FatalException("no space left")

    monkeypatch.setattr("rnc.store.file_store.FileStore.checkpoint_and_return_state", fails)
    StoreWriter(store).write_epoch("a", 0, one_epoch("a", 0))
    assert not are_known(store)
    with reading(store) as connection:
        assert connection.execute("SELECT count(*) FROM metric").fetchone() != (0,)
    assert are_known(store)


def test_no_transaction_of_this_program_changes_definitions() -> None:
    """They are made by the schema and by upgrades alone; a reader's views are temporary."""
    changes = re.compile(r"\b(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(\w+)")
    found = {
        (path.relative_to(ROOT).as_posix(), kind)
        for path in python_files()
        for _verb, _replace, kind in changes.findall(path.read_text())
    }
    assert found == {
        ("rnc/store/migrations.py", "TABLE"),
        ("rnc/store/migrations.py", "TEMP"),
        ("rnc/store/published_reader.py", "TEMP"),
    }


@pytest.mark.parametrize("in_log", [False, True])
@pytest.mark.parametrize(
    "statement", [MACRO, "CREATE VIEW v AS SELECT 1 AS x", "CREATE TYPE t AS ENUM ('a')", "CREATE SCHEMA s"]
)
def test_a_small_file_is_not_listed_only_if_nothing_can_be_in_it(statement: str, in_log: bool, tmp_path: Path) -> None:
    """A file without a block after its headers, and without a log, defines nothing; any definition needs one of them."""
    store = tmp_path / "rnc.duckdb"
    duckdb.connect(str(store)).close()
    assert backend_of(store).is_without_definitions()
    with duckdb.connect(str(store)) as connection:
        if in_log:
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(statement)
    assert store.with_name(store.name + ".wal").exists() == in_log
    assert not backend_of(store).is_without_definitions()
    for side in (reading, writing):
        with pytest.raises(StoreError, match="which this program did not make"), side(store):
            pytest.fail("it was opened")


def test_a_missing_file_is_not_taken_for_an_empty_store(tmp_path: Path) -> None:
    assert not backend_of(tmp_path / "rnc.duckdb").is_without_definitions()
