"""The choice of a film: a selected run, and optionally a second one beside it.

Tested by tests/pages/test_film.py.
"""

import pandas as pd
import streamlit as st

from rnc.conditions import CLEAN
from rnc.film.stored_states import FilmRequest
from rnc.store.queries.samples import EVERY_SAMPLE
from rnc.ui import opened_store
from rnc.ui.film.film_player import MOST_SAMPLES, ShownFilm, draw_player
from rnc.ui.film.film_routes import OfferedFilm
from rnc.ui.markdown import escape_markdown
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.projections.shared_sample_selection import picked_samples, scope_of, scope_of_images, select
from rnc.ui.run_and_class_controls import choose_run, tie_run_choice_to_address
from rnc.ui.selection import Selection, condition_slug, selected_runs
from rnc.vocabulary import Objective, Split

_NONE = "none"
_NO_RUN = "is not one of the selected runs with the same images."


def choose_films_and_scope(selection: Selection) -> tuple[list[ShownFilm], str]:
    """Let the user choose one or two of the selected runs; return their films, and the key of the selection of samples.

    The second run has the same images. At first it is one of adversarial training, if there is another one.
    """
    runs = selected_runs(selection)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        with st.container(width="content"):
            run = choose_run(selection)
        others = runs[(runs["run_id"] != run.run_id) & (runs["images_from"] == run["images_from"])]
        options = [_NONE, *others["label"]]
        adversarial = [*others[others["objective"] == Objective.AT]["label"], *options[1:], _NONE]
        with st.container(width="content"):  # without it, the options would not wrap in a narrow window
            beside = st.segmented_control(
                "Second run",
                options,
                default=adversarial[0],
                required=True,
                format_func=escape_markdown,
                **tie_run_choice_to_address("film_beside", others, _NO_RUN, _NONE),
            )
        all_samples = st.toggle(
            "All samples",
            key="all_samples",
            bind="query-params",
            help=f"Show all stored samples. Otherwise at most {MOST_SAMPLES:,} are shown, equally many of each class.",
        )
    most = EVERY_SAMPLE if all_samples else MOST_SAMPLES
    chosen = [run, *(row for _index, row in others[others["label"] == beside].iterrows())]
    scope = scope_of_images(str(run["images_from"]), selection.split)
    return [_film_of(row, selection, most) for row in chosen], scope


def film_of_training_images(run: pd.Series, condition_name: str) -> ShownFilm:
    """Return the film of a run's training images, clean and under a condition."""
    return _film(run, Split.TRAIN, condition_slug(run.run_id, condition_name) or CLEAN.slug, MOST_SAMPLES)


def _film_of(run: pd.Series, selection: Selection, most: int) -> ShownFilm:
    slug = condition_slug(run.run_id, selection.condition_name) or CLEAN.slug
    return _film(run, selection.split, slug, most)


def _film(run: pd.Series, split: Split, condition: str, most: int) -> ShownFilm:
    request = FilmRequest(str(run.run_id), split, condition, most)
    epochs = tuple(
        sorted(set(opened_store.reader().samples.epochs_and_conditions_with_features(request.run_id)["epoch"].tolist()))
    )
    return ShownFilm(str(run["label"]), OfferedFilm(request, tuple(map(str, run["classes"])), epochs))


def draw_film_of_maps(choices: list[MapChoice]) -> None:
    """Draw the films of one or two maps, with the selection of samples that the maps have."""
    first, scope = choices[0], scope_of(choices[0])
    films = [
        _film(choice.run, choice.split, choice.measured_condition_slug or CLEAN.slug, MOST_SAMPLES)
        for choice in {choice.run.run_id: choice for choice in choices}.values()
    ]
    draw_player(films, first.cursor, picked_samples(scope), lambda samples: select(scope, samples), key="film_of_maps")
