"""The maps in a real browser: a box picks samples on both of them, images show on hover, and the selection stays."""

import io
import re
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, Locator, Page, expect

from tests.browser.conftest import visit
from tests.browser.test_browser import press_cursor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def map_of(page: Page, key: str) -> Locator:
    """The drawing of the first map (plane) or of the one beside it."""
    return page.locator(f".st-key-{key} canvas, .st-key-{key} svg.marks").first


def drag(page: Page, drawing: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box between two corners, given as shares of the drawing."""
    for _attempt in range(100):
        if area := drawing.bounding_box():
            break
        page.wait_for_timeout(100)  # (the map is being drawn anew)
    assert area
    corners = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (begin, end)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()


def box(page: Page, key: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box until it picks something else than before: once more where the map was just being drawn anew."""
    heading = page.locator("h3", has_text="selected")
    expect(heading).to_be_visible()
    before = heading.inner_text()
    for _attempt in range(12):
        drag(page, map_of(page, key), begin, end)
        for _moment in range(50):
            if heading.count() and heading.inner_text() != before:
                return
            page.wait_for_timeout(100)
    pytest.fail(f"no box on {key} picks anything")


def until_it_looks_otherwise(drawing: Locator, before: bytes) -> None:
    """Wait for a drawing to change: the headings of the page are there before."""
    for _attempt in range(100):
        with suppress(Error):  # (the element is another one while the map is drawn anew)
            if drawing.screenshot(timeout=5_000) != before:
                return
        drawing.page.wait_for_timeout(100)
    pytest.fail("the drawing is as it was")


def strong(drawing: Locator) -> np.ndarray:
    """Which pixels have a strong colour, as marks have, and arrows have not."""
    pixels = np.asarray(Image.open(io.BytesIO(drawing.screenshot())).convert("RGB")).astype(int)
    return pixels.max(axis=2) - pixels.min(axis=2) > 90


def an_empty_place(drawing: Locator) -> tuple[float, float]:
    """A place without a mark, as shares of the drawing: the one nearest to its middle."""
    marks = strong(drawing)
    free = ~np.lib.stride_tricks.sliding_window_view(marks, (15, 15)).any(axis=(2, 3))
    places = (np.argwhere(free) + 7) / marks.shape
    y, x = places[np.square(places - 0.5).sum(axis=1).argmin()]
    return float(x), float(y)


def a_point(drawing: Locator, share: float = 0.0) -> tuple[float, float]:
    """Where on the page a mark is, amid pixels of a strong colour: the highest, or one further down by a `share` of them."""
    area = drawing.bounding_box()
    assert area
    around = np.lib.stride_tricks.sliding_window_view(strong(drawing), (5, 5)).all(axis=(2, 3))
    places = np.argwhere(around)
    y, x = places[int(share * len(places))] + 2
    return area["x"] + float(x), area["y"] + float(y)


def picked(page: Page) -> list[int]:
    """The samples that the address names."""
    found = re.search(r"picked=([\d.]+)", page.url)
    return [int(number) for number in found.group(1).split(".")] if found else []


def test_a_box_on_one_map_picks_the_same_samples_on_both(demo_address: str, page: Page) -> None:
    """A box, one more that adds, another epoch, a box on the other map, a reload: one selection, in the address too."""
    page.set_viewport_size({"width": 1440, "height": 1500})  # (maps and panel at once: clicks do not scroll)
    visit(page, demo_address + "/projections?two=true")
    heading = page.get_by_role("heading", name=re.compile(r"\d+ samples? selected"))
    expect(map_of(page, "beside")).to_be_visible()
    before = map_of(page, "beside").screenshot()
    box(page, "plane", (0.15, 0.25), (0.5, 0.5))
    expect(heading).to_be_visible()
    first = picked(page)
    assert first and heading.inner_text() == f"{len(first)} samples selected"
    until_it_looks_otherwise(map_of(page, "beside"), before)
    images = page.locator("figure img[alt^='sample ']")
    expect(images).to_have_count(min(len(first), 24))
    expect(images.first).to_have_attribute("alt", re.compile(rf"sample {first[0]}, class \d"))

    page.get_by_text("Add to selection", exact=True).click()
    box(page, "plane", (0.5, 0.5), (0.85, 0.75))
    both = picked(page)
    assert set(first) < set(both)

    before = map_of(page, "beside").screenshot()
    press_cursor(page, "Home")
    expect(page.get_by_text(re.compile(r"· epoch 0 ·")).first).to_be_visible()
    until_it_looks_otherwise(map_of(page, "beside"), before)
    assert picked(page) == both and heading.inner_text() == f"{len(both)} samples selected"

    page.get_by_text("Add to selection", exact=True).click()
    before = map_of(page, "beside").screenshot()
    page.get_by_text(
        "Fit to this epoch", exact=True
    ).click()  # (the features of epoch 0 are a small part of the shared axes)
    expect(page).to_have_url(re.compile(r"[?&]fit=true"))
    until_it_looks_otherwise(map_of(page, "beside"), before)
    box(page, "beside", (0.1, 0.15), (0.9, 0.6))
    other = picked(page)
    page.reload()
    expect(heading).to_have_text(f"{len(other)} samples selected")
    with page.expect_download() as download:
        page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="CSV", exact=True).click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "sample,class,clean (1),perturbed (1),leaps (1),clean (2),perturbed (2),leaps (2)"
    assert [int(line.split(",")[0]) for line in lines[1:]] == other
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("heading", name="No samples selected")).to_be_visible()


def test_a_point_shows_its_image_on_hover_and_is_picked_by_a_click(demo_address: str, page: Page) -> None:
    visit(page, demo_address + "/projections")
    expect(map_of(page, "plane")).to_be_visible()
    page.mouse.move(*a_point(map_of(page, "plane")))
    tip = page.locator("#vg-tooltip-element.visible")
    image = tip.locator("img")
    expect(image).to_have_attribute("src", re.compile(r"/sample-images/[\w-]{22}/\d+$"))
    expect(image).to_have_js_property("naturalWidth", 8)
    expect(image).to_have_js_property("clientWidth", 96)
    sample = re.search(r"sample\s+(\d+)", tip.inner_text())
    assert sample
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("heading", name="1 sample selected")).to_be_visible()
    assert picked(page) == [int(sample.group(1))]

    page.mouse.move(0, 0)  # (no tooltip in the picture)
    before = map_of(page, "plane").screenshot()
    page.keyboard.down("Shift")
    page.mouse.click(*a_point(map_of(page, "plane"), 0.5))
    page.mouse.move(0, 0)
    x, y = an_empty_place(map_of(page, "plane"))
    drag(page, map_of(page, "plane"), (x, y), (x + 0.2, y + 0.2))
    page.keyboard.up("Shift")
    until_it_looks_otherwise(map_of(page, "plane"), before)
    assert picked(page) == [int(sample.group(1))], "with shift, dragging moves the map, and nothing is picked"


def test_a_box_keeps_the_drawing_and_puts_a_veil_over_the_other_points(demo_address: str, page: Page) -> None:
    """The chart is not drawn anew; points below the veil and above it answer to the mouse."""
    visit(page, demo_address + "/projections?run=ST")
    drawing = map_of(page, "plane")
    expect(drawing).to_be_visible()
    drawing.evaluate("element => { element.dataset.kept = 'yes' }")
    before, highest = strong(drawing), a_point(drawing)
    drag(page, drawing, (0.15, 0.55), (0.32, 0.72))
    expect(page.get_by_role("heading", name=re.compile(r"\d+ samples? selected"))).to_be_visible()
    page.mouse.move(0, 0)
    for _attempt in range(100):
        if (after := strong(drawing)).sum() < 0.7 * before.sum():
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("no point is faint")
    assert after.any() and drawing.get_attribute("data-kept") == "yes"
    for place in (highest, a_point(drawing)):  # (neither is in the box, which takes the mouse itself)
        page.mouse.move(*place)
        expect(page.locator("#vg-tooltip-element.visible img")).to_be_visible(timeout=20_000)
        page.mouse.move(0, 0)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("heading", name="No samples selected")).to_be_visible()
    for _attempt in range(100):
        if strong(map_of(page, "plane")).sum() == before.sum():
            return
        page.wait_for_timeout(100)
    pytest.fail("the points are still faint")
