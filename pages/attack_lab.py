"""The attack lab page: attack a stored network, and observe its features step by step."""

import streamlit as st

from rnc.lab.requests import AttackRequest, MaskingRequest, Request, SweepRequest
from rnc.ui import state
from rnc.ui.controls import choose_run
from rnc.ui.errors import show_error
from rnc.ui.figures import PageFigures
from rnc.ui.lab.checkpoint_picker import choose_network, choose_other
from rnc.ui.lab.form import draw_attack_form, draw_sweep_form
from rnc.ui.lab.job_status import draw_work
from rnc.ui.lab.result import draw_answer
from rnc.ui.lab.saved_results import KEPT, choose_kept, offer_to_keep

ATTACK, SWEEP, CHECK = "Attack", "Sweep", "Check for masking"
LABELS = {ATTACK: "Attack", SWEEP: "Sweep", CHECK: "Check"}

selection = state.current_selection()
figures = PageFigures("Attack lab")
activity = st.segmented_control(
    "Activity",
    [ATTACK, SWEEP, CHECK, KEPT],
    default=ATTACK,
    key="lab_do",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
if activity == KEPT:
    kept = choose_kept()
    if kept is not None:
        draw_answer(kept, figures)
    figures.draw_export_menu()
    st.stop()

run = choose_run(selection)
source = choose_network(run, selection)
if source is None:
    st.stop()
names = list(run.classes)
try:
    asked = draw_attack_form(run["dataset"], names, run["epsilon"], layerwise=activity != CHECK)
    common = {"images": asked.images, "seed": asked.seed}
    request: Request
    if activity == SWEEP:
        over, values = draw_sweep_form(asked.condition)
        other = choose_other(run, source, selection)
        sources = (source,) if other is None else (source, other)
        request = SweepRequest(sources, asked.condition, over, values, layers=asked.layers, **common)
    elif activity == CHECK:
        request = MaskingRequest(source, asked.condition, **common)
    else:
        request = AttackRequest(source, asked.condition, layers=asked.layers, **common)
except ValueError as error:
    show_error(str(error))
    st.stop()

answer = draw_work(str(activity), request, names, LABELS[activity or ATTACK])
if answer is not None:
    offer_to_keep(answer)
    draw_answer(answer, figures)
figures.draw_export_menu()
