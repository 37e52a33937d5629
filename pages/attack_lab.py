"""The attack lab page: attack a stored network, and observe its features step by step."""

import streamlit as st

from rnc.ui.errors import show_error
from rnc.ui.figures import PageFigures
from rnc.ui.lab.activities import ACTIVITIES, draw_answer
from rnc.ui.lab.checkpoint_picker import choose_network
from rnc.ui.lab.form import draw_attack_form
from rnc.ui.lab.jobs import draw_job
from rnc.ui.lab.saved_results import KEPT, choose_saved, offer_to_save
from rnc.ui.run_and_class_controls import choose_run
from rnc.ui.selection import current_selection

FIRST = next(iter(ACTIVITIES))

selection = current_selection()
figures = PageFigures("Attack lab")
name = st.segmented_control(
    "Activity",
    [*ACTIVITIES, KEPT],
    default=FIRST,
    key="lab_do",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
if name == KEPT:
    saved = choose_saved()
    if saved is not None:
        draw_answer(saved, figures)
    figures.draw_export_menu()
    st.stop()

run = choose_run(selection)
source = choose_network(run, selection)
if source is None:
    st.stop()
activity = ACTIVITIES[name or FIRST]
classes = list(run.classes)
try:
    form = draw_attack_form(run["dataset"], classes, run["epsilon"], layerwise=activity.measures_layers)
    request = activity.make_request(form, source, run, selection)
except ValueError as error:
    show_error(str(error))
    st.stop()

answer = draw_job(name or FIRST, request, classes, activity.button_label)
if answer is not None:
    offer_to_save(answer)
    draw_answer(answer, figures)
figures.draw_export_menu()
