"""The projections page: two maps with one selection, images and table of what is picked, flows, and how many are drawn."""

import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from rnc import datasets
from rnc.store.reader import StoreReader
from rnc.ui.charts.images import data_uri, full_png
from rnc.ui.lab import server_job_queue
from rnc.ui.projections import map_data, sample_image_routes, sample_images, shared_sample_selection
from tests.pages.app import charts, open_page, rows
from tests.rnc.lab.waiting import wait

MAPS = ("projected features", "projected features, second map")


def run_of(store: Path, objective: str) -> str:
    return StoreReader(store).runs.all().query(f"objective == '{objective}'").run_id.iloc[0]


def samples_of(store: Path, split: str = "train") -> list[int]:
    """The samples that the demo keeps, rising."""
    found = StoreReader(store).samples.features_at_epoch(run_of(store, "st"), 60, split, ["clean"])
    return sorted(found["sample"])


def chosen_on(app: AppTest, name: str) -> set[int]:
    """The samples that stand out on a map, where all others are behind a veil."""
    data = charts(app)[name]["data"]
    assert len(data["veil"]) == 1 and set(data["chosen_points"]["sample"]) == set(data["chosen_moves"]["sample"])
    return set(data["chosen_points"]["sample"])


def table(app: AppTest) -> pd.DataFrame:
    return next(element.value for element in app.dataframe if "sample" in element.value)


def captions(app: AppTest) -> str:
    return " | ".join(element.value for element in app.caption)


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.main if element.type == "html") or "".join(
        str(getattr(element, "proto", "")) for element in app.get("html")
    )


@pytest.mark.parametrize(
    ("beside", "epoch", "condition", "method"),
    [
        ({"beside_run": "AT"}, 60, "perturbed", "pca"),
        ({"beside_run": "as the first", "beside_epoch": "3"}, 3, "perturbed", "pca"),
        ({"beside_run": "as the first", "beside_condition": "targeted"}, 60, "targeted", "pca"),
        ({"beside_run": "as the first", "beside_method": "UMAP"}, 60, "perturbed", "umap"),
    ],
)
def test_two_maps_share_a_selection(
    beside: dict, epoch: int, condition: str, method: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any two of runs, epochs, conditions and projections; each map's points are the reader's."""
    reader, picks = StoreReader(demo_store), samples_of(demo_store)[:30:3]
    asked = {"two": "true", "run": "ST", "picked": ".".join(map(str, picks)), **beside}
    app = open_page("projections", demo_store, monkeypatch, **asked)
    second = run_of(demo_store, "at" if beside["beside_run"] == "AT" else "st")
    for name, run_id, at, shown, how in (
        (MAPS[0], run_of(demo_store, "st"), 60, "perturbed", "pca"),
        (MAPS[1], second, epoch, condition, method),
    ):
        slug = reader.runs.conditions([run_id]).set_index("shown")["condition"][shown]
        expected = reader.samples.projection(run_id, at, "train", ["clean", slug], how).sort_values(["shown", "sample"])
        drawn = rows(app, name, "shown", "sample", "x", "y")
        assert drawn[["x", "y"]].to_numpy() == pytest.approx(expected[["x", "y"]].to_numpy())
        assert chosen_on(app, name) == set(picks)
    assert list(table(app)["sample"]) == picks


def test_a_selection_survives_epoch_condition_and_projection(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picks = samples_of(demo_store)[:5]
    app = open_page("projections", demo_store, monkeypatch, picked=".".join(map(str, picks)))
    app.sidebar.select_slider(key="epoch").set_value("3").run()
    assert chosen_on(app, MAPS[0]) == set(picks)
    app.sidebar.selectbox(key="condition").set_value("targeted").run()
    assert chosen_on(app, MAPS[0]) == set(picks)
    app.segmented_control(key="method").set_value("Simplex plane").run()
    assert chosen_on(app, MAPS[0]) == set(table(app)["sample"]) <= set(picks)
    assert app.query_params["picked"] == ".".join(map(str, picks))
    app.sidebar.segmented_control(key="split").set_value("test").run()
    assert app.subheader[0].value == "No samples selected", "these are indices of other images"
    app.sidebar.segmented_control(key="split").set_value("train").run()
    app.button(key="clear_picked").click().run()
    assert app.subheader[0].value == "No samples selected" and "picked" not in app.query_params


def test_without_a_selection_the_largest_leaps_are_offered(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(demo_store)
    app = open_page("projections", demo_store, monkeypatch, run="ST")
    run_id = run_of(demo_store, "st")
    slug = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    stored = reader.samples.features_at_epoch(run_id, 60, "train", [slug])
    leaps = stored[stored["label"] != stored["predicted"]].groupby(["label", "predicted"])["sample"].agg(list)
    largest = leaps.map(len).max()
    button = app.button(key="pick_leap_0")
    assert button.label.endswith(f" · {largest} images")
    label, predicted = button.label.split(" · ")[0].split(" → ")
    button.click().run()
    assert list(table(app)["sample"]) == sorted(leaps[int(label), int(predicted)])
    assert not [other for other in app.button if str(other.key).startswith("pick_leap")], "samples are selected"


def test_the_table_says_what_the_networks_decide(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, picks = StoreReader(demo_store), samples_of(demo_store)
    app = open_page("projections", demo_store, monkeypatch, two="true", run="ST", beside_run="AT",
                    picked=".".join(map(str, picks)))  # fmt: skip
    found = table(app).set_index("sample")
    assert list(found.index) == picks
    for place, objective in ((1, "st"), (2, "at")):
        run_id = run_of(demo_store, objective)
        slug = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
        stored = reader.samples.features_at_epoch(run_id, 60, "train", ["clean", slug])
        clean, attacked = (stored[stored["condition"] == c].set_index("sample")["predicted"] for c in ("clean", slug))
        assert (found[f"clean ({place})"].astype(int) == clean.reindex(picks)).all()
        assert (found[f"perturbed ({place})"].astype(int) == attacked.reindex(picks)).all()
        assert (found[f"leaps ({place})"] == (clean != attacked).reindex(picks)).all()
    labels = datasets.load("digits", "train").labels.numpy()[picks]
    assert (found["class"].astype(int) == labels).all()


def hover_address(app: AppTest) -> str:
    """The address of the images that show on hover over the first map; empty if there are none."""
    layers = charts(app)[MAPS[0]]["spec"]["layer"]
    tooltip = next(layer["mark"]["tooltip"]["expr"] for layer in layers if layer["mark"]["type"] == "point")
    found = re.search(r"image: '(sample-images/[\w-]+)/' \+ datum.sample", tooltip)
    return found[1] if found else ""


def test_hover_and_panel_show_the_images_of_the_data_set(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picks = samples_of(demo_store)[:3]
    app = open_page("projections", demo_store, monkeypatch, picked=".".join(map(str, picks)))
    offered = sample_image_routes.offers.get(hover_address(app).split("/")[1])
    assert sorted(offered.labels) == samples_of(demo_store), "only of the points that are drawn"
    assert (offered.origin.images_from, offered.origin.split) == ("digits", "train")
    loaded = datasets.load("digits", "train")
    assert all(offered.labels[sample] == int(loaded.labels[sample]) for sample in offered.labels)
    images = loaded.pixels().numpy()
    for sample in picks:
        image = (images[sample] * 255).round().astype("uint8")
        assert data_uri(full_png(image)) in html(app)


def test_images_on_hover_can_be_left_out(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("projections", demo_store, monkeypatch, hover="false")
    assert not hover_address(app)


def test_without_the_images_the_page_says_so(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: Any) -> None:
        raise datasets.DatasetError("no images of digits train here")

    sample_images._read.clear()
    monkeypatch.setattr(sample_images.datasets, "load_subset", missing)
    app = open_page("projections", demo_store, monkeypatch, picked=str(samples_of(demo_store)[0]))
    sample_images._read.clear()
    assert "no images of digits train here" in captions(app).replace("\\", "")
    assert len(table(app)) == 1 and not hover_address(app)
    two_maps = {"two": "true", "beside_run": "as the first", "beside_method": "UMAP"}
    for asked in ({"picked": str(samples_of(demo_store)[0])}, {}, two_maps):
        app = open_page("projections", demo_store, monkeypatch, **asked)
        assert captions(app).count("No images are shown") == 1, "said once, by a map or by the panel"


def test_images_in_another_order_are_not_shown(
    demo_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's indices mean nothing in a source of the data set that has its images in another order."""
    store = tmp_path / "rnc.duckdb"
    shutil.copy(demo_store, store)
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE feature SET label = (label + 1) % 10 WHERE sample % 3 = 0")
    for given, word in ((demo_store, ""), (store, "in another order")):
        app = open_page("projections", given, monkeypatch, split="test")
        assert word in captions(app)
        assert bool(hover_address(app)) is not bool(word)


def test_at_most_so_many_are_drawn_unless_all_are_asked_for(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_data, "MOST_DRAWN", 50)
    app = open_page("projections", demo_store, monkeypatch)
    drawn = rows(app, MAPS[0], "shown", "sample", "label").query("shown == 'clean'")
    assert drawn["label"].value_counts().to_dict() == {str(digit): 5 for digit in range(10)}
    assert "50 of 200 samples, as many of each class" in captions(app)
    app.toggle(key="all_samples").set_value(True).run()
    assert len(rows(app, MAPS[0], "shown", "sample")) == 400 and "200 samples" in captions(app)


def test_flows_are_the_leaps(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, run_id = StoreReader(demo_store), run_of(demo_store, "st")
    app = open_page("projections", demo_store, monkeypatch, run="ST")
    slug = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    leaps = reader.metrics.leaps(run_id, 60, "train", slug)
    away = leaps[leaps["true_class"] != leaps["predicted_class"]]
    drawn = rows(app, "leaping flows", "true_class", "predicted_class", "count", "share", "step").query("step == 0")
    for row in drawn.to_dict("records"):
        whole = leaps[leaps["true_class"] == int(row["true_class"])]
        one = whole[whole["predicted_class"] == int(row["predicted_class"])]["count"].item()
        assert row["count"] == one and row["share"] == pytest.approx(one / whole["count"].sum())
    assert f"The {len(drawn)} largest of {len(away)} flows" in captions(app)


def test_maps_of_one_attack_draw_its_leaps_once(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"two": "true", "beside_run": "as the first", "beside_method": "UMAP"}
    app = open_page("projections", demo_store, monkeypatch, **asked)
    assert [name for name in charts(app) if "leaping" in name] == ["leaping matrix (1)", "leaping flows (1)"]
    app.selectbox(key="beside_condition").set_value("targeted").run()
    assert len([name for name in charts(app) if "leaping" in name]) == 4


def test_samples_are_picked_by_what_they_are_decided_as(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("projections", demo_store, monkeypatch, run="ST")
    app.multiselect(key="pick_true").set_value(["3", "5"]).run()
    app.multiselect(key="pick_decided").set_value(["8"]).run()
    app.button(key="pick_by_decision").click().run()
    first = table(app)
    assert len(first) and set(first["class"]) <= {"3", "5"} and set(first["perturbed"]) == {"8"}
    points = rows(app, MAPS[0], "shown", "sample", "label", "predicted").query("shown == 'perturbed'")
    assert set(first["sample"]) == set(points.query("label in ['3', '5'] and predicted == '8'")["sample"])
    app.toggle(key="adding").set_value(True).run()
    app.multiselect(key="pick_true").set_value([]).run()
    app.button(key="pick_by_decision").click().run()
    assert set(table(app)["sample"]) == set(points.query("predicted == '8'")["sample"]) | set(first["sample"])


def test_a_box_holds_the_points_between_its_sides() -> None:
    points = pd.DataFrame({"sample": [1, 1, 2, 3], "x": [0.0, 5.0, 1.0, 1.0], "y": [0.0, 5.0, 1.0, 3.0]})
    assert shared_sample_selection.inside(points, {"x": [2.0, 0.5], "y": [2.0, 0.0]}) == [2]
    assert shared_sample_selection.inside(points, {"x": [4.0, 6.0], "y": [6.0, 4.0]}) == [1], "either of its points"
    assert shared_sample_selection.inside(points, {"x": [0.0, 1.0]}) == [1, 2, 3]
    assert shared_sample_selection.inside(points, {"x": [8.0, 9.0], "y": [0.0, 1.0]}) == []


@pytest.mark.parametrize("asked", ["abc", "1.2.x", "", "99999999999999999999", "-3"])
def test_an_address_that_names_no_samples_is_no_error(
    asked: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_page("projections", demo_store, monkeypatch, picked=asked).title


def test_a_large_selection_is_not_put_into_the_address(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_sample_selection, "MOST_IN_ADDRESS", 2)
    app = open_page("projections", demo_store, monkeypatch, picked=".".join(map(str, samples_of(demo_store)[:3])))
    assert len(table(app)) == 3 and "picked" not in app.query_params


def test_picked_images_are_perturbed_on_demand(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the stored networks of both maps, in the lab's process; of an epoch without a network that is said."""
    picks = samples_of(demo_store)[:4]
    asked = {"two": "true", "run": "ST", "beside_run": "AT", "picked": ".".join(map(str, picks))}
    app = open_page("projections", demo_store, monkeypatch, **asked)
    assert html(app).count("data:image/png") == len(picks)
    app.button(key="perturb_picked").click().run()
    made = list(app.session_state["perturbed_image_jobs"].values())
    assert len(made) == 2 and all(wait(server_job_queue.job_queue(), job, 120) for job in made)
    app.run()
    assert not app.exception
    shown = html(app)
    assert shown.count("data:image/png") == 3 * len(picks)
    for job in made:
        assert job.result.sample.tolist() == picks
        for image in (job.result.perturbed_images * 255).round().astype("uint8"):
            assert data_uri(full_png(image)) in shown
    app.sidebar.select_slider(key="epoch").set_value("3").run()
    assert not app.exception
