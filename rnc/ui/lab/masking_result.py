"""Display of the checks for gradient masking: each sign with its numbers and its reference."""

import streamlit as st

from rnc.conditions import Condition
from rnc.lab.gradient_masking import MaskingResult
from rnc.ui.figures import Figures
from rnc.ui.lab.headline import draw_headline
from rnc.ui.lab.jobs import Answer
from rnc.ui.markdown import MOST_OF_A_MESSAGE, plain


def draw_masking(answer: Answer, _figures: Figures) -> None:
    """Draw the overall verdict, then the checks, warnings first."""
    result = answer.result
    assert isinstance(result, MaskingResult)
    label = plain(Condition.from_slug(result.condition).label)
    title = f"{label} · {result.images:d} images · {len(result.checks)} checks"
    draw_headline(answer, title, plain(answer.request.sources[0].label), result.images)
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
            st.markdown(f"{verdict}: **{plain(check.title)}**  \n{plain(check.finding, MOST_OF_A_MESSAGE)}")
            st.caption(plain(check.source))
