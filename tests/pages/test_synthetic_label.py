"""No page shows a made-up run without saying that it is one; test_pages.py shows that none says so of a trained run."""

from pathlib import Path

import pytest

from rnc.store.reader import StoreReader
from tests.benchmarks.synthetic.runs import fill
from tests.pages.app import charts, open_page
from tests.pages.test_pages import PAGES


@pytest.fixture(scope="module")
def synthetic_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of three epochs."""
    path = tmp_path_factory.mktemp("synthetic") / "rnc.duckdb"
    fill(path, 2, 3)
    return path


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_so(page: str, synthetic_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(page, synthetic_store, monkeypatch)
    assert "2 of 2 selected runs contain generated numbers" in app.warning[0].value


@pytest.mark.parametrize("page", ["collapse", "layers"])
def test_legends_say_so(page: str, synthetic_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the figures that people take along too."""
    for chart in charts(open_page(page, synthetic_store, monkeypatch)).values():
        named = set().union(*(set(rows["run"]) for rows in chart["rows"] if "run" in rows))
        assert named and all(name.endswith("· synthetic") for name in named)


def test_no_command_is_offered_for_it(synthetic_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = StoreReader(synthetic_store).runs.all()["run_id"].iloc[0]
    app = open_page("runs", synthetic_store, monkeypatch, config_of=run_id)
    assert not app.code
    assert any("tests.benchmarks.synthetic" in caption.value for caption in app.caption)
