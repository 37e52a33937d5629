"""Pages show conditions in words and explain their marks; addresses, rows and exported tables keep the names of conditions."""

import json
from pathlib import Path

import pytest

from rnc.store.reader import StoreReader
from rnc.ui.charts.mark_explanations import BOUND_NOTE
from tests.pages.app import charts, open_page, rows, seen
from tests.rnc.ui.charts.test_page_specification import INDEX, titles

WEAKER = "pgd-linf-0.07-10"
IN_WORDS = "PGD-10, ℓ∞ ε = 0.07"


def test_the_sidebar_shows_words_and_the_address_keeps_names(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("layers", demo_store, monkeypatch, condition="sign_noise")
    shown = app.sidebar.selectbox(key="condition_in_words")
    assert shown.value == "sign noise" and {"Gaussian noise", "sign noise", "as trained", IN_WORDS} <= set(
        shown.options
    )
    assert app.sidebar.selectbox(key="condition").value == "sign_noise"
    shown.set_value(IN_WORDS).run()
    assert app.sidebar.selectbox(key="condition").value == WEAKER == app.session_state["condition"]
    assert any(f"Under {IN_WORDS}" in seen(info.value) for info in app.info) or not app.info
    app.sidebar.selectbox(key="condition").set_value("gaussian").run()  # as the address does
    assert app.sidebar.selectbox(key="condition_in_words").value == "Gaussian noise"


def test_a_condition_of_the_address_that_is_not_there_is_named_until_another_is_chosen(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("layers", demo_store, monkeypatch, condition="no_such")
    assert any("no\\_such" in warning.value or "no_such" in warning.value for warning in app.warning)
    app.sidebar.selectbox(key="condition_in_words").set_value("Gaussian noise").run()
    assert app.session_state["condition"] == "gaussian" and not app.warning


def test_the_conditions_of_the_curves_are_chosen_in_words(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", demo_store, monkeypatch, conditions=["clean", "sign_noise"])
    shown = app.get("button_group")
    assert any("sign noise" in str(element.proto) for element in shown)
    app.main.button_group(key="conditions_in_words").set_value(["clean", "Gaussian noise", IN_WORDS]).run()
    assert app.session_state["conditions"] == ["clean", "gaussian", WEAKER]
    nc1 = "NC1 · within-class variability over epochs"
    assert set(rows(app, nc1, "shown", "epoch")["shown"]) == {"clean", "gaussian", WEAKER}, "rows keep the names"
    table = app.dataframe[0].value
    assert set(table["condition"]) == {"clean", "Gaussian noise", IN_WORDS}
    assert any("Gaussian noise" in element.proto.body for element in app.main.get("html"))


def test_titles_and_captions_have_words(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("geometry", demo_store, monkeypatch, condition="sign_noise")
    drawn = charts(app)["cosines of centred class means, sign noise"]
    assert drawn["spec"]["title"]["text"] == "Cosines between class means, sign noise"
    assert any("From clean to **sign noise**" in text.value for text in app.markdown)
    assert set(rows(app, "norms of class means", "class", "shown")["shown"]) == {"clean", "sign_noise"}
    maps = open_page("projections", demo_store, monkeypatch, condition="gaussian")
    assert any("clean and Gaussian noise, ℓ∞ ε = " in seen(caption.value) for caption in maps.caption)


def test_the_second_map_has_its_condition_in_words(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("projections", demo_store, monkeypatch, two="true", beside_condition="sign_noise")
    shown = app.selectbox(key="beside_condition_in_words")
    assert shown.value == "sign noise" and shown.options[0] == "as the first" and "sign noise" in shown.options
    shown.set_value("as the first").run()
    assert app.session_state["beside_condition"] == "as the first"


def test_a_table_of_picked_samples_has_words_above_its_columns(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("projections", demo_store, monkeypatch, condition="sign_noise")
    app.button(key="pick_leap_0").click().run()
    table = next(frame for frame in app.dataframe if "leaps" in frame.value)
    assert "sign_noise" in table.value, "the CSV, which has the same columns, keeps the name"
    assert json.loads(table.proto.columns)["sign_noise"]["label"] == "sign noise"


def test_the_conditions_of_a_run_have_words_and_their_name(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = StoreReader(demo_store).runs.all()["run_id"].iloc[0]
    app = open_page("runs", demo_store, monkeypatch, config_of=run_id)
    table = next(frame.value for frame in app.dataframe if "in words" in frame.value).set_index("condition")
    assert table.loc[WEAKER, "in words"] == IN_WORDS
    assert {"Gaussian noise", "sign noise"} <= set(table["role"])


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("collapse", "marks the selected epoch (60), a grey bar the epoch at which the learning rate drops"),
        ("geometry", "The dashed vertical line marks the selected epoch (60)."),
        ("findings", BOUND_NOTE),
    ],
)
def test_marks_are_explained_where_they_are_drawn(
    page: str, text: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, demo_store, monkeypatch)
    assert any(text in caption.value for caption in app.caption)


def test_the_curves_follow_the_sidebars_condition_until_others_are_chosen(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", demo_store, monkeypatch)
    app.sidebar.selectbox(key="condition_in_words").set_value("targeted").run()
    assert app.session_state["conditions"] == ["clean", "targeted"]
    app.button_group(key="conditions_in_words").set_value(["clean"]).run()
    app.sidebar.selectbox(key="condition_in_words").set_value("perturbed").run()
    assert app.session_state["conditions"] == ["clean"]


@pytest.mark.parametrize("page", ["collapse", "geometry", "layers"])
def test_titles_of_charts_have_no_raw_index(page: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(page, demo_store, monkeypatch)
    texts = [text for chart in charts(app).values() for text in titles(chart["spec"])]
    assert len(texts) > 4 and not [text for text in texts if INDEX.search(text)]
