"""The CSS of the attack lab's page; its parts find their rules by the keys of their containers.

Tested by tests/browser/test_lab.py.
"""

_LEVEL = """
.st-key-lab_attack button, .st-key-lab_norm button, .st-key-lab_over button, .st-key-lab_fate button { min-height: 2.5rem; }
"""
"""Make choices as high as the fields beside them."""

SIZE, WRONG = "lab_size", "lab_wrong"
"""Prefix of the keys of the containers that hold a field for a size, and the message below it if its entry is wrong."""
_MARKED = f"""
[class*="st-key-{SIZE}"]:has([class*="st-key-{WRONG}"]) [data-testid="stTextInputRootElement"] {{
    border-color: light-dark(#c62828, #ff8a80) !important;
}}
"""
"""Draw the border of a field with a wrong entry in red."""

UNDER_WAY = "lab_under_way"
"""The key of the container that shows the progress of a job."""
_ONE_STOP = f"""
body:has(.st-key-{UNDER_WAY}) [data-testid="stStatusWidget"] {{ display: none; }}
"""
"""Hide Streamlit's sign that a script runs: at every look for news it would offer a second Stop, which ends no attack."""

GRIDS = {"lab_frame": 400, "lab_curves": 170, "lab_sweep_panels": 250, "lab_images_shown": 130}
"""The keys of the containers that are grids, with the least width of a column in pixels.

A grid has as many columns as fit, where Streamlit's columns would become too narrow for their titles, or one a row.
"""
_COLUMNS = "".join(
    f"""
.st-key-{key} {{ display: grid !important; grid-template-columns: repeat(auto-fill, minmax(min({width}px, 100%), 1fr)); }}
.st-key-{key} > * {{ width: 100% !important; min-width: 0; }}
"""
    for key, width in GRIDS.items()
)

LAB_STYLE = f"<style>{_LEVEL}{_MARKED}{_ONE_STOP}{_COLUMNS}</style>"
