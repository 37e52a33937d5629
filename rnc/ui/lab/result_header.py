"""The headline of a result: its title, its origin, and notes on its images.

Tested by tests/pages/test_attack_lab.py.
"""

import streamlit as st

from rnc.ui.lab.server_job_queue import Answer
from rnc.ui.markdown import Markdown, escape_markdown


def draw_headline(answer: Answer, title: Markdown, origin: Markdown, images: int) -> None:
    """Draw the title, a caption that begins with `origin`, and notes if the images are fewer or others than requested."""
    request, result = answer.request, answer.result
    st.header(title, anchor=False)
    st.caption(f"{origin} · seed {request.seed:d} · {escape_markdown(result.device)} · {result.seconds:.1f} s")
    if images < request.images:
        st.caption(
            f"{request.images:d} images were requested; {images:d} is the largest number with equally many of every class."
        )
    if not result.as_recorded:
        st.warning(
            "These are not the images that the run recorded, because another source of the data set orders its images "
            "differently. Results on the test split are comparable; results on a subset of the train split are not.",
            icon=":material/rule:",
        )
