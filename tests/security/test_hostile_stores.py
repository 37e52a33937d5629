"""Stores of strangers, through every part of the program: nothing outside their folder is touched, called or left running.

What each may do at most is in `job_server.py`: files (`guard.py`, `tracing.py`), memory (MOST_BYTES), time, processes.
"""

from typing import Any

import duckdb
import pytest

from tests.security import hostile_stores as make
from tests.security.consumers import PAGES
from tests.security.guard import World
from tests.security.hostile_stores import FULL, RUN, TEXTS, TOGETHER, Base
from tests.security.job_server import Server

COMMANDS = ["list", "doctor", "copy", "export"]
LAST = ["list:upgrade", "doctor:repair"]
Step = tuple[str, dict[str, Any]] | str


def page(name: str, *runs: str, press: tuple[str, ...] = (), **asked: Any) -> Step:
    """A page with these runs chosen, or with those that it chooses itself."""
    return f"page:{name}", {"asked": asked | ({"runs": list(runs)} if runs else {}), "press": list(press)}


def deleting(run_id: str) -> Step:
    """The runs page, on which this run's note is changed, and the buttons that delete the run."""
    return page("runs", run_id, press=("delete", "delete_for_good"), config_of=run_id)


def test_an_honest_store_passes(server: Server, base: Base, world: World) -> None:
    """All steps on a store that is as it should be: what is found below is no fault of the tests."""
    base.copy(world)
    pages = [page(name, RUN, "honest") for name in PAGES]
    kept = page("attack_lab", RUN, lab_do="Kept", lab_kept="")
    bundle = ("page:runs", {"store": str(world.scratch / "none.duckdb"), "gallery": str(world.out)})
    report = server.run(world, [*COMMANDS, "kept", *pages, kept, bundle, "lab", deleting(RUN), *LAST])
    report.assert_harmless()
    assert "1 kept results" in report.steps["kept"] and "1 attacks" in report.steps["lab"]
    assert (world.out / RUN / "run.parquet").exists() and not (world.given / "checkpoints" / RUN).exists()


def test_the_generator_reaches_every_column(base: Base) -> None:
    known = {"VARCHAR", "JSON", "BLOB", *make._NUMBERS, *make._LISTS}
    assert {column.type for column in base.columns} <= known, "a type of column that no hostile value is made for"
    assert len(TEXTS) >= 12 and len(base.tables) >= 15


def _id(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else "all"


@pytest.mark.parametrize("keys", TOGETHER, ids=_id)
def test_texts_as_run_ids(keys: list[str], server: Server, base: Base, world: World) -> None:
    values = [make.text(key, world) for key in keys]
    make.ids(base, world, values)
    each = [(step, {"run": value}) for value in values for step in ("copy", "export")]
    shown = [page("attack_lab", *values), *(deleting(value) for value in values)]
    server.run(world, [*COMMANDS, *each, page("runs", *values), *shown, *LAST]).assert_harmless()


@pytest.mark.parametrize("keys", TOGETHER, ids=_id)
def test_texts_in_every_other_column(keys: list[str], server: Server, base: Base, world: World) -> None:
    runs = make.texts(base, world, [make.text(key, world) for key in keys])
    each = [("export", {"run": run_id}) for run_id in runs]
    some = [page(name, *runs) for name in PAGES]
    kept = page("attack_lab", RUN, lab_do="Kept", lab_kept="0")
    server.run(world, [*COMMANDS, *each, "kept", *some, kept, *LAST]).assert_harmless()


@pytest.mark.parametrize("keys", TOGETHER, ids=_id)
def test_texts_as_paths_of_networks(keys: list[str], server: Server, base: Base, world: World) -> None:
    runs = make.paths(base, world, [make.text(key, world) for key in keys])
    each = [(step, {"run": run_id}) for run_id in runs for step in ("copy", "export")]
    lab = ("lab", {"honest": base.beside(world)})
    server.run(world, ["doctor", *each, page("attack_lab", *runs), "doctor:repair", lab]).assert_harmless()


def test_networks_that_lie_elsewhere_are_not_copied(server: Server, base: Base, world: World) -> None:
    make.overwriting(base, world)
    report = server.run(world, ["doctor", "copy", "export", page("attack_lab", RUN), "lab", deleting(RUN)])
    report.assert_harmless()


@pytest.mark.parametrize(
    "place", ["{victim}/pipe", "{victim}", "/dev/zero", "{victim}/secret.txt", "../../victim"][: 5 if FULL else 1]
)
def test_images_of_a_reference_are_read_only_from_its_location(
    place: str, server: Server, base: Base, world: World
) -> None:
    make.own_images(base, world, place.replace("{victim}", str(world.victim)))
    report = server.run(world, ["export", page("projections", RUN), page("runs", RUN), page("attack_lab", RUN), "lab"])
    report.assert_harmless()


def test_fields_of_a_config_do_not_stand_for_columns(server: Server, base: Base, world: World) -> None:
    make.shadowing(base, world)
    pages = [page(name, RUN, "../../victim/precious") for name in PAGES]
    report = server.run(world, [*COMMANDS, *pages, deleting("../../victim/precious"), deleting(RUN), "lab", *LAST])
    report.assert_harmless()


@pytest.mark.parametrize("turn", range(8 if FULL else 3))
def test_numbers(turn: int, server: Server, base: Base, world: World) -> None:
    make.numbers(base, world, turn)
    some = [page(name, RUN, "honest") for name in PAGES]
    kept = page("attack_lab", RUN, lab_do="Kept", lab_kept="")
    report = server.run(world, ["list", "doctor", *some, kept, "copy", "export", *LAST])
    report.assert_harmless()


@pytest.mark.parametrize(
    "value",
    make.IN_JSON if FULL else make.IN_JSON[3:9:2],
    ids=lambda value: repr(value)[:12] if not isinstance(value, int) else "whole",
)
def test_numbers_in_a_config(value: Any, server: Server, base: Base, world: World) -> None:
    make.numbers_in_json(base, world, value)
    report = server.run(world, ["list", "doctor", page("runs"), page("findings"), page("attack_lab"), "copy", "export"])
    report.assert_harmless()


def test_rows_that_are_there_twice(server: Server, base: Base, world: World) -> None:
    make.doubled(base, world)
    report = server.run(world, [*COMMANDS, *(page(name, RUN) for name in PAGES), deleting(RUN), *LAST])
    report.assert_harmless()


TABLES = [
    "attack_path", "checkpoint", "class_mean", "class_metric", "classifier", "condition", "epoch", "feature", "lab_result",
    "layer", "leap", "metric", "projection", "run", "run_condition", "run_mark", "schema_version",
]  # fmt: skip
ON_PAGE = {"lab_result": "attack_lab", "checkpoint": "attack_lab", "layer": "layers", "feature": "projections"}
ON_PAGE |= {"attack_path": "film"}
ON_PAGE |= {"projection": "projections", "class_mean": "geometry", "classifier": "geometry", "leap": "projections"}


def test_the_tables_below_are_all(base: Base) -> None:
    assert base.tables == TABLES


@pytest.mark.parametrize("table", TABLES)
def test_a_view_in_place_of_a_table(table: str, server: Server, base: Base, world: World) -> None:
    make.viewed(base, world, table, TABLES.index(table))
    asked = {"lab_do": "Kept"} if table == "lab_result" else {}
    shown = page(ON_PAGE.get(table, "runs"), RUN, **asked)
    report = server.run(world, [shown, "copy", "export", *LAST])
    report.assert_harmless()
    assert refused(report.steps[shown[0]]), "a view is refused in words"


def refused(step: str) -> bool:
    return " 1 errors" in step


@pytest.mark.parametrize("table", TABLES[:-1] if FULL else ["run", "run_mark", "metric"])
def test_a_computed_column(table: str, server: Server, base: Base, world: World) -> None:
    make.generated(base, world, table)
    shown = page(ON_PAGE.get(table, "runs"), RUN)
    report = server.run(world, ["list", shown, "export", "doctor:repair"])
    report.assert_harmless()
    assert refused(report.steps[shown[0]]), "a computed column is refused in words"


@pytest.mark.parametrize(
    "name",
    ["coalesce", ""]
    if not FULL
    else ["coalesce", "list_contains", "max", "count", "parse_filename", "duckdb_", "current_", ""],
)
def test_macros_in_place_of_functions(name: str, server: Server, base: Base, world: World) -> None:
    make.macros(base, world, which=lambda macro: macro.startswith(name))
    report = server.run(world, ["list", page("runs", RUN), page("collapse", RUN), "copy", "export", *LAST])
    report.assert_harmless()
    assert refused(report.steps["page:runs"]), "macros are refused in words"


def test_a_view_behind_macros_that_hide_it(server: Server, base: Base, world: World) -> None:
    """The function that lists a database's views can be hidden, too: a macro of that name says that there are none."""
    make.viewed(base, world, "run_mark", 0)
    make_macros = [macro for macro in make._MACROS if macro.startswith("duckdb_")]
    with duckdb.connect(str(world.store)) as connection:
        for macro in make_macros:
            connection.execute(f"CREATE MACRO {macro}")
    report = server.run(world, ["list", page("runs", RUN), "copy", "export", *LAST])
    report.assert_harmless()
    assert refused(report.steps["page:runs"])


def test_objects_with_hostile_names(server: Server, base: Base, world: World) -> None:
    make.objects(base, world)
    report = server.run(world, [*COMMANDS, page("runs", RUN), *LAST])
    report.assert_harmless()


@pytest.mark.parametrize("turn", range(4 if FULL else 1))
def test_columns_of_other_types(turn: int, server: Server, base: Base, world: World) -> None:
    make.types(base, world, turn)
    report = server.run(world, [*COMMANDS, *(page(name, RUN) for name in PAGES), *LAST])
    report.assert_harmless()


@pytest.mark.parametrize("bomb", make.BOMBS)
def test_bombs(bomb: str, server: Server, base: Base, world: World) -> None:
    make.BOMBS[bomb](base, world)
    kept = [page("attack_lab", RUN, lab_do="Kept")] if bomb == "marks" else []
    report = server.run(
        world, ["list", page("runs", RUN), page("collapse", RUN), *kept, "export", "copy", "doctor:repair"]
    )
    report.assert_harmless()


def test_names_of_a_store_s_file(server: Server, base: Base, world: World) -> None:
    """As the name of the file, a store is used, or refused in words."""
    base.copy(world)
    steps: list[Step] = []
    for name in (
        "temp",
        "system",
        "memory",
        "main",
        "run",
        "lake",
        'x"; y',
        "it's",
        "a?b",
        "semi:colon",
        "md:x",
        "*",
        "\x1b[2J",
    ):
        (world.given / f"{name}.duckdb").hardlink_to(world.store)
        given: dict[str, Any] = {"store": str(world.given / f"{name}.duckdb")}
        steps += [("list", given), ("export", given), ("page:runs", given | {"asked": {"runs": [RUN]}})]
    server.run(world, steps).assert_harmless()
