"""Planes have the same unit in x and y whatever the size of the chart, and a scale bar that is right: measured on drawings."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.equal_axes import Frame, frame_of
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.projection import PlaneExtras, feature_plane
from tests.examples import examples
from tests.rnc.ui.charts import spec_of

NAMES = ["a", "b", "c"]
TRIANGLE = pd.DataFrame({"label": NAMES, "x": [-1.0, 1.0, 0.0], "y": [-0.6, -0.6, 1.1]})
SIZES = [(300.0, 600.0), (700.0, 450.0)]


def points(places: list[tuple[float, float]]) -> pd.DataFrame:
    x, y = zip(*places, strict=True) if places else ((), ())
    frame = pd.DataFrame({"sample": range(len(places)), "x": x, "y": y}, dtype=float)
    return frame.assign(shown="clean", label="a", predicted="a")


def drawn(chart: Chart, width: float, height: float) -> ElementTree.Element:
    """The chart as the page draws it: the chart has to fit this size, legends included."""
    fit = {"width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}
    return ElementTree.fromstring(vl_convert.vegalite_to_svg(spec_of(chart) | fit))


def places_of(drawing: ElementTree.Element, mark: str) -> list[tuple[ElementTree.Element, float, float]]:
    """The items of the last layer of a kind of mark, and where they are."""
    layers = [group for group in drawing.iter() if group.get("class", "").startswith(f"mark-{mark} role-mark")]
    found = []
    for item in layers[-1]:
        place = re.fullmatch(r"translate\(([-\d.e]+),([-\d.e]+)\)", item.attrib["transform"])
        assert place, "a number"
        found.append((item, float(place[1]), float(place[2])))
    return found


def area(drawing: ElementTree.Element) -> tuple[float, float]:
    """The width and the height of the ground that the points are on."""
    ground = next(path for path in drawing.iter() if path.get("class") == "background")
    numbers = re.fullmatch(r"M0\.5,0\.5h([\d.]+)v([\d.]+)h-[\d.]+Z", ground.attrib["d"])
    assert numbers
    return float(numbers[1]), float(numbers[2])


def bar(drawing: ElementTree.Element) -> tuple[float, float]:
    """The length of the scale bar in pixels and, by its label, in units."""
    ((line, *_start),) = places_of(drawing, "rule")
    ((label, *_place),) = places_of(drawing, "text")
    length, word = "".join(label.itertext()).replace("\N{MINUS SIGN}", "-").split(" ")
    assert word == ("unit" if float(length) == 1 else "units") and float(line.attrib["y2"]) == 0
    return float(line.attrib["x2"]), float(length)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("brush", [True, False], ids=["projections", "lab"])
@pytest.mark.parametrize("triangle", [None, TRIANGLE], ids=["plane", "simplex"])
def test_a_unit_is_as_long_across_as_up_and_as_the_bar_says(
    triangle: pd.DataFrame | None, brush: bool, size: tuple[float, float]
) -> None:
    frame = points([(-3.0, 0.5), (4.0, 0.5), (-3.0, 2.5)])
    chart = feature_plane(frame, NAMES, "perturbed", arrows=False, brush=brush, extras=PlaneExtras(triangle=triangle))
    drawing = drawn(chart, *size)
    ((_a, left, low), (_b, right, _low), (_c, _left, high)) = places_of(drawing, "symbol")
    unit = (right - left) / 7
    assert unit > 10 and (low - high) / 2 == pytest.approx(unit, rel=1e-3)
    pixels, length = bar(drawing)
    assert pixels / length == pytest.approx(unit, rel=1e-3)
    width, height = area(drawing)
    assert min(left, width - right, height - 30 - low, high) > 0, "above the bar"


@pytest.mark.parametrize("scale", [3e-6, 0.0007, 0.05, 1.0, 1.9, 4.4, 8.8, 6e4])
def test_the_bar_is_a_round_fifth(scale: float) -> None:
    drawing = drawn(feature_plane(points([(0, 0), (scale, scale)]), NAMES, "perturbed", arrows=False), 500, 400)
    pixels, length = bar(drawing)
    assert f"{length:e}"[0] in "125" and set(f"{length:e}"[1:8]) == {".", "0"}
    assert 0.2 / math.sqrt(2.5) < pixels / min(area(drawing)) < 0.2 * math.sqrt(2.5) * 1.001
    ((_line, left, down),) = places_of(drawing, "rule")
    assert left < 20 and down > area(drawing)[1] - 20


def test_an_exported_picture_has_the_bar() -> None:
    chart = feature_plane(points([(0, 0), (3, 5)]), NAMES, "perturbed", arrows=True, brush=True)
    drawing = ElementTree.fromstring(picture_file(chart, FileKind.SVG, 4.0))
    assert bar(drawing)[1] == 1


@pytest.mark.parametrize(
    "places",
    [
        [],
        [(3.0, -4.0)] * 3,
        [(0.0, 1.0), (0.0, 2.0)],
        [(np.nan, 1.0), (np.inf, 2.0), (5.0, 5.0)],
        [(1e8, 1e8)],
        [(1e-300, 0.0), (0.0, 0.0)],
    ],
    ids=["none", "one place", "a line", "not finite", "far", "tiny"],
)
def test_a_frame_without_an_extent_is_no_error(places: list[tuple[float, float]]) -> None:
    drawing = drawn(feature_plane(points(places), NAMES, "perturbed", arrows=False), 500, 400)
    assert "NaN" not in ElementTree.tostring(drawing, encoding="unicode")
    assert bar(drawing)[0] > 50
    width, height = area(drawing)
    assert all(0 < x < width and 0 < y < height for _item, x, y in places_of(drawing, "symbol"))


finite = st.floats(-1e6, 1e6)


@examples(100)
@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=5))
def test_a_frame_has_all_points_inside(places: list[tuple[float, float]]) -> None:
    frame = frame_of(points(places))
    assert frame.width > 0 or frame.height > 0
    shown = max(frame.width, frame.height)
    for number, (middle, side) in enumerate([(frame.x, frame.width), (frame.y, frame.height)]):
        numbers = [place[number] for place in places]
        slack = 0.002 * shown
        assert middle - side / 2 <= min(numbers) + slack and max(numbers) <= middle + side / 2 + slack
        assert side == pytest.approx(1.12 * (max(numbers) - min(numbers)), abs=slack) or len(set(places)) == 1


def test_rounding_errors_do_not_change_a_frame() -> None:
    """A frame is a part of a kept specification: it must be the same at every epoch."""
    places = np.random.default_rng(0).normal(size=(20, 2))
    frames = {frame_of(pd.DataFrame(places * (1 + error), columns=["x", "y"])) for error in (0, 1e-14, -1e-13)}
    assert len(frames) == 1 and frames != {Frame(0, 0, 1, 1)}


def test_the_names_of_a_tiny_triangle_are_hidden() -> None:
    """They would lie over each other, as at the first epoch of a run whose features grow."""
    extent = pd.DataFrame({"x": [-60.0, 60.0], "y": [-60.0, 60.0]})
    for further, expected in ((None, {"1"}), (extent, {"0"})):
        extras = PlaneExtras(triangle=TRIANGLE, extent=further)
        drawing = drawn(feature_plane(points([(0, 0)]), NAMES, "perturbed", arrows=False, extras=extras), 450, 450)
        names = [item for item in drawing.iter() if item.tag.endswith("text") and item.get("font-weight") == "bold"]
        assert {name.get("opacity", "1") for name in names} == expected
