"""Tests of a published run's rows: they take precedence over its footer; a small file of endless entries does no harm."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import begin, one_epoch


@pytest.fixture(scope="session")
def good_and_evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that each test gets a copy of."""
    store, folder = tmp_path_factory.mktemp("theirs") / "rnc.duckdb", tmp_path_factory.mktemp("gallery")
    for run_id in ("good", "evil"):
        writer = begin(store, run_id, width=1.0, subset=0)
        writer.write_epoch(run_id, 0, one_epoch(run_id, 0))
        writer.end_run(run_id, RunState.FINISHED, 1.0)
        publish(store, run_id, folder)
    return folder


@pytest.fixture
def gallery(good_and_evil: Path, tmp_path: Path) -> Path:
    """The published runs good and evil."""
    return shutil.copytree(good_and_evil, tmp_path / "gallery")


def with_column(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(name)
        return rows.set_column(place, name, pa.array([value] * len(rows), rows.schema.field(name).type))

    return change


def change(file: Path, changed: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(changed(pq.read_table(file)).replace_schema_metadata({"schema_version": "4"}), file)


def left_out(gallery: Path, reason: str) -> StoreReader:
    """Assert that evil alone is left out, for a reason, and that good is as it was."""
    reader = StoreReader(gallery.parent / "none.duckdb", gallery)
    assert list(reader.left_out()) == ["evil"] and reason in reader.left_out()["evil"]
    assert reader.metrics.value_counts_by_run().to_dict("records") == [{"run_id": "good", "metrics": 1}]
    return reader


def test_statistics_that_lie_add_nothing_to_another_run(gallery: Path) -> None:
    file = gallery / "evil" / "metric.parquet"
    change(file, with_column("run_id", "good"))
    content = file.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    file.write_bytes(content[:footer] + content[footer:].replace(b"good", b"evil"))
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).statistics.min == "evil"
    left_out(gallery, "rows of another run")


@pytest.mark.parametrize(
    ("column", "value"), [("epsilon", 0.5), ("steps", 3), ("condition", "'; DROP"), ("kind", "clean")]
)
def test_no_run_gives_a_condition_another_meaning(column: str, value: object, gallery: Path) -> None:
    before = StoreReader(gallery.parent / "none.duckdb", gallery).runs.conditions(["good"])
    change(gallery / "evil" / "condition.parquet", with_column(column, value))
    after = left_out(gallery, "condition").runs.conditions(["good"])
    assert after[["condition", "epsilon", "steps"]].equals(before[["condition", "epsilon", "steps"]])


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("config", "[]", "config that makes no sense"),
        ("config", "{", "config that makes no sense"),
        ("classes", ["a"] * 5_000, "5,000 classes"),
        ("classes", ["x" * 1_000], "1,000 characters"),
        ("classes", ["a", None], "missing"),
    ],
)
def test_a_run_that_pages_could_make_nothing_of(column: str, value: object, reason: str, gallery: Path) -> None:
    change(gallery / "evil" / "run.parquet", with_column(column, value))
    assert list(left_out(gallery, reason).runs.all()["run_id"]) == ["good"]


def test_endless_texts_in_a_few_kilobytes(gallery: Path) -> None:
    """200 times the same 10 MB: nothing of it becomes memory."""
    file = gallery / "evil" / "class_metric.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT r.* REPLACE (repeat('x', 10_000_000) AS metric) FROM (SELECT 'evil' AS run_id, 0 AS epoch,
                'train' AS split, 'clean' AS condition, 'train' AS means_split, 'clean' AS means_condition,
                'features' AS layer, i::INTEGER AS class, '' AS metric, 1.0::DOUBLE AS value FROM range(200) t(i)) r)
                TO '{file}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{schema_version: '4'}})"""
        )
    assert file.stat().st_size < 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    left_out(gallery, "entry of 10,000,000 in column metric")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
