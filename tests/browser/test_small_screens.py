"""Pages on a phone and in a narrow window: nothing is cut, charts stand one below the other, maps do not stop the scrolling."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ScriptRuns, go_to, settle, visit
from tests.browser.test_accessibility import wear

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE, NARROW = (390, 844), (1024, 768)
PAGES = ("collapse", "geometry", "projections", "layers")
_TEXTS_OUTSIDE = """svgs => svgs.flatMap(svg => {
  const frame = svg.getBoundingClientRect(), spare = 5;  // the height of a line is more than that of its letters
  const place = svg.closest("[data-testid=stVegaLiteChart]").getBoundingClientRect();
  const cut = [...svg.querySelectorAll("text")].filter(text => text.textContent && text.getAttribute("opacity") !== "0");
  return [
    ...(frame.right > place.right + 1 ? ["a chart wider than its place"] : []),
    ...cut.filter(text => text.textContent.endsWith("…")).map(text => text.textContent),
    ...cut.filter(text => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left - spare || box.right > frame.right + spare || box.top < frame.top - spare
        || box.bottom > frame.bottom + spare;
    }).map(text => text.textContent),
  ];
})"""
"""Parts that are cut: the texts that leave their drawing or end in an ellipsis, and drawings wider than their place."""
_PALE_TEXTS = """svgs => {
  const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = colour => {
    const linear = channels(colour).map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = luminance(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor);
  const onCells = "[class*='mark-rect'] ~ [class*='mark-text']";
  const texts = svg => [...svg.querySelectorAll("text")].filter(text => text.textContent && !text.closest(onCells));
  return svgs.flatMap(svg => texts(svg).map(text => {
    const [low, high] = [ground, luminance(getComputedStyle(text).fill)].sort((a, b) => a - b);
    return [text.textContent, (high + 0.05) / (low + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5));
}"""
"""The texts of drawings with a contrast below 4.5 to the page; the numbers on cells are tested with their charts."""
_SCROLLED = "document.querySelector('[data-testid=stMain]').scrollTop"


def test_nothing_is_cut_and_charts_stand_one_below_the_other(demo_address: str, page: Page) -> None:
    """On a phone, each page is the first one that is visited; in a narrow window, they are chosen one after the other."""
    cut, runs = {}, ScriptRuns(page)
    for size in (PHONE, NARROW):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for name in PAGES:
            if size == PHONE or name == PAGES[0]:
                visit(page, f"{demo_address}/{name}")
                settle(page)
            else:
                go_to(page, runs, name)
            drawings = page.locator("[data-testid=stVegaLiteChart] svg.marks")
            cut[size, name] = drawings.evaluate_all(_TEXTS_OUTSIDE)
            main = page.get_by_test_id("stMain")
            assert main.evaluate("main => main.scrollWidth <= main.clientWidth"), f"{name} scrolls sideways"
            boxes = drawings.evaluate_all("svgs => svgs.map(svg => svg.getBoundingClientRect().toJSON())")
            if size == PHONE:
                assert all(upper["bottom"] <= lower["top"] for upper, lower in pairwise(boxes)), name
    assert cut == {(size, name): [] for size in (PHONE, NARROW) for name in PAGES}


def test_titles_are_whole_in_a_window_that_has_become_wider(demo_address: str, page: Page) -> None:
    """Streamlit would cut titles at the width that their chart had when it was drawn first."""
    page.set_viewport_size({"width": 800, "height": 768})
    visit(page, f"{demo_address}/collapse")
    settle(page)
    cut = page.locator("[data-testid=stVegaLiteChart] svg.marks text", has_text=re.compile("…$"))
    expect(cut).not_to_have_count(0)  # too narrow for the longest titles
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    expect(cut).to_have_count(0)


def test_a_page_that_is_chosen_on_a_phone_is_seen(demo_address: str, page: Page) -> None:
    """In a wide window, the sidebar stays open beside the page."""
    runs, sidebar = ScriptRuns(page), page.get_by_test_id("stSidebar")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    visit(page, f"{demo_address}/layers")
    settle(page)
    for name in ("runs", "collapse"):
        page.get_by_test_id("stExpandSidebarButton").click()
        go_to(page, runs, name)
        expect(sidebar).to_have_attribute("data-collapsed", "true")
        page.get_by_role("heading", level=1).click(trial=True)  # nothing covers it
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_test_id("stExpandSidebarButton").click()
    go_to(page, runs, "runs")
    expect(sidebar).to_have_attribute("data-collapsed", "false")


def test_two_films_stand_side_by_side_in_a_narrow_window(demo_address: str, page: Page) -> None:
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    visit(page, f"{demo_address}/film")
    panes = page.locator(".film .pane")
    expect(panes).to_have_count(2)
    settle(page)
    left, right = panes.evaluate_all("panes => panes.map(pane => pane.getBoundingClientRect().toJSON())")
    assert left["top"] == right["top"] and left["right"] < right["left"]


def test_texts_on_charts_are_read_in_both_themes(demo_address: str, page: Page) -> None:
    """Every second page is opened in the dark."""
    runs, pale, worn = ScriptRuns(page), {}, "light"
    page.emulate_media(color_scheme="light")
    visit(page, demo_address)
    settle(page)
    for name in PAGES:
        go_to(page, runs, name)
        for scheme in (worn, "dark" if worn == "light" else "light"):
            if scheme != worn:
                wear(page, scheme)
            worn = scheme
            pale[name, scheme] = page.locator("[data-testid=stVegaLiteChart] svg.marks").evaluate_all(_PALE_TEXTS)
    assert pale == {(name, scheme): [] for name in PAGES for scheme in ("light", "dark")}


def swipe_up(page: Page, place: tuple[float, float], length: int) -> None:
    """Move a finger up the screen."""
    fingers = page.context.new_cdp_session(page)
    for part in range(11):
        point = {"x": place[0], "y": place[1] - length * part / 10}
        kind = "touchMove" if part else "touchStart"
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_map_leaves_the_wheel_and_a_finger_to_the_page(demo_address: str, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True).new_page()
    visit(page, f"{demo_address}/projections")
    settle(page)
    drawing = page.locator(".st-key-plane svg.marks").first
    scale = drawing.locator("text", has_text="unit")
    drawing.scroll_into_view_if_needed()
    before, length = page.evaluate(_SCROLLED), scale.text_content()
    area = drawing.bounding_box()
    assert area
    place = (area["x"] + area["width"] / 2, min(area["y"] + area["height"] / 2, PHONE[1] - 100))
    page.mouse.move(*place)
    page.mouse.wheel(0, 60)
    page.wait_for_function(f"{_SCROLLED} === {before + 60}")
    assert scale.text_content() == length
    swipe_up(page, place, 200)
    page.wait_for_function(f"{_SCROLLED} > {before + 120}")
    expect(page.get_by_role("heading", name="No samples selected")).to_have_count(1)
    assert scale.text_content() == length, "neither the map has moved nor a box was drawn"
    drawing.scroll_into_view_if_needed()  # a finger may have moved it out of the window
    while (scrolled := page.evaluate(_SCROLLED)) != (page.wait_for_timeout(500), page.evaluate(_SCROLLED))[1]:
        pass  # a page that a finger has moved comes to rest slowly
    area = drawing.bounding_box()
    assert area
    page.mouse.move(place[0], min(max(area["y"] + area["height"] / 2, 60), PHONE[1] - 60))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -2000)
    page.keyboard.up("Control")
    expect(scale).not_to_have_text(length, timeout=20_000)
    assert page.evaluate(_SCROLLED) == scrolled
    page.context.close()
