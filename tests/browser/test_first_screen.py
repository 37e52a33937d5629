"""The first screen in a browser: the film plays once and rests under attack, tiles lead to cards, unused controls are hidden."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_film_plays_once_and_rests_at_the_end_of_the_attack(demo_address: str, page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    visit(page, demo_address)
    player = page.locator(".film.compact")
    expect(player.get_by_role("button", name="Stop")).to_be_visible()
    expect(player.get_by_role("button", name="Play", exact=False)).to_contain_text("Play")
    for label in ("ST", "AT"):
        expect(player.get_by_text(re.compile(f"^{label} · epoch 60, PGD-10, ℓ∞"))).to_be_visible()
    expect(page).not_to_have_url(re.compile("epoch="))
    assert not player.get_by_text("Export the film").is_visible()


def test_from_an_epoch_in_the_middle_it_plays_to_the_end_and_then_the_attack(demo_address: str, page: Page) -> None:
    """It had played the epochs under the complete attack, and then all of it once more."""
    visit(page, demo_address)
    page.locator(".film .play").wait_for()
    settle(page)
    player = page.locator(".film.compact")
    for _key in range(3):
        player.get_by_role("slider", name="Epoch", exact=True).press("ArrowLeft")
    page.locator(".film .play").click()
    now = "() => { const {settings} = %s.player; return [settings.hand, settings.share]; }"
    film = "[...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.film')).find((e) => e)"
    assert page.evaluate(now % film) == ["time", 0]
    expect(player.get_by_role("button", name="Play from the start")).to_be_visible()
    assert page.evaluate(now % film) == ["attack", 1]


def test_on_a_phone_the_controls_of_the_film_are_below_its_pictures(demo_address: str, page: Page) -> None:
    """Also while the window ends within the pictures."""
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, demo_address)
    page.locator(".film .play").wait_for()
    panes, tracks = (page.locator(f".film .{part}").bounding_box() for part in ("panes", "tracks"))
    assert panes is not None and tracks is not None
    assert tracks["y"] >= panes["y"] + panes["height"] > 844


def test_a_tile_leads_to_its_card_and_unused_controls_are_hidden(demo_address: str, page: Page) -> None:
    """Also while the film plays."""
    page.emulate_media(reduced_motion="no-preference")
    visit(page, demo_address + "/?split=test")
    settle(page)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("Condition", exact=True)).to_be_hidden()
    expect(sidebar.get_by_text("Play", exact=True)).to_be_visible()
    card = page.get_by_role("heading", name=re.compile("^C11"))
    assert not in_view(page, "#c11")
    page.locator(".verdicts").get_by_role("link", name=re.compile("^C11 ")).click()
    expect(card).to_be_in_viewport()
    expect(page).to_have_url(re.compile(r"\?.*split=test.*#c11$"))
    page.get_by_role("link", name="Collapse", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collapse over epochs")
    expect(sidebar.get_by_text("Condition", exact=True)).to_be_visible()
    expect(sidebar.get_by_role("radio", name="test", exact=True)).to_be_checked()
    page.get_by_test_id("stSidebarNav").get_by_text("Runs", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    for control in ("Epoch", "Play", "Condition", "Split"):
        expect(sidebar.get_by_text(control, exact=True)).to_be_hidden()


def test_a_tile_leads_to_the_verdict_of_its_card(demo_address: str, page: Page) -> None:
    """The verdict above the card's title once was behind the header."""
    visit(page, demo_address)
    settle(page)
    page.locator(".verdicts").get_by_role("link", name=re.compile("^C4 ")).click()
    title = page.get_by_role("heading", name=re.compile("^C4 "))
    expect(title).to_be_in_viewport()
    settle(page)
    card = title.locator("xpath=ancestor::*[@data-testid='stVerticalBlock'][1]")
    header = page.get_by_test_id("stHeader").bounding_box()
    badge = card.locator(".stMarkdownBadge").first.bounding_box()
    assert header is not None and badge is not None and badge["y"] >= header["y"] + header["height"]


def test_the_glossary_opens_from_the_sidebar(demo_address: str, page: Page) -> None:
    visit(page, demo_address)
    page.get_by_role("button", name="Glossary").click()
    expect(page.get_by_text("The move of a feature to the vertex of another class under attack.")).to_be_visible()


def in_view(page: Page, selector: str) -> bool:
    return bool(
        page.locator(selector).first.evaluate(
            "e => { const { top } = e.getBoundingClientRect(); return top < innerHeight }"
        )
    )
