"""Colours of runs and of classes are never to be compared by mistake."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnc.ui import charts
from rnc.ui.charts.geometry import class_mean_spectrum, class_norms
from rnc.ui.charts.palette import CLASSES, GREY, RUN_COLOURS

FOLDER = Path(charts.__file__).parent
LEAST_DISTANCE = 15
"""In CIELAB, where two colours that differ by 2 are told apart by a trained eye."""


def lab(colour: str) -> np.ndarray:
    """A colour #RRGGBB in CIELAB (D65)."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    relative = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str) -> float:
    return float(np.linalg.norm(lab(one) - lab(other)))


def used(path: Path) -> set[str]:
    """The names that a module uses."""
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def test_the_distance_is_that_of_the_literature() -> None:
    assert lab("#FFFFFF") == pytest.approx([100, 0, 0], abs=0.1) and lab("#FF0000") == pytest.approx(
        [53.2, 80.1, 67.2], abs=0.3
    )


def test_a_module_draws_charts_of_runs_or_of_classes() -> None:
    """The pages of runs (Findings, Collapse, Geometry, Layers, a sweep) draw the first, those of images the second."""
    modules = {path.stem: used(path) for path in FOLDER.glob("*.py") if path.stem != "palette"}
    assert {name for name, names in modules.items() if "run_scale" in names} == {
        "claims",
        "curves",
        "geometry",
        "strength_curves",
    }
    assert {name for name, names in modules.items() if "class_scale" in names} == {
        "attack_steps",
        "leaping",
        "projection",
    }


def test_the_hues_of_classes_are_too_near_to_those_of_runs_for_one_page() -> None:
    """The reason for the test above: there are not enough hues for both."""
    assert min(distance(one, other) for one in RUN_COLOURS.values() for other in CLASSES) < LEAST_DISTANCE


def test_what_belongs_to_no_class_has_the_colour_of_none() -> None:
    assert min(distance(GREY, colour) for colour in CLASSES) > LEAST_DISTANCE


def test_the_shown_hues_of_runs_are_apart() -> None:
    hues = list(RUN_COLOURS.values())[:8]
    assert min(distance(one, other) for one in hues for other in hues if one != other) > LEAST_DISTANCE


@pytest.mark.parametrize("colour", ["#0072B2", "#E69F00"])
def test_a_chart_of_one_run_has_its_colour(colour: str) -> None:
    norms = pd.DataFrame({"class": ["zero", "one"], "shown": ["clean", "perturbed"], "value": [1.0, 2.0]})
    values = pd.DataFrame({"rank": [1, 1], "shown": ["clean", "perturbed"], "value": [1.0, 2.0]})
    for chart in (class_norms(norms, ["zero", "one"], colour), class_mean_spectrum(values, colour)):
        assert colour in chart.specification_text
        assert not {hue for hue in (*CLASSES, *RUN_COLOURS.values()) if hue in json.dumps(chart.specification)} - {
            colour
        }
