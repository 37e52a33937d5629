"""No page asks any other host for anything: neither by a request, nor by an address that a browser would fetch."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Route, expect

from tests.browser.conftest import ScriptRuns, go_to, settle, visit
from tests.pages.test_pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_ADDRESSES = """() => {
    const found = [...document.querySelectorAll('link[href], [src], use[href], image[href], video[poster]')]
        .map(e => e.getAttribute('href') || e.getAttribute('src') || e.getAttribute('poster'));
    for (const sheet of document.styleSheets)
        for (const rule of sheet.cssRules)
            for (const [, address] of rule.cssText.matchAll(/url\\(["']?([^"')]+)/g)) found.push(address);
    return found.map(address => new URL(address, document.baseURI).href);
}"""
"""Whatever the document tells the browser to fetch: a page's icon is fetched by a window that people see, and by no other."""
_HARMLESS = ("data", "blob", "about")


class Traffic:
    """The addresses that a page asks for, and those that its own policy forbade."""

    def __init__(self, page: Page, home: str) -> None:
        """Listen to a page before it is opened; whatever is not for `home` is noted and not let through."""
        self._page, self._home = page, urlsplit(home).netloc
        self.foreign: list[str] = []
        page.context.route("**/*", self._let_home_through)
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("console", self._hear)

    def _is_foreign(self, address: str) -> bool:
        parts = urlsplit(address)
        return parts.scheme not in _HARMLESS and parts.netloc != self._home

    def _let_home_through(self, route: Route) -> None:
        if self._is_foreign(route.request.url):
            route.abort()
        else:
            route.continue_()

    def _note(self, address: str) -> None:
        if self._is_foreign(address):
            self.foreign.append(address)

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.foreign.append(message.text)

    def assert_none(self, where: str) -> None:
        """Fail where anything was asked of another host, or would be."""
        self.foreign += [address for address in self._page.evaluate(_ADDRESSES) if self._is_foreign(address)]
        assert self.foreign == [], where


def use(page: Page, name: str) -> None:
    """Do what a page offers: hover over charts, open the figures' export, play the cursor, attack."""
    charts = page.get_by_test_id("stVegaLiteChart")
    for number in range(min(charts.count(), 4)):
        charts.nth(number).scroll_into_view_if_needed()
        charts.nth(number).hover(timeout=20_000)
    if page.get_by_role("button", name="Export").count():
        page.get_by_role("button", name="Export").click()
        expect(page.get_by_role("button", name="SVG")).to_be_visible()
        page.keyboard.press("Escape")
    if name == "projections":
        page.get_by_text("Two maps", exact=True).click()
        settle(page)
    if name == "attack_lab":
        # The activity has the same name and is drawn first, but it is a radio button.
        page.get_by_role("button", name="Attack", exact=True).click()
        expect(page.get_by_text("all 10 steps")).to_be_visible()
        settle(page)


@pytest.fixture
def page(new_page: Page) -> Page:
    """A page of a browser that has nothing in its memory, so that all is asked for anew."""
    return new_page


def test_no_page_asks_another_host(demo_address: str, page: Page) -> None:
    traffic, runs = Traffic(page, demo_address), ScriptRuns(page)
    visit(page, demo_address)
    settle(page)
    for name in PAGES:
        go_to(page, runs, name)
        traffic.assert_none(name)
        use(page, name)
        traffic.assert_none(f"{name}, used")


def test_a_foreign_address_is_found(demo_address: str, page: Page) -> None:
    """The test above can fail: by a request that the policy stops, and by an address that is never fetched here."""
    traffic = Traffic(page, demo_address)
    visit(page, demo_address)
    settle(page)
    traffic.assert_none("before")
    page.evaluate("fetch('http://evil.example/').catch(() => null)")
    page.evaluate("document.head.insertAdjacentHTML('beforeend', '<link rel=icon href=//evil.example/icon.svg>')")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=//evil.example/x.png>')")
    page.wait_for_timeout(300)
    with pytest.raises(AssertionError, match="before, too"):
        traffic.assert_none("before, too")
    assert len([address for address in traffic.foreign if "evil.example" in address]) >= 3, traffic.foreign
