"""The film on a page: the player in the browser, and what it reports: the moment at which it stays, and selected samples.

Tested by tests/pages/test_film.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from rnc.ui.charts.palette import class_colours
from rnc.ui.film.film_routes import OfferedFilm, offer
from rnc.ui.film.player_script import PLAYER_NAME, player_style
from rnc.ui.random_addresses import FILM_FOLDER

_SCRIPT = """export default function (component) {
  const script = import(new URL(component.data.script, document.baseURI));
  script.then((player) => player.mountComponent(component));
  return () => script.then((player) => player.unmountComponent(component));
}"""
MOST_SAMPLES = 5_000
"""Largest number of samples of a film, of which 60 pictures a second are drawn without a graphics card (docs/performance.md)."""

_component = st.components.v2.component(
    "rnc_film", html='<div class="film">Reading the film …</div>', css=player_style(), js=_SCRIPT
)


@dataclass(frozen=True)
class ShownFilm:
    """A film with the name that stands above it."""

    label: str
    film: OfferedFilm


def draw_compact_player(films: list[ShownFilm], epoch: int, key: str) -> None:
    """Draw one or two films small and with few controls, in the plane of the first three class means.

    They play once, over the epochs and then along the attack.
    """
    _component(key=key, data=_sent(films, epoch) | {"is_compact": True})


def draw_player(
    films: list[ShownFilm], epoch: int, picked: list[int], on_pick: Callable[[list[int]], None], key: str
) -> None:
    """Draw one film, or two side by side with one clock, at an epoch.

    When the film stays somewhere, the epoch of all pages follows; `on_pick` gets the sample indices that the user selects.
    """

    def settle() -> None:
        moment: dict[str, Any] | None = st.session_state[key].get("settled")
        if moment is not None and isinstance(moment.get("epoch"), int):
            st.session_state["cursor_to"] = str(moment["epoch"])
            number = moment.get("number")
            st.session_state[f"{key}_report"] = number if isinstance(number, int) else 0

    def pick() -> None:
        samples = st.session_state[key].get("picked")
        if isinstance(samples, list):
            on_pick([sample for sample in samples if isinstance(sample, int)])

    _component(
        key=key,
        data=_sent(films, epoch) | {"picked": picked, "report": st.session_state.get(f"{key}_report", 0)},
        on_settled_change=settle,
        on_picked_change=pick,
    )


def _sent(films: list[ShownFilm], epoch: int) -> dict[str, Any]:
    """Return the data that the browser receives, for a visitor who has neither picked samples nor moved a film."""
    return {
        "script": f"{FILM_FOLDER}/{PLAYER_NAME}",
        "films": [{"address": offer(shown.film), "label": shown.label} for shown in films],
        "colours": class_colours(len(films[0].film.classes)),
        "epoch": epoch,
        "picked": [],
        "report": 0,
        "is_compact": False,
    }
