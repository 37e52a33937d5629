"""The text above the charts of the geometry page describes what they show."""

import pandas as pd

from rnc.ui.pages.geometry import describe_distances_by_condition, describe_rotation

ANGLES = pd.DataFrame({"class": ["cat", "ship", "dog"], "degrees": [12.0, 30.06, 3.0]})


def test_the_class_that_moves_most_is_named() -> None:
    rotation = describe_rotation(ANGLES, "AT", "perturbed")
    assert "class **ship** of AT rotates most (**30.1°**) and that of class dog least (3.0°)" in rotation
    assert "average over classes is 15.0°" in rotation
    assert "0.100 (clean) and 0.250 (perturbed)" in describe_distances_by_condition({"clean": 0.1, "perturbed": 0.25})


def test_nothing_is_described_that_was_not_measured() -> None:
    assert describe_rotation(ANGLES.head(0), "AT", "perturbed") == describe_distances_by_condition({}) == ""
