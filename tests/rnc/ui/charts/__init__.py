"""Tests of rnc/ui/charts."""

import json
from functools import cache
from typing import Any

import altair as alt

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.palette import RUN_COLOURS


def spec_of(chart: Chart) -> dict[str, Any]:
    """The specification of a chart, validated against Vega-Lite's schema, with the rows of its data sets."""
    specification = chart.specification
    named = {part["data"]["name"] for part in (specification, *specification.get("layer", [])) if "data" in part}
    assert named == set(chart.rows), "every data set is drawn, and none is missing"
    datasets = {name: alt.utils.sanitize_pandas_dataframe(rows).to_dict("records") for name, rows in chart.rows.items()}
    _validate(chart.specification_text)
    return specification | {"datasets": datasets}


@cache
def _validate(specification_text: str) -> None:
    """Raise an error for a specification that the schema of Vega-Lite does not allow; in rows it allows everything."""
    alt.Root.validate(json.loads(specification_text))


def coloured(*labels: str) -> dict[str, str]:
    """Runs, each in another colour."""
    return dict(zip(labels, RUN_COLOURS.values(), strict=False))
