"""The selected samples: their images, a table of the networks' predictions, and its download.

Tested by tests/pages/test_projections.py.
"""

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from rnc.conditions import condition_in_words
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown, safe_plain_line
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.perturbed_thumbnails import perturbed_thumbnails_for_each_map
from rnc.ui.projections.sample_images import full_size_images
from rnc.ui.projections.shared_sample_selection import (
    ADDING,
    MOST_IN_ADDRESS,
    clear,
    picked_samples,
    select,
    select_matching,
    write_address_if_few_samples,
)
from rnc.vocabulary import Role

_MOST_SHOWN = 24
_MOST_OFFERED = 6
_ABOUT_MAPS = (
    "Drag a box around points, or click or tap a point, to see the images here and to highlight the same samples on every map. "
    "A click on a class in the legend shows this class alone. Drag with Shift to move the map, and turn the wheel with Ctrl to "
    "zoom. A double-click shows all again."
)
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));gap:10px 8px;font-size:12px"
_IMAGE = "width:100%;image-rendering:pixelated;border-radius:4px;display:block;margin-bottom:3px"


def draw_panel(scope: str, maps: Maps) -> None:
    """Draw the selected samples that are on a map."""
    samples = picked_samples(scope)
    table = picked_table(samples, maps)
    in_address = write_address_if_few_samples(scope)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(_count(len(table)) if samples else "No samples selected", anchor=False, width="content")
        st.toggle(
            "Add to selection",
            key=ADDING,
            help="The next box or click adds samples instead of replacing the selection.",
        )
        # The buttons use callbacks, because the maps above must know the new selection before they are drawn.
        st.button(
            "Clear", on_click=clear, args=(scope,), key="clear_picked", disabled=not samples, icon=":material/close:"
        )
        _offer_predictions(scope, maps)
    if not samples:
        st.caption(_ABOUT_MAPS)
        _offer_leaps(scope, maps)
        return
    if table.empty:
        st.info("None of the selected samples is on the maps above.")
        return
    _draw_images(table, maps)
    _draw_table(table, maps)
    if len(table) < len(samples):
        st.caption(f"{len(samples) - len(table):,} more samples are selected, but are not on the maps above.")
    if not in_address:
        st.caption(
            f"The address of this page holds at most {MOST_IN_ADDRESS} samples, and therefore not this selection."
        )


def _largest_leaps(maps: Maps) -> list[tuple[str, str, list[int]]]:
    """Return the true class, the predicted class and the samples of the largest leaps on the first map."""
    choice, plane = maps[0]
    shown = plane.points[plane.points["shown"] == choice.condition_name]
    leaps: dict[tuple[str, str], list[int]] = {}
    for true, predicted, sample in zip(shown["label"], shown["predicted"], shown["sample"], strict=True):
        if true != predicted:
            leaps.setdefault((true, predicted), []).append(int(sample))
    largest = sorted(leaps.items(), key=lambda leap: -len(leap[1]))[:_MOST_OFFERED]
    return [(true, predicted, samples) for (true, predicted), samples in largest]


def _offer_leaps(scope: str, maps: Maps) -> None:
    """Offer the largest groups of samples that are classified as another class, while nothing is selected."""
    leaps = _largest_leaps(maps)
    if not leaps:
        return
    name = escape_markdown(condition_in_words(maps[0][0].condition_name))
    st.markdown(f"Or select images that are classified as another class under **{name}**:")
    with st.container(horizontal=True):
        for number, (true, predicted, samples) in enumerate(leaps):
            label = f"{escape_markdown(true)} → {escape_markdown(predicted)} · {_count_images(len(samples))}"
            st.button(label, on_click=select, args=(scope, samples), key=f"pick_leap_{number}")


def _count_images(images: int) -> Markdown:
    return f"{images:,d} images" if images != 1 else "1 image"


def _count(samples: int) -> Markdown:
    return f"{samples:,d} samples selected" if samples != 1 else "1 sample selected"


def _offer_predictions(scope: str, maps: Maps) -> None:
    """Offer to select samples by their true class and prediction instead of with the mouse."""
    choice, plane = maps[0]
    name = escape_markdown(condition_in_words(choice.condition_name))
    with st.popover("Select by prediction", icon=":material/filter_alt:", width="content"):
        st.multiselect("True class", choice.all_class_names, key="pick_true", placeholder="any")
        st.multiselect(f"Predicted class ({name})", choice.all_class_names, key="pick_decided", placeholder="any")
        points = plane.points[plane.points["shown"] == choice.condition_name]
        keys = ("pick_true", "pick_decided")
        st.button("Select", on_click=select_matching, args=(scope, points, *keys), key="pick_by_decision")


def picked_table(samples: list[int], maps: Maps) -> pd.DataFrame:
    """Return sample, class, and for each map the clean and perturbed predictions and whether they differ (a leap)."""
    table = pd.DataFrame(columns=["sample", "class"])
    for number, (choice, plane) in enumerate(maps, start=1):
        points = plane.points[plane.points["sample"].isin(samples)]
        predictions = points.pivot(index="sample", columns="shown", values="predicted")
        predictions = predictions.reindex(columns=[str(Role.CLEAN), choice.condition_name])
        predictions["leaps"] = predictions[Role.CLEAN] != predictions[choice.condition_name]
        if len(maps) > 1:
            predictions.columns = [f"{name} ({number})" for name in predictions.columns]
        classes = points.drop_duplicates("sample").set_index("sample")["label"].rename("class")
        of_map = classes.to_frame().join(predictions).reset_index()
        table = of_map if table.empty else table.merge(of_map, on=["sample", "class"], how="outer")
    return table.sort_values("sample", ignore_index=True)


def _draw_images(table: pd.DataFrame, maps: Maps) -> None:
    shown = table.head(_MOST_SHOWN).rename(columns={"class": "label"})
    images = full_size_images(maps[0][0], shown)
    if images.why_not:
        st.caption(escape_markdown(images.why_not, MAX_MESSAGE_LENGTH))
        return
    place = st.container()  # above the button and the progress of the perturbed images
    perturbed = perturbed_thumbnails_for_each_map(maps, [int(sample) for sample in shown["sample"]])
    cells = [_cell(row, [images.uris, *perturbed]) for row in shown.to_dict("records")]
    if any(perturbed):
        place.caption(
            "From top to bottom: the clean image, and the perturbed image" + (" of each map." if len(maps) > 1 else ".")
        )
    place.html(f'<div style="{_GRID}">{"".join(cells)}</div>')
    if len(table) > len(shown):
        st.caption(f"Only the first {len(shown)} of {len(table):,} images are shown. The table lists all samples.")


def _cell(row: dict, image_uris: list[dict[int, str]]) -> str:
    """Return the HTML of a sample: its clean and available perturbed images, class, predictions and index."""
    others = [row[name] for name in row if name not in ("sample", "label") and not name.startswith(("clean", "leaps"))]
    predictions = [str(prediction) for prediction in others if isinstance(prediction, str)]
    classes = safe_plain_line(f"{row['label']} → {' · '.join(predictions)}")
    name = escape(f"sample {row['sample']}, class {classes}", quote=True)
    kinds = ["", *[f", perturbed ({number})" for number in range(1, len(image_uris))]]
    images = [
        f'<img src="{uris[row["sample"]]}" alt="{name}{kind}" title="{name}{kind}" style="{_IMAGE}">'
        for uris, kind in zip(image_uris, kinds, strict=True)
        if row["sample"] in uris
    ]
    caption = f"<figcaption>{escape(classes)}<br>#{escape(str(row['sample']))}</figcaption>"
    return f'<figure style="margin:0">{"".join(images)}{caption}</figure>'


def _draw_table(table: pd.DataFrame, maps: Maps) -> None:
    """Draw the table, with conditions in words, and offer it for download, with their names."""
    about, first = "The network predicts another class than for the clean image.", maps[0][0]
    columns: dict[str, Any] = {}
    for number, (choice, _plane) in enumerate(maps, start=1):
        suffix = f" ({number:d})" if len(maps) > 1 else ""
        words = f"{escape_markdown(condition_in_words(choice.condition_name))}{suffix}"
        columns |= {
            f"{choice.condition_name}{suffix}": st.column_config.TextColumn(words),
            f"leaps{suffix}": st.column_config.CheckboxColumn(help=about),
        }
    st.dataframe(table, hide_index=True, key="picked_table", column_config=columns)
    st.download_button(
        "CSV",
        lambda: table.to_csv(index=False).encode(),
        f"samples-{safe_plain_line(first.run.run_id)}-{first.split}.csv",
        "text/csv",
        on_click="ignore",
        key="picked_csv",
        icon=":material/download:",
    )
