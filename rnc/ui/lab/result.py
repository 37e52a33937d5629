"""Display of the result of a request of any kind."""

from rnc.lab.results import AttackResult, SweepResult
from rnc.ui.figures import PageFigures
from rnc.ui.lab.attack_result import draw_attack
from rnc.ui.lab.job_status import Answer
from rnc.ui.lab.masking_result import draw_masking
from rnc.ui.lab.sweep_result import draw_sweep


def draw_answer(answer: Answer, figures: PageFigures) -> None:
    """Draw a result with the function for its kind."""
    if isinstance(answer.result, AttackResult):
        draw_attack(answer, figures)
    elif isinstance(answer.result, SweepResult):
        draw_sweep(answer, figures)
    else:
        draw_masking(answer)
