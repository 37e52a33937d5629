"""Folders of published runs made by a stranger: hostile values in Parquet files, links, pipes, bombs, wrong schemas and names.

They are shown beside a store (RNC_GALLERY), taken for a store themselves, and copied, examined and exported.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc.store.publish_run import publish
from tests.security import hostile_stores as make
from tests.security.guard import World
from tests.security.hostile_stores import FULL, HONEST, RUN, TOGETHER, Base
from tests.security.job_server import Server
from tests.security.test_hostile_stores import Step


@pytest.fixture(scope="module")
def published(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both runs of the honest store."""
    folder = tmp_path_factory.mktemp("published")
    for run_id in (RUN, HONEST):
        publish(base.store, run_id, folder)
    shutil.rmtree(base.store.parent / "locks", ignore_errors=True)
    return folder


@pytest.fixture
def bundle(published: Path, world: World) -> Path:
    """A copy of it that the stranger may change: what was sent."""
    shutil.copytree(published, world.given, dirs_exist_ok=True)
    return world.given


def steps(world: World, *pages: str, asked: dict[str, Any] | None = None) -> list[Step]:
    """The bundle beside a store of one's own that is not there yet, and in a store's place."""
    beside = {"store": str(world.mine), "gallery": str(world.given), "asked": asked or {}}
    alone = {"store": str(world.given), "asked": asked or {}}
    commands = ("list", "doctor", "copy", "export", "kept", "doctor:repair")
    shown = [(f"page:{name}", given) for name in pages or ("runs", "collapse") for given in (beside, alone)]
    return [*shown, *((name, {"store": str(world.given)}) for name in commands)]


def rewrite(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """A Parquet file with its rows changed, its metadata (of the schema's version) as before."""
    table = pq.read_table(file, partitioning=None)
    version = {b"schema_version": pq.read_metadata(file).metadata[b"schema_version"]}
    file.unlink()
    pq.write_table(change(table).replace_schema_metadata(version), file, compression="zstd")


def constant(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """A table with one value in all of a column."""

    def change(table: pa.Table) -> pa.Table:
        place, kind = table.column_names.index(column), table.schema.field(column).type
        return table.set_column(place, column, pa.array([value] * len(table), kind))

    return change


def test_an_honest_bundle_passes(server: Server, bundle: Path, world: World) -> None:
    report = server.run(
        world, steps(world, "runs", "collapse", "findings", "geometry", "projections", "film", "layers", "attack_lab")
    )
    report.assert_harmless()
    assert " 0 errors" in report.steps["page:runs"] and RUN in report.steps["list"]


@pytest.mark.parametrize("keys", TOGETHER, ids=lambda keys: keys[0] if len(keys) == 1 else "all")
def test_texts(keys: list[str], server: Server, bundle: Path, world: World) -> None:
    """As run id in all files of one run, in every other text column of another; the folder is called so too where it can be."""
    values = [make.text(key, world) for key in keys]
    for number, value in enumerate(values):
        for kind in ("id", "texts"):
            folder = shutil.copytree(bundle / RUN, bundle / f"{kind}{number}")
            for file in folder.glob("*.parquet"):
                _write_text(file, kind, value, f"{kind}{number}")
        if value not in ("", "..") and not set("/\0") & set(value) and len(value) < 200:
            folder.rename(bundle / value)
    chosen = [*values, *(f"texts{number}" for number in range(len(values)))]
    given = [("export", {"store": str(bundle), "run": value}) for value in values[:4]]
    server.run(
        world, [*steps(world, "runs", "collapse", "attack_lab", asked={"runs": chosen}), *given]
    ).assert_harmless()


def _write_text(file: Path, kind: str, value: str, run_id: str) -> None:
    schema = pq.read_schema(file)
    if "run_id" in schema.names:
        rewrite(file, constant("run_id", value if kind == "id" else run_id))
    for field in schema if kind == "texts" else []:
        if pa.types.is_string(field.type) and field.name not in ("run_id", "config", "data", "versions", "state"):
            rewrite(file, _in_first_row(field.name, value))


def _in_first_row(column: str, value: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        if not len(table):
            return table
        values = [value, *table[column].to_pylist()[1:]]
        return table.set_column(
            table.column_names.index(column), column, pa.array(values, table.schema.field(column).type)
        )

    return change


def _each(file: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda bundle: rewrite(bundle / RUN / f"{file}.parquet", change)


def _repeated(count: int) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.slice(0, 1).take(pa.array([0] * count, pa.int32()))


def _long(table: pa.Table) -> pa.Table:
    """A hundred rows whose text is one of 20 MB, which the file has once."""
    rows = table.slice(0, 1).take(pa.array([0] * 100, pa.int32()))
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int32()), pa.array(["x" * 20_000_000]))
    return rows.set_column(rows.column_names.index("error"), "error", text)


def _not_text(table: pa.Table) -> pa.Table:
    """Bytes that are no UTF-8, called text."""
    place = table.column_names.index("error")
    wrong = pa.array([b"\xff\xfe\x00\xc3\x28"] * len(table), pa.binary())
    return table.set_column(place, "error", pa.Array.from_buffers(pa.string(), len(wrong), wrong.buffers()))


def _replace(name: str, by: Callable[[Path, Path], None]) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        file = bundle / RUN / name
        outer = bundle.parents[1] / "victim"
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        by(file, outer)

    return change


def _huge(file: Path) -> None:
    """8 GB that take no room."""
    file.touch()
    os.truncate(file, 2**33)


def _with_column(name: str, values: Callable[[int], pa.Array]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: (table.drop_columns(name) if name in table.column_names else table).append_column(
        name, values(len(table))
    )


def _moved(name: str) -> Callable[[Path], None]:
    """The run's folder under another name."""

    def change(bundle: Path) -> None:
        (bundle / RUN).rename(bundle / name)

    return change


_TRAPS: dict[str, Callable[[Path], None]] = {
    "a run two million times": _each("run", _repeated(2_000_000)),
    "a condition many times": lambda b: (
        [_each(name, _repeated(30_000))(b) for name in ("condition", "run_condition")] and None
    ),
    "metrics many times": _each("metric", _repeated(5_000_000)),
    "long texts": _each("run", _long),
    "texts that are none": _each("run", _not_text),
    "a link to a pipe": _replace("metric.parquet", lambda f, v: f.symlink_to(v / "pipe")),
    "a pipe": _replace("run.parquet", lambda f, _v: os.mkfifo(f)),
    "a pipe among rows": _replace("run_condition.parquet", lambda f, _v: os.mkfifo(f)),
    "a link that leads out": _replace("run.parquet", lambda f, v: f.symlink_to(v / "secret.txt")),
    "a device": _replace("run.parquet", lambda f, v: f.symlink_to(v / "zero")),
    "a folder": _replace("run.parquet", lambda f, _v: f.mkdir()),
    "a cut file": _replace("metric.parquet", lambda f, _v: f.write_bytes(b"PAR1" + b"x" * 100)),
    "an empty file": _replace("run.parquet", lambda f, _v: f.write_bytes(b"")),
    "a footer of 4 GB": _replace("run.parquet", lambda f, _v: f.write_bytes(b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1")),
    "a huge file": _replace("run.parquet", lambda f, _v: _huge(f)),
    "a network that is a pipe": _replace("epoch-0002.safetensors", lambda f, _v: os.mkfifo(f)),
    "a network that leads out": _replace("epoch-0002.safetensors", lambda f, v: f.symlink_to(v / "secret.txt")),
    "a path that leads out": _each("checkpoint", constant("path", "../../victim/secret.txt")),
    "an absolute path": _each("checkpoint", constant("path", "/proc/self/fd/0")),
    "a card": lambda b: (b / RUN / "README.md").write_text("![x](https://evil.example/x.png)") and None,
    "numbers that are texts": _each("metric", _with_column("epoch", lambda n: pa.array(["many"] * n))),
    "numbers that are no numbers": _each("metric", _with_column("value", lambda n: pa.array([float("nan")] * n))),
    "a large epoch": _each("metric", _with_column("epoch", lambda n: pa.array([2**31 - 1] * n, pa.int32()))),
    "larger numbers": _each("metric", _with_column("epoch", lambda n: pa.array([2**62] * n))),
    "lists of lists": _each("run", _with_column("classes", lambda n: pa.array([[["x"]]] * n))),
    "no classes": _each("run", _with_column("classes", lambda n: pa.array([None] * n, pa.list_(pa.string())))),
    "no config": _each("run", _with_column("config", lambda n: pa.array([None] * n, pa.string()))),
    "a column too many": _each("run", _with_column("published", lambda n: pa.array([False] * n))),
    "a column called filename": _each("run", _with_column("filename", lambda n: pa.array(["x"] * n))),
    "a column missing": _each("run", lambda table: table.drop_columns(["config", "state"])),
    "many columns": _each(
        "run",
        lambda t: pa.table({**{n: t[n] for n in t.column_names}, **{f"x{i}": [0] * len(t) for i in range(20_000)}}),
    ),
    "no rows": _each("run", lambda table: table.slice(0, 0)),
    "the id of another run": _each("run", constant("run_id", HONEST)),
    "a folder called as a column": _moved("state=running"),
    "a folder called as a run": _moved("run_id=..%2f..%2fvictim"),
    "a folder with a quote": _moved("x'); COPY (SELECT 1) TO 'made"),
    "a folder called as a pattern": _moved("[!x]*?{a,b}"),
    "a hidden folder": _moved(f".{RUN}.partial"),
    "a folder with a newline": _moved("x\n\x1b[2Jy"),
}


def _folder_leads_out(bundle: Path) -> None:
    """The run's folder is a link to files of the victim's, which are a published run, too."""
    elsewhere = bundle.parents[1] / "victim" / "precious"
    for file in (bundle / RUN).iterdir():
        shutil.copy(file, elsewhere)
    shutil.rmtree(bundle / RUN)
    (bundle / RUN).symlink_to(elsewhere)


_TRAPS["a folder that leads out"] = _folder_leads_out


@pytest.fixture
def trapped(request: pytest.FixtureRequest, bundle: Path) -> Iterator[str]:
    """A bundle with one trap in it."""
    _TRAPS[request.param](bundle)
    return request.param


@pytest.mark.parametrize("trapped", _TRAPS, indirect=True)
def test_traps_in_a_bundle(trapped: str, server: Server, world: World) -> None:
    every = steps(world, "runs", asked={"runs": [RUN]})
    few = [step for step in every if step[0] in ("page:runs", "list", "export")]
    server.run(world, every if FULL else few).assert_harmless()


def test_published_cards_hold_no_words_that_act(server: Server, base: Base, world: World) -> None:
    """A card is read on other sites: a stranger's words in it draw no image and no link, and end no code block."""
    value = "![x](https://evil.example/x.png)<img src=https://evil.example/y.png>\n```\n[y](https://evil.example)"
    make.texts(base, world, [value])
    server.run(world, ["export"]).assert_harmless()
    cards = list(world.out.glob("*/README.md"))
    assert cards, "nothing was published"
    for card in cards:
        outside_code = "".join(card.read_text().split("```")[::2])
        assert "](https" not in outside_code and "<img" not in outside_code, card.read_text()
