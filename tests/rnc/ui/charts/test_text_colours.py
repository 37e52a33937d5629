"""Lines have a contrast of 3 to the page and texts of 4.5, in the light and in the dark theme (WCAG 2.2, 1.4.3 and 1.4.11)."""

import numpy as np
import pytest

from rnc.ui.charts.geometry import cosine_heatmap
from rnc.ui.charts.palette import CLASSES, GREY, RUN_COLOURS
from rnc.ui.charts.render_process import Renderer
from rnc.ui.charts.text_colours import QUIET_TEXT, SCREEN_CONFIG, by_theme
from tests.rnc.ui.charts.test_many_classes import SVG, drawing_of

GROUNDS = {"light": "#FFFFFF", "dark": "#171614"}
"""The backgrounds of the page in Streamlit's themes."""


def luminance(colour: str) -> float:
    """The relative luminance of `#RRGGBB` by WCAG."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21) and contrast("#777777", "#FFFFFF") == pytest.approx(
        4.48, abs=0.01
    )


RUNS = list(RUN_COLOURS.values())[:8]
"""The hues; their darker and lighter shades are for more runs than eight."""


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_lines_and_points_have_a_contrast_of_three(ground: str) -> None:
    found = {colour: round(contrast(colour, ground), 2) for colour in (*RUNS, *CLASSES, GREY)}
    assert {colour: ratio for colour, ratio in found.items() if ratio < 3} == {}
    assert len(set(RUNS)) == len(RUNS) and len(set(CLASSES)) == len(CLASSES)


@pytest.mark.parametrize("theme", GROUNDS)
def test_texts_on_charts_have_a_contrast_of_four_and_a_half(theme: str) -> None:
    assert contrast(QUIET_TEXT[theme], GROUNDS[theme]) >= 4.5
    for part, names in (("axis", 2), ("legend", 2), ("title", 1)):
        assert list(SCREEN_CONFIG[part].values()) == [{"expr": by_theme(QUIET_TEXT)}] * names


@pytest.mark.parametrize("theme", GROUNDS)
def test_the_background_chooses_the_colour(theme: str) -> None:
    """In the browser it is that of the page; an exported picture is white."""
    mark = {"type": "text", "text": "name", "color": {"expr": by_theme(QUIET_TEXT)}}
    drawing = Renderer().render({"background": GROUNDS[theme], "data": {"values": [{}]}, "mark": mark}, "svg").decode()
    assert f'fill="{QUIET_TEXT[theme]}">name<' in drawing


def test_numbers_are_read_on_every_cell() -> None:
    """Black or white, whichever is read on the colour of its cell."""
    cosines = np.linspace(-1, 1, 100).reshape(10, 10)
    drawing = drawing_of(cosine_heatmap(cosines, [f"{i}" for i in range(10)], -1 / 9, "t"))
    cells, numbers = (
        [
            mark.attrib["fill"]
            for group in drawing.iter(f"{SVG}g")
            if group.get("class", "").startswith(kind)
            for mark in group
        ]
        for kind in ("mark-rect role-mark", "mark-text role-mark")
    )
    assert len(cells) == len(numbers) == 100 and set(numbers) == {"white", "black"}
    names = {"white": "#FFFFFF", "black": "#000000"}
    ratios = [contrast(as_hex(cell), names[number]) for cell, number in zip(cells, numbers, strict=True)]
    assert min(ratios) >= 4.5


def as_hex(colour: str) -> str:
    """The colour `rgb(1, 2, 3)` as `#010203`."""
    return "#" + "".join(f"{int(part):02X}" for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
