"""Flows are the largest shares of their classes, drawn from class to class, and empty frames are no error."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.ui.charts.leaping import arrows_of_leaps_between_classes, top_flows
from rnc.ui.charts.palette import CLASSES
from tests.examples import examples
from tests.rnc.ui.charts import spec_of

NAMES = ["zero", "one", "two"]


def leaps(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["true_class", "predicted_class", "count"]).assign(angle=0.5)


def layers(chart: Any, mark: str) -> list[tuple[dict, list[dict]]]:
    """The layers of a mark with their rows."""
    spec = spec_of(chart)
    found = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]
    return [(layer, spec["datasets"][layer["data"]["name"]]) for layer in found]


def test_shares_are_of_the_true_class_and_what_stays_is_no_flow() -> None:
    flows = top_flows(
        leaps(("zero", "zero", 1), ("zero", "one", 3), ("two", "one", 5), ("one", "two", 0), ("two", "two", 15))
    )
    found = [tuple(row) for row in flows[["true_class", "predicted_class", "count", "share"]].to_numpy()]
    assert found == [("zero", "one", 3, 0.75), ("two", "one", 5, 0.25)]


@examples(20)
@given(st.integers(2, 12), st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_largest_flows_are_kept(classes: int, most: int, random: Any) -> None:
    rows = [(str(a), str(b), random.randrange(1, 100)) for a in range(classes) for b in range(classes)]
    every, kept = top_flows(leaps(*rows), 10**6), top_flows(leaps(*rows), most)
    assert len(every) == classes * (classes - 1) and len(kept) == min(most, len(every))
    assert kept["share"].is_monotonic_decreasing and set(kept["share"]) <= set(every["share"])
    assert kept["share"].min() >= every["share"].nlargest(most).min()


def test_an_arrow_leads_from_class_to_class_and_is_as_wide_as_its_share() -> None:
    chart = arrows_of_leaps_between_classes(
        top_flows(leaps(("zero", "one", 3), ("zero", "zero", 1), ("one", "zero", 4))), NAMES, "title"
    )
    ((line, points),) = layers(chart, "line")
    assert line["encoding"]["strokeWidth"]["field"] == "share"
    assert line["encoding"]["strokeWidth"]["scale"]["domain"] == [0, 1]
    assert line["encoding"]["color"]["field"] == "true_class"
    assert line["encoding"]["color"]["scale"] == {"domain": NAMES, "range": CLASSES[:3]}
    (heads, tips), (_dots, spots) = layers(chart, "point")
    where = {row["true_class"]: np.array([row["x"], row["y"]]) for row in spots}
    np.testing.assert_allclose([np.linalg.norm(spot) for spot in where.values()], 1)
    np.testing.assert_allclose(where["zero"], [0, 1], atol=1e-12)
    for tip in tips:
        path = [np.array([p["x"], p["y"]]) for p in points if p["flow"] == tip["flow"]]
        away, towards = where[tip["true_class"]], where[tip["predicted_class"]]
        assert np.linalg.norm(path[0] - away) < 0.2 and np.linalg.norm(path[-1] - towards) < 0.2
        turned = np.radians(tip["heading"])
        heading = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
        np.testing.assert_allclose([np.sin(turned), np.cos(turned)], heading, atol=1e-9)
    there, back = ([p for p in points if p["true_class"] == name] for name in ("zero", "one"))
    middle = [np.array([part[12]["x"], part[12]["y"]]) for part in (there, back)]
    assert np.linalg.norm(middle[0] - middle[1]) > 0.1, "two classes' flows to each other lie apart"
    assert heads["encoding"]["size"]["field"] == "head"


@pytest.mark.parametrize(("classes", "named"), [(10, 10), (100, 3)])
def test_of_many_classes_those_alone_are_named_that_a_flow_touches(classes: int, named: int) -> None:
    names = [f"class {i}" for i in range(classes)]
    flows = top_flows(leaps((names[0], names[1], 3), (names[0], names[5], 2)))
    chart = arrows_of_leaps_between_classes(flows, names, "title")
    told = [row["true_class"] for _layer, rows in layers(chart, "text") for row in rows]
    assert len(told) == len(set(told)) == named and names[5] in told
    assert len(layers(chart, "point")[1][1]) == classes


def test_without_leaps_the_classes_stand_alone() -> None:
    flows = top_flows(leaps(("zero", "zero", 4)))
    assert flows.empty
    chart = arrows_of_leaps_between_classes(flows, NAMES, "title")
    assert layers(chart, "line")[0][1] == [] and len(layers(chart, "point")[1][1]) == 3
    spec_of(arrows_of_leaps_between_classes(top_flows(leaps()), [], "title"))
