"""A chart in full screen: the legend of its panels stays above it, whatever its height, and no other one does."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ON_TOP = (
    "e => { const b = e.getBoundingClientRect(); return e.contains(document.elementFromPoint(b.x + 50, b.y + 8)); }"
)
LEGENDS = "[data-testid=stElementContainer]:has(> [data-testid=stHtml] > .rnc-legend)"


def open_chart(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Fullscreen: {name}").evaluate("button => button.click()")
    expect(page.get_by_role("button", name="Close fullscreen")).to_be_visible()


def close_chart(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Close fullscreen")).to_have_count(0)
    expect(page.locator("[data-full-screen]")).to_have_count(0)


def test_the_legend_of_the_chart_stays_and_no_other_one(demo_address: str, page: Page) -> None:
    visit(page, f"{demo_address}/geometry")
    settle(page)
    legends = page.locator(LEGENDS)
    expect(legends).to_have_count(2)
    for chart, own in (("clean-to-perturbed angle", 0), ("Gram matrix", 1), ("norms of class means", None)):
        open_chart(page, chart)
        expect(page.locator('[data-full-screen="legend"]')).to_have_count(int(own is not None))
        assert [legends.nth(place).evaluate(ON_TOP) for place in (0, 1)] == [place == own for place in (0, 1)]
        close_chart(page)


@pytest.mark.parametrize("width", [1440, 390])
def test_the_chart_begins_below_the_legend(width: int, demo_address: str, page: Page) -> None:
    """On a phone, a legend of five entries has several rows; a click on an entry hides its lines."""
    page.set_viewport_size({"width": width, "height": 844})
    visit(page, f"{demo_address}/collapse")
    settle(page)
    open_chart(page, "NC1")
    legend, chart = page.locator('[data-full-screen="legend"]'), page.locator('[data-full-screen="chart"] svg.marks')
    expect(legend).to_have_count(1)
    above, below = legend.bounding_box(), chart.bounding_box()
    assert above is not None and below is not None and 0 < above["y"] < above["y"] + above["height"] <= below["y"]
    assert above["x"] + above["width"] <= width - 100, "the chart's toolbar is beside it"
    lines = chart.locator('g.role-mark path[stroke="#0072B2" i]:visible')
    assert lines.count() > 0
    legend.get_by_role("checkbox", name="ST", exact=True).uncheck()
    expect(lines).to_have_count(0)
    legend.get_by_role("checkbox", name="ST", exact=True).check()
    close_chart(page)


def test_the_legend_stays_also_after_back_in_full_screen(demo_address: str, page: Page) -> None:
    """Streamlit leaves the page's body as it was in full screen."""
    visit(page, f"{demo_address}/collapse")
    settle(page)
    page.get_by_test_id("stSidebarNav").get_by_text("Geometry", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Geometry")
    settle(page)
    open_chart(page, "Gram matrix")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collapse over epochs")
    settle(page)
    open_chart(page, "NC1")
    assert page.locator('[data-full-screen="legend"]').evaluate(ON_TOP)
    close_chart(page)
