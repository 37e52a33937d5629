"""Charts: a Vega-Lite specification, which is built once and kept, and the rows of its data sets.

Building a specification takes as long as all the rest of a page. It therefore depends on what a chart looks like alone (its
options, labels and sizes), refers to rows by the names of data sets, and is kept as text. Encodings are objects, such as
`alt.Y("value:Q")`: for each that is a text, Altair looks at all of its classes.

Tested by tests/rnc/ui/charts/test_chart_with_cached_specification.py.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, wraps
from typing import Any, ParamSpec

import altair as alt
import pandas as pd
import pyarrow as pa
from altair.utils import schemapi

schemapi.disable_debug_mode()  # it validates each part of a chart as it is made, a quarter of the time of building
_Arguments = ParamSpec("_Arguments")

MOST_KEPT = 200
"""Largest number of specifications kept for each kind of chart; those that were used last stay."""


@dataclass(frozen=True)
class Chart:
    """A chart of a page."""

    specification_text: str
    """The Vega-Lite specification as JSON, without rows."""
    rows: dict[str, pd.DataFrame]
    """The rows of each data set that the specification names."""
    screen: "Chart | None" = None
    """The chart as a page draws it, with what the mouse does; None if that is the same. Exports do not have it."""

    @property
    def specification(self) -> dict[str, Any]:
        """The specification without rows; each access returns a new copy, which may be changed."""
        specification: dict[str, Any] = json.loads(self.specification_text)
        return specification

    @property
    def row_count(self) -> int:
        """The number of rows of all data sets."""
        return sum(map(len, self.rows.values()))

    @property
    def largest_rows(self) -> pd.DataFrame:
        """The data set with the most rows, which is the table of the chart."""
        return self.rows[self.largest_data_set_name]

    @property
    def largest_data_set_name(self) -> str:
        """The name of the data set with the most rows."""
        return max(self.rows, key=lambda name: len(self.rows[name]))

    @cached_property
    def streams(self) -> dict[str, bytes]:
        """The rows of each data set as a browser gets them (Arrow IPC), so that a chart that is kept is converted once."""
        return {name: _stream(rows) for name, rows in self.rows.items()}


def _stream(rows: pd.DataFrame) -> bytes:
    table, sink = pa.Table.from_pandas(rows), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def cached_specification(build: Callable[_Arguments, alt.Chart | alt.LayerChart]) -> Callable[_Arguments, str]:
    """Make a function that builds a chart without rows return its specification as text, built once for equal arguments.

    The arguments must be hashable. Specifications are not validated here but in the tests, which draw every kind of chart.
    """

    @lru_cache(MOST_KEPT)
    def specification(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> str:
        content = build(*arguments, **options).to_dict(validate=False)
        content.pop("config", None)  # of Altair's theme; the page has its own
        return json.dumps(content)

    return wraps(build)(specification)  # type: ignore[return-value]


def named(name: str) -> alt.Chart:
    """Return an empty chart of a data set with this name."""
    return alt.Chart(alt.NamedData(name))
