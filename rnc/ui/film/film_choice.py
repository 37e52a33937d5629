"""The choice of a film: a selected run, and optionally a second one beside it.

Tested by tests/pages/test_film.py.
"""

import pandas as pd
import streamlit as st

from rnc.conditions import CLEAN
from rnc.ui.film.film_player import ShownFilm, film_request
from rnc.ui.film.film_routes import OfferedFilm
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_and_class_controls import choose_run
from rnc.ui.selection import Selection, condition_slug, selected_runs
from rnc.vocabulary import Objective

_NONE = "none"


def choose_films(selection: Selection) -> tuple[list[ShownFilm], str]:
    """Let the user choose one or two of the selected runs; return their films, and the key of the selection of samples.

    The second run has the same images. At first it is one of adversarial training, if there is another one.
    """
    runs = selected_runs(selection)
    with st.container(horizontal=True, gap="medium"):
        with st.container(width="content"):
            run = choose_run(selection)
        others = runs[(runs["run_id"] != run.run_id) & (runs["images_from"] == run["images_from"])]
        options = [_NONE, *others["label"]]
        adversarial = [*others[others["objective"] == Objective.AT]["label"], *options[1:], _NONE]
        beside = st.segmented_control(
            "Beside it",
            options,
            default=adversarial[0],
            key="film_beside",
            bind="query-params",
            required=True,
            format_func=escape_markdown,
        )
    chosen = [run, *(row for _index, row in others[others["label"] == beside].iterrows())]
    scope = f"{run['images_from']} {selection.split}"
    return [_film_of(row, selection) for row in chosen], scope


def _film_of(run: pd.Series, selection: Selection) -> ShownFilm:
    slug = condition_slug(run.run_id, selection.condition_name) or CLEAN.slug
    request = film_request(str(run.run_id), selection.split, slug)
    return ShownFilm(str(run["label"]), OfferedFilm(request, tuple(map(str, run["classes"]))))
