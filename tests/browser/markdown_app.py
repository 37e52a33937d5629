"""A script for Streamlit that shows each of some texts in the places that read Markdown."""

import json
import os

import pandas as pd
import streamlit as st

from rnc.ui.markdown import plain, plain_table

for number, text in enumerate(json.loads(os.environ["RNC_TEST_TEXTS"])):
    with st.container(key=f"text_{number}"):
        st.markdown(plain(text))
        st.caption(plain(text))
        st.button(plain(text), key=f"button_{number}")
        st.table(plain_table(pd.DataFrame({"a": [text]})), hide_index=True, hide_header=True)
        st.metric("label", plain(text))
        st.progress(0.5, plain(text))
st.title("done")
