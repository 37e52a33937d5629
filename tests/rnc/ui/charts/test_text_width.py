"""Widths of text: those of the font that figures are drawn in, and lines that are not wider than asked."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from rnc.ui.charts.paper_figure import FONTS
from rnc.ui.charts.render_process import Renderer
from rnc.ui.charts.text_width import text_width, wrapped
from tests.pdf_text import text_boxes

TEXT = "Angle (rad) of TRADES-RELEASED, 10 epochs: 99.9 % & more_or_less @ [x] = {y}?"


def test_widths_are_those_of_a_drawn_text() -> None:
    renderer = Renderer()
    escaped = TEXT.replace("&", "&amp;")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="40"><text y="20" font-size="20px" font-family="{FONTS}">'
    pdf = renderer.render({"svg": f"{svg}{escaped}</text></svg>"}, "pdf")
    renderer.close()
    boxes = text_boxes(PdfReader(io.BytesIO(pdf)).pages[0])
    assert "".join(box.text for box in boxes) == TEXT
    assert max(box.right for box in boxes) == pytest.approx(text_width(TEXT, 20), rel=0.03)


def test_a_character_without_a_known_width_counts_as_a_wide_one() -> None:
    assert text_width("語", 10) == 10 and text_width("Σ", 10) > text_width("e", 10)
    assert text_width("e\N{COMBINING ACUTE ACCENT}", 10) == text_width("e", 10)


@given(st.text(max_size=80), st.floats(12, 300))
def test_no_line_is_too_wide_and_no_word_is_lost(text: str, width: float) -> None:
    lines = wrapped(text, width, 10)
    assert all(text_width(line, 10) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
