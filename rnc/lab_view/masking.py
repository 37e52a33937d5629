"""What came of the checks for gradient masking: each sign with its numbers and where it is described."""

import streamlit as st

from rnc.conditions import Condition
from rnc.lab.results import MaskingResult
from rnc.lab_view.attack import say_other_images
from rnc.lab_view.work import Answer


def draw_masking(answer: Answer) -> None:
    """A verdict, then the checks, those that warn first."""
    result = answer.result
    assert isinstance(result, MaskingResult)
    label = Condition.from_slug(result.condition).label
    st.header(f"{label} · {result.images} images · {len(result.checks)} checks", anchor=False)
    st.caption(
        f"{answer.request.sources[0].label} · seed {answer.request.seed} · {result.device} · {result.seconds:.1f} s"
    )
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
            st.markdown(f"{verdict}: **{check.title}**  \n{check.finding}")
            st.caption(check.source)
