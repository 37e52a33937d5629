"""Stores and bundles that a stranger made: what they define is not run, what they name is not opened, and no size is trusted."""

import ast
import importlib
import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc.doctor.__main__ import main as doctor
from rnc.store import cached_queries, published_reader, schema_checks
from rnc.store.addresses import store_path
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.export import main as export
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.architecture import python_files
from tests.rnc.store.hand_written import begin, one_epoch

TABLES = sorted(schema_checks.schema_tables())


@pytest.fixture(scope="session")
def given_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that each test gets a copy of."""
    path = tmp_path_factory.mktemp("given") / "rnc.duckdb"
    begin(path, "r", dataset="digits", model="m", objective="st", norm="linf", epochs=1, seed=1).write_epoch(
        "r", 0, one_epoch("r", 0)
    )
    return path


@pytest.fixture
def store(given_store: Path, tmp_path: Path) -> Path:
    """A small store with one run."""
    return shutil.copytree(given_store.parent, tmp_path / "given") / given_store.name


def change(store: Path, *statements: str) -> None:
    with duckdb.connect(str(store)) as connection:
        for statement in statements:
            connection.execute(statement)


def refused(store: Path) -> str:
    """Return the error that readers, the doctor and writers all meet."""
    with pytest.raises(StoreError) as error, reading(store):
        pass
    with pytest.raises(StoreError), writing(store):
        pass
    with pytest.raises(StoreError):
        StoreReader(store).runs.all()
    assert doctor([str(store)]) == 1 and export(["*", "--store", str(store), "--to", str(store.parent / "out")]) == 2
    return str(error.value)


def test_a_tables_name_is_no_statement(store: Path, tmp_path: Path) -> None:
    written = tmp_path / "written.py"
    name = f"x\" t; COPY (SELECT 'code') TO '{written}' (FORMAT csv, HEADER false, QUOTE ''); SELECT 1; --"
    quoted = name.replace('"', '""')
    change(store, "CREATE TABLE x (a INTEGER)", f'CREATE TABLE "{quoted}" (a INTEGER)')
    doctor([str(store)])
    assert not written.exists()
    assert list(StoreReader(store).runs.all()["run_id"]) == ["r"]  # (a table that nobody reads does no harm)


@pytest.mark.parametrize("table", TABLES)
def test_a_view_in_the_place_of_a_table_is_refused(table: str, store: Path) -> None:
    columns = [
        f"(SELECT content FROM read_text('/etc/hostname')) AS {name}" for name in schema_checks.schema_tables()[table]
    ]
    change(store, f"DROP TABLE {table}", f"CREATE VIEW {table} AS SELECT {', '.join(columns)}")
    assert "view" in (error := refused(store)) or "another program" in error


DEFINITIONS = {
    "macro": "CREATE MACRO list_contains(a, b) AS (SELECT content FROM read_text('/etc/hostname')) IS NOT NULL",
    "generated": "CREATE OR REPLACE TABLE run_mark (run_id VARCHAR, tags VARCHAR[], archived_at TIMESTAMP, "
    "note VARCHAR GENERATED ALWAYS AS (run_id || 'x'))",
    "default": "ALTER TABLE run_mark ALTER note SET DEFAULT current_setting('home_directory')",
    "type": "CREATE TYPE mood AS ENUM ('a')",
    "schema": "CREATE SCHEMA other",
    "index": "CREATE INDEX mine ON run (run_id)",
    "constraint": "CREATE OR REPLACE TABLE run_mark (run_id VARCHAR CHECK (length(run_id) < 9), tags VARCHAR[], "
    "note VARCHAR, archived_at TIMESTAMP)",
    "view": "CREATE VIEW mine AS SELECT 1 AS a",
    "view measurement": "CREATE OR REPLACE VIEW measurement AS SELECT * FROM read_text('/etc/hostname')",
    "column": "ALTER TABLE run ADD COLUMN more VARCHAR",
    "INTEGER": "ALTER TABLE run ALTER note TYPE INTEGER",
}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_whatever_a_store_defines_is_refused_by_name(kind: str, store: Path) -> None:
    statement = DEFINITIONS[kind].replace("TABLE run ALTER note", "TABLE run_mark ALTER note")
    change(store, statement)
    assert kind.split()[0] in refused(store)


def test_a_macro_that_is_added_later_is_found(store: Path) -> None:
    with reading(store):
        pass
    inode = store.stat().st_ino
    change(store, DEFINITIONS["macro"])
    assert store.stat().st_ino == inode and "macro" in refused(store)


def test_no_connection_reads_the_machine(store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for opened in (reading(store), reading(store, tmp_path / "folder")):
        with opened as connection:
            for sql in (
                f"SELECT * FROM read_text('{tmp_path}/secret')", f"SELECT * FROM glob('{tmp_path}/*')",
                f"ATTACH '{tmp_path}/other.duckdb'", f"COPY (SELECT 1) TO '{tmp_path}/x.csv'", "LOAD httpfs", "INSTALL httpfs",
                "SET enable_external_access = true", "SET memory_limit = '1TB'", "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
            ):  # fmt: skip
                with pytest.raises(duckdb.Error):
                    connection.execute(sql).fetchall()
            (limit,) = connection.execute("SELECT current_setting('memory_limit')").fetchone()
            assert "GiB" in limit and float(limit.split()[0]) <= 4


def test_connections_are_made_in_one_place() -> None:
    for path in python_files():
        calls = [
            node for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr == "connect" and ast.unparse(node.value) == "duckdb"
        ]  # fmt: skip
        assert not calls or path.name in ("open_untrusted_file.py", "lake_store.py"), path


ADDRESSES = [
    "md:x", "http://127.0.0.1:9/x.duckdb", "s3://bucket/x", "postgres:dbname=x", "sqlite:x", "semi:colon.duckdb", ":memory:",
    "x?access_mode=read_write", "a\0b", "ducklake:nothing", "ducklake:sqlite:x data=y", "ducklake:postgres:data=",
    "~nobody-here/x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_names_no_file_is_refused_in_words(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        store_path(address)
    assert list(tmp_path.iterdir()) == []


COMMANDS: dict[str, tuple[str, list[str]]] = {
    "list": ("rnc.store.__main__", ["{}"]),
    "upgrade": ("rnc.store.__main__", ["{}", "--upgrade"]),
    "doctor": ("rnc.doctor.__main__", ["{}", "--repair"]),
    "copy": ("rnc.store.copy", ["{}", "mine.duckdb"]),
    "copy to": ("rnc.store.copy", ["mine.duckdb", "{}"]),
    "export": ("rnc.store.export", ["*", "--store", "{}", "--to", "out"]),
    "train": ("train.run", ["demo", "--store", "{}"]),
    "train several": ("train.run", ["demo", "--dry-run", "--store", "{}"]),
    "sweep": ("train.sweep", ["--seed", "1", "--store", "{}"]),
    "cancel": ("train.sweep", ["--cancel", "--store", "{}"]),
    "measure": (
        "train.measure",
        ["--checkpoint", "x.pt", "--model", "small_cnn", "--dataset", "digits", "--store", "{}"],
    ),
    "synthetic": ("tests.benchmarks.synthetic.runs", ["3", "--store", "{}"]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_an_address_that_names_no_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links to what is no store, and those in a circle, are told as well; nothing is made anywhere."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "secret").write_text("mine")
    (tmp_path / "there" / "empty").touch()
    for name, target in (("a", "b"), ("b", "a"), ("zero", "/dev/zero"), ("fd", "/proc/self/fd/0"), ("none", "../there/none"),
                         ("secret", "../there/secret"), ("folder", "../there"), ("empty", "../there/empty")):  # fmt: skip
        (tmp_path / "here" / name).symlink_to(target)
    monkeypatch.chdir(tmp_path / "here")
    before = sorted(tmp_path.rglob("*"))
    module, words = COMMANDS[command]
    main = importlib.import_module(module).main
    links = [path.name for path in sorted((tmp_path / "here").iterdir())]
    for address in [*ADDRESSES, *links, "x" * 5000]:
        code = main([word.replace("{}", address) for word in words])
        error = capsys.readouterr().err
        assert code == 2 and error.startswith("error: ") and ("store" in error or "lake" in error), (address, error)
        assert sorted(tmp_path.rglob("*")) == before, address


def test_links_to_stores_and_to_folders_of_published_runs_are_followed(store: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(store)
    assert store_path(tmp_path / "elsewhere" / "link") == store.resolve()
    StoreWriter(store).end_run("r", RunState.FINISHED, 1.0)
    publish(store, "r", tmp_path / "bundle")
    (tmp_path / "elsewhere" / "published").symlink_to(tmp_path / "bundle")
    assert store_path(tmp_path / "elsewhere" / "published") == (tmp_path / "bundle").resolve()


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_path("~/rnc.duckdb") == tmp_path / "rnc.duckdb"
    monkeypatch.chdir(tmp_path)
    with writing(store_path("./semi:colon.duckdb")):
        pass
    assert (tmp_path / "semi:colon.duckdb").is_file()


def test_a_file_that_is_not_a_store_is_left_unchanged(tmp_path: Path) -> None:
    """A text file, a pipe, a device and a folder: refused at once, nothing is made beside them."""
    text, pipe, folder = tmp_path / "passwd", tmp_path / "pipe", tmp_path / "folder"
    text.write_text("root:x:0:0\n" * 1000)
    os.mkfifo(pipe)
    folder.mkdir()
    before = sorted(tmp_path.rglob("*"))
    for path in (text, pipe, folder, Path("/dev/zero")):
        for opened in (reading(path), writing(path)):
            with pytest.raises(StoreError) as error, opened:
                pass
            assert not isinstance(error.value, StoreMissingError)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".wal", ".tmp"])
@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_nothing_odd_is_opened_beside_a_store(suffix: str, kind: str, store: Path, tmp_path: Path) -> None:
    target, beside = tmp_path / "target", store.with_name(store.name + suffix)
    target.write_text("x")
    os.mkfifo(beside) if kind == "pipe" else beside.symlink_to(target if kind == "link" else "/dev/zero")
    for opened in (reading(store), writing(store)):
        with pytest.raises(StoreError, match=suffix), opened:
            pass
    assert target.read_text() == "x"


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_nothing_odd_lies_in_the_folder_that_questions_spill_into(kind: str, store: Path, tmp_path: Path) -> None:
    """A link in the place of DuckDB's own temporary file ended the whole process."""
    target, spilled = tmp_path / "target", store.with_name(f"{store.name}.tmp") / "duckdb_temp_storage_S64K-0.tmp"
    target.write_text("x")
    spilled.parent.mkdir()
    {"pipe": lambda: os.mkfifo(spilled), "link": lambda: spilled.symlink_to(target), "folder": spilled.mkdir}[kind]()
    for opened in (reading(store), writing(store)):
        with pytest.raises(StoreError, match="in DuckDB's own temporary folder"), opened:
            pass
    assert target.read_text() == "x"
    spilled.rmdir() if kind == "folder" else spilled.unlink()
    spilled.write_text("left by a process that was killed")
    assert list(StoreReader(store).runs.all()["run_id"]) == ["r"]


def test_a_table_of_too_many_rows_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(store, "INSERT INTO run SELECT run.* FROM run, range(200_000)")
    assert "table run" in (error := refused(store)) and "200,001 rows" in error


def test_an_answer_is_bounded_before_it_is_fetched(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_queries, "MOST_ANSWER_ROWS", 100)
    change(store, "INSERT INTO metric SELECT m.* REPLACE (r.range::INTEGER AS epoch) FROM metric m, range(1, 200) r")
    with pytest.raises(StoreError, match=r"more than 100 rows.*metric"):
        StoreReader(store).metrics.measured_epochs(["r"])
    monkeypatch.setattr(cached_queries, "MOST_ANSWER_ROWS", 10_000)
    monkeypatch.setattr(cached_queries, "MOST_ANSWER_BYTES", 2**20)
    change(store, "UPDATE run SET error = repeat('x', 2_000_000)")
    with pytest.raises(StoreError, match=r"1 MiB.*run"):
        StoreReader(store).runs.all()


def test_a_question_keeps_to_the_memory(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_MEMORY_LIMIT", "20MB")
    with pytest.raises(StoreError, match="RNC_MEMORY_LIMIT"), reading(store) as connection:
        connection.execute("SELECT list(range) FROM range(50_000_000)").fetchall()
    monkeypatch.setenv("RNC_MEMORY_LIMIT", "lots")
    with pytest.raises(StoreError, match="no size"), reading(store):
        pass


@pytest.fixture(scope="module")
def made(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("published")
    (run_id,) = StoreReader(tiny_store).runs.all()["run_id"]
    publish(tiny_store, run_id, folder)
    return folder, run_id


@pytest.fixture
def bundle(made: tuple[Path, str], tmp_path: Path) -> Path:
    """A folder with one published run."""
    return shutil.copytree(made[0], tmp_path / "bundle")


def rewrite(file: Path, change: object) -> None:
    table = pq.read_table(file)
    pq.write_table(change(table).replace_schema_metadata({"schema_version": "4"}), file)  # type: ignore[operator]


def replaced(column: str, value: object) -> object:
    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(column).type
        return table.set_column(table.column_names.index(column), column, pa.array([value] * len(table), kind))

    return change


BROKEN = {
    "bomb": ("run", lambda rows: pa.concat_tables([rows] * 200_000).combine_chunks(), "200,000 rows"),
    "another run": ("metric", replaced("run_id", "r"), "another run"),
    "path": ("checkpoint", replaced("path", "../../app.py"), "network"),
    "absolute": ("checkpoint", replaced("path", "/etc/passwd"), "network"),
    "type": ("run", lambda rows: rows.set_column(0, "run_id", pa.array([1])), "run_id"),
    "column": ("metric", lambda rows: rows.append_column("published", pa.array([True] * len(rows))), "published"),
    "two paths": ("checkpoint", lambda rows: rows.add_column(0, "PATH", pa.array(["../x"] * len(rows))), "twice"),
    "capitals": (
        "run",
        lambda rows: rows.rename_columns([name.upper() for name in rows.column_names]),
        "no such column",
    ),
    "many rows": ("metric", lambda rows: pa.concat_tables([rows] * (5_000_001 // len(rows) + 1)), "at most 5,000,000"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_run_that_is_not_as_it_is_published_is_left_out(kind: str, bundle: Path, store: Path) -> None:
    table, change, reason = BROKEN[kind]
    (run,) = bundle.iterdir()
    rewrite(run / f"{table}.parquet", change)
    reader = StoreReader(store, bundle)
    assert list(reader.runs.all()["run_id"]) == ["r"] and len(reader.metrics.measured_epochs(["r"])) == 1
    assert reason in reader.left_out()[run.name]


@pytest.mark.parametrize("kind", ["pipe", "link", "device", "garbage", "cut"])
@pytest.mark.parametrize("table", ["run", "metric"])
def test_a_damaged_file_leaves_out_only_its_own_run(kind: str, table: str, bundle: Path, store: Path) -> None:
    (run,) = bundle.iterdir()
    file = run / f"{table}.parquet"
    content = file.read_bytes()
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind in ("link", "device"):
        file.symlink_to("/etc/passwd" if kind == "link" else "/dev/zero")
    else:
        file.write_bytes(b"x" * 1000 if kind == "garbage" else content[: len(content) // 2])
    reader = StoreReader(store, bundle)
    assert list(reader.runs.all()["run_id"]) == ["r"] and run.name in reader.left_out()


def test_damage_within_a_file_is_found_when_it_is_read(bundle: Path, store: Path) -> None:
    (run,) = bundle.iterdir()
    file = run / "metric.parquet"
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = os.urandom(len(content) // 2 - 4)
    file.write_bytes(content)
    reader = StoreReader(store, bundle)
    assert len(reader.metrics.measured_epochs(["r", run.name])) == 1 and "metric.parquet" in reader.left_out()[run.name]
    assert list(reader.runs.all()["run_id"]) == ["r"]


def test_hidden_folders_and_links_are_no_runs(bundle: Path, store: Path, tmp_path: Path) -> None:
    (run,) = bundle.iterdir()
    shutil.copytree(run, bundle / f".{run.name}.partial")
    shutil.copytree(run, bundle / f".{run.name}.older")
    shutil.move(shutil.copytree(run, tmp_path / "elsewhere" / run.name), tmp_path / "moved")
    (bundle / "linked").symlink_to(tmp_path / "moved")
    reader = StoreReader(store, bundle)
    assert sorted(reader.runs.all()["run_id"]) == sorted(["r", run.name]) and reader.left_out() == {}
    assert len(reader.metrics.measured_epochs([run.name])) == len(
        StoreReader(store, bundle).metrics.measured_epochs([run.name])
    )


def test_a_bundles_conditions_do_not_replace_the_stores(bundle: Path, store: Path) -> None:
    (run,) = bundle.iterdir()
    rewrite(run / "condition.parquet", replaced("steps", 7))
    before, after = StoreReader(store).runs.conditions(["r"]), StoreReader(store, bundle).runs.conditions(["r"])
    assert after.equals(before)


def test_the_examination_is_done_once(bundle: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(store, bundle)
    assert len(reader.runs.all()) == 2
    monkeypatch.setattr(published_reader, "_examine", lambda *_arguments: pytest.fail("examined again"))
    assert len(reader.metrics.measured_epochs(["r"])) == 1
