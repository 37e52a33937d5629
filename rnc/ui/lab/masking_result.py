"""Display of the checks for gradient masking: each sign with its numbers and its reference."""

import streamlit as st

from rnc.conditions import Condition
from rnc.lab.results import MaskingResult
from rnc.ui.lab.attack_result import draw_origin, say_fewer_images, say_other_images
from rnc.ui.lab.job_status import Answer
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown


def draw_masking(answer: Answer) -> None:
    """Draw the overall verdict, then the checks, warnings first."""
    result = answer.result
    assert isinstance(result, MaskingResult)
    label = escape_markdown(Condition.from_slug(result.condition).label)
    st.header(f"{label} · {result.images:d} images · {len(result.checks)} checks", anchor=False)
    draw_origin(answer)
    say_fewer_images(result.images, answer.request.images)
    if not result.as_recorded:
        say_other_images()
    if result.stopped:
        st.info("Stopped: the checks below are those that were finished.", icon=":material/stop_circle:")
    if result.warnings:
        st.warning(
            f"{len(result.warnings)} of {len(result.checks)} checks found a sign of gradient masking. The robust accuracy under "
            "this attack may say more of the attack than of the network.",
            icon=":material/warning:",
        )
    elif result.checks:
        st.success(
            "No check found a sign of gradient masking. That is no proof of robustness.", icon=":material/check:"
        )
    for check in sorted(result.checks, key=lambda check: not check.warns):
        with st.container(border=True):
            verdict = ":material/warning: Seen" if check.warns else ":material/check: Not seen"
            st.markdown(
                f"{verdict}: **{escape_markdown(check.title)}**  \n{escape_markdown(check.finding, MAX_MESSAGE_LENGTH)}"
            )
            st.caption(escape_markdown(check.source))
