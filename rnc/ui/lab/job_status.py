"""The session's requests to the lab: submission, progress, and answers."""

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from rnc.durations import in_words
from rnc.lab.client import LabBusyError, LabClient
from rnc.lab.requests import Request
from rnc.lab.results import Result
from rnc.lab.ticket import Ticket, TicketState
from rnc.store.connection import store_path
from rnc.store.gallery import gallery_path
from rnc.ui.charts.attack_trajectory import step_panel
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.lab.frames import frame_names
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown

_POLL_SECONDS = 0.5  # between updates of the progress
_LOOK_SECONDS = 2.0  # between updates of the estimate
_TICKETS, _PREPARED, _SESSION = "lab_tickets", "lab_prepared", "lab_session"


@dataclass(frozen=True)
class Answer:
    """A result, its request, and the names of the classes at that time."""

    request: Request
    result: Result
    classes: list[str]


_clients: list[LabClient] = []
_clients_lock = threading.Lock()


def client() -> LabClient:
    """Return the only lab client of this server, shared by all sessions.

    It is not kept in Streamlit's cache, because any visitor's browser can clear that, and each time another worker process
    would start.
    """
    with _clients_lock:
        if not _clients or _clients[0].closed:
            _clients[:] = [LabClient(folders=_folders)]
        return _clients[0]


def submit(request: Request) -> Ticket:
    """Submit a request to the lab for this visitor. Raises LabBusyError."""
    session = st.session_state.setdefault(_SESSION, secrets.token_hex(16))
    return client().submit(request, session, st.context.ip_address or "")


def _folders() -> list[Path]:
    """Return the folders from which networks are read: the store's folder, and the gallery."""
    gallery = gallery_path()
    return [store_path().resolve().parent, *([] if gallery is None else [gallery])]


def draw_work(activity: str, request: Request, classes: list[str], label: Markdown) -> Answer | None:
    """Draw the button that runs a request, and its progress; return the answer to the last request of `activity`, or None.

    A result that the lab already knows appears without a click, so a shared URL shows its result.
    """
    ticket, names = _tickets().get(activity, (None, classes))
    expected = client().estimate(request)
    if expected == 0.0 and (ticket is None or ticket.request.key != request.key):
        _submit(activity, request, classes)
        ticket, names = _tickets().get(activity, (None, classes))
    under_way = ticket is not None and not ticket.ended
    with st.container(horizontal=True, vertical_alignment="center"):
        # The button uses a callback, because a press during a script run that the next one interrupts would be lost.
        st.button(
            label, type="primary", icon=":material/bolt:", key=f"lab_run_{activity}", disabled=under_way,
            on_click=_submit, args=(activity, request, classes),
        )  # fmt: skip
        if not under_way and (ticket is None or ticket.request.key != request.key):
            _estimate(request)
    if ticket is None:
        st.caption("Set up an attack and run it: what it does to the network's geometry appears here.")
        return None
    if under_way:
        _progress(activity)
        return None
    return _answer(ticket, request, names)


def _answer(ticket: Ticket, request: Request, names: list[str]) -> Answer | None:
    """Return the result of an ended ticket, with a message if it does not fully answer `request`."""
    if ticket.state is TicketState.FAILED:
        show_error(ticket.error or "The attack failed.")
    elif ticket.error:
        st.info(escape_markdown(ticket.error, MAX_MESSAGE_LENGTH), icon=":material/stop_circle:")
    elif ticket.result is None:
        st.info("Stopped before anything was done.", icon=":material/stop_circle:")
    elif ticket.request.key != request.key:
        st.warning(
            "These are the results of the request before; run the one above to replace them.", icon=":material/history:"
        )
    return None if ticket.result is None else Answer(ticket.request, ticket.result, names)


def _tickets() -> dict[str, tuple[Ticket, list[str]]]:
    return st.session_state.setdefault(_TICKETS, {})


def _submit(activity: str, request: Request, classes: list[str]) -> None:
    """Put a request into the queue; if the queue is full, keep the previous one."""
    try:
        _tickets()[activity] = submit(request), classes
    except LabBusyError as error:
        show_error(str(error), icon=":material/hourglass:")


@st.fragment(run_every=_LOOK_SECONDS)
@show_errors_of_fragment
def _estimate(request: Request) -> None:
    """Show how long the request will take; the lab measures the network's pace while the user fills in the form."""
    seconds, waiting = client().estimate(request), client().waiting
    if seconds is None and st.session_state.get(_PREPARED) != request.sources[0]:
        st.session_state[_PREPARED] = request.sources[0]
        client().prepare(request.sources[0])
    if seconds is None:
        told = "how long it takes is not known yet"
    elif seconds > client().limits.request_seconds:
        most = escape_markdown(in_words(client().limits.request_seconds))
        told = f"takes about {escape_markdown(in_words(seconds))}: more than the {most} of a request"
    else:
        told = f"takes about {escape_markdown(in_words(seconds))}" if seconds else "the result is known"
    st.caption(f":material/timer: {told}" + (f", after {waiting:d} others" if waiting else ""), width="content")


@st.fragment(run_every=_POLL_SECONDS)
@show_errors_of_fragment
def _progress(activity: str) -> None:
    """Show the state of the ticket, the metrics of its steps so far, and the button to stop it."""
    ticket, _names = _tickets()[activity]
    if ticket.ended:
        st.rerun(scope="app")
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(_share(ticket), _standing(ticket))
    waits = ticket.state is TicketState.QUEUED
    if right.button("Leave" if waits else "Stop", key=f"lab_stop_{activity}", icon=":material/stop:"):
        ticket.stop()
    frames = ticket.partial
    if len(frames) > 1:
        named = frames.assign(frame=frame_names(frames))
        for column, metric in zip(st.columns(3), ("loss", "accuracy", "nc1"), strict=True):
            panel = step_panel(
                named.rename(columns={metric: "value"})[["frame", "value"]], metric, list(named["frame"])
            )
            column.altair_chart(panel, alt=f"{metric} so far", key=f"lab_partial_{metric}")


def _share(ticket: Ticket) -> float:
    """Return the share of the work that is done."""
    waits = ticket.state in (TicketState.QUEUED, TicketState.LOADING) or not ticket.total
    return 0.0 if waits else min(ticket.done / ticket.total, 1.0)


def _standing(ticket: Ticket) -> Markdown:
    """Describe the state of a ticket in words."""
    if ticket.state is TicketState.QUEUED:
        place = ticket.place
        return f"In the queue, {place:d} before this one" if place else "Its turn is next"
    if ticket.state is TicketState.LOADING or not ticket.total:
        return "Loading the network and the images …"
    left = ticket.seconds_left
    words = f"round {ticket.done:d} of {ticket.total:d}"
    return words + ("" if left is None else f" · about {escape_markdown(in_words(left))} left")


def table_of_metrics(columns: dict[str, dict[str, float]], labels: dict[str, str]) -> pd.DataFrame:
    """Return a row per metric under its label, with a column for each of `columns`."""
    table = pd.DataFrame(columns)
    table.insert(0, "metric", [labels[name] for name in table.index])
    return table
