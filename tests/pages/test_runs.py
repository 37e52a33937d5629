"""The runs page: found by any field, opened in place, tagged and noted, set side by side, archived, deleted after a summary."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Multiselect

from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.store.run_editor import networks_folder
from rnc.store.writer import StoreWriter
from rnc.ui import sidebar
from rnc.ui.charts.text_width import text_width
from rnc.ui.readonly import READONLY_VARIABLE
from rnc.ui.runs import table, which_run_is_open
from rnc.vocabulary import RunState
from tests.pages.app import open_page, seen
from tests.rnc.store.hand_written import begin, leave_unused_room, one_epoch

NASTY = "<b>*bold*</b> [link](javascript:alert(1)) :red[x]"


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished runs, which tests only read; what sets them apart is the objective, and the seed of the last."""
    path = tmp_path_factory.mktemp("three") / "rnc.duckdb"
    for run_id, objective, seed in (("one-st", "st", 1), ("two-at", "at", 1), ("three-at", "at", 2)):
        writer = begin(path, run_id, objective=objective, seed=seed)
        writer.write_epoch(run_id, 0, one_epoch(run_id, 0))
        writer.write_epoch(run_id, 4, one_epoch(run_id, 4))
        writer.end_run(run_id, RunState.FINISHED, 100.0)
        networks_folder(path, run_id).mkdir(parents=True)
        (networks_folder(path, run_id) / "epoch-0004.safetensors").write_bytes(b"x" * 2_000_000)
    return path


@pytest.fixture
def store(three_runs: Path, tmp_path: Path) -> Path:
    """A copy of the three runs, networks included, that a test may change."""
    shutil.copytree(three_runs.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / three_runs.name


@pytest.fixture(scope="module")
def marked_runs(three_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three runs, of which one has a tag and another one a note."""
    path = shutil.copyfile(three_runs, tmp_path_factory.mktemp("marked") / three_runs.name)
    StoreWriter(path).annotate("one-st", ["paper"], "")
    StoreWriter(path).annotate("two-at", [], "this is why it broke")
    return path


def listed(app: AppTest) -> set[str]:
    """The runs in the table."""
    return set(app.dataframe[0].value["run_id"])


def offered(app: AppTest) -> set[str]:
    """The runs in the sidebar's picker."""
    ids = app.session_state["run_texts"][-1]
    return {ids[text] for text in app.sidebar.multiselect(key="run_picker").options}


def tags_of(app: AppTest) -> Multiselect:
    """The field for tags."""
    return next(field for field in app.multiselect if str(field.key).startswith("tags_"))


def said(app: AppTest) -> str:
    return " ".join(element.value for kind in ("success", "error", "caption", "markdown") for element in app.get(kind))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"only_objective": ["at"]}, {"two-at", "three-at"}),
        ({"only_objective": ["at"], "only_seed": ["2"]}, {"three-at"}),
        ({"only_seed": ["1", "2"]}, {"one-st", "two-at", "three-at"}),
        ({"only_tags": ["paper"]}, {"one-st"}),
        ({"only_text": "seed:2"}, {"three-at"}),
        ({"only_text": "DIGITS at"}, {"two-at", "three-at"}),
        ({"only_text": "why it"}, {"two-at"}),
        ({"only_text": "nothing"}, set()),
        ({"only_dataset": ["of another store"]}, {"one-st", "two-at", "three-at"}),
    ],
)
def test_runs_are_found_by_the_address(
    asked: dict, found: set[str], marked_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in the table and in the picker, which keeps what is chosen."""
    app = open_page("runs", marked_runs, monkeypatch, runs=["one-st"], **asked)
    assert offered(app) >= found | {"one-st"}
    if not found:
        assert "No run matches" in app.info[0].value
        app.button(key="clear_filter_here").click().run()
        assert len(listed(app)) == 3
        return
    assert listed(app) == found
    if len(found) < 3:
        assert f"Filter · {len(found)} of 3" in [block.proto.popover.label for block in app.sidebar.get("popover")]


def test_what_the_filter_found_can_be_chosen(three_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", three_runs, monkeypatch, runs=["one-st"])
    app.sidebar.multiselect(key="only_objective").set_value(["at"]).run()
    assert app.sidebar.multiselect(key="runs").value == ["one-st"]
    app.sidebar.button(key="choose_found").click().run()
    assert set(app.sidebar.multiselect(key="runs").value) == {"two-at", "three-at"} == listed(app)
    app.sidebar.button(key="clear_filter").click().run()
    assert len(listed(app)) == 3 and not app.exception


def test_tags_and_notes_are_saved_as_they_are_entered_and_shown_as_typed(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to press. The fields stay as they are, so that one tag after the other can be entered."""
    app = open_page("runs", store, monkeypatch, config_of="two-at")
    key = tags_of(app).key
    tags_of(app).set_value(["paper"]).run()
    assert [seen(toast.value) for toast in app.toast] == ["Saved for two-at."] and tags_of(app).key == key
    tags_of(app).set_value(["paper", NASTY[:30]]).run()
    app.text_area[0].set_value(NASTY).run()
    assert not app.exception and not app.error and len(app.toast) == 1
    run = StoreReader(store).runs.all().set_index("run_id").loc["two-at"]
    assert (run["tags"], run["note"]) == (sorted(["paper", NASTY[:30]]), NASTY)
    table = app.dataframe[0].value.set_index("run_id")
    assert list(table.loc["two-at", "tags"]) == run["tags"] and table.loc["two-at", "note"] == NASTY
    assert app.text_area[0].value == NASTY and NASTY not in said(app) and tags_of(app).key == key
    assert not app.run().toast


def test_tags_that_somebody_else_has_changed_are_shown(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", store, monkeypatch, config_of="two-at")
    StoreWriter(store).annotate("two-at", ["theirs"], "their note")
    app.run()
    assert tags_of(app).value == ["theirs"] and app.text_area[0].value == "their note"
    app.query_params["config_of"] = "one-st"
    app.run()
    assert tags_of(app).value == [] and app.text_area[0].value == ""


def test_what_is_too_long_is_said_and_not_kept(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", store, monkeypatch, config_of="two-at")
    tags_of(app).set_value(["*" * 41]).run()
    assert "at most 40 characters" in app.error[0].value and not app.toast
    assert StoreReader(store).runs.all()["tags"].map(len).sum() == 0


def test_runs_of_the_gallery_say_that_they_cannot_be_changed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path / "other.duckdb", "shown", seed=9).write_epoch("shown", 4, one_epoch("shown", 4))
    StoreWriter(tmp_path / "other.duckdb").end_run("shown", RunState.FINISHED, 1.0)
    StoreWriter(tmp_path / "other.duckdb").annotate("shown", ["theirs"], NASTY)
    publish(tmp_path / "other.duckdb", "shown", tmp_path / "gallery")
    monkeypatch.setenv("RNC_GALLERY", str(tmp_path / "gallery"))
    app = open_page("runs", store, monkeypatch, config_of="shown")
    assert not app.text_area and "cannot be changed" in said(app)
    assert app.get("text")[0].value == f"theirs\n{NASTY}"
    assert "shown" not in app.multiselect(key="touched").options
    assert not {"archive", "delete"} & {button.key for button in app.button}


def test_published_runs_that_are_left_out_are_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        (tmp_path / "gallery" / f"bad{number}").mkdir(parents=True)
        (tmp_path / "gallery" / f"bad{number}" / "run.parquet").write_text("![](http://x.invalid/y.png)")
    monkeypatch.setenv("RNC_GALLERY", str(tmp_path / "gallery"))
    told = [caption.value for caption in open_page("runs", store, monkeypatch).caption]
    assert len([text for text in told if "is left out" in text]) == 10
    assert "2 more published runs are left out." in told


def test_archived_runs_are_hidden_everywhere_until_asked_for(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", store, monkeypatch, runs=["one-st", "two-at"], config_of="two-at")
    app.button(key="archive").click().run()
    assert listed(app) == {"one-st", "three-at"} == offered(app)
    assert app.sidebar.multiselect(key="runs").value == ["one-st"] and "1 archived" in said(app)
    fresh = open_page("collapse", store, monkeypatch)
    assert offered(fresh) == {"one-st", "three-at"} == set(fresh.sidebar.multiselect(key="runs").value)
    asked = open_page("runs", store, monkeypatch, archived="true", config_of="two-at")
    assert listed(asked) == {"one-st", "two-at", "three-at"} == offered(asked)
    asked.button(key="unarchive").click().run()
    assert not StoreReader(store).runs.all()["archived"].any()


def test_all_runs_can_be_put_away_and_brought_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StoreWriter(store).archive(["one-st", "two-at", "three-at"])
    app = open_page("runs", store, monkeypatch)
    assert "No run matches" in app.info[0].value
    app.sidebar.toggle(key="archived").set_value(True).run()
    app.multiselect(key="touched").set_value(["one-st", "two-at", "three-at"]).run()
    app.button(key="unarchive_many").click().run()
    assert not StoreReader(store).runs.all()["archived"].any() and not app.exception


def test_deleting_says_what_goes_asks_and_takes_the_networks_along(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", store, monkeypatch, runs=["one-st", "two-at"], config_of="two-at")
    app.button(key="delete").click().run()
    goes = next(element.value for element in app.dataframe if "MB" in element.value).set_index("run")
    held = int(StoreReader(store).runs.row_counts("two-at")["rows"].sum())
    assert goes.to_dict("index") == {"two-at": {"rows": held, "files": 1, "MB": 2.0}}
    app.button(key="delete_not").click().run()
    assert len(StoreReader(store).runs.all()) == 3 and not [b for b in app.button if b.key == "delete_for_good"]
    app.button(key="delete").click().run()
    app.button(key="delete_for_good").click().run()
    assert not app.exception and "Deleted two" in app.success[0].value
    assert listed(app) == {"one-st", "three-at"} and app.sidebar.multiselect(key="runs").value == ["one-st"]
    assert "config_of" not in app.query_params and not app.tabs
    assert [path.name for path in sorted((store.parent / "checkpoints").iterdir())] == ["one-st", "three-at"]


def test_several_runs_are_deleted_together_and_none_is_chosen_beforehand(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", store, monkeypatch, runs=["one-st"], config_of="one-st")
    assert app.multiselect(key="touched").value == []
    assert app.button(key="delete_many").disabled and app.button(key="archive_many").disabled
    app.multiselect(key="touched").set_value(["two-at", "three-at"]).run()
    app.button(key="delete_many").click().run()
    goes = next(element.value for element in app.dataframe if "MB" in element.value)
    assert set(goes["run"]) == {"two-at", "three-at"} and "2 files of networks with 4.00 MB" in said(app)
    assert not [b for b in app.button if b.key == "delete_for_good"], "the question is only where it was asked for"
    app.button(key="delete_for_good_many").click().run()
    assert listed(app) == {"one-st"} and app.query_params["config_of"] == "one-st", "the open run stays open"


def test_no_run_is_open_until_one_is_chosen(three_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", three_runs, monkeypatch)
    assert not app.tabs and not app.code and not app.text_area and "Click a row" in said(app)


def test_an_address_opens_a_run_and_the_lists_of_its_config_are_folded(
    three_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", three_runs, monkeypatch, config_of="two-at")
    assert [tab.label for tab in app.tabs][:3] == ["Tags and note", "Reproduce this run", "Config"]
    assert "--objective at" in app.code[0].value
    shown = next(element for element in app.json if "objective" in element.value)
    assert shown.proto.max_expand_depth == 2, "the names of 200 classes took seven screens"
    app.button(key="close_run").click().run()
    assert not app.tabs and "config_of" not in app.query_params


def test_the_row_of_the_open_run_is_marked(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is known by its number: the table is another one when a run is added above, and the mark goes with the run.

    And when the address opens another run, as after Back: a click in a cell that stayed selected would do nothing.
    """

    def marked(app: AppTest) -> tuple[str, str]:
        table = app.dataframe[0]
        ((row, _column),) = json.loads(table.proto.selection_default)["selection"]["cells"]
        return table.value["run_id"].iloc[row], table.proto.id

    app = open_page("runs", store, monkeypatch, config_of="two-at")
    run_id, before = marked(app)
    assert run_id == "two-at"
    StoreWriter(store).annotate("one-st", [], "a note")
    assert marked(app.run()) == ("two-at", before)
    begin(store, "four-st", seed=4)
    run_id, after = marked(app.run())
    assert run_id == "two-at" and after != before
    app.query_params["config_of"] = "one-st"
    run_id, after_back = marked(app.run())
    assert run_id == "one-st" and after_back != after
    assert marked(app.run()) == ("one-st", after_back)


def test_a_click_in_a_row_opens_its_run(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(which_run_is_open.st, "query_params", {})
    monkeypatch.setattr(which_run_is_open.st, "session_state", {"key": {"selection": {"cells": [(1, "state")]}}})
    which_run_is_open.open_selected("key", ["one-st", "two-at"])
    assert which_run_is_open.requested_run() == "two-at"
    which_run_is_open.st.session_state["key"]["selection"]["cells"] = []
    which_run_is_open.open_selected("key", ["one-st", "two-at"])
    assert which_run_is_open.requested_run() is None


@pytest.mark.parametrize("run_id", ["gone-st", NASTY])
def test_an_address_of_a_run_that_is_not_there_names_it_and_stays(
    run_id: str, three_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", three_runs, monkeypatch, config_of=run_id)
    assert run_id in seen(app.warning[0].value) and app.query_params["config_of"] == run_id
    assert len(listed(app)) == 3 and not app.tabs


def test_a_run_that_the_filter_hides_is_open_and_says_so(three_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", three_runs, monkeypatch, config_of="two-at", only_objective="st")
    assert listed(app) == {"one-st"} and app.tabs and "hides this run" in said(app)


def test_room_that_deleted_runs_left_can_be_given_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "compact" not in [button.key for button in open_page("runs", store, monkeypatch).button]
    leave_unused_room(store)
    before = store.stat().st_size
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    assert "compact" not in [button.key for button in open_page("runs", store, monkeypatch).button]
    monkeypatch.delenv(READONLY_VARIABLE)
    app = open_page("runs", store, monkeypatch)
    assert any("of the store's file are unused" in caption.value for caption in app.caption)
    app.button(key="compact").click().run()
    assert app.success[0].value.startswith("The store was compacted") and store.stat().st_size < before
    assert listed(app) == {"one-st", "two-at", "three-at"} and "compact" not in [button.key for button in app.button]


def test_a_label_with_every_field_of_its_setting_is_not_cut(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = "AT-EVAL-ATTACK · CIFAR-100 · preact_resnet18 · width 0.25 · 5,000 images · ℓ2 · synthetic"
    monkeypatch.setattr(table, "run_labels", lambda runs: dict.fromkeys(runs["run_id"], longest))
    app = open_page("runs", store, monkeypatch)
    (column,) = [c for name, c in json.loads(app.dataframe[0].proto.columns).items() if name == "label"]
    assert (
        column["width"] >= 0.9 * text_width(longest, 14) + 16
    )  # the page's letters are narrower than those of figures


def test_a_store_is_not_compacted_while_a_training_writes_to_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unused_room(store)
    writer = begin(store, "under-way", seed=5)
    app = open_page("runs", store, monkeypatch)
    assert app.button(key="compact").disabled
    assert any("when no training writes to it any more" in caption.value for caption in app.caption)
    writer.end_run("under-way", RunState.FINISHED, 1.0)
    app = open_page("runs", store, monkeypatch)
    assert not app.button(key="compact").disabled
    assert not any("no training writes" in caption.value for caption in app.caption)


def test_a_run_that_is_being_trained_stays_and_the_others_go(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(store, "under-way", seed=5).write_epoch("under-way", 0, one_epoch("under-way", 0))
    app = open_page("runs", store, monkeypatch, config_of="under-way")
    app.multiselect(key="touched").set_value(["under-way", "one-st"]).run()
    app.button(key="delete_many").click().run()
    app.button(key="delete_for_good_many").click().run()
    assert "is being trained" in app.error[0].value and "Deleted one-st." in app.success[0].value.replace("\\", "")
    assert set(StoreReader(store).runs.all()["run_id"]) == {"under-way", "two-at", "three-at"}


def test_configs_stand_side_by_side(three_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", three_runs, monkeypatch, runs=["one-st", "three-at"])
    table = next(element.value for element in app.dataframe if "field" in element.value).set_index("field")
    assert table.to_dict("index") == {
        "objective": {"ST": "st", "AT": "at"},
        "seed": {"ST": "1", "AT": "2"},
    }
    app.toggle(key="all_fields").set_value(True).run()
    assert len(next(element.value for element in app.dataframe if "field" in element.value)) == 8
    app.sidebar.multiselect(key="runs").set_value(["one-st"]).run()
    assert "Select two or more runs" in said(app)


def test_a_public_view_offers_none_of_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    StoreWriter(store).annotate("two-at", ["theirs"], NASTY)
    app = open_page("runs", store, monkeypatch, config_of="two-at")
    assert not app.text_area and app.get("text")[0].value == f"theirs\n{NASTY}" and READONLY_VARIABLE in said(app)
    assert not [button for button in app.button if str(button.key) in ("archive", "delete")]
    assert not [field for field in app.multiselect if str(field.key).startswith("tags_")]


def test_a_store_that_is_gone_in_between_is_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another window deleted the run."""
    app = open_page("runs", store, monkeypatch, config_of="two-at")
    StoreWriter(store).delete_run("two-at")
    shutil.rmtree(store.parent / "checkpoints")
    app.text_area[0].set_value("late").run()
    assert not app.exception and "no run two" in app.error[0].value.replace("\\", "")


def while_the_sidebar_is_drawn(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Let another process change the store after the sidebar has read its runs, once."""
    changes, draw_filter = [change], sidebar.draw_filter

    def changed(runs: pd.DataFrame) -> Any:
        if changes:
            changes.pop()()
        return draw_filter(runs)

    monkeypatch.setattr(sidebar, "draw_filter", changed)


def test_a_run_whose_first_epoch_is_measured_while_the_sidebar_is_drawn(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be selected by default, but it is not among the runs that the sidebar offers yet."""

    def measure() -> None:
        writer = begin(store, "four-trades", objective="trades", seed=1)
        writer.write_epoch("four-trades", 0, one_epoch("four-trades", 0))
        writer.end_run("four-trades", RunState.FINISHED, 1.0)

    while_the_sidebar_is_drawn(monkeypatch, measure)
    app = open_page("collapse", store, monkeypatch)
    assert not app.error and "four-trades" not in app.sidebar.multiselect(key="runs").value
    assert "four-trades" in open_page("collapse", store, monkeypatch).sidebar.multiselect(key="runs").value


def test_a_run_that_is_deleted_while_the_sidebar_is_drawn(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    while_the_sidebar_is_drawn(monkeypatch, lambda: StoreWriter(store).delete_run("one-st"))
    app = open_page("collapse", store, monkeypatch)
    assert ["deleted while" in error.value for error in app.error] == [True]


def test_an_address_of_runs_that_are_not_there_names_them_and_stays(
    three_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", three_runs, monkeypatch, runs=["gone-st", NASTY])
    assert not app.sidebar.multiselect and [title.value for title in app.title] == ["These runs are not here"]
    assert "gone-st" in app.warning[0].value and seen(app.warning[0].value).count(NASTY) == 1
    assert app.query_params["runs"] == ["gone-st", NASTY]
    app.button(key="show_other_runs").click().run()
    assert [title.value for title in app.title] == ["Collapse over epochs"]
    assert not app.warning and app.sidebar.multiselect(key="runs").value


def test_an_empty_run_of_an_address_asks_for_nothing(three_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was named, as asterisks."""
    app = open_page("collapse", three_runs, monkeypatch, runs=["", ""])
    assert [title.value for title in app.title] == ["Collapse over epochs"] and not app.warning
    default = open_page("collapse", three_runs, monkeypatch).sidebar.multiselect(key="run_picker").value
    assert app.sidebar.multiselect(key="run_picker").value == default
    app = open_page("collapse", three_runs, monkeypatch, runs=["", "two-at", "gone-st"])
    assert "gone-st" in app.warning[0].value and "****" not in app.warning[0].value
    assert app.sidebar.multiselect(key="run_picker").value == ["two-at"]
    app = open_page("collapse", three_runs, monkeypatch, runs=["  "])
    assert "no measured epoch: (empty)" in app.warning[0].value


def test_a_run_of_an_address_that_is_not_there_is_named_beside_the_others(
    three_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", three_runs, monkeypatch, runs=["two-at", "gone-st"])
    assert "gone-st" in app.warning[0].value and "two-at" not in app.warning[0].value
    assert app.sidebar.multiselect(key="run_picker").value == ["two-at"] and app.title
    assert app.query_params["runs"] == ["two-at", "gone-st"], "the address stays"
    app.sidebar.multiselect(key="run_picker").set_value(["one-st", "two-at"]).run()
    assert not app.warning, "the user has selected other runs"
    assert app.query_params["runs"] == ["one-st", "two-at"]
