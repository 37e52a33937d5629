"""The film in a real browser: every kept state, playing, the lasso, two films with one clock, and what is exported."""

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect

from rnc.film.film_files import view_file
from rnc.film.stored_states import FilmRequest
from rnc.film.views import View
from rnc.store.reader import StoreReader
from rnc.ui.film.film_player import MOST_SAMPLES
from rnc.vocabulary import Split
from tests.browser.conftest import NAMES, new_context, settle, visit
from tests.rnc.film.test_film_files import unpacked

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOFTWARE = ["--no-sandbox", "--disable-background-networking", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PLAYER = """() => {
    const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.film'));
    return (host?.shadowRoot ?? document).querySelector('.film').player;
}"""


def ask(page: Page, script: str) -> Any:
    """The value of an expression about `player`."""
    return page.evaluate(f"() => {{ const player = ({PLAYER})(); return {script}; }}")


def until(page: Page, script: str) -> None:
    """Wait until an expression about `player` is true."""
    page.wait_for_function(f"() => {{ const player = ({PLAYER})(); return player && ({script}); }}")


def open_film(page: Page, address: str, **options: str) -> None:
    """Open the page, and wait for its pictures."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    visit(page, f"{address}/film?{query}")
    expect(page.locator(".film .stage").first).to_be_visible()
    until(page, "player.panes.every((pane) => pane.film?.view) && player.frames > 0")
    settle(page)


AS_OPENED = """(() => {
    player.toggle(false);
    player.pick([]);
    player.seek(player.last, 0);
    return true;
})()"""


class SharedFilm:
    """The page of the film of ST beside AT, opened once for the tests that leave the choice of runs as it is."""

    def __init__(self, browser: Browser) -> None:
        self._context = new_context(browser)
        self._page: Page | None = None
        self._address = ""

    def on(self, address: str) -> Page:
        """Return the page as it was when it was opened on this server."""
        if self._page is None or address != self._address:
            self._page, self._address = self._context.new_page(), address
            open_film(self._page, address)
        choose(self._page, "View", "PCA")
        until(self._page, f"player.panes.every((pane) => pane.film.view.view === 'pca') && {AS_OPENED}")
        settle(self._page)
        return self._page

    def close(self) -> None:
        """Close the page."""
        self._context.close()


@pytest.fixture(scope="module")
def _shared_film(browser: Browser) -> Iterator[SharedFilm]:
    shared = SharedFilm(browser)
    yield shared
    shared.close()


@pytest.fixture
def film(_shared_film: SharedFilm, demo_address: str) -> Page:
    """The film of ST beside AT, at its last epoch, with no sample selected."""
    return _shared_film.on(demo_address)


@pytest.fixture(scope="module")
def reader(demo_store: Path) -> StoreReader:
    """A reader of the demo, which remembers what it has read for another view."""
    return StoreReader(demo_store)


def choose(page: Page, label: str, option: str) -> None:
    page.locator(".film label.control", has_text=label).locator("select").first.select_option(label=option)


def positions(page: Page, place: int, moments: list[tuple[int, float]]) -> np.ndarray:
    """Where a film draws its samples at some epochs and shares of the attack, (moments, samples, 3), asked all at once."""
    placed = f"""{json.dumps(moments)}.map(([epoch, share]) => {{
        const bytes = new Uint8Array(player.panes[{place}].film.positionsAt(epoch, share, true).slice().buffer);
        return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    }})"""
    return np.stack([np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, 3) for text in ask(page, placed)])


def test_at_the_end_the_button_plays_from_the_start(film: Page) -> None:
    """The page opens at the last state, from which playing begins again."""
    play = film.locator(".film .play")
    expect(play).to_have_text("▶ Play from the start")
    play.click()
    until(film, "player.isPlaying && player.settings.time < 0.5")
    expect(play).to_have_text("■ Stop")
    play.click()
    expect(play).to_have_text("▶ Play")


def test_two_pictures_say_how_their_scales_differ_or_share_one(film: Page) -> None:
    scales = film.locator(".film .scales")
    ratio = ask(film, "player.panes[0].pixels / player.panes[1].pixels")
    assert not 0.95 < ratio < 1.05
    times, longer = float(f"{max(ratio, 1 / ratio):.2g}"), "ST" if ratio > 1 else "AT"
    expect(scales).to_contain_text(f"a unit is {times:g} times as long in the picture of {longer} as")
    film.get_by_label("Same scale").check()
    expect(scales).to_have_text("Both pictures have the same scale.")
    assert ask(film, "player.panes[0].pixels / player.panes[1].pixels") == pytest.approx(1)
    assert ask(film, "player.panes.every((pane) => pane.pixels <= pane.fittingPixels * 1.0001)"), "all samples fit"
    film.get_by_label("Same scale").uncheck()
    expect(scales).to_contain_text("The scales differ")


def test_conditions_and_marks_are_in_words(film: Page) -> None:
    film.evaluate(f"() => ({PLAYER})().seek(60, 1)")
    expect(film.locator(".film figcaption").first).to_contain_text("epoch 60, PGD-10, ℓ∞ ε = 0.14")
    expect(film.locator(".film .marks-key")).to_contain_text("terminal phase begins: epoch")
    titles = film.locator(".film .mark.terminal").evaluate_all("all => all.map((mark) => mark.title).join()")
    assert "99.9 % accuracy on the images that it trains on" in titles


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("PCA", "pca"),
        ("plane of 3 class means", "span-0-1-2"),
        ("space of 4 class means", "span-0-1-2-3"),
        ("UMAP", "umap"),
    ],
)
def test_positions_in_every_kept_state_are_the_stores(shown: str, name: str, film: Page, reader: StoreReader) -> None:
    choose(film, "View", shown)
    until(film, f"player.panes.every((pane) => pane.film.view.view === '{name}')")
    for place in range(2):
        states = ask(film, f"{{...player.panes[{place}].film.states, arrays: null}}")
        request = FilmRequest(states["run"], Split.TRAIN, states["condition"], MOST_SAMPLES)
        with reader.kept_open():
            header, arrays = unpacked(view_file(reader, request, states["classes"], View.from_name(name)))
        kept = [(epoch, step) for epoch, of in zip(states["epochs"], states["steps"], strict=True) for step in of]
        assert len(kept) == len(arrays["positions"])
        moments = [(epoch, (step + 1) / (states["last_step"] + 1)) for epoch, step in kept]
        for state, drawn, stored in zip(kept, positions(film, place, moments), arrays["positions"], strict=True):
            if np.isfinite(
                stored
            ).any():  # (where a view has no positions, the film stays at the nearest epoch that has)
                assert np.array_equal(drawn[:, : header["dimensions"]], stored, equal_nan=True), state


def test_between_states_samples_move_on_straight_lines(film: Page) -> None:
    """Halfway between two epochs (on a linear scale), and between two steps of the attack."""
    between = "((film, at) => [...film.positionsAt(...at, false, new Float32Array(3 * film.count))])(player.panes[0].film, {})"
    first, last = ask(film, "player.panes[0].film.epochs.slice(3, 5)")
    ends = [np.array(ask(film, between.format(json.dumps([epoch, 0])))) for epoch in (first, last)]
    assert np.allclose(
        np.array(ask(film, between.format(json.dumps([(first + last) / 2, 0])))), sum(ends) / 2, atol=1e-4
    )
    shares = ask(film, "player.panes[0].film.shares[3]")
    assert len(shares) > 4, "the attack's steps were kept"
    ends = [np.array(ask(film, between.format(json.dumps([first, share])))) for share in shares[2:4]]
    middle = np.array(ask(film, between.format(json.dumps([first, sum(shares[2:4]) / 2]))))
    assert np.allclose(middle, sum(ends) / 2, atol=1e-4) and not np.allclose(*ends)


def test_it_plays_and_the_epoch_of_all_pages_follows(film: Page) -> None:
    play = film.get_by_role("button", name="Play", exact=False).filter(has_text="▶")
    play.click()
    until(film, "player.settings.time > 0.3 && player.settings.time < 0.9 && player.frames > 3")
    film.locator(".film .play").click()
    stays = ask(film, "player.settledAt")
    assert 0 < stays < 60
    expect(film).to_have_url(re.compile(rf"epoch={stays}\b"))
    settle(film)
    assert ask(film, "Math.abs(player.moment.epoch - player.settledAt) < 20 && !player.isPlaying")


def test_keys_in_quick_succession_are_not_undone_by_answers_to_earlier_ones(film: Page) -> None:
    """An answer to the first key came after the second one had been pressed, and moved the film back."""
    slider, stored = (
        film.locator(".film").get_by_role("slider", name="Epoch", exact=True),
        "player.panes[0].film.epochs",
    )
    sixth_from_last = ask(film, f"{stored}.at(-6)")
    for pause in (0, 40, 80, 120):
        ask(film, "(player.seek(player.last, 0), player.settle())")
        settle(film)
        for _key in range(5):
            slider.press("ArrowLeft")
            film.wait_for_timeout(pause)
        settle(film)
        assert ask(film, "player.moment.epoch") == pytest.approx(sixth_from_last)
        expect(film).to_have_url(re.compile(rf"epoch={sixth_from_last}\b"))
    ask(film, "(player.seek(player.last, 0), player.settle())")
    settle(film)


def test_one_clock_moves_both(film: Page) -> None:
    first, next_one = ask(film, "player.panes[0].film.epochs.slice(3, 5)")
    ask(film, f"player.seek({first}, 1)")
    until(film, f"player.panes.every((pane) => pane.title.textContent.includes('epoch {first}, PGD'))")
    film.locator(".film").get_by_role("slider", name="Epoch", exact=True).press("ArrowRight")
    until(film, f"player.panes.every((pane) => pane.title.textContent.includes('epoch {next_one}, '))")
    film.locator(".film").get_by_role("slider", name="Attack", exact=True).press("Home")
    until(film, "player.panes.every((pane) => pane.title.textContent.includes('clean'))")


def test_a_lasso_selects_samples_that_stay_selected(film: Page) -> None:
    area = film.locator(".film .over").first.bounding_box()
    assert area
    film.keyboard.down("Shift")
    film.mouse.move(area["x"] + 5, area["y"] + 5)
    film.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.4), (0.01, 0.4)):
        film.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"], steps=3)
    film.mouse.up()
    film.keyboard.up("Shift")
    picked = ask(film, "[...player.picked].length")
    inside = """(() => { const pane = player.panes[0], film = pane.film; let n = 0;
        for (let i = 0; i < film.count; i++) {
            const [, y] = pane.camera.project(film.positions.subarray(3 * i, 3 * i + 3));
            if (y > 0.012 * pane.camera.size[1] && y < 0.39 * pane.camera.size[1]) n++;
        } return n; })()"""
    assert picked > 0 and abs(picked - ask(film, inside)) <= 5
    expect(film).to_have_url(re.compile(r"picked=\d+"))
    ask(film, "player.seek(5, 0)")
    settle(film)
    assert ask(film, "[...player.picked].length") == picked
    film.locator(".film summary", has_text="Options").click()
    film.get_by_role("button", name="Clear selection").click()
    until(film, "player.picked.size === 0")


def test_the_wheel_scrolls_the_page_also_after_a_click_and_zooms_with_ctrl(film: Page) -> None:
    over = film.locator(".film .over").first
    over.click(position={"x": 5, "y": 5})
    over.focus()
    zoom = "player.panes[0].camera.zoom"
    before, main = ask(film, zoom), film.get_by_test_id("stMain")
    film.mouse.wheel(0, 60)
    film.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 0")
    assert ask(film, zoom) == before
    main.evaluate("main => main.scrollTo(0, 0)")
    film.keyboard.down("Control")
    film.mouse.wheel(0, -60)
    film.keyboard.up("Control")
    until(film, f"{zoom} > {before}")
    ask(film, "player.panes[0].camera.reset()")


def test_a_double_click_resets_the_view_and_keeps_the_selection(film: Page) -> None:
    settle(film)
    ask(film, "player.pick([...player.panes[0].film.states.arrays.samples].slice(0, 3))")
    picked = ".".join(str(sample) for sample in ask(film, "[...player.picked].sort((a, b) => a - b)"))
    expect(film).to_have_url(
        re.compile(rf"picked={re.escape(picked)}(&|$)")
    )  # the server knows it, and sends nothing older
    settle(film)
    area = film.locator(".film .over").first.bounding_box()
    assert area
    film.mouse.dblclick(area["x"] + area["width"] - 8, area["y"] + 8)
    assert ask(film, "player.picked.size") == 3


def in_sidebar(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stSidebar").get_by_text(label, exact=True)


def test_back_undoes_one_act_at_a_time(new_page: Page, demo_address: str) -> None:
    """The change of split, which ends the selection of samples, added an entry for each; Back from the second changed nothing."""
    film = new_page  # (whose history is short: browsers keep 50 entries, and the tab that tests share may have them)
    open_film(film, demo_address)
    ask(film, "player.panes[0].over.focus()")  # (the selection below is the visitor's)
    film.keyboard.press("Shift")
    before = film.evaluate("history.length")
    ask(film, "player.pick([...player.panes[0].film.states.arrays.samples].slice(0, 3))")
    expect(film).to_have_url(re.compile("picked="))
    assert film.evaluate("history.length") == before + 1
    settle(film)
    in_sidebar(film, "test").click()
    expect(film).to_have_url(re.compile("split=test"))
    expect(film).not_to_have_url(re.compile("picked="))
    assert film.evaluate("history.length") == before + 2
    settle(film)
    film.go_back()
    expect(film).not_to_have_url(re.compile("split=test"))
    expect(film.get_by_role("heading", level=1)).to_have_text("Collapse film")
    settle(film)
    expect(film).to_have_url(re.compile("picked="))


def test_a_film_that_plays_goes_on_after_a_change_of_split_or_of_the_second_run(page: Page, demo_address: str) -> None:
    """It stopped, and jumped to the epoch of the sidebar."""
    film = page
    open_film(film, demo_address)
    film.locator(".film .play").click()
    for change, shown in (
        (in_sidebar(film, "test"), "player.panes[0].film?.states.split === 'test'"),
        (film.locator("[data-testid=stButtonGroup]", has_text="none").get_by_text("none"), "player.panes.length === 1"),
    ):
        until(film, "player.isPlaying")
        film.evaluate(f"() => {{ window.before = ({PLAYER})(); }}")
        change.click()
        until(film, f"player !== window.before && {shown} && player.panes[0].film?.view && player.isPlaying")
        settle(film)
    frames = ask(film, "player.frames")
    until(film, f"player.isPlaying && player.frames > {frames} + 3")


def test_an_epoch_that_is_chosen_in_the_sidebar_stops_a_film_that_plays(page: Page, demo_address: str) -> None:
    """On the page and on the first screen, where the film played on to its end."""
    page.emulate_media(reduced_motion="no-preference")
    for path in ("/film", "/"):
        visit(page, demo_address + path)
        expect(page.locator(".film .stage").first).to_be_visible()
        until(page, "player.panes.every((pane) => pane.film?.view) && player.frames > 0")
        settle(page)
        ask(page, "player.isPlaying || player.toggle(true)")
        page.get_by_test_id("stSidebar").get_by_role("slider", name="Epoch").focus()
        page.keyboard.press("Home")
        until(page, "!player.isPlaying && player.moment.epoch === player.first")


def test_home_and_end_lead_to_the_first_and_the_last_epoch_also_from_a_picture(film: Page) -> None:
    picture = film.locator(".film .over").first
    picture.press("Home")
    until(film, "player.moment.epoch === player.first")
    expect(film).to_have_url(re.compile(r"epoch=0\b"))
    picture.press("End")
    until(film, "player.moment.epoch === player.last")
    settle(film)


def test_after_another_run_is_chosen_one_player_plays(page: Page, demo_address: str) -> None:
    film = page
    open_film(film, demo_address)
    film.evaluate(f"() => {{ window.before = ({PLAYER})(); }}")
    film.locator("[data-testid=stButtonGroup]", has_text="none").get_by_text("TRADES").click()
    until(
        film,
        "player !== window.before && player.panes[1]?.film?.view && player.panes[1].title.textContent.includes('TRADES')",
    )
    settle(film)
    frames = film.evaluate("() => window.before.frames")
    film.locator(".film .over").first.focus()
    film.keyboard.press("Space")
    until(film, "player.isPlaying && player.frames > 10")
    assert film.evaluate("() => [window.before.isPlaying, window.before.frames]") == [False, frames]


def test_a_condition_without_features_is_not_drawn_as_if_it_had_some(page: Page, demo_address: str) -> None:
    open_film(page, demo_address, condition="pgd-linf-0.07-10")
    ask(page, "player.seek(60, 1)")
    until(page, "player.panes[0].title.textContent.includes('no features under PGD-10, ℓ∞ ε = 0.07')")
    assert "No features under" in page.locator(".film .note").inner_text()


def exported(film: Page, kind: str) -> Download:
    """The file that a button of the export menu saves."""
    box = film.locator(".film details", has_text="Export the film")
    if box.get_attribute("open") is None:
        box.locator("summary").click()
    box.get_by_label("Width").fill("400")
    box.get_by_label("Seconds").fill("1")
    with film.expect_download() as saved:
        box.get_by_role("button", name=kind, exact=True).click()
    return saved.value


def test_frames_of_the_gif_differ(film: Page) -> None:
    saved = exported(film, "GIF")
    assert saved.suggested_filename == "film-ST-AT.gif"
    with Image.open(saved.path()) as gif:
        assert gif.size[0] == 400 and gif.n_frames == 12  # type: ignore[attr-defined]
        frames = []
        for place in (0, 5, 11):
            gif.seek(place)
            frames.append(np.asarray(gif.convert("RGB"), int))
    assert all(np.abs(a - b).max() > 100 for a, b in ((frames[0], frames[1]), (frames[1], frames[2])))


def test_the_picture_of_a_moment(film: Page) -> None:
    with Image.open(exported(film, "PNG").path()) as picture:
        assert picture.size[0] == 400 and len(picture.convert("RGB").getcolors(10**6) or []) > 50


def test_a_video_is_recorded(film: Page) -> None:
    names = ask(film, "[...player.bar.querySelectorAll('button')].map((button) => button.textContent)")
    kind = next(name for name in ("MP4", "WEBM") if name in names)
    content = Path(exported(film, kind).path()).read_bytes()
    assert len(content) > 1000
    assert content[4:8] == b"ftyp" if kind == "MP4" else content.startswith(b"\x1a\x45\xdf\xa3")


@pytest.fixture
def exported_page(film: Page, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The film as one HTML file, opened without a network; only this file may be asked for, and no script may fail."""
    file = tmp_path / "film.html"
    exported(film, "HTML").save_as(file)
    context = browser.new_context(offline=True)
    alone, asked, failed = context.new_page(), [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("pageerror", lambda error: failed.append(str(error)))
    alone.goto(file.as_uri())
    until(alone, "player.panes.length === 2 && player.panes.every((pane) => pane.film?.view) && player.frames > 0")
    yield alone
    assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()} and not failed
    context.close()


def test_a_picture_in_three_dimensions_is_turned_also_after_another_view(film: Page) -> None:
    """It lay flat, with 3-D ticked."""
    film.get_by_label("3-D").check()
    choose(film, "View", "plane of 3 class means")
    until(film, "player.panes.every((pane) => pane.film.view.view.startsWith('span'))")
    turned = "player.panes.every((pane) => Math.abs(pane.camera.turn[2]) > 0.1)"
    assert not ask(film, turned)
    choose(film, "View", "PCA")
    until(film, turned)
    film.get_by_label("3-D").uncheck()
    assert not ask(film, turned)


def test_the_exported_page_plays_without_a_network(film: Page, exported_page: Page) -> None:
    same = "[...player.panes[1].film.positionsAt(10, 1, true)].slice(0, 30)"
    assert ask(exported_page, same) == ask(film, same)
    exported_page.get_by_role("button", name="Play").click()
    until(exported_page, "player.settings.time > 0.2 && player.isPlaying")


def test_the_exported_page_offers_the_views_that_it_contains(film: Page, request: pytest.FixtureRequest) -> None:
    """It offered a plane of any three classes as soon as it contained one, and then showed nothing."""
    shown_plane = "player.panes.every((pane) => pane.film.view.view === '{}')"
    choose(film, "View", "plane of 3 class means")
    until(film, shown_plane.format("span-0-1-2"))
    choose(film, "Class 1", ask(film, "player.panes[0].film.states.classes[7]"))
    until(film, shown_plane.format("span-7-1-2"))
    choose(film, "View", "space of 4 class means")  # (and export it, while it is still being read)
    alone: Page = request.getfixturevalue("exported_page")
    kept = ask(film, "player.panes.map((pane) => [...pane.files.views.keys()])")
    view = alone.locator(".film label.control", has_text="View").locator("select")
    offered = view.locator("option").evaluate_all("all => all.map((option) => option.value)")
    assert {"pca", "span-0-1-2", "span-7-1-2", "span-7-1-2-3"} <= set(offered) == set(kept[0]) & set(kept[1])
    for name in offered:
        view.select_option(name)
        until(alone, f"player.panes.every((pane) => pane.film.view.view === '{name}' && pane.message.hidden)")
    view.select_option("span-7-1-2")
    assert "plane of the means of 7, 1, 2" in view.locator("option:checked").inner_text()
    expect(alone.locator(".film label.control", has_text="Class 1")).to_be_hidden()
    choose(film, "Class 1", ask(film, "player.panes[0].film.states.classes[0]"))  # (the other tests use these classes)


@pytest.fixture
def with_webgl(browser: Browser) -> Iterator[Page]:
    """A page of a Chromium that draws WebGL in software."""
    path = next(found for name in NAMES if (found := shutil.which(name)))
    started = browser.browser_type.launch(executable_path=path, args=SOFTWARE)
    yield started.new_page(viewport={"width": 1440, "height": 900})
    started.close()


def coloured(page: Page) -> np.ndarray:
    """The pixels of the first picture on which samples are drawn, without the class means above them."""
    ask(page, "(player.settings.means = false, player.drawNow())")
    picture = page.locator(".film .stage").first.screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)
    found: np.ndarray = np.ptp(pixels, axis=2) > 60
    return found


def test_webgl_and_a_plain_canvas_draw_the_same(with_webgl: Page, film: Page, demo_address: str) -> None:
    open_film(with_webgl, demo_address)
    kinds = [ask(page, "player.panes[0].renderer.kind") for page in (with_webgl, film)]
    assert kinds[0] == "webgl2"
    if kinds[1] == "webgl2":
        ask(film, "player.panes.forEach((pane) => pane.drawPlainly())")
    for page in (with_webgl, film):
        ask(page, "player.seek(10, 0.5)")
    drawn, plain = coloured(with_webgl), coloured(film)
    assert drawn.sum() > 500 and (drawn & plain).sum() > 0.8 * (drawn | plain).sum()
