"""Numbers in a store that somebody else made: none becomes a length, a width or a loop that takes the memory or the day."""

import resource
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from rnc.ui.playable_sliders import MOST_STOPS
from tests.pages.app import open_page
from tests.pages.test_pages import PAGES
from tests.rnc.store.hand_written import begin, one_epoch

ROOM = 1_500 * 2**20
"""Bytes of address space that opening a page may take beyond what the tests hold already."""
EPOCHS = [0, 7, 500_000, 2_147_483_647]


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """A list of 2,147,483,647 texts ends in MemoryError here instead of taking the machine's memory."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def store_with_epochs(path: Path, epochs: list[int]) -> Path:
    writer = begin(path, "far")
    for epoch in epochs:
        writer.write_epoch("far", epoch, one_epoch("far", epoch))
    return path


@pytest.fixture(scope="session")
def far(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run that was measured at EPOCHS, which pages only read."""
    return store_with_epochs(tmp_path_factory.mktemp("far") / "rnc.duckdb", EPOCHS)


@pytest.mark.parametrize("page", PAGES)
def test_huge_epochs(page: str, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(page, far, monkeypatch, runs="far")
    assert app.sidebar.select_slider(key="epoch").options == ["0", "7", "500000", "last"]


def test_an_epoch_between_the_measured_ones_is_the_one_before(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", far, monkeypatch, runs="far", epoch="499999")
    assert app.sidebar.select_slider(key="epoch").value == "7"
    assert any("the selected epoch (7)" in caption.value for caption in app.caption)


@pytest.mark.parametrize("epoch", ["-1", "9" * 40, "1e9", "NaN", "2147483646"])
def test_an_address_with_any_number(epoch: str, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"-1": "0", "2147483646": "500000"}.get(epoch, "last")
    app = open_page("collapse", far, monkeypatch, runs="far", epoch=epoch)
    assert app.sidebar.select_slider(key="epoch").value == expected


def test_negative_epochs_are_no_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with_epochs(tmp_path / "rnc.duckdb", [-2_147_483_648, -1, 0, 3])
    app = open_page("collapse", store, monkeypatch, runs="far")
    assert app.sidebar.select_slider(key="epoch").options == ["0", "last"]


def test_a_hundred_thousand_measured_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with_epochs(tmp_path / "rnc.duckdb", [0])
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "INSERT INTO metric SELECT m.* REPLACE (i::INTEGER AS epoch) FROM metric m, range(1, 100000) r(i) WHERE epoch = 0"
        )
    app = open_page("collapse", store, monkeypatch, runs="far")
    assert len(app.sidebar.select_slider(key="epoch").options) <= MOST_STOPS + 1
