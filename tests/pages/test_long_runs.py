"""Runs of many measured epochs: what is drawn is thinned and says so, what is taken along is not."""

from pathlib import Path

import pandas as pd
import pytest

from rnc.store.reader import StoreReader
from rnc.ui.charts.downsampling import DRAWN_POINTS, THINNING_NOTE
from rnc.ui.figures import PageFigures
from rnc.vocabulary import METRIC_INFO, Metric
from tests.benchmarks.synthetic.runs import fill
from tests.pages.app import open_page, ordered, rows, same

EPOCHS = DRAWN_POINTS + 20
NC1 = f"{METRIC_INFO[Metric.NC1].label} over epochs"


@pytest.fixture(scope="module")
def long_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs."""
    path = tmp_path_factory.mktemp("long") / "rnc.duckdb"
    fill(path, 2, EPOCHS)
    return path


def test_long_curves_are_thinned_and_exports_are_whole(long_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, pd.DataFrame] = {}

    def offer(figures: PageFigures) -> None:
        taken.update({name: table for name, (_chart, table, _about) in figures._drawn.items()})

    monkeypatch.setattr(PageFigures, "draw_export_menu", offer)
    app = open_page("collapse", long_store, monkeypatch)
    drawn = rows(app, NC1, "run_id", "shown", "epoch", "value")
    reader = StoreReader(long_store)
    stored = reader.metrics.curves(list(reader.runs.all()["run_id"]), ["clean", "perturbed"], "train", [Metric.NC1])
    same(ordered(taken[NC1][["run_id", "shown", "epoch", "value"]]), stored)
    assert len(stored) == 4 * (EPOCHS + 1) and len(drawn) <= 4 * DRAWN_POINTS
    for key, line in stored.groupby(["run_id", "shown"]):
        seen = drawn[(drawn["run_id"] == key[0]) & (drawn["shown"] == key[1])]
        assert (seen["value"].min(), seen["value"].max()) == (line["value"].min(), line["value"].max())
        assert {0, EPOCHS} <= set(seen["epoch"])
    assert any(THINNING_NOTE in caption.value for caption in app.caption)


def test_short_curves_say_nothing_of_it(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", tiny_store, monkeypatch)
    assert not any("drawn with fewer points" in caption.value for caption in app.caption)
