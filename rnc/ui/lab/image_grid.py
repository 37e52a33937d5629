"""Images before and after an attack with the network's predictions, filtered by prediction or plane, and their download.

Tested by tests/pages/test_attack_lab.py.
"""

import io

import numpy as np
import pandas as pd
import streamlit as st

from rnc.conditions import Condition
from rnc.lab.attack import AttackResult
from rnc.ui.charts.images import clean_perturbed_and_difference_strips, png
from rnc.ui.markdown import escape_markdown, safe_plain_line

IMAGE = "lab_image"
"""The key of the session state that holds the followed sample."""

_ALL, _LEAPT, _STAYED = "all", "leapt", "stayed"
_MOST_SHOWN = 12
_CELL = 128


def draw_images(result: AttackResult, names: list[str], condition: Condition) -> None:
    """Draw the kept images with the chosen outcome, up to six per row: clean, perturbed, and the perturbation."""
    images = _kept_images(result, names)
    picked = st.session_state.get(IMAGE)
    st.header("Images", anchor=False)
    chosen = _choose(images, names)
    if picked in set(images["sample"]):
        chosen = pd.concat([images[images["sample"] == picked], chosen[chosen["sample"] != picked]])
    elif picked is not None:
        st.caption(
            f"Only the features of image {picked:d} were kept; images are kept for the first {len(images)} watched samples."
        )
    if chosen.empty:
        st.info("No image matches this filter.")
        return
    st.caption("From top to bottom: clean, perturbed, and the perturbation, stretched to full contrast.")
    shown, grid = chosen.head(_MOST_SHOWN), st.container(key="lab_images_shown")
    for place, row in zip(shown.index, shown.itertuples(), strict=True):
        one = slice(place, place + 1)
        epsilon = condition.epsilon or 0.0
        picture = clean_perturbed_and_difference_strips(
            result.clean_images[one], result.perturbed_images[one], epsilon, _CELL
        )
        before = f"{row.before} ({_spaced(row.sure_before)})"
        after = f"{row.after} ({_spaced(row.sure_after)})"
        description = safe_plain_line(f"true {row.true}: predicted {before} → {after}")
        grid.image(
            picture,
            caption=f"{'▸ ' if row.sample == picked else ''}#{row.sample:d}, {escape_markdown(description)}",
            alt=description,
            width="stretch",
        )
    _offer_downloads(result, shown, condition)


def _spaced(share: object) -> str:
    """Return a share as a percentage, with the space that a number and its unit have."""
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _choose(images: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Let the user filter the kept images by outcome and classes, and return them."""
    with st.container(horizontal=True, vertical_alignment="top"):
        outcome = st.segmented_control(
            "Prediction", [_ALL, _LEAPT, _STAYED], default=_ALL, key="lab_fate", bind="query-params", required=True
        )
        true = st.multiselect("True class", names, key="lab_true", bind="query-params", placeholder="any", width=260)
        after = st.multiselect(
            "Predicted as", names, key="lab_decided", bind="query-params", placeholder="any", width=260
        )
    chosen = images[{_ALL: images["leapt"] | True, _LEAPT: images["leapt"], _STAYED: ~images["leapt"]}[outcome or _ALL]]
    return chosen[chosen["true"].isin(true or names) & chosen["after"].isin(after or names)]


def _kept_images(result: AttackResult, names: list[str]) -> pd.DataFrame:
    """Return a row per kept image: sample, class names (true, before, after), confidences, and whether it leapt."""
    count, named = len(result.clean_images), np.array(names)
    before, after = result.predicted[0][:count], result.predicted[-1][:count]
    return pd.DataFrame(
        {
            "sample": result.sample[:count],
            "true": named[result.label[:count]],
            "before": named[before],
            "after": named[after],
            "sure_before": result.confidence[0][:count],
            "sure_after": result.confidence[-1][:count],
            "leapt": before != after,
        },
    )


def _offer_downloads(result: AttackResult, shown: pd.DataFrame, condition: Condition) -> None:
    """Offer the shown images as a picture, and all kept ones as arrays, for download."""
    places = list(shown.index)

    def picture() -> bytes:
        clean, perturbed = result.clean_images[places], result.perturbed_images[places]
        return png(clean_perturbed_and_difference_strips(clean, perturbed, condition.epsilon or 0.0, _CELL))

    with st.container(horizontal=True):
        st.download_button(
            "PNG of the shown images",
            picture,
            f"{condition.slug}.png",
            "image/png",
            on_click="ignore",
            key="lab_png",
            icon=":material/download:",
        )
        st.download_button(
            f"npz of all {len(result.clean_images)} images",
            lambda: images_file(result),
            f"{condition.slug}.npz",
            "application/octet-stream",
            on_click="ignore",
            key="lab_npz",
            icon=":material/download:",
        )


def images_file(result: AttackResult) -> bytes:
    """Return the kept images as npz: clean and perturbed (m, c, h, w) in [0, 1], sample, label, predictions, confidences."""
    count, content = len(result.clean_images), io.BytesIO()
    np.savez_compressed(
        content,
        clean=result.clean_images,
        perturbed=result.perturbed_images,
        sample=result.sample[:count],
        label=result.label[:count],
        predicted_clean=result.predicted[0][:count],
        predicted_perturbed=result.predicted[-1][:count],
        confidence_clean=result.confidence[0][:count],
        confidence_perturbed=result.confidence[-1][:count],
    )
    return content.getvalue()
