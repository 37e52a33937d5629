"""The findings page: verdicts with their distance from the bound, reasons where there is none, and links from tile to card."""

import re
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from rnc.claims import ORIGIN, USED, Judgement, Reason, Verdict, judge_each_claim
from rnc.store import cached_queries, kept_connection
from rnc.store.cached_queries import CachedQueries
from rnc.store.connection_per_transaction import reading
from rnc.store.reader import StoreReader
from rnc.ui.pages import findings, home_introduction
from rnc.ui.pages.verdict_tiles_and_table import HOW_TO_READ_TILES, anchor, tally, verdict_tiles
from rnc.ui.run_labels import run_labels
from rnc.ui.style import HIDDEN, STYLE, UNUSED_CONTROLS
from tests.conftest import ROOT
from tests.pages.app import changed_store, open_page, seen


def judged(store: Path, epoch: int = 60) -> list[Judgement]:
    reader = StoreReader(store)
    runs = reader.runs.all()
    return judge_each_claim(runs, reader.metrics.evidence(list(runs["run_id"]), list(USED), epoch))


def tiles(app: AppTest) -> list[str]:
    """The verdicts' tiles, as HTML."""
    (strip,) = [element.proto.body for element in app.get("html") if 'class="verdicts"' in element.proto.body]
    return re.findall(r"<a .*?</a>", strip)


def test_the_matrix_says_how_far_from_the_bound_a_verdict_is_or_why_there_is_none(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    runs, judgements = StoreReader(demo_store).runs.all(), judged(demo_store)
    matrix = app.table[0].value
    assert [seen(title) for title in matrix.index] == [
        f"[{j.claim} · {j.title}](#{j.claim.lower().replace(' ', '-')})" for j in judgements
    ]
    for run_id, label in run_labels(runs).items():
        for cell, judgement in zip(map(seen, matrix[label]), judgements, strict=True):
            number = judgement.deciding(run_id)
            if number is None:
                is_other = judgement.unjudged[run_id] is Reason.OTHER_TRAINING
                assert cell == (f"not about {label}" if is_other else "training accuracy below 99.9 %")
            else:
                assert str(judgement.of(run_id)) in cell and f"{number.value:.3g}, " in cell
                assert cell.endswith(f"{number.limit:.3g}")
    assert any("at most" in cell for cell in matrix["ST"]) and any("at least" in cell for cell in matrix["ST"])


def test_numbers_of_other_than_clean_images_name_their_condition_with_its_epsilon(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    numbers = [table.value for table in app.table if "number" in table.value]
    (c1,) = [table for table in numbers if "train accuracy" in set(map(seen, table["number"]))]
    assert "condition" not in c1, "all are of clean images"
    (c5,) = [table for table in numbers if any("Gaussian" in seen(name) for name in table["number"])]
    assert set(map(seen, c5["condition"])) == {"Gaussian noise, ℓ∞ ε = 0.14", "sign noise, ℓ∞ ε = 0.14"}
    (c9,) = [table for table in numbers if any("test accuracy" in seen(name) for name in table["number"])]
    assert list(map(seen, c9["condition"])) == ["clean", "PGD-10, ℓ∞ ε = 0.14", "clean", "PGD-10, ℓ∞ ε = 0.14"]


def test_each_tile_leads_to_its_card(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    judgements = judged(demo_store)
    anchors = [heading.anchor for heading in app.subheader]
    assert anchors == [anchor(judgement.claim) for judgement in judgements] and len(set(anchors)) == 12
    for tile, judgement in zip(tiles(app), judgements, strict=True):
        assert f'href="#{anchor(judgement.claim)}"' in tile and f"{judgement.claim} {judgement.verdict}" in tile
        number = judgement.deciding()
        if number is None:
            assert "about none of the selected runs" in tile
        else:
            assert f"{number.value:.3g}" in tile and f"{number.limit:.3g})" in tile


def test_the_verdicts_are_counted_above_the_tiles(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    judgements = judged(demo_store)
    verdicts = [judgement.verdict for judgement in judgements if judgement.numbers]
    (text,) = [text.value for text in app.markdown if "claims are supported" in text.value]
    assert text.startswith(f"**{verdicts.count(Verdict.SUPPORTED)} of 12 claims are supported**, ")
    assert f"{verdicts.count(Verdict.CONTRADICTED)} contradicted" in text
    assert text.endswith(f"{12 - len(verdicts)} about none of the selected runs. {HOW_TO_READ_TILES}")
    assert "not measured" not in text and "too early" not in text


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.TOO_EARLY, "**0 of 2 claims are supported**, 2 too early to judge."),
        (Reason.NOT_MEASURED, "**0 of 2 claims are supported**, 2 not measured."),
        (Reason.OTHER_TRAINING, "**0 of 2 claims are supported**, 2 about none of the selected runs."),
    ],
)
def test_the_count_says_why_there_is_no_verdict(reason: Reason, expected: str) -> None:
    assert tally([Judgement("C1", "t", "s", "c", "b", "main", [], [], {"a": reason})] * 2) == expected


def test_the_source_of_a_bound_is_in_the_tile_and_in_the_card(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    for tile, judgement in zip(tiles(app), judged(demo_store), strict=True):
        assert (ORIGIN in tile) == bool(judgement.numbers)
    sources = [seen(caption.value) for caption in app.caption if caption.value.startswith("Source of the bounds: ")]
    assert sources == [f"Source of the bounds: {judgement.bounds}" for judgement in judged(demo_store)]
    assert any("17 degrees" in source for source in sources)


def test_the_gauge_is_on_the_side_of_the_verdict(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    places = {}
    for tile, judgement in zip(tiles(app), judged(demo_store), strict=True):
        if found := re.search(r"left:(\d+)%", tile):
            places.setdefault(judgement.verdict, []).append(int(found[1]))
    assert min(places[Verdict.SUPPORTED]) >= 50 >= max(places[Verdict.CONTRADICTED])


def test_a_card_says_its_distance_in_words(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    number = next(judgement for judgement in judged(demo_store) if judgement.claim == "C7").deciding()
    assert number is not None
    assert any(f"{number.value:.3g}, where at most 0.3 is allowed" in seen(text.value) for text in app.markdown)


def test_a_run_under_way_has_no_verdict_and_its_cell_says_so(
    demo_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AT is at epoch 1 of 60; its card has its numbers, but no verdict."""
    store = changed_store(demo_store, tmp_path, under_way="at")
    runs = list(StoreReader(store).runs.all()["run_id"])
    app = open_page("findings", store, monkeypatch, runs=runs)
    matrix = app.table[0].value
    about_at = [cell for claim, cell in matrix["AT"].items() if claim.startswith(("[C6", "[C7", "[C8"))]
    assert about_at == ["too early"] * 3
    badges = [element.value for element in app.markdown if "-badge[" in element.value]
    assert sum("too early" in badge for badge in badges) == 3
    assert any("training is not at its end: AT" in caption.value for caption in app.caption)
    assert any("mean angle clean to perturbed" in " ".join(table.value["number"]) for table in app.table[1:])


def test_an_epoch_that_the_visitor_selected_is_judged_and_named(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch, epoch="10")
    assert any("ST at epoch 10 of 60" in info.value for info in app.info)
    assert "contradicted" in " ".join(app.table[0].value["AT"]) + " ".join(app.table[0].value["ST"])
    assert not open_page("findings", demo_store, monkeypatch).info
    first = open_page("findings", demo_store, monkeypatch, epoch="1").table[0].value
    assert not any("contradicted" in cell or "supported" in cell for label in first for cell in first[label])


@pytest.mark.parametrize(
    ("page", "unused"),
    [("findings", {"condition", "split"}), ("attack_lab", {"condition"}), ("runs", {"epoch", "condition", "split"})],
)
def test_controls_that_a_page_does_not_use_are_hidden_and_keep_their_values(
    page: str, unused: set[str], demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, demo_store, monkeypatch, condition="targeted", split="test", epoch="10")
    assert f"[class*=st-key-{UNUSED_CONTROLS}] {{ display: none" in HIDDEN and HIDDEN in STYLE
    assert app.sidebar.selectbox(key="condition").value == "targeted"
    assert hidden(app) == unused
    app.switch_page("pages/collapse.py").run()
    assert app.sidebar.selectbox(key="condition").value == "targeted"
    assert app.session_state["split"] == "test" and app.session_state["epoch"] == "10"
    assert hidden(app) == set()


def hidden(app: AppTest) -> set[str]:
    """The controls of the sidebar that the page does not use."""
    start = f"{UNUSED_CONTROLS}_"
    return {key.removeprefix(start) for key in containers(app) if key.startswith(start)}


def containers(app: AppTest) -> set[str]:
    """The keys of the sidebar's containers."""
    blocks, found = [app.sidebar], set()
    while blocks:
        block = blocks.pop()
        found.add(getattr(block.proto, "id", "").rsplit("-", 1)[-1])
        blocks += [child for child in getattr(block, "children", {}).values() if hasattr(child, "children")]
    return found


def test_a_run_that_does_not_fit_its_images_says_so(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "rnc.duckdb"
    shutil.copy(tiny_store, copy)
    matrix = open_page("findings", copy, monkeypatch).table[0].value
    assert "training accuracy below 99.9 %" in {seen(cell) for cell in matrix["ST"]}


def test_tiles_escape_the_names_of_runs(demo_store: Path) -> None:
    judgements = judged(demo_store)
    labels = pd.Series({number.run_id: "<script>" for judgement in judgements for number in judgement.numbers})
    html = verdict_tiles(judgements, labels)
    assert "<script>" not in html and "&lt;script&gt;" in html


MADE_ONCE = (
    (findings, "judge_each_claim"),
    (findings, "course_panel"),
    (findings, "matrix_of"),
    (findings, "escaped_arrow_table"),
    (home_introduction, "film_of_training_images"),
    (home_introduction, "_caption"),
)


def test_a_page_that_asks_nothing_new_judges_draws_and_reads_nothing(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    before, verdicts = [table.value for table in app.table], tiles(app)
    for module, name in MADE_ONCE:
        monkeypatch.setattr(module, name, None)  # (whoever calls them again fails)
    monkeypatch.setattr(CachedQueries, "_answer", None)
    app.run()
    assert not app.exception and len(before) > 1
    assert [table.value.equals(old) for table, old in zip(app.table, before, strict=True)] == [True] * len(before)
    assert tiles(app) == verdicts


def test_another_epoch_chooses_no_film_anew(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    monkeypatch.setattr(home_introduction, "film_of_training_images", None)
    epochs = app.sidebar.select_slider[0]
    epochs.set_value(epochs.options[-2]).run()
    assert not app.exception
    assert any("Judged at the epoch selected" in note.value for note in app.info)


def test_a_page_looks_at_the_version_of_the_store_once(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    looks: list[int] = []

    def changing_version(_self: CachedQueries) -> tuple[int, ...]:
        looks.append(len(looks))
        return (len(looks),)

    monkeypatch.setattr(CachedQueries, "_version_now", changing_version)
    app.run()
    assert not app.exception and looks == [0], "a trainer writes all the time, and the page is of one moment"


def test_a_page_of_a_changed_store_opens_it_a_few_times(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside trainers, whoever opens the store waits for its turn."""
    app = open_page("findings", demo_store, monkeypatch)
    opened: list[Path] = []

    def spy(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        opened.append(path)
        return reading(path)

    monkeypatch.setattr(cached_queries, "reading", spy)
    monkeypatch.setattr(kept_connection, "_LONGEST_SECONDS", 60.0)
    monkeypatch.setattr(CachedQueries, "_version_now", lambda _self: (7, 7, 7))
    app.run()
    assert not app.exception and 0 < len(opened) <= 5


@pytest.mark.parametrize("page", [path.stem for path in sorted((ROOT / "pages").glob("*.py"))])
def test_a_rerun_that_asks_nothing_new_reads_nothing_from_the_store(
    page: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, demo_store, monkeypatch)
    asked: list[str] = []
    usual = CachedQueries._answer

    def answer(self: CachedQueries, sql: str, arguments: Any) -> pd.DataFrame:
        asked.append(sql)
        return usual(self, sql, arguments)

    monkeypatch.setattr(CachedQueries, "_answer", answer)
    app.run()
    assert not app.exception and not asked
