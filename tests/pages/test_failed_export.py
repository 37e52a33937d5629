"""A figure that cannot be drawn as a file: the page says why, and goes on."""

from pathlib import Path

import pytest

from rnc.ui import figures
from rnc.ui.charts.picture_files import FileKind
from rnc.ui.charts.render_process import RenderError
from rnc.ui.figures import PageFigures
from tests.pages.app import open_page


def test_a_failed_export_says_why(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[PageFigures] = []
    offer = PageFigures.draw_export_menu

    def offer_and_note(figures: PageFigures) -> None:
        offered.append(figures)
        offer(figures)

    def fail(*_arguments: object) -> bytes:
        raise RenderError("it needs more than it may take")

    monkeypatch.setattr(PageFigures, "draw_export_menu", offer_and_note)
    monkeypatch.setattr(figures, "picture_file", fail)
    app = open_page("layers", tiny_store, monkeypatch)
    with pytest.raises(RenderError):
        offered[-1]._file(next(iter(offered[-1]._drawn)), FileKind.PNG, 6.5, 9)
    app.run()
    assert "it needs more than it may take" in app.error[0].value
    assert not app.run().error
