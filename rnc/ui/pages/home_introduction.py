"""The introduction of the home page: two sentences, the film of standard beside adversarial training, and where to go next.

Tested by tests/pages/test_first_screen.py.
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from rnc.claims.evidence import RunEvidence
from rnc.conditions import condition_in_words
from rnc.ui import opened_store
from rnc.ui.default_runs import comparable_runs_across_objectives, measured_and_default_runs
from rnc.ui.demo_training_offer import draw_next_step_of_demo, select_runs
from rnc.ui.film.film_player import ShownFilm, draw_compact_player
from rnc.ui.film.one_or_two_films import film_of_training_images
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.pages.read_evidence import evidence_of
from rnc.ui.selection import condition_slug, labelled_runs
from rnc.vocabulary import Metric, Objective, Role

SUBJECT = (
    "**Neural collapse**: late in training, a network's features of each class gather at one point, and all these points are "
    "equally far from each other: they form a simplex.\n\n**An attack** changes each image a little so that the network makes "
    "mistakes. It breaks up the clusters of a network that was trained on clean images (standard training, ST). If a network was "
    "trained on attacked images (adversarial training, AT), its clusters stay together."
)
MEASURE_COMMAND = "python -m train.measure --model torchvision:resnet18 --checkpoint weights.pth --data photos"
_ADVERSARIAL = (Objective.AT, Objective.AT_EVAL_ATTACK, Objective.TRADES, Objective.TRADES_RELEASED)
_ROLES = (Role.CLEAN, Role.PERTURBED)
_BROKEN, _WHOLE = 10, 5
"""NC1 under attack divided by NC1 of clean images: from the first value on clusters are broken up, up to the second whole."""


@dataclass(frozen=True)
class Opening:
    """The runs of the first picture, with their numbers at the selected epoch."""

    runs: pd.DataFrame
    """Standard training, and adversarial training on the same images; with `label`."""
    films: list[ShownFilm]
    standard: Markdown
    """The effect of an attack on standard training, in numbers."""
    adversarial: Markdown
    """The same for adversarial training."""
    protocol: Markdown
    """The data, the network and the attack."""
    is_of_gallery: bool
    """True if the runs are not of the selection."""


def draw_introduction(run_ids: tuple[str, ...], epoch: int) -> None:
    """Draw what this is about, beside the film of standard and adversarial training with what happens in it in numbers."""
    if (opening := opening_of(run_ids, epoch)) is None:
        st.markdown(SUBJECT)
        return
    with st.container(key="opening"):
        film, text = st.columns([5, 3], gap="medium")
    with film:
        with st.container(key="opening_film"):
            draw_compact_player(opening.films, epoch, key="opening_player")
        left, right = st.columns(2, gap="small")
        left.caption(opening.standard)
        right.caption(opening.adversarial)
    text.markdown(SUBJECT)
    origin = " These runs are from the built-in gallery." if opening.is_of_gallery else ""
    text.caption(
        f"{opening.protocol} The film plays over training, then along the attack. A dot is a training image of one of three "
        "classes, a diamond the mean of a class; the dashed triangle is an exact simplex. Each picture has its own scale. "
        f"Numbers: clean → under attack; NC1 is the spread within classes.{origin}"
    )


@cached_until_store_changes
def opening_of(run_ids: tuple[str, ...], epoch: int) -> Opening | None:
    """Return the first picture for selected runs, or that of the gallery if they have none; None if there is no picture."""
    for ids, is_of_gallery in ((run_ids, False), (_gallery_runs(), True)):
        if (filmed := _filmed_pair(ids)) is not None:
            runs, films = filmed
            values = evidence_of(ids, 10**9 if is_of_gallery else epoch)
            standard, adversarial = (run for _id, run in runs.iterrows())
            captions = _caption(standard, values), _caption(adversarial, values)
            return Opening(runs, films, captions[0], captions[1], _protocol(standard), is_of_gallery)
    return None


@cached_until_store_changes
def _filmed_pair(run_ids: tuple[str, ...]) -> tuple[pd.DataFrame, list[ShownFilm]] | None:
    """Return standard and adversarial training among runs, and their films, which no selected epoch changes."""
    runs = labelled_runs(run_ids) if run_ids else None
    if runs is None:
        return None
    with opened_store.reader().kept_open():
        pair = _pair(runs)
        if pair is None:
            return None
        return pair, [film_of_training_images(run, Role.PERTURBED) for _id, run in pair.iterrows()]


@cached_until_store_changes
def _gallery_runs() -> tuple[str, ...]:
    runs = measured_and_default_runs()[0]
    return tuple(comparable_runs_across_objectives(runs[runs["published"]])) if runs["published"].any() else ()


def _pair(runs: pd.DataFrame) -> pd.DataFrame | None:
    """Return a run of standard training, and one of adversarial training on the same images, that both stored features."""
    for _id, standard in runs[runs["objective"] == Objective.ST].iterrows():
        others = runs[(runs["images_from"] == standard["images_from"]) & (runs["dataset"] == standard["dataset"])]
        for objective in _ADVERSARIAL:
            pair = [str(standard["run_id"]), *others[others["objective"] == objective]["run_id"][:1]]
            if len(pair) == 2 and not any(
                opened_store.reader().samples.epochs_and_conditions_with_features(run_id).empty for run_id in pair
            ):
                return runs.loc[pair]
    return None


def _caption(run: pd.Series, values: pd.DataFrame) -> Markdown:
    """Return what an attack does to a run, in numbers of the evidence; nothing if they are not measured."""
    label, values = escape_markdown(run["label"]), values[values["run_id"] == run["run_id"]]
    if values.empty:
        return ""
    evidence = RunEvidence(str(run["run_id"]), str(run["objective"]), len(run["classes"]), values)
    clean, attacked = ([evidence.at(role, Metric.ACCURACY), evidence.at(role, Metric.NC1)] for role in _ROLES)
    if any(map(pd.isna, [*clean, *attacked])):
        return ""
    times = attacked[1] / max(clean[1], 1e-12)
    result = "the attack breaks up its clusters" if times >= _BROKEN else "the attack moves its clusters"
    if times <= _WHOLE:
        result = "its clusters stay together under attack"
    return (
        f"**{label}** at epoch {evidence.last:d}: {result}, "
        f"accuracy {clean[0]:.1%} → {attacked[0]:.1%}, NC1 {clean[1]:.3g} → {attacked[1]:.3g}."
    )


def _protocol(run: pd.Series) -> Markdown:
    """Return the data, the network and the attack of a run, for those who ask what was measured."""
    attack = condition_in_words(condition_slug(run["run_id"], Role.PERTURBED) or "not attacked")
    return f"{escape_markdown(run['dataset'])}, {escape_markdown(run['model'])}, {escape_markdown(attack)}."


def draw_doors(runs: pd.DataFrame) -> None:
    """Draw where to go next: the gallery, the demo, the visitor's network; `runs` are the selected ones."""
    explore, train, bring = st.columns(3)
    with explore.container(border=True, height="stretch"):
        st.markdown("**Explore the gallery**" if _gallery_runs() else "**Explore the runs**")
        _draw_door_of_gallery(runs)
    with train.container(border=True, height="stretch"):
        st.markdown("**Train the demo here**")
        draw_next_step_of_demo()
    with bring.container(border=True, height="stretch"):
        st.markdown("**Bring your own network**")
        draw_measuring_instructions()


def _draw_door_of_gallery(runs: pd.DataFrame) -> None:
    gallery = _gallery_runs()
    if gallery and not runs["published"].any():
        st.markdown("Real CIFAR-10 runs that come with the project, trained in four ways.")
        st.button("Show the gallery's runs", key="show_gallery", on_click=select_runs, args=[list(gallery)])
        return
    st.markdown("Its runs are selected. See them here:" if gallery else "See the selected runs here:")
    links = (
        ("collapse", "Collapse over the epochs"),
        ("film", "Film of the features"),
        ("attack_lab", "Attack a network"),
    )
    for page, label in links:
        st.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_forward:")


def draw_measuring_instructions() -> None:
    """Draw how the visitor's network is measured."""
    st.markdown(
        "Any classifier with a last linear layer gets the same numbers, maps and attacks; docs/networks.md says how:"
    )
    st.code(MEASURE_COMMAND, language="bash", wrap_lines=True)
