"""Links, pipes, devices and huge files in the folder of a stranger's store, in every place that the program looks at."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.security.guard import World
from tests.security.hostile_stores import FULL, HONEST, RUN, Base
from tests.security.job_server import Server
from tests.security.test_hostile_stores import LAST, deleting, page

_SCHEMAS = Path(__file__).parents[1] / "rnc" / "store"


def _link(path: Path, to: Path | str) -> None:
    """A link in the place of whatever is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def _pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _huge(path: Path) -> None:
    """A file of 8 GB that takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(8 * 2**30)


def _sweep(world: World, content: Any, name: str = "one") -> None:
    folder = world.given / "sweeps" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.json").write_text(content if isinstance(content, str) else json.dumps(content))


_RUN_OF_SWEEP = {"config": {}, "epochs": 2, "seconds": 1.0}
_SWEEP = {"name": "one", "engine": "local", "options": {}, "runs": {RUN: _RUN_OF_SWEEP}, "jobs": []}
_CHECKPOINT = f"checkpoints/{RUN}/epoch-0002.safetensors"
_OLD = datetime(2020, 1, 1).timestamp()
_TODAY = datetime.now(UTC)

_TRAPS: dict[str, Callable[[World], None]] = {
    "locks leads out": lambda w: _link(w.given / "locks", w.victim / "precious"),
    "locks is a pipe": lambda w: _pipe(w.given / "locks"),
    "lock leads out": lambda w: _link(w.given / "locks" / f"{RUN}.lock", w.victim / "uv.lock"),
    "lock is a pipe": lambda w: _pipe(w.given / "locks" / f"{RUN}.lock"),
    "lock makes a file": lambda w: _link(w.given / "locks" / f"{RUN}.lock", w.victim / "made"),
    "turn leads out": lambda w: _link(w.given / "locks" / "that.duckdb.turn", w.victim / "made"),
    "turn is a pipe": lambda w: _pipe(w.given / "locks" / "that.duckdb.turn"),
    "turn is a device": lambda w: _link(w.given / "locks" / "that.duckdb.turn", w.victim / "zero"),
    "wal is a pipe": lambda w: _pipe(w.given / "that.duckdb.wal"),
    "wal leads out": lambda w: _link(w.given / "that.duckdb.wal", w.victim / "secret.txt"),
    "wal makes a file": lambda w: _link(w.given / "that.duckdb.wal", w.victim / "made"),
    "wal is a folder": lambda w: (w.given / "that.duckdb.wal").mkdir(),
    "spill leads out": lambda w: _link(w.given / "that.duckdb.tmp", w.victim / "precious"),
    "store is a pipe": lambda w: _pipe(w.store),
    "store leads to a pipe": lambda w: _link(w.store, w.victim / "pipe"),
    "store is a device": lambda w: _link(w.store, w.victim / "zero"),
    "store is a terminal": lambda w: _link(w.store, "/proc/self/fd/0"),
    "store is a folder": lambda w: None,
    "store is huge": lambda w: _huge(w.store),
    "store is a circle": lambda w: _link(w.store, w.store),
    "log leads out": lambda w: _link(w.given / "rnc.log", w.root / "home" / ".bashrc"),
    "log makes a file": lambda w: _link(w.given / "rnc.log", w.root / "home" / ".profile"),
    "log is a pipe": lambda w: _pipe(w.given / "rnc.log"),
    "older log is a folder": lambda w: None,
    "training's log leads out": lambda w: _link(w.given / "rnc.duckdb.training.log", w.root / "home" / ".bashrc"),
    "training's log is a pipe": lambda w: _pipe(w.given / "rnc.duckdb.training.log"),
    "training's log is huge": lambda w: _huge(w.given / "rnc.duckdb.training.log"),
    "checkpoints leads out": lambda w: _link(w.given / "checkpoints", w.victim),
    "checkpoints leads home": lambda w: _link(w.given / "checkpoints", w.root / "home"),
    "networks lead out": lambda w: _link(w.given / "checkpoints" / RUN, w.victim / "precious"),
    "more networks lead out": lambda w: _link(w.given / "checkpoints" / "more", w.victim / "precious"),
    "network leads out": lambda w: _link(w.given / _CHECKPOINT, w.victim / "secret.txt"),
    "network is a pipe": lambda w: _pipe(w.given / _CHECKPOINT),
    "network is a device": lambda w: _link(w.given / _CHECKPOINT, w.victim / "zero"),
    "network is huge": lambda w: _huge(w.given / _CHECKPOINT),
    "network is a folder": lambda w: None,
    "resume leads out": lambda w: _link(w.given / "checkpoints" / RUN / "resume.safetensors", w.victim / "secret.txt"),
    "resume is a pipe": lambda w: _pipe(w.given / "checkpoints" / RUN / "resume.safetensors"),
    "leftovers leads out": lambda w: None,
    "leftovers is a pipe": lambda w: None,
    "half a file leads out": lambda w: _link(w.given / "x.partial", w.victim / "precious"),
    "temporary folder leads out": lambda w: _link(w.given / ".that.duckdb-abc", w.victim / "precious"),
    "sweeps lead out": lambda w: _link(w.given / "sweeps", w.victim),
    "sweep leads out": lambda w: _link(w.given / "sweeps" / "one", w.victim / "precious"),
    "sweep's file leads out": lambda w: None,
    "sweep's file is a pipe": lambda w: _pipe(w.given / "sweeps" / "one" / "sweep.json"),
    "sweep's file is a device": lambda w: _link(w.given / "sweeps" / "one" / "sweep.json", w.victim / "zero"),
    "sweep's file is huge": lambda w: _huge(w.given / "sweeps" / "one" / "sweep.json"),
    "sweep's name is markup": lambda w: _sweep(w, _SWEEP | {"name": "` ![x](https://evil.example/x) `", "engine": "[x](//evil)"}),
    "sweep's numbers": lambda w: _sweep(w, json.dumps(_SWEEP | {"runs": {RUN: {"config": {}, "epochs": 0, "seconds": 1e308}}})
                                        .replace("1e+308", "1e999")),
    "sweep's run id": lambda w: _sweep(w, _SWEEP | {"runs": {"![x](https://evil.example/x)": _RUN_OF_SWEEP}}),
    "sweep is a number": lambda w: _sweep(w, "1"),
    "sweep is deep": lambda w: _sweep(w, "[" * 100_000),
    "sweep's name is a number": lambda w: _sweep(w, {"name": 1}),
    "backup's half leads out": lambda w: _old_schema(w, ".partial"),
    "backup leads out": lambda w: _old_schema(w, ""),
}  # fmt: skip


def _old_schema(world: World, suffix: str) -> None:
    """A store of an older schema, with links in the places where the copy before its upgrade would be made these days."""
    world.store.unlink()
    with duckdb.connect(str(world.store)) as connection:
        connection.execute((_SCHEMAS / "schema_v3.sql").read_text())
        connection.execute("INSERT INTO schema_version VALUES (3)") if not _version(connection) else None
    for days in (-1, 0, 1):
        name = f"that-v3-{_TODAY + timedelta(days=days):%Y-%m-%d}.duckdb{suffix}"
        _link(world.given / name, world.victim / ("app.py" if suffix else "made"))


def _version(connection: duckdb.DuckDBPyConnection) -> Any:
    return connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]  # type: ignore[index]


def _set(world: World, base: Base, *traps: str) -> None:
    """The honest store with traps around it, all of it as old as what nobody finishes any more."""
    base.copy(world)
    for trap in traps:
        _TRAPS[trap](world)
    for path in world.given.rglob("*"):
        os.utime(path, (_OLD, _OLD), follow_symlinks=False)


@pytest.mark.parametrize("trap", _TRAPS)
def test_traps_beside_a_store(trap: str, server: Server, base: Base, world: World) -> None:
    """Each is passed by or refused in words."""
    _set(world, base, trap)
    of_networks = [page("attack_lab", RUN), deleting(RUN)] if "network" in trap or "checkpoints" in trap else []
    steps = ["train"] if "training" in trap else ["copy", "export", page("runs", RUN), *of_networks, *LAST]
    server.run(world, steps).assert_harmless()


@pytest.mark.parametrize(
    "trap", ["network is a pipe", "network is a device", "network is huge", "networks lead out"][: 4 if FULL else 2]
)
def test_the_lab_passes_traps_by(trap: str, server: Server, base: Base, world: World) -> None:
    _set(world, base, trap)
    server.run(world, [("lab", {"honest": base.beside(world)})]).assert_harmless()


def test_modules_beside_a_store_are_not_imported(server: Server, base: Base, world: World) -> None:
    """Where somebody stands in the stranger's folder when the lab starts its worker."""
    base.copy(world)
    for name in ("torch.py", "numpy.py", "json.py", "rnc.py", "sitecustomize.py"):
        (world.given / name).write_text(
            f"open({str(world.victim / 'made')!r}, 'w').write('x')\nraise SystemExit('mine')\n"
        )
    server.run(world, [("lab", {"honest": base.beside(world), "in": str(world.given)})]).assert_harmless()


def test_the_address_of_a_store_is_checked_first(server: Server, base: Base, world: World) -> None:
    """Prefixes that DuckDB knows, devices, files of others, and folders that are not there: refused, and nothing is made."""
    base.copy(world)
    addresses = [
        "md:x", "https://evil.example/x.duckdb", "s3://evil/x.duckdb", "postgres:host=evil.example", "sqlite:x",
        "ducklake:nothing", ":memory:", str(world.victim / "zero"),
        "/dev/null", "/proc/self/fd/0", str(world.victim / "secret.txt"), str(world.victim / "pipe"),
        str(world.victim), "", "x\0y", "x" * 5000, "a?b.duckdb", "memory", str(world.victim / "none" / "x.duckdb"),
    ]  # fmt: skip
    steps = [
        (step, {"store": address})
        for address in addresses
        for step in ("list", "doctor:repair", "copy", "export", "page:runs")
        if not (step == "page:runs" and "\0" in address)  # (an environment holds no such thing)
    ]
    named = (world.victim / "secret.txt", world.victim, world.victim.parent)
    server.run(world, steps, may_read=named).assert_harmless()


def test_a_target_of_an_export_made_by_a_stranger(server: Server, base: Base, world: World) -> None:
    """Published runs are put into a folder that somebody else has prepared."""
    base.copy(world)
    folder = world.given / "bundle"
    folder.mkdir()
    (folder / RUN).symlink_to(world.victim / "precious")
    (folder / f".{RUN}.partial").symlink_to(world.victim / "precious")
    (folder / f".{HONEST}.older").symlink_to(world.victim)
    os.mkfifo(folder / HONEST)
    server.run(world, [("export", {"to": str(folder)}), ("export", {"to": str(folder)})]).assert_harmless()


def test_a_store_into_which_others_are_copied(server: Server, base: Base, world: World) -> None:
    """The target is a stranger's: links where networks, their half copies and locks come to lie."""
    base.copy(world)
    target = world.given / "target" / "mine.duckdb"
    target.parent.mkdir()
    _link(target.parent / "checkpoints" / RUN, world.victim / "precious")
    _link(target.parent / f"checkpoints/{HONEST}/.epoch-0000.safetensors.partial", world.victim / "app.py")
    _link(target.parent / f"checkpoints/{HONEST}/epoch-0001.safetensors", world.victim / "uv.lock")
    _pipe(target.parent / f"checkpoints/{HONEST}/.epoch-0002.safetensors.before")
    server.run(world, [("copy", {"to": str(target)})]).assert_harmless()
