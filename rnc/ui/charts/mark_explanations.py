"""The marks of charts that belong to no line: their names in the legends of figures, and their explanation below the charts.

Tested by tests/rnc/ui/charts/test_mark_explanations.py.
"""

import pandas as pd

from rnc.ui.markdown import Markdown
from rnc.vocabulary import MILESTONE_MEANINGS, MILESTONE_NAMES, Milestone

LEGEND_NAMES = {
    "limit": "bound of the claim",
    "simplex": "value in a simplex",
    "drops": MILESTONE_NAMES[Milestone.DROP],
    "starts": MILESTONE_NAMES[Milestone.TERMINAL],
}
"""Data sets of rules and marks that belong to no run, and their names in a figure's legend."""
STEP_NOTE = "The dashed vertical line marks the step that is shown."
BOUND_NOTE = "The dashed horizontal line in a claim's chart is the bound of its number."
_LOOKS = {Milestone.DROP: "a grey bar", Milestone.TERMINAL: "a triangle on the axis, in the colour of a run,"}


def explain_marks(cursor: int, milestones: pd.DataFrame | None = None) -> Markdown:
    """Return what the marks of charts over epochs mean: the epoch cursor, and the milestones (milestone) that are drawn."""
    drawn = set() if milestones is None else set(milestones["milestone"])
    parts = [f"the selected epoch ({cursor:d})"]
    parts += [
        f"{looks} the epoch at which {MILESTONE_MEANINGS[kind]}" for kind, looks in _LOOKS.items() if kind in drawn
    ]
    return (
        f"The dashed vertical line marks {', and '.join([', '.join(parts[:-1]), parts[-1]] if parts[1:] else parts)}."
    )
