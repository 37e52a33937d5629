"""The address in a real browser: it holds what is drawn on every page, back and forward undo a selection, and it is copied."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from rnc.ui.copy_link import KEY
from tests.browser.conftest import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


WITHOUT_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def chips(page: Page) -> list[str]:
    field = page.locator(".st-key-run_picker .react-aria-ComboBox [data-tag]")
    return [str(chip.get_attribute("aria-label")) for chip in field.all()]


def test_the_address_holds_the_selection_on_every_page(demo_address: str, page: Page) -> None:
    visit(page, demo_address + "/collapse")
    expect(page).to_have_url(re.compile("runs=.*-st-.*&runs="))
    before = parameters(page)["runs"]
    expect(page.locator(".st-key-address")).to_be_hidden()
    settle(page)
    page.get_by_role("button", name="Remove ST", exact=True).last.click()
    expect(page).not_to_have_url(re.compile("runs=[^&]*-st-"))
    assert parameters(page)["runs"] == before[1:] and chips(page)[0] == "AT"
    page.get_by_test_id("stSidebarNav").get_by_text("Geometry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Geometry of the class means")
    assert parameters(page)["runs"] == before[1:]
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collapse over epochs")
    assert chips(page)[0] == "AT"
    page.go_back()
    expect(page.get_by_role("button", name="Remove ST", exact=True).last).to_be_visible()
    expect(page).to_have_url(re.compile("runs=[^&]*-st-"))


def test_back_leaves_the_dashboard_at_once_after_the_first_visit(demo_address: str, new_page: Page) -> None:
    """The address of the default selection replaces the one that was visited; what the user selects adds entries."""
    page = new_page  # (whose history is short: of a long one, browsers drop the oldest entry for each new one)
    page.goto("about:blank")
    before = page.evaluate("history.length")
    visit(page, demo_address)
    expect(page).to_have_url(re.compile("runs="))
    assert page.evaluate("history.length") == before + 1
    page.go_back()
    assert page.url == "about:blank"
    visit(page, demo_address)
    expect(page).to_have_url(re.compile("runs="))
    settle(page)
    page.get_by_role("button", name="Remove ST", exact=True).last.click()
    expect(page).not_to_have_url(re.compile("runs=[^&]*-st-"))
    page.go_back()
    expect(page).to_have_url(re.compile("runs=[^&]*-st-"))


def test_back_undoes_the_choice_in_a_control(demo_address: str, new_page: Page) -> None:
    """One entry for each choice, also for one after which the server completes the address."""
    page = new_page
    visit(page, demo_address + "/collapse")
    expect(page).to_have_url(re.compile("runs="))
    settle(page)
    before = page.evaluate("history.length")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("test", exact=True).click()
    expect(page).to_have_url(re.compile("split=test"))
    settle(page)
    sidebar.get_by_role("slider", name="Epoch").press("Home")
    expect(page).to_have_url(re.compile("epoch=0"))
    settle(page)
    assert page.evaluate("history.length") == before + 2
    page.go_back()
    expect(page).not_to_have_url(re.compile("epoch="))
    expect(page).to_have_url(re.compile("split=test"))
    settle(page)
    page.go_back()
    expect(page.get_by_role("radio", name="train")).to_be_checked()
    expect(page).not_to_have_url(re.compile("split="))
    settle(page)
    page.go_forward()
    expect(page.get_by_role("radio", name="test")).to_be_checked()
    assert page.evaluate("history.length") == before + 2
    sidebar.get_by_role("slider", name="Epoch").focus()
    for _repeat in range(3):  # (one key, held down)
        page.keyboard.down("ArrowLeft")
        settle(page)
    page.keyboard.up("ArrowLeft")
    expect(page).to_have_url(re.compile("epoch="))
    assert page.evaluate("history.length") == before + 2, "one entry, in place of that to which Forward would lead"


def test_the_link_is_copied(demo_address: str, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, demo_address + "/collapse")
    expect(page).to_have_url(re.compile("runs="))
    page.locator(f".st-key-{KEY}").get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_the_link_is_shown_where_a_browser_refuses_to_copy(demo_address: str, page: Page) -> None:
    visit(page, demo_address + "/collapse")
    page.evaluate(WITHOUT_CLIPBOARD)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_label("The address of this view")).to_have_value(page.url)
    assert page.evaluate("getSelection().toString()") == page.url


def test_the_copied_link_does_not_let_others_stop_the_visitors_attack(demo_address: str, page: Page) -> None:
    visit(page, demo_address + "/collapse")
    page.evaluate(WITHOUT_CLIPBOARD)
    page.evaluate("history.replaceState(null, '', location.href + '&lab_job=abc')")
    page.get_by_role("button", name="Copy link").click()
    assert page.url.endswith("&lab_job=abc")
    expect(page.get_by_label("The address of this view")).to_have_value(page.url.removesuffix("&lab_job=abc"))


def test_conditions_are_chosen_in_words_and_the_address_has_their_names(demo_address: str, page: Page) -> None:
    """In the sidebar and on the page; a reload and back show the same."""
    visit(page, demo_address + "/collapse?condition=gaussian")
    field = page.get_by_role("combobox", name=re.compile("Condition"))
    expect(field).to_have_value("Gaussian noise")
    settle(page)  # an option that is replaced between press and release takes no click
    field.click()
    page.get_by_role("option", name="sign noise", exact=True).click()
    expect(page).to_have_url(re.compile(r"[?&]condition=sign_noise(&|$)"))
    page.get_by_role("button", name="PGD-10, ℓ∞ ε = 0.07", exact=True).click()
    expect(page).to_have_url(re.compile(r"conditions=pgd-linf-0\.07-10"))
    chosen = parameters(page)["conditions"]
    page.reload()
    expect(field).to_have_value("sign noise")
    expect(page.get_by_test_id("stHtml").get_by_text("PGD-10, ℓ∞ ε = 0.07", exact=True)).to_be_visible()
    assert parameters(page)["condition"] == ["sign_noise"] and parameters(page)["conditions"] == chosen
