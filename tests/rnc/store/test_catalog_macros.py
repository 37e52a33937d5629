"""A store cannot hide what it defines behind macros that are called as DuckDB's own functions."""

from pathlib import Path

import duckdb
import pytest

from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreError
from tests.rnc.store.hand_written import begin, one_epoch

pytestmark = pytest.mark.one_file("made by hand in a DuckDB file")
_NOTHING = "AS TABLE SELECT 'x' AS database_name, 'x' AS function_name, 'x' AS view_name, true AS internal WHERE false"


@pytest.mark.parametrize("hidden", ["CREATE MACRO list_contains(a, b) AS true", "CREATE VIEW v AS SELECT 1 AS x"])
def test_what_lists_definitions_is_duckdbs_own(hidden: str, tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    begin(store, "a").write_epoch("a", 0, one_epoch("a", 0))
    with duckdb.connect(str(store)) as connection:
        connection.execute(f"{hidden}; CREATE MACRO current_database() AS 'other'")
        for name in ("duckdb_functions", "duckdb_views"):
            connection.execute(f"CREATE MACRO {name}() {_NOTHING}")
    for side in (reading, writing):
        with pytest.raises(StoreError, match="which this program did not make"), side(store):
            pytest.fail("it was opened")
