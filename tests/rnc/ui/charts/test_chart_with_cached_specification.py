"""A specification is built once for equal arguments, is valid, and cannot be changed by those who read it."""

import ast
from pathlib import Path

import altair as alt
import pandas as pd
import pyarrow as pa
import pytest

from rnc.ui.charts import chart_with_cached_specification as charts
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named

ROWS = pd.DataFrame({"x": [1, 2, 3]})


def test_a_specification_is_built_once_for_equal_arguments() -> None:
    built: list[tuple[str, bool]] = []

    @cached_specification
    def specification(name: str, *, log: bool) -> alt.Chart:
        built.append((name, log))
        return named(name).mark_point().encode(x=alt.X("x:Q", scale=alt.Scale(type="log" if log else "linear")))

    first = specification("a", log=True)
    assert specification("a", log=True) is first and specification("a", log=False) != first
    assert specification("b", log=True) != first
    assert built == [("a", True), ("a", False), ("b", True)]


def test_as_many_are_kept_as_a_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_KEPT", 2)
    built: list[int] = []

    @cached_specification
    def specification(number: int) -> alt.Chart:
        built.append(number)
        return named(str(number)).mark_point()

    for number in (0, 1, 2, 2, 0):
        specification(number)
    assert built == [0, 1, 2, 0]


def test_it_has_no_rows_and_no_theme_of_altair() -> None:
    found = Chart(cached_specification(lambda: named("points").mark_point().encode(x="x:Q"))(), {"points": ROWS})
    assert found.specification["data"] == {"name": "points"}
    assert not {"datasets", "config"} & set(found.specification)


def test_changes_of_a_reader_reach_no_other() -> None:
    found = Chart(cached_specification(lambda: named("points").mark_point().encode(x="x:Q"))(), {"points": ROWS})
    found.specification["encoding"]["x"]["field"] = "y"
    assert found.specification["encoding"]["x"]["field"] == "x"


def test_the_table_of_a_chart_is_its_largest_data_set() -> None:
    found = Chart("{}", {"cursor": ROWS[:1], "points": ROWS, "band": ROWS[:2]})
    assert found.row_count == 6 and found.largest_rows is ROWS


def test_rows_are_converted_once_into_what_a_browser_gets() -> None:
    found = Chart("{}", {"points": ROWS, "cursor": ROWS[:1]})
    assert found.streams is found.streams
    for name, sent in found.streams.items():
        received = pa.ipc.open_stream(sent).read_pandas()
        pd.testing.assert_frame_equal(received, found.rows[name], check_dtype=False)


@pytest.mark.parametrize("file", sorted(Path(charts.__file__).parent.glob("*.py")), ids=lambda file: file.stem)
def test_no_encoding_is_a_text(file: Path) -> None:
    """For each of them Altair looks at all of its classes, which took half of the time of building a chart."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    encodings = [part for call in calls if getattr(call.func, "attr", "") == "encode" for part in call.keywords]
    texts = [part.arg for part in encodings for value in (part.value, *getattr(part.value, "elts", ()))
             if isinstance(value, ast.Constant) and isinstance(value.value, str)]  # fmt: skip
    assert not texts
