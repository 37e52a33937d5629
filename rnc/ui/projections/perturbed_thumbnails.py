"""Perturbed versions of selected images, made by the lab on request with the settings of the run's measurement.

Tested by tests/pages/test_projections.py.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from rnc.conditions import Condition
from rnc.lab.job import Job
from rnc.lab.perturbed_images import PerturbedImagesRequest, PerturbedImagesResult
from rnc.ui import opened_store
from rnc.ui.charts.images import data_uri, full_png
from rnc.ui.errors import show_error
from rnc.ui.lab.checkpoint_picker import source_of
from rnc.ui.lab.server_job_queue import job_queue, poll, submit
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.map_options import MapChoice

_JOBS = "perturbed_image_jobs"


def perturbed_thumbnails_for_each_map(maps: Maps, samples: list[int]) -> list[dict[int, str]]:
    """Return for each map the data URIs by sample that the lab has made; offer to make missing ones if possible."""
    requests = [_request(choice, plane.epoch, samples) for choice, plane in maps]
    needed = {request.key: request for request in requests if request is not None}
    jobs = _needed_jobs(needed)
    _submit([request for key, request in needed.items() if key not in jobs and job_queue().estimate(request) == 0.0])
    missing = [request for key, request in needed.items() if key not in jobs]
    with st.container(horizontal=True, vertical_alignment="center"):
        if missing:
            # The button uses a callback, because a press during a script run that the next one interrupts would be lost.
            st.button(
                "Perturb the images",
                on_click=_submit,
                args=(missing,),
                key="perturb_picked",
                icon=":material/bolt:",
                help="in the attack lab's process, with the stored network and the seed of the measurement",
            )
        _say_clean_only([plane.epoch for (_choice, plane), request in zip(maps, requests, strict=True) if not request])
    if any(not job.ended for job in jobs.values()):
        poll(list(jobs.values()), lambda: _draw_progress(list(jobs.values())))
    for error in {job.error for job in jobs.values() if job.ended and job.error}:
        show_error(error)
    return [_uris(jobs.get(request.key)) if request else {} for request in requests]


def _say_clean_only(epochs: list[int]) -> None:
    """Say for which epochs the images cannot be perturbed."""
    if epochs:
        named = " and ".join(f"{epoch:d}" for epoch in epochs)
        st.caption(
            f"For epoch {named}, only the clean images are shown: perturbed ones need an attack as the condition, and a network "
            "that was kept at that epoch."
        )


def _needed_jobs(needed: dict[str, PerturbedImagesRequest]) -> dict[str, Job]:
    """Return this session's jobs by request key; those that are no longer needed are stopped."""
    jobs: dict[str, Job] = st.session_state.setdefault(_JOBS, {})
    for key in jobs.keys() - needed.keys():
        job_queue().stop(jobs.pop(key))
    return jobs


def _request(choice: MapChoice, epoch: int, samples: list[int]) -> PerturbedImagesRequest | None:
    """Return a request for the perturbed images.

    None if the run kept no network of the epoch, or if its condition cannot be reproduced.
    """
    checkpoints = opened_store.reader().runs.checkpoints([choice.run.run_id])
    at_epoch = checkpoints[checkpoints["epoch"] == epoch]
    if at_epoch.empty or choice.measured_condition_slug is None or not samples:
        return None
    try:
        source = source_of(choice.run, at_epoch.iloc[0].to_dict(), choice.split)
        return PerturbedImagesRequest(
            source, replace(Condition.from_slug(choice.measured_condition_slug), relabelled=False), tuple(samples)
        )
    except ValueError:  # for example the exact images on which an epoch trained
        return None


def _submit(requests: list[PerturbedImagesRequest]) -> None:
    for request in requests:
        if (job := submit(request)) is not None:
            st.session_state[_JOBS][request.key] = job


def _draw_progress(jobs: Sequence[Job]) -> None:
    """Show the share of all jobs' work that is done."""
    share = sum(job.share_done for job in jobs) / len(jobs)
    st.progress(share, "Perturbing …" if share else "Loading the network and the images …")


def _uris(job: Job | None) -> dict[int, str]:
    """Return the data URIs of a job's images by sample; none before it has ended."""
    result = job.result if job is not None and job.ended else None
    if not isinstance(result, PerturbedImagesResult):
        return {}
    images = (result.perturbed_images * 255).round().astype(np.uint8)
    return {int(sample): data_uri(full_png(image)) for sample, image in zip(result.sample, images, strict=True)}
