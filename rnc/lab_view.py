"""The attack lab's progress and results; torch is imported when an attack is first started."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from rnc import controls
from rnc.charts.images import image_strip, perturbation_strip
from rnc.charts.labels import METRIC_INFO
from rnc.charts.leaping import leaping_matrix
from rnc.charts.projection import feature_plane
from rnc.conditions import Condition
from rnc.figure_view import Figures
from rnc.vocabulary import Metric, Role, Split

if TYPE_CHECKING:
    from rnc.lab_thread import LabJob, Outcome

_POLL_SECONDS = 0.4


def running() -> bool:
    """Whether this session's attack is under way."""
    job: LabJob | None = st.session_state.get("lab_job")
    return job is not None and job.running


def start(
    request: tuple,
    checkpoint: pd.Series,
    run: pd.Series,
    split: Split,
    condition: Condition,
    count: int,
    restarts: int,
    seed: int,
) -> None:
    """Load the network and the images and begin; `request` names what was asked for, so that results are not misread."""
    with st.spinner("Loading torch and the network …"):
        from rnc import lab_thread as lab

        try:
            recorded = lab.RecordedImages(run["images_from"], split, *_images_of(run, split))
            subject = lab.load_subject(Path(checkpoint["path"]), checkpoint["sha256"], recorded, count)
        except (lab.CheckpointError, ValueError) as error:
            st.error(controls.literal(str(error)))
            st.stop()
    st.session_state["lab_job"] = lab.LabJob(subject, condition, restarts, seed).start()
    st.session_state["lab_request"] = request
    st.session_state["lab_classes"] = list(run["classes"])
    st.rerun()


def _images_of(run: pd.Series, split: Split) -> tuple[int, str | None]:
    """How many images of the split the run took (0 for all), and their fingerprint where it recorded one."""
    subset = json.loads(run["config"]).get("subset", 0) if split is Split.TRAIN else 0
    data = json.loads(run["data"]) if isinstance(run["data"], str) else {}
    return subset, data.get(split, {}).get("fingerprint")


def draw(request: tuple, figures: Figures) -> None:
    """Progress while the attack runs, its results after."""
    job: LabJob | None = st.session_state.get("lab_job")
    if job is None:
        st.info("Choose an attack and run it: metrics, leaps, projection and images appear here.")
        return
    if job.running:
        _progress()
        return
    if job.error:
        st.error(controls.literal(f"The attack failed: {job.error}"))
    elif job.outcome is not None:
        if st.session_state["lab_request"] != request:
            st.warning(
                "These are the results of the attack before; run PGD for the choice above.", icon=":material/history:"
            )
        _results(job, job.outcome, st.session_state["lab_classes"], figures)


@st.fragment(run_every=_POLL_SECONDS)
def _progress() -> None:
    job: LabJob = st.session_state["lab_job"]
    if not job.running:
        st.rerun(scope="app")
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(job.rounds_done / job.rounds, f"round {job.rounds_done} of {job.rounds} · {job.time_left()}")
    if right.button("Stop", key="lab_stop", icon=":material/stop:"):
        job.stop()


def _results(job: "LabJob", outcome: "Outcome", names: list[str], figures: Figures) -> None:
    done = f"stopped after {outcome.steps} steps" if outcome.stopped else f"all {outcome.steps} steps"
    st.subheader(f"{job.condition.label} · {len(job.subject.images)} images · {done}", anchor=False)
    if not job.subject.as_recorded:
        st.warning(
            "These are not the images that the run recorded: another source of the data set keeps them in another order, so "
            "that a subset of train is another one. Of test the numbers compare, of train they do not.",
            icon=":material/rule:",
        )
    table = pd.DataFrame({"clean": outcome.before, "perturbed": outcome.after})
    labels = {str(metric): METRIC_INFO[metric].label for metric in Metric}
    table.insert(0, "metric", [labels[name] for name in table.index])
    left, right = st.columns(2)
    with left:
        number = st.column_config.NumberColumn(format="%.4g")
        st.dataframe(table, hide_index=True, key="lab_metrics", column_config={"clean": number, "perturbed": number})
        turned = outcome.alignment[Metric.ANGLE]
        st.caption(f"Mean angle between clean and perturbed centred class means: {turned:.3f} rad.")
    leaps = controls.name_classes(outcome.leaps, names, "true_class", "predicted_class")
    figures.draw(right, leaping_matrix(leaps, names, "Where the features leap"), "leaping matrix", key="lab_leaps")
    plane = controls.name_classes(outcome.plane, names, "label", "predicted")
    left, right = st.columns(2)
    left.subheader("Features, in the plane of the clean ones", anchor=False)
    chart = feature_plane(plane, names, Role.PERTURBED, arrows=True)
    figures.draw(left, chart, "projected features", key="lab_plane")
    shown = [f"{names[true]}: {names[before]} → {names[after]}" for true, before, after in outcome.decisions]
    right.subheader("Images", anchor=False)
    right.caption("True class: decision before → after. " + " · ".join(shown))
    for strip, caption in (
        (image_strip(outcome.clean_images), "clean"),
        (image_strip(outcome.perturbed_images), "perturbed"),
        (
            perturbation_strip(outcome.clean_images, outcome.perturbed_images, job.condition.epsilon or 0.0),
            "perturbation, stretched to full contrast",
        ),
    ):
        right.image(strip, caption=caption, alt=caption, width="stretch")
