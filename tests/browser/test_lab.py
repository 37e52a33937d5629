"""The attack lab in a real browser: run, watch, stop, sweep, compare, play, open what was kept; four sessions at once."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from rnc.ui.lab.style import WRONG
from tests.browser.conftest import PATIENCE_MS, new_context, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Serve = Callable[[Path], str]


WATCH = """() => {
    [window.steps, window.drawn] = [[], []]
    const take = (list, now) => { if (now && list.at(-1) !== now) list.push(now) }
    setInterval(() => {
        take(window.steps, new URLSearchParams(location.search).get("lab_step"))
        const film = document.querySelector(".st-key-lab_plane canvas, .st-key-lab_plane svg.marks")
        take(window.drawn, film && (film.toDataURL ? film.toDataURL() : film.innerHTML))
    }, 20)
}"""
"""Notes every step that the address names and every picture of the film, however short it is seen."""


def press(page: Page, name: str) -> None:
    """Press a button of the page itself: Streamlit shows a Stop of its own in the header while a page is drawn."""
    ours = page.locator("button:not([data-testid='stBaseButton-header'])")
    page.get_by_role("button", name=name, exact=True).and_(ours).click()


def accuracy(page: Page) -> str:
    """The share on the card, and the clean one below it."""
    return page.get_by_test_id("stMetric").filter(has_text="Accuracy").first.inner_text()


def test_an_attack_is_watched_stopped_and_run(demo_address: str, page: Page) -> None:
    """A long attack shows its steps while it runs and is stopped within them; a short one runs to its end."""
    visit(page, demo_address + "/attack_lab?lab_steps=1000&lab_images=1400")
    press(page, "Attack")
    expect(page.get_by_text(re.compile(r"step \d+ of 1000"))).to_be_visible()
    expect(
        page.get_by_label("accuracy so far").or_(page.locator("[aria-label='accuracy so far']")).first
    ).to_be_visible()
    press(page, "Stop")
    stopped = page.get_by_text(re.compile(r"stopped after \d+ steps"))
    expect(stopped).to_be_visible()
    assert 0 < int(re.search(r"after (\d+) steps", stopped.inner_text()).group(1)) < 1000
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("3")
    steps.press("Enter")
    expect(page.get_by_text("results of the previous request")).to_be_visible()
    press(page, "Attack")
    expect(page.get_by_text("all 3 steps")).to_be_visible()
    expect(page.get_by_text("results of the previous request")).to_have_count(0)


def test_a_reload_finds_the_attack_again(demo_address: str, page: Page, browser: Browser) -> None:
    """With its progress and one Stop; another visitor sees none of it; what was done is there after the next reload, too."""
    visit(page, demo_address + "/attack_lab?lab_steps=1000&lab_images=1300")
    press(page, "Attack")
    under_way = re.compile(r"step \d+ of 1000")
    expect(page.get_by_text(under_way)).to_be_visible()
    expect(page).to_have_url(re.compile("lab_job="))
    page.reload()
    expect(page.get_by_text(under_way)).to_be_visible()
    expect(page.get_by_role("button", name="Attack", exact=True)).to_be_disabled()
    expect(page.locator("[data-testid='stStatusWidget']:visible")).to_have_count(0)
    other = new_context(browser).new_page()
    visit(other, demo_address + "/attack_lab?lab_steps=1000&lab_images=1300")
    expect(other.get_by_text("after 1 other job")).to_be_visible()
    expect(other.get_by_text(under_way)).to_have_count(0)
    other.context.close()
    press(page, "Stop")
    stopped = page.get_by_text(re.compile(r"stopped after \d+ steps"))
    expect(stopped).to_be_visible()
    words = stopped.inner_text()
    page.reload()
    expect(page.get_by_text(words)).to_be_visible()


def test_escape_leaves_the_choices(demo_address: str, page: Page) -> None:
    """In the list of presets and in the networks to compare with, open or not."""
    visit(page, f"{demo_address}/attack_lab?lab_do=Sweep&lab_steps=7&lab_epochs=AT+%C2%B7+epoch+0")
    preset = page.get_by_role("combobox", name=re.compile("Preset"))
    preset.click()
    page.get_by_role("option").nth(1).click()
    expect(page).to_have_url(re.compile("lab_step_size="))
    shown = preset.input_value()
    assert shown.startswith("PGD")
    for name in ("Preset", "Networks of other epochs"):
        if name != "Preset":
            page.get_by_role("button", name="Other epochs · 1").click()
        field = page.get_by_role("combobox", name=re.compile(name))
        field.click()
        for _press in range(2):
            page.keyboard.press("Escape")
    page.wait_for_timeout(500)
    assert preset.input_value() == shown
    expect(page.get_by_role("button", name="Other epochs · 1")).to_be_visible()
    expect(page).to_have_url(re.compile("lab_epochs="))


def test_no_choice_is_cut_on_a_phone(demo_address: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, demo_address + "/attack_lab?lab_steps=6")
    choice = page.locator(".st-key-lab_attack").get_by_text("sign noise")
    expect(choice).to_be_visible()
    box = choice.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_a_wrong_entry_has_a_red_border(demo_address: str, page: Page) -> None:
    """And a message below it; the fields beside it have neither."""
    visit(page, demo_address + "/attack_lab?lab_epsilon=foo&lab_steps=8")
    message = page.locator(f"[class*='st-key-{WRONG}']")
    expect(message).to_contain_text("is not a number")
    expect(message).to_have_count(1)
    border = "element => getComputedStyle(element).borderTopColor"
    fields = [
        page.locator(f".st-key-{key} [data-testid='stTextInputRootElement']")
        for key in ("lab_epsilon", "lab_step_size")
    ]
    wrong, right = (field.evaluate(border) for field in fields)
    assert wrong == "rgb(198, 40, 40)" != right


def test_the_steps_play(demo_address: str, page: Page) -> None:
    """From the clean images to the last step without a hand, the features moving; then it rests."""
    visit(page, demo_address + "/attack_lab?lab_steps=4&lab_images=50")
    press(page, "Attack")
    expect(page.get_by_text("all 4 steps")).to_be_visible()
    expect(page.locator(".st-key-lab_plane canvas, .st-key-lab_plane svg.marks").first).to_be_visible()
    page.evaluate(WATCH)
    page.locator(".st-key-lab_step_play").get_by_text("Play", exact=True).click()
    page.wait_for_function("window.steps.includes('3')")
    expect(page).not_to_have_url(re.compile("lab_step="))  # (the last one is where it rests, and needs no word)
    play = (
        page.locator(".st-key-lab_step_play")
        .get_by_role("switch")
        .or_(page.locator(".st-key-lab_step_play input"))
        .first
    )
    expect(play).not_to_be_checked()
    assert page.evaluate("window.steps") == ["clean", "start", "1", "2", "3"]
    assert page.evaluate("new Set(window.drawn).size") > 3


def test_a_sweep_compares_two_networks(demo_address: str, page: Page) -> None:
    """Without a choice it would compare all three; one click leaves one out, and the address keeps that."""
    visit(page, f"{demo_address}/attack_lab?lab_do=Sweep&lab_steps=2&lab_images=50&lab_points=3&run=ST")
    page.locator(".st-key-lab_with").get_by_text("TRADES", exact=True).click()
    expect(page).to_have_url(re.compile("lab_with=AT"))
    press(page, "Sweep")
    expect(page.get_by_text("(3 values)")).to_be_visible()
    for of in ("ST", "AT"):
        expect(page.get_by_text(f"{of} · epoch 60", exact=True).last).to_be_visible()
    expect(page.get_by_text("TRADES · epoch 60", exact=True)).to_have_count(0)
    for metric in ("Accuracy", "NC1 · within-class variability", "NC3 · self-duality"):
        expect(page.get_by_label(f"{metric} against strength").first).to_be_visible()


def test_what_was_kept_opens_by_its_address(
    demo_store: Path, tmp_path: Path, serve: Serve, page: Page, browser: Browser
) -> None:
    """On another server, which never ran it, in another browser; its images are taken along as they are."""
    shutil.copytree(demo_store.parent, tmp_path / "copy")
    store = tmp_path / "copy" / demo_store.name
    visit(page, serve(store) + "/attack_lab?lab_steps=2&lab_images=30")
    press(page, "Attack")
    expect(page.get_by_text("all 2 steps")).to_be_visible()
    told = accuracy(page)
    page.get_by_role("button", name="Save result").click()
    page.get_by_role("textbox", name="Title").fill("two steps")
    page.get_by_role("textbox", name="Title").press("Enter")
    press(page, "Save in the store")
    expect(page.get_by_text("open it under")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Saved results").or_(page.get_by_role("button", name="Saved results")).first.click()
    page.get_by_role("combobox", name=re.compile("Result")).click()
    page.get_by_role("option", name=re.compile("two steps")).click()
    expect(page).to_have_url(re.compile("lab_kept=[0-9a-f]{12}"))
    address = page.url.split("/", 3)[3]
    other = browser.new_context().new_page()
    other.set_default_timeout(PATIENCE_MS)
    visit(other, f"{serve(store)}/{address}")
    expect(other.get_by_text("all 2 steps")).to_be_visible()
    assert accuracy(other) == told
    with other.expect_download() as download:
        other.get_by_role("button", name=re.compile("npz of all")).click()
    with np.load(io.BytesIO(download.value.path().read_bytes()), allow_pickle=False) as kept:
        assert kept["clean"].shape == kept["perturbed"].shape == (30, 1, 8, 8)
        assert 0 < np.abs(kept["perturbed"] - kept["clean"]).max() <= 0.14 + 1e-6
    with other.expect_download() as download:
        other.get_by_role("button", name="PNG of the shown images").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    other.context.close()


def test_four_sessions_at_once_get_each_its_own(demo_address: str, page: Page) -> None:
    """Four visitors, four attacks, one worker: they queue, and none sees another's result."""
    pages = []
    page.goto(f"{demo_address}/_stcore/health")
    for steps in (41, 42, 43, 44):
        with (
            page.expect_popup() as opened
        ):  # (a tab that another one opens shares its process, and the compiled scripts)
            page.evaluate("() => void window.open('about:blank')")
        pages.append((steps, opened.value))
        visit(pages[-1][1], f"{demo_address}/attack_lab?lab_steps={steps}&lab_images=100")
    for _steps, one in pages:
        press(one, "Attack")
    for steps, one in pages:
        expect(one.get_by_text(f"all {steps} steps")).to_be_visible()
        expect(one.get_by_role("heading", name=re.compile(rf"PGD-{steps},.* 100 images"))).to_be_visible()
