"""The mouse on curves over epochs, without the server: all values of an epoch in one list, a run alone, a part of the axes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ScriptRuns, script_server, settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RUNS = [
    "ST",
    "title",
    "<b>bold</b><img src=x onerror=alert(1)>",
    "**strong** :smile: [x](http://evil.example)",
    "image",
]
EPOCHS = [0, 1, 4, 10, 30]
ACROSS = "g[aria-label^=X-axis] .role-axis-label"
LINES = "g[class*=mark-line] > path"


def expected_list(epoch: int) -> list[str]:
    """The lines of a tooltip, from the script's own formula."""
    values = {
        run: (place + 1) / (1 + epoch * (1 + place % 2)) for place, run in enumerate(RUNS) if epoch < 30 or place % 2
    }
    order = sorted(values, key=lambda run: -values[run])
    return [f"{place} {values[run]:#.4g} {run} · clean" for place, run in enumerate(order, 1)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with script_server("hover_app.py", RUNS) as served:
        yield served


@pytest.fixture
def runs(page: Page) -> ScriptRuns:
    """The runs of the script, of which a page that is open already would tell nothing."""
    return ScriptRuns(page)


@pytest.fixture
def chart(address: str, page: Page, runs: ScriptRuns) -> Locator:
    visit(page, address)
    settle(page)
    found = page.get_by_test_id("stVegaLiteChart")
    expect(label(found, 30)).to_be_visible()
    runs.wait_until(lambda: runs.whole > 0)
    runs.ended.clear()
    return found


def label(chart: Locator, epoch: int) -> Locator:
    """The label of an epoch on the axis."""
    return chart.locator(f"{ACROSS} text").filter(has_text=re.compile(f"^{epoch}$"), visible=True)


def tick(chart: Locator, epoch: int) -> float:
    """The horizontal position of a labelled epoch."""
    box = label(chart, epoch).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2


def labels(chart: Locator) -> list[str]:
    found: list[str] = chart.locator(f"{ACROSS} text").evaluate_all("all => all.map(e => e.textContent)")
    return sorted(found)


def middle(chart: Locator) -> tuple[float, float]:
    box = chart.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def onto_dot(chart: Locator, page: Page, number: int) -> None:
    """Move the mouse onto a point of the epoch under the mouse."""
    box = chart.locator(".dots_marks > path").nth(number).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)


def test_one_list_has_all_values_of_the_epoch_under_the_mouse(chart: Locator, page: Page, runs: ScriptRuns) -> None:
    """Largest first, wherever the mouse is; names are texts. It goes with the mouse, and the server hears nothing."""
    tooltip, dots = page.locator("#vg-tooltip-element"), chart.locator(".dots_marks > path")
    expect(dots).to_have_count(0)
    _across, up = middle(chart)
    for epoch in (1, 10, 30):
        for shift in (-4, 3):
            page.mouse.move(tick(chart, epoch) + shift, up + 10 * shift, steps=2)
            expect(tooltip.locator("h2")).to_have_text(f"epoch {epoch}")
            rows = tooltip.locator("tr").evaluate_all(
                "all => all.map(e => [...e.cells].map(c => c.textContent).join(' '))"
            )
            assert [" ".join(row.split()) for row in rows] == expected_list(epoch)
            expect(dots).to_have_count(len(rows))
            expect(chart.locator(".rule_marks > line")).to_have_count(1)
    made = tooltip.locator("*").evaluate_all("all => [...new Set(all.map(e => e.tagName))].sort()")
    assert made == ["H2", "TABLE", "TBODY", "TD", "TR"], "no name made an element"
    page.mouse.move(5, 5, steps=2)
    expect(dots).to_have_count(0)
    expect(tooltip).not_to_be_visible()
    assert runs.ended == []


@pytest.mark.parametrize("other", [True, False])
def test_a_mark_of_another_drawing_is_outside(other: bool, chart: Locator, page: Page) -> None:
    """A fast mouse goes from a mark of one drawing straight to a mark of the next, which has no ground between them."""
    dots = chart.locator(".dots_marks > path")
    page.mouse.move(tick(chart, 10), middle(chart)[1], steps=2)
    expect(dots.first).to_be_attached()
    page.evaluate(
        """([lines, other]) => {
            const [mark, neighbour] = document.querySelectorAll(lines);
            const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
            drawing.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
            document.body.append(drawing);
            const relatedTarget = other ? drawing.firstChild : neighbour;
            mark.dispatchEvent(new PointerEvent("pointerout", { bubbles: true, relatedTarget }));
        }""",
        [LINES, other],
    )
    if other:
        expect(dots).to_have_count(0)
    else:
        page.wait_for_timeout(300)
        assert dots.count() > 0


def expect_isolated(page: Page, count: int) -> None:
    """Wait until so many lines are not faint."""
    strong = "lines => [...document.querySelectorAll(lines)].filter(e => Number(e.getAttribute('opacity') ?? 1) === 1)"
    page.wait_for_function(f"([lines, count]) => ({strong})(lines).length === count", arg=[LINES, count])


def test_a_click_on_a_point_isolates_its_run(chart: Locator, page: Page) -> None:
    """More clicks add and take away, and the epoch stays under the mouse; a double click shows all."""
    beside = tick(chart, 3), middle(chart)[1] + 40
    page.mouse.move(tick(chart, 10), middle(chart)[1], steps=2)
    for number, isolated in ((0, 1), (2, 2), (2, 1)):
        onto_dot(chart, page, number)
        expect(page.locator("#vg-tooltip-element h2")).to_have_text("epoch 10")
        expect(page.locator("#vg-tooltip-element tr")).to_have_count(len(RUNS))
        page.mouse.down()
        page.mouse.up()
        expect_isolated(page, isolated)
    page.mouse.click(*beside)
    page.wait_for_timeout(300)
    expect_isolated(page, 1)
    page.mouse.dblclick(*beside)
    expect_isolated(page, len(RUNS))


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl_alone(chart: Locator, page: Page) -> None:
    """A drag moves the axes, a double click puts them back."""
    before, place = labels(chart), middle(chart)
    scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
    page.mouse.move(*place)
    page.mouse.wheel(0, 60)
    page.wait_for_function(f"{scrolled} === 60")
    page.mouse.wheel(0, -60)
    page.wait_for_function(f"{scrolled} === 0")
    assert labels(chart) == before
    page.keyboard.down("Control")
    page.mouse.wheel(0, -900)
    page.keyboard.up("Control")
    expect(label(chart, 30)).to_have_count(0)
    assert page.evaluate(scrolled) == 0
    zoomed = tick(chart, 3)
    page.mouse.down()
    page.mouse.move(place[0] + 30, place[1] + 10, steps=3)
    page.mouse.up()
    assert tick(chart, 3) == pytest.approx(zoomed + 30, abs=2)
    page.mouse.dblclick(*place)
    expect(label(chart, 30)).to_have_count(1)
    assert labels(chart) == before


def drawn_lines(chart: Locator) -> int:
    """The number of lines and points of runs that are seen."""
    return int(
        chart.locator("g.mark-line > path, g.mark-symbol:not(.epochs_marks) > path").evaluate_all(
            "all => all.filter(e => getComputedStyle(e).display !== 'none').length"
        )
    )


def test_a_click_on_the_legend_hides_a_run_without_the_server(chart: Locator, page: Page, runs: ScriptRuns) -> None:
    entries = page.locator(".rnc-legend").first.locator("label")
    expect(entries).to_have_text([*RUNS, "clean"])
    whole = drawn_lines(chart)
    entries.nth(1).click()
    assert 0 < drawn_lines(chart) < whole
    page.keyboard.press("Space")
    assert drawn_lines(chart) == whole, "by the keyboard, too"
    entries.last.click()
    page.mouse.move(tick(chart, 10), middle(chart)[1], steps=2)
    expect(chart.locator(".dots_marks > path")).to_have_count(len(RUNS))
    assert drawn_lines(chart) == 0, "all lines are clean, and so are the points under the mouse"
    assert runs.ended == []


def test_a_legend_hides_nothing_in_the_panels_of_another_one(chart: Locator, page: Page) -> None:
    whole = drawn_lines(chart)
    page.locator(".rnc-legend").last.locator("label").first.click()
    expect(page.locator(".rnc-legend input:not(:checked)")).to_have_count(1)
    assert drawn_lines(chart) == whole


def test_the_cursor_settles_where_the_mouse_is_released_with_shift(
    chart: Locator, page: Page, runs: ScriptRuns
) -> None:
    """One run of the script for it. The same epoch can be chosen again after the cursor was moved by something else.

    Epoch 4 is the nearest one to the label 3.
    """
    height = middle(chart)[1]
    page.mouse.click(tick(chart, 3), height)
    expect(page.get_by_text("cursor at 10")).to_be_visible()
    assert runs.ended == [], "without Shift, nothing is chosen"
    page.keyboard.down("Shift")
    page.mouse.click(tick(chart, 3) + 5, height)
    expect(page.get_by_text("cursor at 4")).to_be_visible()
    settle(page)
    assert len(runs.ended) == 1
    ticks = labels(chart)
    page.mouse.move(tick(chart, 3), height)
    page.mouse.down()
    page.mouse.move(tick(chart, 1), height, steps=4)
    page.mouse.up()
    expect(page.get_by_text("cursor at 1", exact=True)).to_be_visible()
    assert labels(chart) == ticks, "the axes stay where they are"
    page.keyboard.up("Shift")
    for _again in range(2):
        page.get_by_role("button", name="Back to 10").click()
        expect(page.get_by_text("cursor at 10")).to_be_visible()
        settle(page)
        page.keyboard.down("Shift")
        page.mouse.click(tick(chart, 1), height)
        page.keyboard.up("Shift")
        expect(page.get_by_text("cursor at 1", exact=True)).to_be_visible()
        settle(page)


def test_shift_on_a_point_chooses_its_epoch_and_isolates_no_run_and_the_right_button_chooses_nothing(
    chart: Locator, page: Page
) -> None:
    page.mouse.move(tick(chart, 1), middle(chart)[1], steps=2)
    onto_dot(chart, page, 1)
    page.keyboard.down("Shift")
    page.mouse.down(button="right")
    page.mouse.up(button="right")
    page.wait_for_timeout(500)
    expect(page.get_by_text("cursor at 10")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.get_by_text("cursor at 1", exact=True)).to_be_visible()
    settle(page)
    expect_isolated(page, len(RUNS))
    page.keyboard.down("Shift")
    page.mouse.click(tick(chart, 3), middle(chart)[1] + 40)
    page.keyboard.up("Shift")
    expect(page.get_by_text("cursor at 4")).to_be_visible()
