"""Every page on an empty, a tiny and the demo store: no exception, and the charts hold what the reader answers."""

from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from rnc.claims import USED, Verdict, judge_each_claim
from rnc.class_mean_geometry import SimplexSpan, centre, cosine_matrix, singular_values_over_rms
from rnc.store.reader import StoreReader
from rnc.ui import training_status
from rnc.ui.figures import PageFigures
from rnc.ui.run_labels import run_labels
from rnc.vocabulary import METRIC_INFO, Metric
from tests.pages.app import charts, open_page, ordered, rows, same

PAGES = ("findings", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs")
OF_A_CONDITION = ("collapse", "geometry", "projections", "layers")
"""The pages that read rows of the sidebar's condition; the others only draw the sidebar."""


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_do(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(page, tmp_path / "none.duckdb", monkeypatch)
    assert app.title[0].value == "No measurements yet"
    assert app.button(key="train_demo").label == "Train the demo"
    assert "python -m train.run demo" in app.markdown[0].value


@pytest.mark.parametrize("page", PAGES)
def test_a_file_that_is_no_store_is_named(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.duckdb"
    path.write_text("not a database")
    app = open_page(page, path, monkeypatch)
    assert "not a DuckDB store" in app.error[0].value
    assert path.read_text() == "not a database"


@pytest.mark.parametrize("page", PAGES)
def test_no_page_raises_and_none_calls_a_trained_run_synthetic(
    page: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, tiny_store, monkeypatch)
    assert app.title and not app.warning


@pytest.mark.parametrize("page", PAGES)
def test_no_page_raises_on_the_demo(page: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_page(page, demo_store, monkeypatch).title


@pytest.mark.parametrize(
    ("condition", "split", "pages"),
    [
        ("as_trained", "train", OF_A_CONDITION),
        ("as_trained", "test", PAGES),
        ("relabelled", "test", OF_A_CONDITION),
        ("pgd-linf-0.07-10", "train", OF_A_CONDITION),
        ("sign_noise", "test", OF_A_CONDITION),
    ],
)
def test_no_page_raises_under_a_condition_that_is_not_measured_everywhere(
    condition: str, split: str, pages: tuple[str, ...], demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relabelled features are sampled under another name, smaller attacks not at all, as_trained is of train and no ST.

    All but as_trained have the same rows for both splits.
    """
    for page in pages:
        assert open_page(page, demo_store, monkeypatch, condition=condition, split=split).title, page


@pytest.mark.parametrize("split", ["train", "test"])
def test_curves_are_the_readers(split: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(demo_store)
    runs = reader.runs.all()
    chosen = [runs.run_id[0], runs.run_id[1]]
    app = open_page("collapse", demo_store, monkeypatch, runs=chosen, split=split, conditions=["clean", "targeted"])
    for metric in (Metric.NC1, Metric.NC3, Metric.ACCURACY):
        found = rows(app, f"{METRIC_INFO[metric].label} over epochs", "run_id", "shown", "epoch", "value")
        expected = reader.metrics.curves(chosen, ["clean", "targeted"], split, [metric])
        same(found, expected[expected["value"] > 0] if METRIC_INFO[metric].log_axis else expected)
    angle = rows(app, f"{METRIC_INFO[Metric.ANGLE].label} over epochs", "run_id", "shown", "epoch", "value")
    same(angle, reader.metrics.against_clean_means(chosen, ["targeted"], split, [Metric.ANGLE]))
    nearest = rows(app, f"{METRIC_INFO[Metric.NCC_ACCURACY].label} over epochs", "run_id", "shown", "epoch", "value")
    same(
        nearest,
        reader.metrics.against_clean_means(chosen, ["clean", "targeted"], split, [Metric.NCC_ACCURACY], "train"),
    )


def test_curves_change_with_the_runs(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", demo_store, monkeypatch)
    label = f"{METRIC_INFO[Metric.NC1].label} over epochs"
    assert rows(app, label, "run_id", "epoch")["run_id"].nunique() == 3
    one = app.sidebar.multiselect(key="runs").value[0]
    app.sidebar.multiselect(key="runs").set_value([one]).run()
    assert set(rows(app, label, "run_id", "epoch")["run_id"]) == {one}
    app.sidebar.multiselect(key="runs").set_value([]).run()
    assert "Select at least one run" in app.info[0].value


@pytest.mark.parametrize("cursor", ["1", "5", "last"])
def test_the_cursor_stands_on_the_curves(cursor: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", demo_store, monkeypatch, epoch=cursor)
    rule = next(f for f in charts(app)[f"{METRIC_INFO[Metric.NC1].label} over epochs"]["rows"] if list(f) == ["epoch"])
    reader = StoreReader(demo_store)
    measured = reader.metrics.measured_epochs(list(reader.runs.all()["run_id"]))["epoch"]
    assert rule["epoch"].tolist() == [measured.max() if cursor == "last" else measured[measured <= int(cursor)].max()]


@pytest.mark.parametrize(("cursor", "shown", "split"), [("last", "perturbed", "train"), ("7", "targeted", "test")])
def test_cosines_are_those_of_the_stored_means(
    cursor: str, shown: str, split: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StoreReader(demo_store)
    runs = reader.runs.all().set_index("run_id", drop=False)
    label = next(
        label for run_id, label in run_labels(reader.runs.all()).items() if runs.loc[run_id, "objective"] == "at"
    )
    run_id = runs[runs["objective"] == "at"].run_id.iloc[0]
    app = open_page("geometry", demo_store, monkeypatch, run=label, epoch=cursor, condition=shown, split=split)
    epochs = reader.vectors.epochs([run_id])["epoch"]
    epoch = epochs.max() if cursor == "last" else epochs[epochs <= int(cursor)].max()
    conditions = reader.runs.conditions([run_id]).set_index("shown")["condition"]
    for name in ("clean", shown):
        _classes, means = reader.vectors.class_means(run_id, int(epoch), split, conditions[name])
        found = charts(app)[f"cosines of centred class means, {name}"]["rows"][0]
        np.testing.assert_allclose(np.sort(found["cosine"]), np.sort(cosine_matrix(centre(means)).ravel()), atol=1e-9)
    assert f"epoch {epoch}" in app.caption[0].value


def test_class_angles_and_norms_are_the_readers(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(demo_store)
    app = open_page("geometry", demo_store, monkeypatch, epoch="3")
    found = rows(app, "clean-to-perturbed angle per class", "run_id", "class", "radians")
    for run_id in reader.runs.all()["run_id"]:
        part = reader.metrics.class_metrics({run_id: 3}, "train")
        angles = part[(part["metric"] == "angle") & (part["shown"] == "perturbed")]
        mine = found[found["run_id"] == part["run_id"].iloc[0]]
        np.testing.assert_allclose(mine.sort_values("class")["radians"], angles.sort_values("class")["value"])
    assert len(found) == 30
    assert len(rows(app, "norms of class means", "class", "shown", "value")) == 20


@pytest.mark.parametrize(("method", "cursor"), [("PCA", "3"), ("PCA", "last"), ("UMAP", "last")])
def test_projections_are_the_readers(
    method: str, cursor: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StoreReader(demo_store)
    runs = reader.runs.all()
    run_id = runs[runs["objective"] == "st"].run_id.iloc[0]
    app = open_page("projections", demo_store, monkeypatch, runs=[run_id], method=method, epoch=cursor)
    epoch = int(runs["epochs"].max()) if cursor == "last" else int(cursor)
    pgd = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    expected = reader.samples.projection(run_id, epoch, "train", ["clean", pgd], method.lower())
    assert len(expected) == 400
    same(rows(app, "projected features", "shown", "sample", "x", "y"), expected)
    leaps = rows(app, "leaping matrix", "true_class", "predicted_class", "count")
    assert leaps["count"].sum() == reader.metrics.leaps(run_id, epoch, "train", pgd)["count"].sum() == 1400


@pytest.mark.parametrize("cursor", ["3", "last"])
def test_the_simplex_plane_is_that_of_the_stored_means(
    cursor: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StoreReader(demo_store)
    run_id = reader.runs.all().query("objective == 'st'").run_id.iloc[0]
    chosen = ["3", "1", "8"]
    asked = {"runs": [run_id], "method": "Simplex plane", "epoch": cursor, "vertices": chosen}
    app = open_page("projections", demo_store, monkeypatch, **asked)
    epoch = 60 if cursor == "last" else int(cursor)
    means = reader.vectors.class_means(run_id, epoch, "train", "clean")[1][[3, 1, 8]]
    drawn = rows(app, "projected features", "shown", "sample", "label", "x", "y")
    pgd = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    sample = reader.samples.features_at_epoch(run_id, epoch, "train", ["clean", pgd])
    sample = sample[sample["label"].isin([3, 1, 8])].sort_values(["shown", "sample"])
    drawn = drawn.sort_values(["shown", "sample"])
    assert list(drawn["sample"]) == list(sample["sample"]) and set(drawn["label"]) == set(chosen)
    flat = SimplexSpan(means).project(np.stack(list(sample["vector"])))
    np.testing.assert_allclose(drawn[["x", "y"]].to_numpy(), flat, atol=1e-6)
    app.multiselect(key="vertices").set_value(["3", "1"]).run()
    assert app.info[0].value == "Choose three classes."


@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("projections", "No features of training images under relabelled are stored"),
        ("layers", "relabelled, only the features of the penultimate layer are drawn"),
    ],
)
def test_what_is_not_measured_under_a_condition_is_said(
    page: str, word: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, demo_store, monkeypatch, condition="relabelled", method="Simplex plane")
    assert word in app.info[0].value


def test_duality_and_spectrum_are_those_of_the_stored_vectors(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StoreReader(demo_store)
    run_id = reader.runs.all().query("objective == 'at'").run_id.iloc[0]
    app = open_page("geometry", demo_store, monkeypatch, runs=[run_id])
    pgd = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    clean, attacked = (reader.vectors.class_means(run_id, 60, "train", condition)[1] for condition in ("clean", pgd))
    rows_of_w = reader.vectors.classes_and_classifier_rows(run_id, 60)[1]
    found = charts(app)["cosines of classifier and means"]["rows"][0]
    expected = cosine_matrix(rows_of_w, centre(attacked))
    np.testing.assert_allclose(found["cosine"], expected.ravel(), atol=1e-9)
    lines = rows(app, "spectrum of the class means", "shown", "rank", "value")
    for shown, means in (("clean", clean), ("perturbed", attacked)):
        np.testing.assert_allclose(lines[lines["shown"] == shown]["value"], singular_values_over_rms(means))


def test_umap_says_where_it_is(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("projections", demo_store, monkeypatch, method="UMAP", epoch="3")
    assert "No UMAP of features of training images under perturbed" in app.info[0].value
    assert "epoch 60" in app.info[0].value


def card(app: AppTest, number: str) -> pd.DataFrame:
    """The findings card that has a number of this name, its texts as a browser shows them."""
    tables = [element.value for element in app.table if "number" in element.value]
    tables = [table.map(lambda text: text.replace("\\", "") if isinstance(text, str) else text) for table in tables]
    return next(table for table in tables if number in " ".join(table["number"]))


def test_findings_follow_the_cursor(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    reader = StoreReader(demo_store)
    run_id = reader.runs.all().set_index("objective").loc["at", "run_id"]
    angle = reader.metrics.against_clean_means([run_id], ["perturbed"], "train", ["angle"])
    assert float(card(app, "mean angle")["value"].iloc[0]) == pytest.approx(angle["value"].iloc[-1], rel=1e-3)
    app.sidebar.select_slider(key="epoch").set_value("1").run()
    assert float(card(app, "mean angle")["value"].iloc[0]) == pytest.approx(
        angle[angle["epoch"] == 1]["value"].iloc[0], rel=1e-3
    )


def test_the_course_of_a_claim_ends_at_its_number(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    drawn = {name: chart["rows"][0] for name, chart in charts(app).items()}
    assert {name.split(":")[0] for name in drawn} >= {"C1", "C6", "C9"}
    course = drawn["C7: mean angle clean to perturbed (rad) over epochs"]
    assert float(card(app, "mean angle")["value"].iloc[0]) == pytest.approx(course["value"].iloc[-1], rel=1e-3)
    reader = StoreReader(demo_store)
    measured = reader.metrics.measured_epochs(list(reader.runs.all()["run_id"]))["epoch"]
    assert course["epoch"].tolist() == sorted(set(measured)) and {0, 60} < set(measured)


def test_the_verdicts_of_the_cards_are_the_judges(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    reader = StoreReader(demo_store)
    runs = reader.runs.all()
    judgements = judge_each_claim(runs, reader.metrics.evidence(list(runs["run_id"]), list(USED), 60))
    assert [badge for badge in (str(j.verdict) for j in judgements)] == [
        next(str(verdict) for verdict in Verdict if f"{verdict}]" in element.value)
        for element in app.markdown
        if "-badge[" in element.value
    ]


@pytest.mark.parametrize(("cursor", "split"), [("last", "train"), ("30", "test")])
def test_layers_are_the_readers(cursor: str, split: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(demo_store)
    chosen = list(reader.runs.all()["run_id"])
    app = open_page("layers", demo_store, monkeypatch, runs=chosen, split=split, epoch=cursor, log="false")
    found = reader.metrics.layers(chosen, ["clean", "perturbed"], split, 60 if cursor == "last" else int(cursor))
    for metric in (Metric.NC1, Metric.NCC_ACCURACY):
        drawn = rows(app, f"{METRIC_INFO[metric].label} along the network", "run_id", "shown", "layer", "value")
        same(drawn, found[found["metric"] == metric])
    assert found["depth"].nunique() > 3


def test_the_runs_table_is_the_readers(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("runs", demo_store, monkeypatch)
    runs = StoreReader(demo_store).runs.all()
    told = runs["epochs_done"].astype(str) + " / " + runs["epochs"].astype(str)
    same(ordered(app.dataframe[0].value[["run_id", "state", "epochs"]]), runs.assign(epochs=told))
    app.query_params["config_of"] = runs["run_id"].iloc[-1]
    app.run()
    assert f'"objective": "{runs["objective"].iloc[-1]}"' in app.json[1].value.replace('":"', '": "')


@pytest.mark.parametrize("page", PAGES)
def test_a_page_comes_to_its_end_while_epochs_land_faster(
    page: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began anew for each, and beside some small trainings nobody ever saw it whole."""
    landed = count()
    monkeypatch.setattr(training_status, "content_of_pages", lambda: (next(landed),))
    app = open_page(page, tiny_store, monkeypatch)
    assert not app.exception and app.title
    assert app.session_state["content_of_pages"] < (next(landed),)  # (so that the next look begins it anew)


def export_menu(figures):
    """Draw the export menu alone: the source of an app, in which no name of this file is known."""
    figures.draw_export_menu()


@pytest.mark.parametrize("page", ["findings", "collapse", "geometry", "projections", "layers"])
def test_every_figure_can_be_taken_along(page: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The menu is drawn again for each figure, the page is not: the figures stay the same."""
    drawn: list[PageFigures] = []
    draw = PageFigures.draw_export_menu
    monkeypatch.setattr(PageFigures, "draw_export_menu", lambda self: draw(self) or drawn.append(self))
    app = open_page(page, tiny_store, monkeypatch)
    names = list(charts(app))
    assert app.selectbox(key="export_figure").options == names
    app.selectbox(key="export_figure").set_value(names[-1]).run()
    assert not app.exception and app.selectbox(key="export_figure").value == names[-1]
    menu = AppTest.from_function(export_menu, kwargs={"figures": drawn[-1]}).run()
    for name in names:
        menu.selectbox(key="export_figure").set_value(name).run()
        assert not menu.exception and menu.selectbox(key="export_figure").value == name
        computed = name.startswith(("cosines", "spectrum"))
        assert any("SELECT" in code.value for code in menu.code) is not computed


def test_a_run_can_be_made_again_from_its_command(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.run import parse

    run_id = StoreReader(tiny_store).runs.all()["run_id"].iloc[0]
    app = open_page("runs", tiny_store, monkeypatch, config_of=run_id)
    (command,) = parse(app.code[0].value.split()[3:])
    assert command.config.run_id == run_id
