"""What is said of a chart is what it shows."""

import pandas as pd

from rnc.ui.charts.summary_text import told_turns

ANGLES = pd.DataFrame({"class": ["cat", "ship", "dog"], "degrees": [12.0, 30.06, 3.0]})


def test_the_class_that_moves_most_is_named() -> None:
    told = told_turns(ANGLES, "AT", "perturbed", {"clean": 0.1, "perturbed": 0.25})
    assert "class **ship** of AT most, by **30.1°**" in told and "class dog least, by 3.0°" in told
    assert "mean over classes is 15.0°" in told and "0.100 under clean, 0.250 under perturbed" in told


def test_nothing_is_said_of_what_is_not_measured() -> None:
    assert told_turns(ANGLES.head(0), "AT", "perturbed", {}) == ""
    assert "turns" not in told_turns(ANGLES.head(0), "AT", "perturbed", {"clean": 0.1})
