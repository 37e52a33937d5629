"""Rows become Arrow columns: scalars are repeated, vectors become lists, lengths that differ are refused."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from rnc.store.row_buffer import Rows
from rnc.vocabulary import Norm, Split


def test_one_value_serves_all_rows() -> None:
    rows = Rows()
    rows.add("metric", run_id="a", epoch=3, metric=["nc1", "nc3"], value=[0.5, 1.5])
    table = rows.tables()["metric"]
    assert table.to_pylist() == [
        {"run_id": "a", "epoch": 3, "metric": "nc1", "value": 0.5},
        {"run_id": "a", "epoch": 3, "metric": "nc3", "value": 1.5},
    ]


def test_values_alone_are_one_row() -> None:
    rows = Rows()
    rows.add("run", run_id="a", started_at=datetime(2024, 1, 2, 3, 4, 5), error=None)
    assert rows.tables()["run"].to_pylist() == [
        {"run_id": "a", "started_at": datetime(2024, 1, 2, 3, 4, 5), "error": None}
    ]


def test_a_list_in_a_list_is_one_list_value() -> None:
    rows = Rows()
    rows.add("run", run_id="a", classes=[["x", "y"]])
    assert rows.tables()["run"].to_pylist() == [{"run_id": "a", "classes": ["x", "y"]}]


@pytest.mark.parametrize("columns", [range(3), (0, 1, 2), [0, 1, 2], np.arange(3)])
def test_every_kind_of_sequence_is_a_column(columns: object) -> None:
    rows = Rows()
    rows.add("layer", depth=columns)
    assert rows.tables()["layer"]["depth"].to_pylist() == [0, 1, 2]


def test_names_from_closed_lists_are_plain_text() -> None:
    rows = Rows()
    rows.add("metric", split=Split.TRAIN, norm=[Norm.L2, Norm.LINF])
    table = rows.tables()["metric"]
    assert table.to_pylist() == [{"split": "train", "norm": "l2"}, {"split": "train", "norm": "linf"}]
    assert table.schema.field("split").type == pa.string()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_is_a_column_of_its_rows_in_float32(order: str) -> None:
    matrix = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]], order=order)  # type: ignore[call-overload]
    rows = Rows()
    rows.add("class_mean", **{"class": range(2)}, vector=matrix)
    table = rows.tables()["class_mean"]
    assert table["vector"].to_pylist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]
    assert table.schema.field("vector").type == pa.list_(pa.float32())


def test_a_transposed_or_strided_matrix_keeps_its_rows() -> None:
    base = np.arange(12.0).reshape(3, 4)
    for matrix in (base.T, base[:, ::2]):
        rows = Rows()
        rows.add("class_mean", vector=matrix)
        assert rows.tables()["class_mean"]["vector"].to_pylist() == matrix.tolist()


def test_lengths_that_differ_are_refused_by_name() -> None:
    rows = Rows()
    with pytest.raises(ValueError, match=r"metric differ in length.*'metric': 2.*'value': 3"):
        rows.add("metric", metric=["a", "b"], value=[1.0, 2.0, 3.0])
    assert rows.tables() == {}


def test_chunks_are_joined_in_order_and_by_table() -> None:
    rows = Rows()
    rows.add("leap", count=[1, 2])
    rows.add("checkpoint", epoch=1)
    rows.add("leap", count=np.array([3]))
    assert rows.tables()["leap"]["count"].to_pylist() == [1, 2, 3]
    assert rows.tables()["checkpoint"]["epoch"].to_pylist() == [1]


def test_a_column_that_is_null_at_first_may_hold_values_later() -> None:
    rows = Rows()
    rows.add("condition", norm=None, epsilon=None)
    rows.add("condition", norm=Norm.L2, epsilon=0.5)
    assert rows.tables()["condition"].to_pylist() == [{"norm": None, "epsilon": None}, {"norm": "l2", "epsilon": 0.5}]


def test_no_rows_are_no_rows() -> None:
    rows = Rows()
    assert rows.tables() == {}
    rows.add("leap", count=np.zeros(0, dtype=int), angle=np.zeros(0))
    assert rows.tables()["leap"].num_rows == 0
    rows.add("class_mean", vector=np.zeros((0, 3)))
    assert rows.tables()["class_mean"].num_rows == 0
