"""What came of a request, whichever it was."""

from rnc.figure_view import Figures
from rnc.lab.results import AttackResult, SweepResult
from rnc.lab_view.attack import draw_attack
from rnc.lab_view.masking import draw_masking
from rnc.lab_view.sweep import draw_sweep
from rnc.lab_view.work import Answer


def draw_answer(answer: Answer, figures: Figures) -> None:
    """Draw a result as its kind wants it."""
    if isinstance(answer.result, AttackResult):
        draw_attack(answer, figures)
    elif isinstance(answer.result, SweepResult):
        draw_sweep(answer, figures)
    else:
        draw_masking(answer)
