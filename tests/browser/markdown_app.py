"""A script for Streamlit that shows each of some texts in the places that read Markdown."""

import json
import os

import pandas as pd
import streamlit as st

from rnc.ui.markdown import escape_markdown, escape_table

for number, text in enumerate(json.loads(os.environ["RNC_TEST_TEXTS"])):
    with st.container(key=f"text_{number}"):
        st.markdown(escape_markdown(text))
        st.caption(escape_markdown(text))
        st.button(escape_markdown(text), key=f"button_{number}")
        st.table(escape_table(pd.DataFrame({"a": [text]})), hide_index=True, hide_header=True)
        st.metric("label", escape_markdown(text))
        st.progress(0.5, escape_markdown(text))
st.title("done")
