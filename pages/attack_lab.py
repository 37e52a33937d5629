"""The attack lab page: attack a stored network, and observe its features step by step."""

import streamlit as st

from rnc.ui.figures import PageFigures
from rnc.ui.lab.activities import (
    ACTIVITIES,
    accept_old_names,
    activity_name_for_request,
    draw_answer,
    draw_fields_and_make_request,
)
from rnc.ui.lab.checkpoint_picker import choose_network
from rnc.ui.lab.form import draw_attack_form
from rnc.ui.lab.saved_results import SAVED, choose_saved, offer_to_save
from rnc.ui.lab.server_job_queue import draw_job
from rnc.ui.lab.session_jobs import adopt_jobs_of_address
from rnc.ui.lab.style import LAB_STYLE
from rnc.ui.run_and_class_controls import choose_run
from rnc.ui.selection import current_selection

FIRST = next(iter(ACTIVITIES))

selection = current_selection()
adopt_jobs_of_address(activity_name_for_request)
accept_old_names()
st.html(LAB_STYLE)
figures = PageFigures("Attack lab")
name = st.segmented_control(
    "Activity",
    [*ACTIVITIES, SAVED],
    default=FIRST,
    key="lab_do",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
if name == SAVED:
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
form = draw_attack_form(run["dataset"], classes, run["epsilon"], layerwise=activity.measures_layers)
answer = draw_job(
    name or FIRST, draw_fields_and_make_request(activity, form, source, run, selection), classes, activity.button_label
)
if answer is not None:
    offer_to_save(answer)
    draw_answer(answer, figures)
figures.draw_export_menu()
