"""Hostile texts in a real browser: whatever they are made of, it is shown, and nothing comes of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from rnc.ui.markdown import safe_plain_line
from tests.browser.conftest import script_server, settle, visit
from tests.security.test_hostile import EVIL

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXTS = [
    *(text.format(secret="/etc/passwd") for text in EVIL if text.strip()),
    ":smile:", ":material/home:", ":material_home:", ":streamlit:", ":red[x]", ":red-background[x]", ":blue-badge[x]",
    ":small[x]",
    ":tooltip[x]{help=y}", "www.evil.example", "http://evil.example/x", "https://evil.example", "me@evil.example", "<http://e.example>",
    "$$x$$", "\\(x\\)", "```x```", "~~x~~", "~x~", "==x==", "_x_", "__x__", "***x***", "# x", "- x", "1. x", "> x", "| a | b |",
    "a -> b", "a <- b", "a -- b", "a >= b", "a <= b", "a <-> b", "a ~= b", "&lt;b&gt;", "&#60;", "[x]: http://evil.example",
    "[^1]", "![x][y]", "<b>x</b>", "<!-- x -->", "---", "***", ":+1:", "x:smile:y", "\\:smile:", "\\[x](http://evil.example)",
    "![](//evil.example/x.png)", "[x]\n(http://evil.example)", "`` ` ``", "a\\*b", "&copy;", "H~2~O", "x^2^", "[ ] x", "- [x] x",
]  # fmt: skip
_SHOWN = """box => ({
    texts: [...box.querySelectorAll('[data-testid=stMarkdownContainer]')].map(e => e.textContent),
    made: [...box.querySelectorAll('[data-testid=stMarkdownContainer] *')].map(e => e.tagName + ' ' + e.className)
        .filter(name => !/^(P|SPAN|DIV) ?(st-emotion.*)?$/.test(name)),
    styled: [...box.querySelectorAll('[data-testid=stMarkdownContainer] [style]')].map(e => e.outerHTML),
})"""


@pytest.fixture
def address() -> Iterator[str]:
    with script_server("markdown_app.py", TEXTS) as served:
        yield served


def test_hostile_texts_are_shown_as_they_are(address: str, page: Page) -> None:
    visit(page, address)
    settle(page)
    wrong = []
    for number, text in enumerate(TEXTS):
        found = page.locator(f".st-key-text_{number}").first.evaluate(_SHOWN)
        told = {" ".join(one.replace("\N{WORD JOINER}", "").split()) for one in found["texts"]} - {"label"}
        if told != {" ".join(safe_plain_line(text).split())} or found["made"] or found["styled"]:
            wrong.append((text[:60], [one[:80] for one in told], found["made"][:3], found["styled"][:2]))
    assert wrong == []
