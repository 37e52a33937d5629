"""Attack a stored network with a PGD of one's own, and see what happens to its features."""

import streamlit as st

from rnc import controls, lab_view
from rnc.conditions import Condition, default_step_size, format_pixels, parse_pixels
from rnc.figure_view import Figures
from rnc.vocabulary import ConditionKind, Norm, TargetRule

selection = controls.selection()
figures = Figures("Attack lab")
reader = controls.reader()
run = controls.focus_run(selection)
checkpoints = reader.checkpoints([run.run_id])
epoch = controls.epoch_not_after(checkpoints, run.run_id, selection.epoch)
if epoch is None:
    st.info("This run kept no network up to the epoch cursor; move it, or train with --checkpoint-epochs measured.")
    st.stop()
checkpoint = checkpoints[checkpoints["epoch"] == epoch].iloc[0]
st.caption(f"{run.run_id} · network of epoch {epoch} · {selection.split} images")

bound = {"bind": "query-params"}
first, second, third, fourth = st.columns(4)
norms = {"ℓ∞": Norm.LINF, "ℓ2": Norm.L2}
norm = norms[first.segmented_control("Norm", list(norms), default="ℓ∞", key="lab_norm", required=True, **bound) or "ℓ∞"]
epsilon_text = second.text_input(
    "Epsilon", format_pixels(run.epsilon), key="lab_epsilon", help="in pixels of [0, 1]; 0.1 or 8/255", **bound
)
steps = third.number_input("Steps", 0, 1000, 10, key="lab_steps", **bound)
step_text = fourth.text_input(
    "Step size",
    "",
    key="lab_step_size",
    placeholder="2.5 ε / steps",
    help="in pixels of [0, 1]; empty: 2.5 ε / steps",
    **bound,
)
first, second, third, fourth = st.columns(4, vertical_alignment="bottom")
count = first.number_input(
    "Images", 10, 50_000, 300, step=50, key="lab_images", help="balanced over the classes", **bound
)
restarts = second.number_input("Restarts", 1, 20, 1, key="lab_restarts", **bound)
seed = third.number_input("Seed", 0, 2**31 - 1, 0, key="lab_seed", **bound)
targeted = fourth.toggle("Targeted at class y + 1", key="lab_targeted", **bound)

try:
    epsilon = parse_pixels(epsilon_text or "")
    step_size = parse_pixels(step_text) if step_text else default_step_size(epsilon, int(steps))
    rule = TargetRule.NEXT if targeted else TargetRule.UNTARGETED
    condition = Condition(ConditionKind.PGD, norm, epsilon, int(steps), step_size, rule)
except ValueError as error:
    st.error(controls.literal(str(error)))
    st.stop()

request = (run.run_id, epoch, str(selection.split), condition.slug, int(count), int(restarts), int(seed))
if st.button("Run PGD", type="primary", icon=":material/bolt:", key="lab_run", disabled=lab_view.running()):
    lab_view.start(request, checkpoint, run, selection.split, condition, int(count), int(restarts), int(seed))
lab_view.draw(request, figures)
figures.offer()
