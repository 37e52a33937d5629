"""A grid that has as many columns as fit, where Streamlit's columns would become too narrow for their titles, or one a row.

Tested by tests/browser/test_lab.py.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def draw_grid(key: str, least_width: int) -> DeltaGenerator:
    """Return a container whose parts stand side by side if each gets `least_width` pixels, and else in more rows."""
    st.html(
        f"<style>.st-key-{key} {{ display: grid !important; "
        f"grid-template-columns: repeat(auto-fill, minmax(min({least_width:d}px, 100%), 1fr)); }}"
        f".st-key-{key} > * {{ width: 100% !important; min-width: 0; }}</style>"
    )
    return st.container(key=key)
