"""The parts of the geometry page that show one epoch: cosines, norms, angles, duality and spectrum of the class means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc.class_mean_geometry import are_alike, centre, cosine_matrix, simplex_cosine, singular_values_over_rms
from rnc.conditions import condition_in_words
from rnc.ui import opened_store
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.geometry import class_mean_spectrum, class_norms, clean_to_perturbed_angle_bars, cosine_heatmap
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.run_labels import describe_epochs, name_classes
from rnc.ui.selection import Selection, condition_slug, epoch_not_after, run_colours, selected_runs
from rnc.vocabulary import ClassMetric

_MAX_CLASSES = 300
"""Largest number of classes whose pairs are drawn, because the browser receives a rectangle for each pair."""
COINCIDENT = "not defined, because all class means coincide"


@dataclass(frozen=True)
class Geometry:
    """The class means of a run at an epoch under one condition."""

    condition_name: str
    """The name of the condition in the store."""
    classes: list[str]
    """The names of the classes that have a mean."""
    class_numbers: np.ndarray
    means: np.ndarray
    """Shape (C, d)."""
    why_undefined: Markdown
    """The reason why these means have no geometry; empty if they have one."""
    about: dict[str, Any]
    """The run, epoch and condition (slug) of these means, for exported tables."""

    @property
    def cosines(self) -> np.ndarray:
        """The cosines (C, C) of the centred class means."""
        return cosine_matrix(centre(self.means))

    @property
    def distance_from_simplex(self) -> float:
        """The mean of |cos + 1/(C−1)| over pairs of classes (NC2 equiangularity)."""
        pairs = ~np.eye(len(self.classes), dtype=bool)
        return float(np.abs(self.cosines - simplex_cosine(len(self.classes)))[pairs].mean())


def read_geometries(run: pd.Series, epoch: int, selection: Selection) -> list[Geometry]:
    """Return the class means of a run at an epoch: clean, and under the selected condition."""
    geometries = []
    for name in selection.clean_and_condition:
        condition = condition_slug(run.run_id, name)
        numbers, means = opened_store.reader().vectors.class_means(run.run_id, epoch, selection.split, str(condition))
        classes = [run.classes[number] if number < len(run.classes) else f"{number:d}" for number in numbers]
        images = f"{escape_markdown(selection.split.images)} under {escape_markdown(condition_in_words(name))} at epoch {epoch:d}"
        about = {"run_id": run.run_id, "epoch": epoch, "condition": condition}
        geometries.append(Geometry(name, classes, numbers, means, _why_undefined(means, images), about))
    return geometries


def _why_undefined(means: np.ndarray, images: Markdown) -> Markdown:
    """Describe why the class means (C, d) of some images have no geometry; empty if they have one."""
    if len(means) < 2:
        return f"This run stored no class means of {images}."
    if not np.isfinite(means).all():
        return f"The geometry of {images} is not defined, because class means are not finite."
    return f"The geometry of {images} is {COINCIDENT}." if are_alike(means) else ""


def draw_cosines_by_condition(figures: PageFigures, geometries: list[Geometry]) -> None:
    """Draw the cosines between the class means under each condition, side by side."""
    for column, geometry in zip(st.columns(2), geometries, strict=True):
        if geometry.why_undefined:
            column.info(geometry.why_undefined)
            continue
        name, words = geometry.condition_name, condition_in_words(geometry.condition_name)
        draw_cosines(
            figures,
            column,
            geometry.cosines,
            geometry.classes,
            title=f"Cosines between class means, {words}",
            alt=f"cosines of centred class means, {words}",
            key=f"cosines_{name}",
            about=geometry.about,
        )
        simplex = simplex_cosine(len(geometry.classes))
        column.caption(
            f"In a simplex, the cosine between two classes is −1/(C−1) = −{-simplex:.3f}. On average, these cosines differ from "
            f"it by {geometry.distance_from_simplex:.3f} (NC2 equiangularity)."
        )


def draw_cosines(
    figures: PageFigures,
    place: DeltaGenerator,
    cosines: np.ndarray,
    classes: list[str],
    *,
    title: str,
    alt: str,
    key: str,
    about: dict[str, Any],
) -> None:
    """Draw a heat map of cosines (C, C) between classes, or a message if there are too many classes."""
    if len(classes) > _MAX_CLASSES:
        place.info(
            f"{escape_markdown(title)}: not drawn, because there are {len(classes):,d} classes. Pairs are drawn of up to "
            f"{_MAX_CLASSES:d} classes."
        )
        return
    figures.draw(
        place, cosine_heatmap(cosines, classes, simplex_cosine(len(classes)), title), alt, key=key, about=about
    )


def draw_norms_and_rotation(figures: PageFigures, run: pd.Series, selection: Selection) -> pd.DataFrame:
    """Draw the norms of the run's class means, and the rotation of those of all selected runs with the same classes.

    Return the angles to the clean class means: run (label), run_id, class (name), radians, degrees.
    """
    classes, name = list(run.classes), selection.condition_name
    runs = selected_runs(selection)
    runs = runs[[list(others) == classes for others in runs["classes"]]]
    measured = opened_store.reader().metrics.measured_epochs(selection.runs)
    last = {run_id: epoch_not_after(measured, run_id, selection.epoch) for run_id in runs["run_id"]}
    epochs = {run_id: epoch for run_id, epoch in last.items() if epoch is not None}
    values = opened_store.reader().metrics.class_metrics(epochs, selection.split)
    values = name_classes(values.assign(run=values["run_id"].map(runs["label"])), classes, "class")
    norms = values[(values["metric"] == ClassMetric.NORM) & (values["run_id"] == run.run_id)]
    norms = norms[norms["shown"].isin(selection.clean_and_condition)]
    angles = values[(values["metric"] == ClassMetric.ANGLE) & (values["shown"] == name)]
    angles = angles.assign(degrees=np.degrees(angles["value"]), radians=angles["value"])
    colours = run_colours(runs.loc[list(epochs)])
    left, right = st.columns(2, vertical_alignment="bottom")
    about = {"run_id": run.run_id, "epoch": epochs[run.run_id]}
    figures.draw(left, class_norms(norms, classes, run.colour), "norms of class means", key="norms", about=about)
    right.html(curve_legend(colours, []))
    measured_at = angles.assign(epoch=angles["run_id"].map(epochs))
    figures.draw(
        right,
        clean_to_perturbed_angle_bars(angles, classes, colours),
        "clean-to-perturbed angle per class",
        measured_at,
        key="angles",
    )
    st.caption(
        f"Norms of {escape_markdown(run.label)} at epoch {epochs[run.run_id]:d}; in a simplex all norms are equal (NC2 "
        "equinorm). Rotation of the selected runs with the same classes, each at its last measured epoch up to the selected one: "
        f"{describe_epochs(dict(zip(colours, epochs.values(), strict=True)))}."
    )
    return angles


def describe_geometry(
    run: pd.Series, condition_name: str, angles: pd.DataFrame, geometries: list[Geometry]
) -> Markdown:
    """Describe which class means of a run a condition rotates most and least, and the distances from a simplex."""
    rotation = describe_rotation(angles[angles["run_id"] == run.run_id], run.label, condition_name)
    distances = {g.condition_name: g.distance_from_simplex for g in geometries if not g.why_undefined}
    return f"{rotation} {describe_distances_by_condition(distances)}"


def describe_rotation(angles: pd.DataFrame, run: str, condition_name: str) -> Markdown:
    """Describe which classes (class, degrees) a condition rotates most and least; empty if none was measured."""
    if angles.empty:
        return ""
    ordered = angles.sort_values("degrees")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    return (
        f"From clean to **{escape_markdown(condition_in_words(condition_name))}**, the mean of class "
        f"**{escape_markdown(most['class'])}** of {escape_markdown(run)} rotates most (**{most['degrees']:.1f}°**) and that of "
        f"class {escape_markdown(least['class'])} least ({least['degrees']:.1f}°); the average over classes is "
        f"{angles['degrees'].mean():.1f}°."
    )


def describe_distances_by_condition(distances: dict[str, float]) -> Markdown:
    """Describe the mean |cos + 1/(C−1)| by condition; empty if there is none."""
    if not distances:
        return ""
    described = " and ".join(
        f"{value:.3f} ({escape_markdown(condition_in_words(name))})" for name, value in distances.items()
    )
    return f"On average, the cosines between class means differ from the value in a simplex by {described}."


def draw_duality_and_spectrum(figures: PageFigures, run: pd.Series, epoch: int, geometries: list[Geometry]) -> None:
    """Draw the cosines of classifier and class means under the condition, and the singular values of the class means."""
    if any(geometry.why_undefined for geometry in geometries):
        return
    left, right = st.columns(2)
    _draw_duality(figures, left, run.run_id, epoch, geometries[-1])
    parts = []
    for geometry in geometries:
        values = singular_values_over_rms(geometry.means)
        ranks = np.arange(1, len(values) + 1)
        parts.append(pd.DataFrame({"rank": ranks, "value": values, "shown": geometry.condition_name}))
    about = {"run_id": run.run_id, "epoch": epoch}
    chart = class_mean_spectrum(pd.concat(parts), run.colour)
    figures.draw(right, chart, "spectrum of the class means", key="spectrum", about=about)


def _draw_duality(figures: PageFigures, place: DeltaGenerator, run_id: str, epoch: int, geometry: Geometry) -> None:
    numbers, rows = opened_store.reader().vectors.classes_and_classifier_rows(run_id, epoch)
    rows = rows[np.isin(numbers, geometry.class_numbers)]
    if rows.shape != geometry.means.shape:
        place.info("No classifier with the classes and the width of these class means is stored for this epoch.")
        return
    draw_cosines(
        figures,
        place,
        cosine_matrix(rows, centre(geometry.means)),
        geometry.classes,
        title=f"Cosines of classifier and means, {condition_in_words(geometry.condition_name)}",
        alt="cosines of classifier and means",
        key="duality",
        about=geometry.about,
    )
