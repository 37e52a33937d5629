"""An address that cannot be a store's is said in words on the page, not by a traceback in the log alone."""

import pytest

from tests.pages.app import open_page, seen


@pytest.mark.parametrize("address", ["md:x", "ducklake:nothing", ":memory:"])
def test_a_page_says_what_cannot_be_a_store(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", address, monkeypatch)  # type: ignore[arg-type]
    assert not app.exception and len(app.error) == 1 and address in seen(app.error[0].value)
