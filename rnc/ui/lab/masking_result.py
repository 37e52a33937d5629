"""Display of the checks for gradient masking: each sign with its numbers and its reference.

Tested by tests/pages/test_attack_lab.py.
"""

import streamlit as st

from rnc.conditions import Condition
from rnc.lab.gradient_masking import MaskingResult
from rnc.ui.figures import PageFigures
from rnc.ui.lab.result_header import draw_headline
from rnc.ui.lab.server_job_queue import Answer
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown


def draw_masking(answer: Answer, _figures: PageFigures) -> None:
    """Draw the overall verdict, then the checks, warnings first."""
    result = answer.result
    assert isinstance(result, MaskingResult)
    label = escape_markdown(Condition.from_slug(result.condition).label)
    title = f"{label} · {result.images:d} images · {len(result.checks)} checks"
    draw_headline(answer, title, escape_markdown(answer.request.sources[0].label), result.images)
    if result.stopped:
        st.info("The checks were stopped; those that were finished are below.", icon=":material/stop_circle:")
    if result.warnings:
        st.warning(
            f"{len(result.warnings)} of {len(result.checks)} checks found a sign of gradient masking. The robust accuracy under "
            "this attack may depend more on the attack than on the network.",
            icon=":material/warning:",
        )
    elif result.checks:
        st.success(
            "No check found a sign of gradient masking. This does not prove robustness.", icon=":material/check:"
        )
    for check in sorted(result.checks, key=lambda check: not check.warns):
        with st.container(border=True):
            verdict = ":material/warning: Seen" if check.warns else ":material/check: Not seen"
            st.markdown(
                f"{verdict}: **{escape_markdown(check.title)}**  \n{escape_markdown(check.finding, MAX_MESSAGE_LENGTH)}"
            )
            st.caption(escape_markdown(check.source))
