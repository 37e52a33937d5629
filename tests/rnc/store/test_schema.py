"""The store is a public contract: these tables and columns, and questions of the paper answered by one query each."""

from pathlib import Path
from typing import Any

import pytest

from rnc.conditions import CLEAN
from rnc.store.connection_per_transaction import reading
from rnc.store.row_buffer import Rows
from rnc.vocabulary import Role
from tests.rnc.store.hand_written import L2, PERTURBED, add_metrics, begin

CONTRACT = {
    "schema_version": "version",
    "run": "run_id config classes state epochs_done started_at heartbeat_at finished_at wall_seconds device execution data "
    "threads host git_commit versions error",
    "condition": "condition kind norm epsilon step_size steps target_rule label_rule "
    "objective momentum restarts schedule target_class",
    "run_condition": "run_id condition role",
    "layer": "run_id layer depth size",
    "epoch": "run_id epoch learning_rate train_loss train_seconds measure_seconds images_per_second attack_seconds store_seconds",
    "metric": "run_id epoch split condition means_split means_condition layer metric value",
    "class_metric": "run_id epoch split condition means_split means_condition layer class metric value",
    "class_mean": "run_id epoch split condition layer class vector",
    "classifier": "run_id epoch class vector bias",
    "feature": "run_id epoch split condition sample label predicted vector",
    "attack_path": "run_id epoch split condition step sample predicted vector",
    "projection": "run_id epoch split condition method sample coordinates",
    "leap": "run_id epoch split condition true_class predicted_class count angle",
    "run_mark": "run_id tags note archived_at",
    "lab_result": "key saved_at title request summary content",
    "checkpoint": "run_id epoch path sha256",
    "measurement": "run_id dataset model objective norm epsilon seed epoch split role condition layer metric value",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with what the questions below need, and neighbours that must not be mistaken for it."""
    path, rows = tmp_path_factory.mktemp("schema") / "rnc.duckdb", Rows()
    writer = begin(path, "at-run", objective="at", seed=3)
    writer.write_layers("at-run", [("pixels", 64), ("conv1", 32), ("features", 8)])
    add_metrics(rows, "at-run", 4, "test", PERTURBED, {"accuracy": 0.70, "ncc_accuracy": 0.99, "nc1": 5.0})
    add_metrics(rows, "at-run", 4, "test", PERTURBED, {"ncc_accuracy": 0.69}, ("train", CLEAN))
    add_metrics(rows, "at-run", 4, "test", PERTURBED, {"angle": 0.2}, ("test", CLEAN))
    add_metrics(rows, "at-run", 4, "train", PERTURBED, {"accuracy": 0.95}, None)
    add_metrics(rows, "at-run", 4, "train", PERTURBED, {"ncc_accuracy": 0.94}, ("train", CLEAN))
    add_metrics(rows, "at-run", 4, "test", CLEAN, {"accuracy": 0.98}, None)
    add_metrics(rows, "at-run", 4, "test", CLEAN, {"ncc_accuracy": 0.97}, ("train", CLEAN))
    add_metrics(rows, "at-run", 4, "test", L2, {"accuracy": 0.60, "nc1": 6.0}, None)
    for layer, nc1 in (("features", 0.1), ("pixels", 9.0), ("conv1", 3.0)):
        add_metrics(rows, "at-run", 4, "train", CLEAN, {"nc1": nc1}, layer=layer)
    spot = {"run_id": "at-run", "epoch": 4, "split": "train", "condition": PERTURBED.slug}
    rows.add(
        "leap",
        **spot,
        true_class=[0, 0, 0, 1],
        predicted_class=[0, 1, 2, 2],
        count=[5, 3, 1, 7],
        angle=[9, 0.2, 1.0, 3],
    )
    writer.write_epoch("at-run", 4, rows)
    rows = Rows()
    add_metrics(rows, "st-run", 4, "test", PERTURBED, {"accuracy": 0.01}, None)
    begin(path, "st-run").write_epoch("st-run", 4, rows)
    return path


def ask(path: Path, sql: str, **arguments: Any) -> list[tuple]:
    with reading(path) as connection:
        return connection.execute(sql, arguments).fetchall()


def test_tables_and_columns_are_as_documented(store: Path) -> None:
    found: dict[str, list[str]] = {}
    for table, column in ask(
        store,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_catalog = current_database() ORDER BY table_name, ordinal_position",
    ):
        found.setdefault(table, []).append(column)
    assert {table: " ".join(columns) for table, columns in found.items()} == CONTRACT


def test_the_subset_of_sql_that_ducklake_runs(store: Path) -> None:
    assert ask(store, "SELECT * FROM duckdb_constraints() WHERE database_name = current_database()") == []
    assert ask(store, "SELECT * FROM duckdb_sequences() WHERE database_name = current_database()") == []
    assert ask(store, "SELECT * FROM duckdb_indexes() WHERE database_name = current_database()") == []
    types = {
        kind
        for (kind,) in ask(
            store, "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_catalog = current_database()"
        )
    }
    assert types == {"VARCHAR", "JSON", "VARCHAR[]", "INTEGER", "TIMESTAMP", "DOUBLE", "FLOAT[]", "BLOB"}


def test_claim_8_is_one_query(store: Path) -> None:
    """The network's and the nearest-centre rule's accuracy on perturbed test data, by the clean training means."""
    found = ask(
        store,
        """SELECT network.value, centre.value
           FROM metric AS network JOIN metric AS centre USING (run_id, epoch, split, condition, layer)
           JOIN run_condition AS rc USING (run_id, condition)
           WHERE run_id = 'at-run' AND split = 'test' AND rc.role = $role
             AND network.metric = 'accuracy' AND network.means_condition = condition
             AND centre.metric = 'ncc_accuracy' AND centre.means_split = 'train' AND centre.means_condition = 'clean'""",
        role=str(Role.PERTURBED),
    )
    assert found == [(0.70, 0.69)]


def test_claim_10_is_one_query(store: Path) -> None:
    """NC1 from layer to layer, in the order of depth."""
    found = ask(
        store,
        """SELECT depth, layer, size, value FROM metric JOIN layer USING (run_id, layer)
           WHERE run_id = 'at-run' AND epoch = 4 AND split = 'train' AND condition = 'clean' AND metric = 'nc1'
           ORDER BY depth""",
    )
    assert found == [(0, "pixels", 64, 9.0), (1, "conv1", 32, 3.0), (2, "features", 8, 0.1)]


def test_one_run_under_both_norms_is_one_query(store: Path) -> None:
    found = ask(
        store,
        """SELECT c.norm, rc.role, m.value FROM metric AS m
           JOIN run_condition AS rc USING (run_id, condition) JOIN condition AS c USING (condition)
           WHERE m.run_id = 'at-run' AND m.split = 'test' AND m.metric = 'accuracy' AND c.kind = 'pgd'
             AND m.means_condition = m.condition ORDER BY c.norm""",
    )
    assert found == [("l2", "extra", 0.60), ("linf", "perturbed", 0.70)]


def test_the_mean_leaping_angle_of_a_class_is_one_query(store: Path) -> None:
    found = ask(
        store,
        """SELECT true_class, sum(count * angle) / sum(count) FROM leap
           WHERE run_id = 'at-run' AND epoch = 4 AND split = 'train' AND condition = $condition
             AND true_class <> predicted_class GROUP BY true_class ORDER BY true_class""",
        condition=PERTURBED.slug,
    )
    assert found == [(0, pytest.approx((3 * 0.2 + 1 * 1.0) / 4)), (1, 3.0)]


def test_the_view_holds_own_means_only(store: Path) -> None:
    found = ask(store, "SELECT split, condition, layer, metric, value FROM measurement WHERE run_id = 'at-run'")
    expected = ask(
        store,
        """SELECT split, condition, layer, metric, value FROM metric
           WHERE run_id = 'at-run' AND means_split = split AND means_condition = condition""",
    )
    assert sorted(found) == sorted(expected) and len(found) == 10
    assert ("test", PERTURBED.slug, "features", "ncc_accuracy", 0.69) not in found
    assert not [row for row in found if row[3] == "angle"]


def test_the_view_names_run_and_role(store: Path) -> None:
    columns = "dataset, model, objective, norm, seed, epoch, role, value"
    where = "split = 'test' AND condition = $condition AND metric = 'accuracy' ORDER BY objective"
    found = ask(store, f"SELECT {columns} FROM measurement WHERE {where}", condition=PERTURBED.slug)
    assert found == [
        ("digits", "small_cnn", "at", "linf", 3, 4, "perturbed", 0.70),
        ("digits", "small_cnn", "st", "linf", 1, 4, "perturbed", 0.01),
    ]
    assert ask(store, "SELECT DISTINCT epsilon FROM measurement") == [(8 / 255,)]
