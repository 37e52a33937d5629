"""Questions to a store end in time and in words, whatever somebody has put into its tables."""

import shutil
from pathlib import Path

import duckdb
import pytest

from rnc.store import cached_queries
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.vocabulary import MOST_EPOCHS
from tests.rnc.store.hand_written import begin, one_epoch

pytestmark = pytest.mark.one_file("rows are put into the file by hand")


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that each test gets a copy of."""
    path = tmp_path_factory.mktemp("bounds") / "rnc.duckdb"
    begin(path, "r", width=1.0, subset=0).write_epoch("r", 0, one_epoch("r", 0))
    return path


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """One run of one epoch."""
    return shutil.copyfile(small_store, tmp_path / small_store.name)


def change(store: Path, *statements: str) -> None:
    with duckdb.connect(str(store)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("table", sorted(cached_queries._KEYS))
def test_rows_that_are_there_twice_are_named(table: str, store: Path) -> None:
    """Not multiplied by one another: 20,000 rows in two tables would be 400 million."""
    reader = StoreReader(store)
    for _once in range(2):
        reader.runs.all(), reader.runs.conditions(["r"])
    filled = {
        "run_mark": "INSERT INTO run_mark VALUES ('r', [], '', NULL)", "layer": "INSERT INTO layer VALUES ('r', 'l', 0, 1)",
        "checkpoint": "INSERT INTO checkpoint VALUES ('r', 0, 'x', 'y')",
    }  # fmt: skip
    change(store, filled.get(table, "SELECT 1"), f"INSERT INTO {table} SELECT t.* FROM {table} t, range(20_000)")
    asked = {
        "run": reader.runs.all, "run_mark": reader.runs.all, "checkpoint": lambda: reader.runs.checkpoints(["r"]),
        "layer": lambda: reader.metrics.layers(["r"], ["clean"], "train", 0),
    }  # fmt: skip
    for _once in range(2):
        with pytest.raises(StoreError, match=f"table {table} .*20,001 rows of .*r"):
            asked.get(table, lambda: reader.runs.conditions(["r"]))()


def test_a_question_that_takes_too_long_ends(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_queries, "MOST_SECONDS", 0.3)
    endless = "SELECT sum(sin(a.range + b.range)) AS metric FROM range(1000000) a, range(1000000) b, metric"
    with pytest.raises(StoreError, match=r"takes more than 0\.3 s \(of metric\)"):
        StoreReader(store)._cached.query(endless)
    many = "SELECT a.range AS x FROM range(1000000) a, range(1000000) b, metric WHERE hash(a.range + b.range) = 1"
    with pytest.raises(StoreError, match=r"takes more than 0\.3 s"):
        StoreReader(store)._cached.query(many)
    assert len(StoreReader(store).runs.all()) == 1


def test_a_run_of_too_many_epochs_is_named(store: Path) -> None:
    change(
        store,
        f"INSERT INTO metric SELECT m.* REPLACE (r::INTEGER AS epoch) FROM metric m, range({MOST_EPOCHS}) g(r)",
    )
    assert len(StoreReader(store).metrics.measured_epochs(["r"])) == MOST_EPOCHS
    change(store, "INSERT INTO metric SELECT m.* REPLACE (2147483647 AS epoch) FROM metric m LIMIT 1")
    with pytest.raises(StoreError, match=f"run r has {MOST_EPOCHS + 1:,} measured epochs"):
        StoreReader(store).metrics.measured_epochs(["r"])


@pytest.mark.parametrize(
    "fields",
    [
        '"width": 1e999', '"width": NaN', f'"width": {2**200}', f'"epochs": {-(2**70)}', '"epochs": "1"', '"seed": 1.5',
        '"width": true', '"epochs": false', '"width": [1]', '"dataset": {}', '"model": null', '"subset": 1e300', '"own": 3',
    ],
)  # fmt: skip
def test_a_config_with_numbers_that_are_none_is_refused(fields: str, store: Path) -> None:
    change(store, f"UPDATE run SET config = left(config, length(config) - 1) || ', {fields}}}'")
    with pytest.raises(StoreError, match="config that makes no sense"):
        StoreReader(store).runs.all()


def test_fields_of_a_config_do_not_stand_for_columns(store: Path) -> None:
    before = StoreReader(store).runs.all()
    fields = '"run_id": "x", "published": true, "synthetic": true, "images_from": "own:x", "tags": 3, "state": "failed"'
    change(store, f"UPDATE run SET config = left(config, length(config) - 1) || ', {fields}}}'")
    after = StoreReader(store).runs.all()
    assert after.drop(columns="config").equals(before.drop(columns="config"))
