"""Pages show conditions in words; addresses, rows and exported tables keep their names."""

from pathlib import Path

import pytest

from tests.pages.app import charts, open_page, rows, seen

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
