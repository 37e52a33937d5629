"""axe-core looks at every page, light and dark, for what keeps people out (WCAG 2.2)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE_MS, settle, visit
from tests.pages.test_pages import PAGES

pytestmark = pytest.mark.browser

NOT_OURS = {
    "[data-testid='stCode'] .token": "Streamlit's own colours of syntax, which no theme option changes; the text can be copied",
    "[class*='brushed_brush']": "Vega-Lite's own rectangles of a box that is being drawn; they take no words, the map has them",
    "[data-testid='stJson']": "Streamlit's own viewer of JSON: its colours, and that its scrolling box takes no focus",
}
"""What is left out of the check, and why."""


def findings(page: Page) -> list[str]:
    """The serious and critical violations on a page, one a line, with the rule, the place and what to do."""
    context = {"exclude": [[selector] for selector in NOT_OURS]}
    violations = Axe().run(page, context=context).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for rule in violations
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_people_out(
    scheme: str, demo_store: Path, serve: Callable[[Path], str], browser: Browser
) -> None:
    """In a window of 1024 pixels, so that what scrolls is seen to scroll."""
    context = browser.new_context(viewport={"width": 1024, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_MS)
    page, address = context.new_page(), serve(demo_store)
    found = {}
    for name in PAGES:
        visit(page, f"{address}/{'' if name == 'findings' else name}")
        settle(page)
        found[name] = findings(page)
    context.close()
    assert found == {name: [] for name in PAGES}


def test_the_check_finds_what_keeps_people_out(page: Page) -> None:
    """Pale text, a picture without words, a button without a name."""
    page.set_content(
        "<html lang=en><title>t</title><main><h1>t</h1><p style='color:#bbb'>pale</p><img src='data:,'><button></button></main>"
    )
    assert {line.split()[0] for line in findings(page)} == {"color-contrast", "image-alt", "button-name"}
