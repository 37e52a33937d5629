"""axe-core looks at every page, light and dark, for what keeps people out (WCAG 2.2)."""

import json

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.conftest import ScriptRuns, go_to, settle, visit
from tests.pages.test_pages import PAGES

pytestmark = pytest.mark.browser

NOT_OURS = {
    "[data-testid='stCode'] .token": "Streamlit's own colours of syntax, which no theme option changes; the text can be copied",
    "[class*='brushed_brush']": "Vega-Lite's own rectangles of a box that is being drawn; they take no words, the map has them",
    "[data-testid='stJson']": "Streamlit's own viewer of JSON: its colours, and that its scrolling box takes no focus",
}
"""Exceptions from the check, with the reason for each."""

_IS_DARK = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/\\d+/) < 128"


OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that the scheme of colours has a say in: names, roles and structure are the same in both."""


_VIOLATIONS = "async ([context, options]) => JSON.stringify((await axe.run(context, options)).violations)"
"""As one text: what Playwright takes apart value by value cost Python more processor than the check cost the browser."""


def findings(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical violations on a page, of all rules or of some, one a line, with rule, place and what to do."""
    context = {"exclude": [[selector] for selector in NOT_OURS]}
    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    violations = json.loads(page.evaluate(_VIOLATIONS, [context, {**options, "resultTypes": ["violations"]}]))
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for rule in violations
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def wear(page: Page, scheme: str) -> None:
    """Change the scheme of colours that the visitor prefers, and wait until the page and its charts are drawn in it."""
    old = page.locator("[data-in-old-scheme]")
    drawings = page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg.marks)")
    drawings.evaluate_all("drawings => drawings.forEach(drawing => drawing.dataset.inOldScheme = '')")
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(_IS_DARK if scheme == "dark" else f"!({_IS_DARK})")
    expect(old).to_have_count(0)
    settle(page)
    page.wait_for_function(
        "document.getAnimations().every(a => !(a instanceof CSSTransition) || a.playState !== 'running')"
    )


@pytest.mark.slow
def test_no_page_keeps_people_out(demo_address: str, page: Page) -> None:
    """In a window of 1024 pixels, so that what scrolls is seen to scroll; every second page is opened in the dark."""
    page.set_viewport_size({"width": 1024, "height": 900})
    page.emulate_media(color_scheme="light")
    runs, found, worn = ScriptRuns(page), {}, "light"
    visit(page, demo_address)
    settle(page)
    for name in PAGES:
        go_to(page, runs, name)
        for scheme in (worn, "dark" if worn == "light" else "light"):
            is_second = scheme != worn
            if is_second:
                wear(page, scheme)
            worn = scheme
            found[name, scheme] = findings(page, OF_COLOURS if is_second else ())
    assert found == {(name, scheme): [] for name in PAGES for scheme in ("light", "dark")}


def test_the_check_finds_what_keeps_people_out(page: Page) -> None:
    """Pale text, a picture without words, a button without a name."""
    page.set_content(
        "<html lang=en><title>t</title><main><h1>t</h1><p style='color:#bbb'>pale</p><img src='data:,'><button></button></main>"
    )
    assert {line.split()[0] for line in findings(page)} == {"color-contrast", "image-alt", "button-name"}
    assert {line.split()[0] for line in findings(page, OF_COLOURS)} == {"color-contrast"}
