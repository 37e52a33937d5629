"""Perturbed versions of selected images, made by the lab on request with the settings of the run's measurement."""

from dataclasses import replace

import numpy as np
import streamlit as st

from rnc.conditions import Condition
from rnc.lab.client import LabBusyError
from rnc.lab.requests import PicturesRequest
from rnc.lab.results import PicturesResult
from rnc.lab.ticket import Ticket
from rnc.ui import state
from rnc.ui.charts.images import data_uri, full_png
from rnc.ui.errors import show_error
from rnc.ui.lab.checkpoint_picker import source_of
from rnc.ui.lab.job_status import client, submit
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.map_options import MapChoice

_TICKETS = "picture_tickets"
_POLL_SECONDS = 0.5


def perturbed_pictures(maps: Maps, samples: list[int]) -> list[dict[int, str]]:
    """Return for each map the data URIs by sample that the lab has made; offer to make missing ones if possible."""
    requests = [_request(choice, plane.epoch, samples) for choice, plane in maps]
    wanted = list({request.key: request for request in requests if request is not None}.values())
    tickets = _wanted_tickets({request.key for request in wanted})
    known = [request for request in wanted if request.key not in tickets and client().estimate(request) == 0.0]
    _submit(known)
    missing = [request for request in wanted if request.key not in tickets]
    with st.container(horizontal=True, vertical_alignment="center"):
        if missing:
            # The button uses a callback, because a press during a script run that the next one interrupts would be lost.
            st.button("Perturb them", on_click=_submit, args=(missing,), key="perturb_picked", icon=":material/bolt:",
                      help="in the attack lab's process, by the stored network and with the seed of the measurement")  # fmt: skip
        without = [
            f"{plane.epoch:d}" for (_choice, plane), request in zip(maps, requests, strict=True) if request is None
        ]
        if without:
            st.caption(
                f"Of epoch {' and '.join(without)} there are the clean images alone: to perturb them takes an attack as "
                "the condition and a network that was kept then."
            )
    if any(not ticket.ended for ticket in tickets.values()):
        _progress()
    for error in {ticket.error for ticket in tickets.values() if ticket.ended and ticket.error}:
        show_error(error)
    return [_uris(tickets.get(request.key)) if request else {} for request in requests]


def _wanted_tickets(keys: set[str]) -> dict[str, Ticket]:
    """Return this session's tickets; those that are no longer wanted are stopped."""
    tickets: dict[str, Ticket] = st.session_state.setdefault(_TICKETS, {})
    for key in tickets.keys() - keys:
        tickets.pop(key).stop()
    return tickets


def _request(choice: MapChoice, epoch: int, samples: list[int]) -> PicturesRequest | None:
    """Return a request for the perturbed images.

    None if the run kept no network of the epoch, or if its condition cannot be reproduced.
    """
    checkpoints = state.reader().checkpoints([choice.run.run_id])
    found = checkpoints[checkpoints["epoch"] == epoch]
    if found.empty or choice.condition is None or not samples:
        return None
    try:
        source = source_of(choice.run, found.iloc[0].to_dict(), choice.split)
        return PicturesRequest(source, replace(Condition.from_slug(choice.condition), relabelled=False), tuple(samples))
    except ValueError:  # for example the exact images on which an epoch trained
        return None


def _submit(requests: list[PicturesRequest]) -> None:
    for request in requests:
        try:
            st.session_state[_TICKETS][request.key] = submit(request)
        except LabBusyError as error:
            show_error(str(error), icon=":material/hourglass:")


@st.fragment(run_every=_POLL_SECONDS)
def _progress() -> None:
    """Show the progress; the page is drawn again when all tickets have ended."""
    tickets = list(st.session_state[_TICKETS].values())
    if all(ticket.ended for ticket in tickets):
        st.rerun(scope="app")
    share = sum(ticket.done / ticket.total if ticket.total else ticket.ended for ticket in tickets) / len(tickets)
    st.progress(min(share, 1.0), "Perturbing …" if share else "Loading the network and the images …")


def _uris(ticket: Ticket | None) -> dict[int, str]:
    result = ticket.result if ticket is not None and ticket.ended else None
    if not isinstance(result, PicturesResult):
        return {}
    images = (result.perturbed_images * 255).round().astype(np.uint8)
    return {int(sample): data_uri(full_png(image)) for sample, image in zip(result.sample, images, strict=True)}
