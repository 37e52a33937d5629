"""The attack lab's page, with the real lab behind it: what it draws is what the lab answered."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from rnc.conditions import Condition, presets
from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.gradient_masking import MaskingRequest, MaskingResult
from rnc.lab.job import Job, JobState
from rnc.lab.strength_curve import NEAREST_CLEAN, WITHOUT_GRADIENT, Axis, StrengthCurveRequest, StrengthCurveResult
from rnc.store.reader import StoreReader
from rnc.ui.charts.mark_explanations import STEP_NOTE
from rnc.ui.lab import server_job_queue
from rnc.ui.lab import strength_curve_result as curve_view
from rnc.vocabulary import AttackObjective, Metric, StepSchedule, TargetRule
from tests.pages.app import answered, charts, job_of, open_page, rows
from tests.rnc.lab.samples import SOURCE
from tests.rnc.lab.waiting import wait

SMALL: dict[str, Any] = {"lab_images": 40, "lab_steps": 3}


@pytest.fixture(scope="module", autouse=True)
def _one_lab() -> Iterator[None]:
    """The server's lab ends with this module."""
    yield
    server_job_queue.job_queue().close()


@pytest.fixture(scope="module")
def attacked(tiny_store: Path) -> Iterator[tuple[AppTest, AttackResult]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        app = open_page("attack_lab", tiny_store, monkeypatch, lab_layers="true", **SMALL)
        result = answered(app, "Attack").result
        assert isinstance(result, AttackResult)
        yield app, result


def test_the_steps_are_the_labs(attacked: tuple[AppTest, AttackResult]) -> None:
    app, result = attacked
    for metric in ("loss", "accuracy", "nc1", "ncc_accuracy", "angle"):
        drawn = max(charts(app)[f"{metric} over the steps"]["rows"], key=len)
        assert list(drawn["frame"]) == ["clean", "start", "1", "2", "3"]
        assert drawn["value"].to_numpy() == pytest.approx(result.frames[metric].to_numpy(), nan_ok=True)
    band = rows(app, "margin over the steps", "frame", "value", "low", "high").set_index("frame")
    assert band.loc["3", "value"] == pytest.approx(result.margin[-1].mean())
    assert (band["low"] <= band["value"]).all() and (band["value"] <= band["high"]).all()


@pytest.mark.parametrize(("step", "frame"), [("clean", 0), ("1", 2), ("3", 4)])
def test_the_film_shows_the_features_of_a_step(
    step: str, frame: int, attacked: tuple[AppTest, AttackResult], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address says all; what the lab knows is shown without a click."""
    _app, result = attacked
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_layers="true", lab_step=step, **SMALL)
    assert any(caption.value == STEP_NOTE for caption in app.caption), "the rule at the step is explained"
    drawn = rows(app, "projected features", "shown", "sample", "label", "x", "y")
    for shown, at in (("clean", 0), ("perturbed", frame)):
        points = drawn[drawn["shown"] == shown].set_index("sample").loc[list(result.sample)]
        assert points[["x", "y"]].to_numpy() == pytest.approx(result.plane[at])
        assert [int(label) for label in points["label"]] == list(result.label)


def test_all_frames_share_their_axes(
    attacked: tuple[AppTest, AttackResult], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def axes(step: str) -> set[str]:
        """The ranges of x, and the unit to which they refer."""
        app = open_page("attack_lab", tiny_store, monkeypatch, lab_layers="true", lab_step=step, **SMALL)
        spec = charts(app)["projected features"]["spec"]
        (unit,) = [parameter["expr"] for parameter in spec["params"] if parameter["name"] == "units_per_pixel"]
        placed = [layer["encoding"]["x"] for layer in spec["layer"] if "field" in layer["encoding"]["x"]]
        return {unit, *(str(x["scale"]["domain"]) for x in placed)}

    assert axes("clean") == axes("3") and len(axes("3")) == 2
    assert attacked[1].plane[:, :, 0].max() > 0


def test_the_simplex_plane_is_that_of_three_clean_means(
    attacked: tuple[AppTest, AttackResult], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _app, result = attacked
    chosen = ["3", "1", "8"]
    app = open_page(
        "attack_lab", tiny_store, monkeypatch, lab_layers="true", lab_plane_of="Simplex plane", lab_vertices=chosen, **SMALL
    )  # fmt: skip
    drawn = rows(app, "projected features", "shown", "sample", "label", "x", "y")
    assert set(drawn["label"]) == set(chosen)
    places, corners = result.samples_and_means_on_plane((3, 1, 8))
    points = drawn[drawn["shown"] == "perturbed"].set_index("sample")
    order = {sample: place for place, sample in enumerate(result.sample)}
    for sample, point in points.iterrows():
        assert point[["x", "y"]].to_numpy(dtype=float) == pytest.approx(places[-1, order[sample]])
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    span = np.linalg.norm(result.means_span[[3, 1, 8]] - result.means_span[[8, 3, 1]], axis=1)
    assert sides == pytest.approx(span, rel=1e-5), "isometric: the sides are those in feature space"


def test_numbers_leaps_and_layers_are_the_labs(attacked: tuple[AppTest, AttackResult]) -> None:
    app, result = attacked
    table = next(frame.value for frame in app.dataframe if "perturbed" in frame.value and "clean" in frame.value)
    assert list(table["clean"]) == pytest.approx(list(result.before.values()), nan_ok=True)
    assert list(table["perturbed"]) == pytest.approx(list(result.after.values()), nan_ok=True)
    leaps = rows(app, "leaping matrix", "true_class", "predicted_class", "count")
    assert leaps["count"].sum() == result.leaps["count"].sum() == 40
    moments = rows(app, "when images leap", "frame", "label")
    assert len(moments) == (result.frame_of_lasting_leap >= 0).sum()
    layers = rows(app, "NC1 · within-class variability along the network", "shown", "layer", "value")
    expected = result.layers[result.layers["metric"] == Metric.NC1]
    assert sorted(layers["value"]) == pytest.approx(sorted(expected["value"]))
    assert any("watched images end with another prediction" in caption.value for caption in app.caption)


def test_it_says_how_many_images_there_are(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """45 of ten classes are asked for: with as many of each there are 40."""
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_images=45, lab_steps=3)
    answered(app, "Attack")
    assert any("40 images" in header.value for header in app.header)
    assert any("45 images were requested; 40 is the largest number" in caption.value for caption in app.caption)
    assert not any("one image of each class" in caption.value for caption in app.caption)


def test_it_says_what_one_image_of_each_class_makes_of_the_numbers(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_images=10, lab_steps=1)
    answered(app, "Attack")
    assert any("one image of each class: for this reason alone, NC1 is 0" in caption.value for caption in app.caption)


def test_images_are_filtered_by_what_became_of_them(
    attacked: tuple[AppTest, AttackResult], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _app, result = attacked
    count = len(result.clean_images)
    leapt = result.predicted[0][:count] != result.predicted[-1][:count]
    told = {}
    for fate in ("leapt", "stayed"):
        app = open_page("attack_lab", tiny_store, monkeypatch, lab_layers="true", lab_fate=fate, **SMALL)
        told[fate] = [caption for image in app.get("image") for caption in image.captions]
        expected = result.sample[:count][leapt if fate == "leapt" else ~leapt]
        assert {int(text.split(",")[0].lstrip("#")) for text in told[fate]} <= set(expected.tolist())
        assert len(told[fate]) == min(len(expected), 12)
    assert not set(told["leapt"]) & set(told["stayed"])


def test_a_sweep_compares_two_epochs_on_the_same_images(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"lab_do": "Sweep", "lab_points": 3, "lab_most_epsilon": "0.2", **SMALL}
    app = open_page("attack_lab", tiny_store, monkeypatch, **asked)
    other = app.multiselect(key="lab_epochs")
    assert other.value == [] and other.options
    other.select(other.options[-1]).run()
    job = answered(app, "Sweep")
    result, request = job.result, job.request
    assert isinstance(result, StrengthCurveResult) and isinstance(request, StrengthCurveRequest)
    assert [source.epoch for source in request.sources] == [2, 0] and request.values == (0.0, 0.1, 0.2)
    for metric, told in ((Metric.ACCURACY, "Accuracy"), (Metric.ANGLE, "Angle to clean means")):
        drawn = rows(app, f"{told} against strength", "source", "strength", "value")
        expected = result.points[(result.points["metric"] == metric) & (result.points["layer"] == "features")]
        assert sorted(drawn["value"]) == pytest.approx(sorted(expected["value"]))
        assert drawn["source"].nunique() == 2 and drawn["strength"].nunique() == 3


def test_a_sweep_along_the_network_is_by_the_clean_means_at_all_stages() -> None:
    rows = [("conv1", "ncc_accuracy", 0.9), ("features", "ncc_accuracy", 0.6), ("features", NEAREST_CLEAN, 0.1)]
    points = pd.DataFrame(rows, columns=["layer", "metric", "value"])
    drawn = curve_view._of_layers(points, Metric.NCC_ACCURACY)
    assert list(drawn["value"]) == [0.9, 0.1] and set(drawn["metric"]) == {"ncc_accuracy"}
    assert list(curve_view._of_layers(points[:2], Metric.NCC_ACCURACY)["layer"]) == ["conv1"], "of an earlier version"


def test_a_sweep_says_how_many_images_an_attack_could_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two networks the one that has such images is named, with the strength at which they are most."""
    rows = [(0, 0.1, 0.2), (0, 0.2, 0.5), (0, 0.3, 0.0), (1, 0.1, 0.0), (1, 0.2, 0.0), (1, 0.3, 0.0)]
    points = pd.DataFrame(
        [(source, strength, "features", WITHOUT_GRADIENT, share) for source, strength, share in rows],
        columns=["source", "strength", "layer", "metric", "value"],
    )
    sources = (replace(SOURCE, run_id="the-first"), replace(SOURCE, run_id="the-second"))
    request = StrengthCurveRequest(sources, Condition.from_slug("pgd-linf-0.1-10"), Axis.EPSILON, (0.1, 0.2, 0.3))
    result = StrengthCurveResult(
        "epsilon", [], stopped=False, as_recorded=True, device="", seconds=1.0, points=points, images=60
    )
    warnings: list[str] = []
    monkeypatch.setattr(curve_view.st, "warning", lambda text, **_: warnings.append(text))
    curve_view._warn_of_zero_gradients(result, request, 60)
    (told,) = warnings
    assert (
        "the-first" in told
        and "the-second" not in told
        and "for 30 of 60 images the gradient of cross" in told
        and "51/255" in told
    )
    assert "at 2 of 3 values" in told


def test_checks_are_told_one_by_one(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_do="Check for masking", **SMALL)
    job = answered(app, "Gradient-masking check")
    assert isinstance(job.request, MaskingRequest) and isinstance(job.result, MaskingResult)
    told = " ".join(markdown.value for markdown in app.markdown)
    assert job.result.checks and all(check.title in told for check in job.result.checks)
    assert bool(app.warning) is bool(job.result.warnings)


def test_a_result_is_kept_opened_by_its_address_and_forgotten(
    own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("attack_lab", own_tiny_store, monkeypatch, lab_do="Kept")
    assert "No results are saved yet" in app.info[0].value
    app = open_page("attack_lab", own_tiny_store, monkeypatch, **SMALL)
    result = answered(app, "Attack").result
    assert isinstance(result, AttackResult)
    app.text_input(key="lab_title").set_value("a title *of mine*").run()
    app.button(key="lab_keep").click().run()
    assert "Saved" in app.success[0].value
    found = StoreReader(own_tiny_store).lab.results()
    assert list(found["title"]) == ["a title *of mine*"]
    missing = open_page("attack_lab", own_tiny_store, monkeypatch, lab_do="Kept", lab_kept="0123456789ab")
    assert "not saved in this store" in missing.warning[0].value
    address = found["key"][0][:12]
    opened = open_page("attack_lab", own_tiny_store, monkeypatch, lab_do="Kept", lab_kept=address)
    drawn = rows(opened, "projected features", "shown", "sample", "x", "y")
    assert len(drawn) == 2 * len(result.sample)
    at_end = drawn[drawn["shown"] == "perturbed"].set_index("sample").loc[list(result.sample)]
    assert at_end[["x", "y"]].to_numpy() == pytest.approx(result.plane[-1])
    opened.button(key="lab_forget").click().run()
    assert StoreReader(own_tiny_store).lab.results().empty


def test_a_missing_network_is_named(own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for checkpoint in own_tiny_store.parent.rglob("*.safetensors"):
        checkpoint.unlink()
    app = open_page("attack_lab", own_tiny_store, monkeypatch, epoch=1, **SMALL)
    assert "epoch-0001.safetensors" in app.error[0].value.replace("\\", "")
    assert not [button for button in app.button if button.key and button.key.startswith("lab_run")]


@pytest.mark.parametrize("name", list(presets("digits")))
def test_a_preset_fills_the_form(name: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch)
    app.selectbox(key="lab_preset").select(name).run()
    app.number_input(key="lab_images").set_value(20).run()
    assert not app.exception and not app.error
    submitted = []
    monkeypatch.setattr(
        server_job_queue.job_queue(), "submit", lambda request, *_visitor: submitted.append(request) or _NEVER
    )
    app.button(key="lab_run_Attack").click().run()
    assert submitted[0].condition == presets("digits")[name]


_NEVER = Job(AttackRequest(SOURCE, Condition.from_slug("pgd-linf-0.1-10")))
"""A job that waits for ever."""


def test_every_option_reaches_the_request(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {
        "lab_norm": "ℓ2", "lab_epsilon": "128/255", "lab_step_size": "15/255", "lab_restarts": 2, "lab_target": "one class",
        "lab_class": "4", "lab_objective": "margin (Carlini-Wagner)", "lab_momentum": 0.5, "lab_schedule": "cosine",
        "lab_seed": 9,
    }  # fmt: skip
    app = open_page("attack_lab", tiny_store, monkeypatch, **(SMALL | asked))
    assert not app.error
    request = answered(app, "Attack").request
    condition = request.condition
    assert (condition.target_rule, condition.target_class) == (TargetRule.CLASS, 4)
    assert (condition.objective, condition.schedule) == (AttackObjective.MARGIN, StepSchedule.COSINE)
    assert (condition.momentum, condition.restarts, request.seed, request.images) == (0.5, 2, 9, 40)
    assert Condition.from_slug(condition.slug) == condition and condition.epsilon == pytest.approx(128 / 255)


def test_a_press_runs_what_was_changed_immediately_before(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy server answers a change and a press at once: the request is not the one that the button was drawn with."""
    app = open_page("attack_lab", tiny_store, monkeypatch, **SMALL)
    app.number_input(key="lab_seed").set_value(707)
    assert answered(app, "Attack").request.seed == 707


def test_a_result_of_another_request_says_so(
    attacked: tuple[AppTest, AttackResult], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_layers="true", **SMALL)
    assert not app.warning
    app.number_input(key="lab_seed").set_value(123).run()
    assert "results of the previous request" in app.warning[0].value
    assert pd.notna(attacked[1].seconds)


def test_who_comes_back_reads_why_an_attack_was_stopped(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was done until then."""
    app = open_page("attack_lab", tiny_store, monkeypatch, **SMALL)
    job = answered(app, "Attack")
    job.state, job.error = JobState.STOPPED, "This was stopped because its page was not open for 3 min."
    app.run()
    assert "its page was not open" in app.info[0].value.replace("\\", "") and "projected features" in charts(app)


def test_a_session_may_ask_for_so_much_and_is_told(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_seed=77, **SMALL)
    limits = replace(server_job_queue.job_queue().limits, queued_each=0)
    monkeypatch.setattr(server_job_queue.job_queue(), "limits", limits)
    app.button(key="lab_run_Attack").click().run()
    assert "0 attacks of yours wait already" in app.error[0].value
    monkeypatch.setattr(server_job_queue.job_queue(), "limits", replace(limits, queued_each=4, request_seconds=1e-9))
    app.button(key="lab_run_Attack").click().run()
    job = job_of(app, "Attack")
    assert wait(server_job_queue.job_queue(), job, 120) and "one request may take" in (job.error or "")
