"""The query that people are shown beside a chart, asked by hand, gives the rows that the chart was drawn from."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnc.conditions import CLEAN
from rnc.store import cached_queries
from rnc.store.cached_queries import bounded, sql_with_arguments_inserted
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from tests.rnc.store.hand_written import PERTURBED, begin, one_epoch

QUESTIONS: dict[str, Callable[[StoreReader], pd.DataFrame]] = {
    "curves": lambda r: r.metrics.curves(["it's"], ["clean"], "train", ["nc1"]),
    "against_clean": lambda r: r.metrics.against_clean_means(["it's"], ["clean"], "train", ["nc1"]),
    "layers": lambda r: r.metrics.layers(["it's"], ["clean"], "train", 9),
    "evidence": lambda r: r.metrics.evidence(["it's"], ["nc1"], 9),
    "leaps": lambda r: r.metrics.leaps("it's", 1, "train", PERTURBED.slug),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_text_asked_by_hand_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    begin(path, "it's").write_epoch("it's", 1, one_epoch("it's", 1, 0.25))
    answer = QUESTIONS[name](StoreReader(path))
    with reading(path) as connection:
        by_hand = connection.execute(answer.attrs["sql"]).df()
    pd.testing.assert_frame_equal(by_hand, answer)
    assert len(answer) == (name in ("curves", "against_clean", "evidence"))


def test_the_text_goes_along_with_what_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a").write_epoch("a", 1, one_epoch("a", 1))
    answer = StoreReader(path).metrics.curves(["a"], [CLEAN.slug], "train", ["nc1"])
    drawn = answer[answer["metric"] == "nc1"].assign(run="A")
    assert drawn.attrs["sql"] == answer.attrs["sql"] and drawn.attrs["sql"].startswith("WITH mine AS")


def test_an_answer_may_have_so_many_rows_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rnc.duckdb"
    monkeypatch.setattr(cached_queries, "MOST_ANSWER_ROWS", 3)
    with duckdb.connect() as connection:
        assert len(bounded(connection, path, "SELECT * FROM range(3)", [])) == 3
        with pytest.raises(StoreError, match=f"{path} is too large: more than 3 rows"):
            bounded(connection, path, "SELECT * FROM range(4)", [])


@settings(deadline=None)
@given(st.text(), st.lists(st.text(), min_size=1), st.integers(0, 10**9))
def test_any_text_stays_a_text(one: str, several: list[str], number: int) -> None:
    one, several = one.replace("\0", ""), [text.replace("\0", "") for text in several]
    for asked in (
        sql_with_arguments_inserted("SELECT ?, ?, ?", one, several, number),
        sql_with_arguments_inserted("SELECT $a, $b, $c", a=one, b=several, c=number),
    ):
        assert duckdb.sql(asked).fetchone() == (one, several, number)
