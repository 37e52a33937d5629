"""No test here reads or writes the user's data, cache or network."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RNC_CACHE", str(folder))
    monkeypatch.setenv("RNC_DATA", str(tmp_path / "unset"))
    return folder
