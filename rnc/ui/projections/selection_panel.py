"""The selected samples: their images, a table of the networks' predictions, and its download."""

from html import escape

import pandas as pd
import streamlit as st

from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown, single_line
from rnc.ui.projections.map_data import Maps
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.projections.perturbed_thumbnails import perturbed_pictures
from rnc.ui.projections.selection import ADDING, MOST_IN_ADDRESS, clear, pick_decided, picked_samples, write_address
from rnc.ui.projections.thumbnails import shown_pictures
from rnc.vocabulary import Role

_MOST_SHOWN = 24
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));gap:10px 8px;font-size:12px"
_IMAGE = "width:100%;image-rendering:pixelated;border-radius:4px;display:block;margin-bottom:3px"


def draw_panel(scope: str, maps: Maps) -> None:
    """Draw the selected samples that are on a map."""
    samples = picked_samples(scope)
    table = picked_table(samples, maps)
    in_address = write_address(scope)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(table):,} picked" if samples else "Nothing picked", anchor=False, width="content")
        st.toggle("Add", key=ADDING, help="Whether the next box or click adds to what is picked, or replaces it")
        # The buttons use callbacks, because the maps above must know the new selection before they are drawn.
        st.button(
            "Clear", on_click=clear, args=(scope,), key="clear_picked", disabled=not samples, icon=":material/close:"
        )
        _offer_decisions(scope, maps)
    if not samples:
        st.caption(
            "Drag a box over points, or click one, to see the images here and the same samples on every map. "
            "With shift, dragging moves a map; the wheel zooms."
        )
        return
    if table.empty:
        st.info("None of the picked samples is on a map that is drawn.")
        return
    _draw_images(table, maps)
    _draw_table(table, maps[0][0])
    if len(table) < len(samples):
        st.caption(f"{len(samples) - len(table):,} others are picked, but on no map that is drawn.")
    if not in_address:
        st.caption(f"The address keeps a selection of up to {MOST_IN_ADDRESS} samples; this one is larger.")


def _offer_decisions(scope: str, maps: Maps) -> None:
    """Offer to select samples by their true class and prediction instead of with the mouse."""
    choice, plane = maps[0]
    with st.popover("By decision", icon=":material/filter_alt:", width="content"):
        st.multiselect("True class", choice.names, key="pick_true", placeholder="any")
        st.multiselect(
            f"Decided as ({escape_markdown(choice.condition_name)})",
            choice.names,
            key="pick_decided",
            placeholder="any",
        )
        points = plane.points[plane.points["shown"] == choice.condition_name]
        st.button(
            "Pick", on_click=pick_decided, args=(scope, points, "pick_true", "pick_decided"), key="pick_by_decision"
        )


def picked_table(samples: list[int], maps: Maps) -> pd.DataFrame:
    """Return sample, class, and for each map the clean and perturbed predictions and whether they differ (a leap)."""
    table = pd.DataFrame(columns=["sample", "class"])
    for place, (choice, plane) in enumerate(maps):
        here = plane.points[plane.points["sample"].isin(samples)]
        decided = here.pivot(index="sample", columns="shown", values="predicted")
        decided = decided.reindex(columns=[str(Role.CLEAN), choice.condition_name])
        decided["leaps"] = decided[Role.CLEAN] != decided[choice.condition_name]
        if len(maps) > 1:
            decided.columns = [f"{name} ({place + 1})" for name in decided.columns]
        classes = here.drop_duplicates("sample").set_index("sample")["label"].rename("class")
        one = classes.to_frame().join(decided).reset_index()
        table = one if table.empty else table.merge(one, on=["sample", "class"], how="outer")
    return table.sort_values("sample", ignore_index=True)


def _draw_images(table: pd.DataFrame, maps: Maps) -> None:
    shown = table.head(_MOST_SHOWN).rename(columns={"class": "label"})
    pictures = shown_pictures(maps[0][0], shown)
    if pictures.why_not:
        st.caption(escape_markdown(pictures.why_not, MAX_MESSAGE_LENGTH))
        return
    place = st.container()
    below = perturbed_pictures(maps, [int(sample) for sample in shown["sample"]])
    cells = [_cell(row, [pictures.of, *below]) for row in shown.to_dict("records")]
    if any(below):
        place.caption("From the top: clean, and perturbed" + (", for each map in turn." if len(maps) > 1 else "."))
    place.html(f'<div style="{_GRID}">{"".join(cells)}</div>')
    if len(table) > len(shown):
        st.caption(f"The first {len(shown)} of {len(table):,} images; the table has all.")


def _cell(row: dict, pictures: list[dict[int, str]]) -> str:
    """Return the HTML of a sample: its clean and available perturbed images, class, predictions and index."""
    decided = [row[name] for name in row if name not in ("sample", "label") and not name.startswith(("clean", "leaps"))]
    told = single_line(f"{row['label']} → {' · '.join(str(name) for name in decided if isinstance(name, str))}")
    name = escape(f"sample {row['sample']}, class {told}", quote=True)
    kinds = ["", *[f", perturbed ({place})" for place in range(1, len(pictures))]]
    images = [
        f'<img src="{of[row["sample"]]}" alt="{name}{kind}" title="{name}{kind}" style="{_IMAGE}">'
        for of, kind in zip(pictures, kinds, strict=True)
        if row["sample"] in of
    ]
    caption = f"<figcaption>{escape(told)}<br>#{escape(str(row['sample']))}</figcaption>"
    return f'<figure style="margin:0">{"".join(images)}{caption}</figure>'


def _draw_table(table: pd.DataFrame, first: MapChoice) -> None:
    leaps = [str(name) for name in table if str(name).startswith("leaps")]
    told = {name: st.column_config.CheckboxColumn(help="decided otherwise than on the clean image") for name in leaps}
    st.dataframe(table, hide_index=True, key="picked_table", column_config=told)
    file_name = f"samples-{single_line(first.run.run_id)}-{first.split}.csv"
    st.download_button(
        "CSV",
        lambda: table.to_csv(index=False).encode(),
        file_name,
        "text/csv",
        on_click="ignore",
        key="picked_csv",
        icon=":material/download:",
    )
