"""A chart in full screen: the legend of its panels stays above it, whatever its height, and no other one does."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from rnc.store.reader import StoreReader
from tests.benchmarks.synthetic.runs import fill
from tests.browser.conftest import Servers, settle, visit

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


@pytest.fixture(scope="module")
def many_runs_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page of curves with twelve runs of six epochs."""
    folder = tmp_path_factory.mktemp("twelve")
    fill(folder / "rnc.duckdb", 12, 6)
    runs = "&".join(f"runs={run_id}" for run_id in StoreReader(folder / "rnc.duckdb").runs.all()["run_id"])
    servers = Servers(folder)
    yield f"{servers.start(folder / 'rnc.duckdb')}/collapse?{runs}"
    servers.end()


ENDS = """() => {
    const chart = document.querySelector('[data-full-screen=chart] svg.marks');
    return chart && Math.abs(chart.getBoundingClientRect().bottom - (document.documentElement.clientHeight - 12)) < 2;
}"""
"""Whether the chart ends where the margin of the window begins."""


def check_room(page: Page, height: int) -> None:
    """Check that the legend, the toolbar and the whole chart are seen in a window of this height, none above another one."""
    page.wait_for_function(ENDS)
    legend, frame = page.locator('[data-full-screen="legend"]'), page.locator('[data-full-screen="chart"]')
    parts = [legend, frame.get_by_test_id("stElementToolbar"), frame.locator("svg.marks")]
    above, tools, chart = (part.bounding_box() for part in parts)
    assert above is not None and tools is not None and chart is not None
    end_of_legend = above["y"] + above["height"]
    assert 0 < above["y"] < end_of_legend <= chart["y"] and chart["height"] > 0.4 * height
    assert tools["x"] >= above["x"] + above["width"] or tools["y"] >= end_of_legend
    assert height < 500 or legend.evaluate("e => e.scrollHeight - e.clientHeight") == 0, "the whole legend is seen"
    bounds = "e => [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth]"
    assert frame.evaluate(bounds) == [0, 0] == frame.get_by_test_id("stVegaLiteChart").evaluate(bounds)


@pytest.mark.parametrize("runs", [3, 12])
def test_the_chart_has_the_room_below_the_legend(
    runs: int, demo_address: str, many_runs_address: str, page: Page
) -> None:
    """The whole chart is seen, also its axes' titles, however many rows the legend has, also after the window has changed."""
    visit(page, f"{demo_address}/collapse" if runs == 3 else many_runs_address)
    settle(page)
    open_chart(page, "NC1")
    for width, height in ((1440, 900), (390, 800), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        check_room(page, height)
    close_chart(page)
    assert page.evaluate("innerHeight") == 390, "other charts have the whole window"


def test_a_click_on_an_entry_hides_its_lines_in_full_screen(demo_address: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"{demo_address}/collapse")
    settle(page)
    open_chart(page, "NC1")
    check_room(page, 844)
    entry = page.locator('[data-full-screen="legend"]').get_by_role("checkbox", name="ST", exact=True)
    lines = page.locator('[data-full-screen="chart"] g.role-mark path[stroke="#0072B2" i]:visible')
    assert lines.count() > 0
    entry.uncheck()
    expect(lines).to_have_count(0)
    entry.check()
    close_chart(page)


def test_the_legend_is_readable_after_a_change_of_theme_in_full_screen(demo_address: str, page: Page) -> None:
    """It had the background of the theme in which full screen began."""
    visit(page, f"{demo_address}/collapse")
    settle(page)
    open_chart(page, "NC1")
    legend = page.locator('[data-full-screen="legend"]')
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_function(
            f"getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === '{scheme}'"
        )
        with Image.open(io.BytesIO(legend.screenshot())) as picture:
            colours = picture.convert("L").getcolors(2**16) or []
        background = max(colours)[1]
        assert isinstance(background, int) and (background < 60 if scheme == "dark" else background > 200)
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
