"""The attack lab's form: a wrong entry marks its field, leaves the others, and is no error of the program."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc import datasets, event_log
from rnc.conditions import presets
from rnc.lab.network_and_images import Source
from rnc.lab.strength_curve import StrengthCurveRequest, StrengthCurveResult
from rnc.store.reader import StoreReader
from rnc.ui.lab import server_job_queue
from tests.pages.app import answered, charts, open_page, rows, seen, walk
from tests.pages.test_attack_lab import SMALL

FIELDS = {
    "text_input": ["lab_epsilon", "lab_step_size"],
    "number_input": ["lab_steps", "lab_restarts", "lab_images", "lab_seed", "lab_momentum"],
    "selectbox": ["lab_preset", "lab_target", "lab_objective", "lab_schedule"],
}


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The errors that the page reports to the log."""
    errors: list[str] = []
    monkeypatch.setattr(event_log, "report_error", lambda text: errors.append(text) or "0")
    return errors


def run_button(app: AppTest) -> Any:
    """The only button that runs a request."""
    (button,) = [button for button in app.button if button.key and button.key.startswith("lab_run")]
    return button


def marked_fields(app: AppTest) -> set[str]:
    """The keys of the fields that have a red message below them."""
    marked = set()
    for block in walk(app.main):
        children = [*getattr(block, "children", {}).values()]
        for field in (child for child in children if type(child).__name__ == "TextInput"):
            if any(":red[" in element.value for element in block.get("markdown")):
                marked.add(field.key)
    return marked


def text_of(app: AppTest) -> str:
    """All that the page says."""
    return seen(
        " ".join(element.value for kind in ("markdown", "caption", "info", "warning") for element in app.get(kind))
    )


@pytest.mark.parametrize(
    ("wrong", "label", "message"),
    [
        (
            {"lab_epsilon": "foo"},
            "Epsilon",
            "'foo' is not a number; write a decimal such as 0.1 or a fraction such as 8/255",
        ),
        ({"lab_epsilon": "0"}, "Epsilon", "must be a finite number"),
        ({"lab_epsilon": "8"}, "Epsilon", "more than the whole range of pixels, [0, 1]; did you mean 8/255?"),
        ({"lab_step_size": "2"}, "Step size", "more than the whole range of pixels, [0, 1]; did you mean 2/255?"),
        ({"lab_step_size": "-1"}, "Step size", "Step size must be"),
        ({"lab_epsilon": "?", "lab_step_size": "1/0"}, "Epsilon and Step size", "'1/0' is not a number"),
        ({"lab_do": "Sweep", "lab_most_epsilon": "0"}, "Up to", "must be a finite number > 0"),
        ({"lab_do": "Sweep", "lab_most_epsilon": "much"}, "Up to", "'much' is not a number"),
        ({"lab_do": "Sweep", "lab_over": "step size", "lab_most_step_size": "9"}, "Up to", "did you mean 9/255?"),
    ],
)
def test_a_wrong_number_marks_its_field(
    wrong: dict[str, str],
    label: str,
    message: str,
    tiny_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    reported: list[str],
) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, **(SMALL | wrong))
    assert message in text_of(app) and f"Correct {label} above" in text_of(app)
    assert marked_fields(app) == {key for key in wrong if key in ("lab_epsilon", "lab_step_size") or "lab_most" in key}
    assert run_button(app).disabled and not app.error and not reported
    for kind, keys in FIELDS.items():
        assert set(keys) <= {element.key for element in app.get(kind)}, "every other field stays"
    assert app.number_input(key="lab_images").value == 40 and app.number_input(key="lab_steps").value == 3


def test_the_lab_measures_the_network_of_the_form_once(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch, speeds_asked: list[Source]
) -> None:
    """So that the form says how long a request will take; a network that the lab has attacked is known."""
    server_job_queue.job_queue().close()
    app = open_page("attack_lab", tiny_store, monkeypatch, **SMALL)
    (run_id,) = StoreReader(tiny_store).runs.all()["run_id"]
    assert [(source.run_id, source.epoch) for source in speeds_asked] == [(run_id, 2)]
    app.run()
    assert len(speeds_asked) == 1 and "duration unknown before the first run" in text_of(app)


def test_a_corrected_number_makes_the_form_usable(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, **SMALL)
    app.text_input(key="lab_epsilon").set_value("foo").run()
    assert run_button(app).disabled
    app.text_input(key="lab_epsilon").set_value("8/255").run()
    assert not run_button(app).disabled and "is not a number" not in text_of(app)


def test_a_wrong_number_leaves_the_last_result(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, **SMALL)
    answered(app, "Attack")
    app.text_input(key="lab_epsilon").set_value("foo").run()
    assert "results of the previous request" in app.warning[0].value
    assert len(rows(app, "projected features", "shown", "sample"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lab_target": "next class, y + 1", "lab_objective": "KL (TRADES)"}, "kl uses no labels"),
        ({"lab_do": "Check for masking", "lab_attack": "Gaussian noise"}, "an attack in steps"),
        ({"lab_do": "Sweep", "lab_attack": "FGSM", "lab_over": "steps"}, "vary epsilon"),
    ],
)
def test_entries_that_make_no_attack_together_are_explained_beside_the_button(
    wrong: dict[str, str], message: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, **(SMALL | wrong))
    assert message in text_of(app) and run_button(app).disabled and not app.error and not reported


@pytest.mark.parametrize(
    "parameter", ["lab_steps", "lab_images", "lab_seed", "lab_restarts", "lab_points", "lab_momentum"]
)
def test_a_wrong_number_in_the_address_leaves_the_usual_one(
    parameter: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    app = open_page("attack_lab", tiny_store, monkeypatch, lab_do="Sweep", **{parameter: "foo"})
    usual = {"lab_steps": 10, "lab_images": 300, "lab_seed": 0, "lab_restarts": 1, "lab_points": 9, "lab_momentum": 0.0}
    assert app.number_input(key=parameter).value == usual[parameter] and not reported and not run_button(app).disabled


def test_a_changed_preset_is_no_longer_named(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(presets("digits")))
    app = open_page("attack_lab", tiny_store, monkeypatch)
    app.selectbox(key="lab_preset").select(name).run()
    assert app.selectbox(key="lab_preset").value == name
    app.text_input(key="lab_epsilon").set_value("3/255").run()
    assert app.selectbox(key="lab_preset").value == "custom"


def test_missing_images_are_named_before_the_click(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    """Nothing is asked of the lab, so nothing is downloaded either."""

    def missing(*_arguments: Any) -> None:
        raise datasets.DatasetError(
            "there are no images of digits train in /here; set RNC_DATA to the folder that contains them"
        )

    monkeypatch.setattr(datasets, "load_subset", missing)
    submitted: list[Any] = []
    monkeypatch.setattr(server_job_queue.job_queue(), "submit", lambda *arguments: submitted.append(arguments))
    app = open_page("attack_lab", tiny_store, monkeypatch, **(SMALL | {"lab_seed": 31}))
    assert run_button(app).disabled and not submitted and not reported
    assert "needs images that are not on this machine" in text_of(app) and "set RNC_DATA to the folder" in text_of(app)
    assert "or download them there with: python -c" in text_of(app) and "datasets.load('digits', 'train')" in text_of(
        app
    )
    monkeypatch.undo()
    monkeypatch.setenv("RNC_STORE", str(tiny_store))
    app.run()
    assert not run_button(app).disabled, "images that have come since are seen"


def test_a_sweep_compares_several_networks(own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The title has the range, the axis ends with it, and each network has its label."""
    asked = {"lab_do": "Sweep", "lab_points": 3, "lab_most_epsilon": "0.2", "lab_layers": "true", **SMALL}
    app = open_page("attack_lab", own_tiny_store, monkeypatch, **asked)
    others = app.multiselect(key="lab_epochs")
    assert len(others.options) >= 2 and others.value == []
    others.set_value(others.options[:2]).run()
    job = answered(app, "Sweep")
    assert isinstance(job.request, StrengthCurveRequest) and isinstance(job.result, StrengthCurveResult)
    assert len({source.sha256 for source in job.request.sources}) == 3
    drawn = rows(app, "Accuracy against strength", "source", "strength", "value")
    expected = job.result.points
    expected = expected[(expected["metric"] == "accuracy") & (expected["layer"] == "features")]
    assert drawn["source"].nunique() == 3 and sorted(drawn["value"]) == pytest.approx(sorted(expected["value"]))
    assert any("PGD-3, ℓ∞, ε from 0 to 51/255 (3 values)" in seen(header.value) for header in app.header)
    x = charts(app)["Accuracy against strength"]["spec"]["encoding"]["x"]
    assert x["scale"] == {"nice": False, "zero": False} and x["title"] == "ε (pixel range 0–1)"
    for source in set(drawn["source"]):
        of_network = charts(app)[f"NC1 · within-class variability along the network of {source}"]
        assert of_network["spec"]["encoding"]["color"]["legend"]["values"] == [0.0, 0.1, 0.2]
        assert set(of_network["rows"][0]["source"]) == {source}
    runs = StoreReader(own_tiny_store).runs.all()
    assert not any(run_id in source for run_id in runs["run_id"] for source in drawn["source"])
