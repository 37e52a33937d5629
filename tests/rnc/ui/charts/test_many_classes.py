"""Charts of few, many and very many classes, with short and long names: they keep their area, and no name lies over another."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from rnc.ui.charts.attack_steps import leap_moments
from rnc.ui.charts.geometry import class_norms, clean_to_perturbed_angle_bars, cosine_heatmap
from rnc.ui.charts.leaping import arrows_of_leaps_between_classes, leaping_matrix, top_flows
from rnc.ui.charts.palette import class_scale
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.projection import PlaneExtras, feature_plane, has_legend
from tests.rnc.ui.charts import spec_of

LONG = "n{:04d} of the long-tailed West Highland cocker spaniels, Canis lupus familiaris"
NAMES: dict[str, Callable[[int], str]] = {"digits": str, "long": LONG.format}
WIDTH = 5.0  # inches, 480 pixels: half of a page on a laptop
SVG = "{http://www.w3.org/2000/svg}"
_MOST_LETTERS = 26  # of a name that is cut


def cases(**kinds: str) -> pytest.MarkDecorator:
    """Return the argument `classes`: for each kind of name, the numbers of classes to draw.

    A chart draws otherwise on the two sides of 12 and 60 classes (numbers and empty pairs of a matrix), 15 (slanted names), 24
    (legend of a map, names around the circle) and 120 (names on an axis); with long names each of up to 120 takes the
    renderer 35 ms, so that their largest number is drawn once.
    """
    named = [(int(count), kind) for kind, counts in kinds.items() for count in counts.split()]
    lists = [[NAMES[kind](i) for i in range(count)] for count, kind in named]
    return pytest.mark.parametrize("classes", lists, ids=[f"{count} {kind}" for count, kind in named])


def leaps(classes: list[str]) -> pd.DataFrame:
    """Every class goes to its neighbour, and a little to the class after that."""
    rows = [(name, classes[(i + k) % len(classes)], 5 - k, 0.5) for i, name in enumerate(classes) for k in (0, 1, 2)]
    frame = pd.DataFrame(rows, columns=["true_class", "predicted_class", "count", "angle"])
    return frame.groupby(["true_class", "predicted_class"], sort=False, as_index=False).agg(
        {"count": "sum", "angle": "max"}
    )


def plane(classes: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    labels = np.repeat(classes, 2)
    return pd.DataFrame({
        "shown": ["clean", "perturbed"] * len(classes), "sample": np.repeat(np.arange(len(classes)), 2), "label": labels,
        "predicted": labels, "x": rng.normal(size=len(labels)), "y": rng.normal(size=len(labels)),
    })  # fmt: skip


def values(classes: list[str], **more: Any) -> pd.DataFrame:
    return pd.DataFrame({"class": classes, "shown": "clean", "run": "a", **more})


def drawing_of(chart: Any) -> ElementTree.Element:
    return ElementTree.fromstring(picture_file(chart, FileKind.SVG, WIDTH))


def texts(drawing: ElementTree.Element, role: str) -> list[tuple[float, float, str]]:
    """Return where the texts of a role stand on a drawing (from the left, from the top, in pixels), and what they say."""

    def within(element: ElementTree.Element, x: float, y: float, inside: bool) -> Iterator[tuple[float, float, str]]:
        moved = element.get("transform", "")
        if moved.startswith("translate("):
            across, down = moved.removeprefix("translate(").split(")")[0].split(",")
            x, y = x + float(across), y + float(down)
        inside = inside or role in element.get("class", "").split()
        if element.tag == f"{SVG}text" and inside and element.get("opacity") != "0":
            yield x, y, "".join(element.itertext())
        for child in element:
            yield from within(child, x, y, inside)

    return list(within(drawing, 0.0, 0.0, False))


def drawn_area(drawing: ElementTree.Element) -> tuple[float, float]:
    """Return width and height of the ground that a chart's marks stand on, in pixels."""
    ground = next(path for path in drawing.iter(f"{SVG}path") if path.get("class") == "background")
    numbers = (
        ground.attrib["d"].replace("M", " ").replace("h", " ").replace("v", " ").replace("Z", " ").replace("H", " ")
    )
    across, down = [abs(float(number)) for number in numbers.replace(",", " ").split()][2:4]
    return across, down


def assert_apart(places: list[float]) -> None:
    """No two texts are nearer than a line's height (of 12 pixels, less what has no ink)."""
    assert all(after - before > 9 for before, after in pairwise(sorted(places)))


CHARTS: dict[str, Callable[[list[str]], Any]] = {
    "heat map": lambda names: cosine_heatmap(np.eye(len(names)), names, -0.5, "t"),
    "leaping matrix": lambda names: leaping_matrix(leaps(names), names, "t"),
    "norms": lambda names: class_norms(values(names, value=1.0), names, "#0072B2"),
    "angles": lambda names: clean_to_perturbed_angle_bars(
        values(names, degrees=1.0, radians=0.1), names, {"a": "#0072B2"}
    ),
}


def assert_names_are_apart(kind: str, classes: list[str]) -> None:
    """The names on the axes of a chart do not lie over each other, are cut, and leave its area."""
    drawing = drawing_of(CHARTS[kind](classes))
    shown = [
        text for text in texts(drawing, "role-axis-label") if text[2].removesuffix("…") and text[2][0] in "n0123456789c"
    ]
    named = [text for text in shown if any(name.startswith(text[2].removesuffix("…")) for name in classes)]
    assert len(named) >= min(len(classes), 3)
    assert max(len(text) for _x, _y, text in named) <= _MOST_LETTERS
    left = min(x for x, _y, _text in named)
    beside = [y for x, y, _text in named if x == left] if kind in ("heat map", "leaping matrix") else []
    below = [x for x, y, _text in named if y == max(y for _x, y, _text in named)] if kind != "heat map" else []
    assert_apart(beside)
    assert_apart(below)
    across, down = drawn_area(drawing)
    assert across > 250 and down > 200


@cases(digits="2 10 130", long="10 37")
def test_the_names_on_the_axes_of_a_heat_map_do_not_lie_over_each_other(classes: list[str]) -> None:
    """The page draws none of more than 300 classes."""
    assert_names_are_apart("heat map", classes)


@cases(digits="10 100 1000", long="2 37")
def test_the_names_on_the_axes_of_a_leaping_matrix_do_not_lie_over_each_other(classes: list[str]) -> None:
    assert_names_are_apart("leaping matrix", classes)


@pytest.mark.slow
@cases(long="200")
def test_more_long_names_than_an_axis_has_do_not_lie_over_each_other(classes: list[str]) -> None:
    assert_names_are_apart("leaping matrix", classes)


@cases(digits="2 37 200", long="10")
def test_the_names_below_norms_do_not_lie_over_each_other(classes: list[str]) -> None:
    assert_names_are_apart("norms", classes)


@cases(digits="10 100 1000", long="2 37")
def test_the_names_below_angles_do_not_lie_over_each_other(classes: list[str]) -> None:
    assert_names_are_apart("angles", classes)


@cases(digits="10 37", long="2 10 1000")
@pytest.mark.parametrize("brush", [True, False], ids=["projections", "lab"])
def test_a_map_keeps_its_area(brush: bool, classes: list[str]) -> None:
    drawing = drawing_of(feature_plane(plane(classes), classes, "perturbed", arrows=True, brush=brush))
    across, down = drawn_area(drawing)
    assert across > 450 and down == 96 * WIDTH
    legend = "".join(text for *_, text in texts(drawing, "legends")).replace(" ", "")
    named = [name for name in classes if name.replace(" ", "") in legend.removesuffix("cleanperturbed")]
    assert named == (classes if has_legend(classes) else [])


def test_classes_too_many_for_a_legend_are_singled_out_by_name() -> None:
    names = [LONG.format(i) for i in range(200)]
    assert not has_legend(names) and has_legend(names[:10]) and has_legend([str(i) for i in range(20)])
    spec = spec_of(
        feature_plane(plane(names), names, "perturbed", arrows=True, highlighted=[names[7], "of another store"])
    )
    coloured = [layer for layer in spec["layer"] if "color" in layer["encoding"]]
    assert len(coloured) == 2
    for layer in coloured:
        rows = spec["datasets"][layer["data"]["name"]]
        assert {row["label"] for row in rows if row["chosen"]} == {names[7]}
        (condition,) = layer["encoding"]["opacity"]["condition"]
        assert condition["test"] == "datum.chosen"
    assert coloured[-1]["encoding"]["color"]["legend"]["values"] == [names[7]]
    assert coloured[-1]["encoding"]["color"]["scale"] == class_scale(names).to_dict()
    unsingled = spec_of(feature_plane(plane(names), names, "perturbed", arrows=True))
    assert unsingled["layer"][1]["encoding"]["color"]["legend"] is None


@cases(digits="2 10 37 1000", long="10 37 1000")
def test_the_circle_of_flows_keeps_its_size(classes: list[str]) -> None:
    chart = arrows_of_leaps_between_classes(top_flows(leaps(classes)), classes, "t")
    low, high = spec_of(chart)["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert high == -low <= 1.9
    named = [text for text in texts(drawing_of(chart), "mark-text") if text[2] != "t"]
    assert 2 <= len(named) <= 60 and all(len(text) <= _MOST_LETTERS for _x, _y, text in named)
    spots = np.array([(x, y) for x, y, _text in named])
    between = np.linalg.norm(spots[:, None] - spots[None], axis=-1)
    assert between[~np.eye(len(spots), dtype=bool)].min() > 9


def test_vertices_of_a_plane_with_long_names_are_cut() -> None:
    names = [LONG.format(i) for i in range(3)]
    corners = pd.DataFrame({"label": names, "x": [-1.0, 1.0, 0.0], "y": [0.0, 0.0, 1.7]})
    drawing = drawing_of(
        feature_plane(plane(names), names, "perturbed", arrows=True, extras=PlaneExtras(triangle=corners))
    )
    assert all(len(text) <= _MOST_LETTERS for *_, text in texts(drawing, "mark-text"))


@cases(digits="2 37", long="1000")
def test_leaps_of_many_classes_are_stacked_without_a_legend(classes: list[str]) -> None:
    frame = pd.DataFrame({"frame": ["start", "1"] * len(classes), "label": np.repeat(classes, 2)})
    assert drawn_area(drawing_of(leap_moments(frame, ["start", "1"], classes)))[0] > 300
