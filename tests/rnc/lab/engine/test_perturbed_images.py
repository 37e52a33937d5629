"""Named images are perturbed as a measurement perturbs them, and come back clean and perturbed with what is decided."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnc import datasets
from rnc.conditions import Condition
from rnc.lab.attack import AttackRequest
from rnc.lab.engine.loading import AttackInputs, InputLoader
from rnc.lab.engine.perturbed_images import perturb_images
from rnc.lab.estimates import forward_passes
from rnc.lab.kinds import request_from_json, result_from_bytes
from rnc.lab.network_and_images import RequestError
from rnc.lab.perturbed_images import MOST_PERTURBED, PerturbedImagesRequest, PerturbedImagesResult
from rnc.store.reader import StoreReader
from rnc.ui.projections.perturbed_thumbnails import _request  # (what the page asks for)
from rnc.vocabulary import Split
from tests.rnc.lab.samples import PGD, SOURCE


def test_a_request_names_its_images_once_and_rising() -> None:
    request = PerturbedImagesRequest(SOURCE, PGD, (7, 3, 7))
    assert request.samples == (3, 7) and request.images == 2
    assert request.key == PerturbedImagesRequest(SOURCE, PGD, (3, 7)).key
    assert request.key not in (
        PerturbedImagesRequest(SOURCE, PGD, (3, 8)).key,
        AttackRequest(SOURCE, PGD, images=2).key,
    )
    assert request_from_json(request.to_json()) == request
    assert forward_passes(PerturbedImagesRequest(SOURCE, PGD, tuple(range(20)))) == 10 * forward_passes(request)


@pytest.mark.parametrize("samples", [(), (-1,), (True,), ("3",), tuple(range(MOST_PERTURBED + 1)), (2**31,)])
def test_what_names_no_images_is_refused(samples: tuple) -> None:
    with pytest.raises(RequestError):
        PerturbedImagesRequest(SOURCE, PGD, samples)
    with pytest.raises(RequestError):
        PerturbedImagesRequest(SOURCE, Condition.from_slug("clean"), (1,))


@pytest.mark.parametrize("slug", ["pgd-linf-0.2-3", "sign_noise-linf-0.2"])
def test_each_image_is_perturbed_alone_within_the_ball(inputs: AttackInputs, slug: str) -> None:
    condition = Condition.from_slug(slug)
    told: list[tuple] = []
    found = perturb_images(
        inputs, PerturbedImagesRequest(SOURCE, condition, tuple(range(40))), lambda *t: told.append(t), lambda: False
    )
    assert not found.stopped and told[0][0] == 0 and told[-1][0] == told[-1][1] > 0
    assert np.abs(found.perturbed_images - found.clean_images).max() <= 0.2 + 1e-6
    assert found.decided.shape == (2, 40) and found.perturbed_images.dtype == np.float32
    some = torch.tensor([5, 30])
    few = replace(inputs, images=inputs.images[some], labels=inputs.labels[some], indices=inputs.indices[some])
    again = perturb_images(few, PerturbedImagesRequest(SOURCE, condition, (1, 2)), lambda *_: None, lambda: False)
    np.testing.assert_allclose(again.perturbed_images, found.perturbed_images[some], atol=1e-6)
    assert isinstance(result_from_bytes(found.to_bytes()), PerturbedImagesResult) and found.summary()["images"] == 40


def test_a_stopped_one_hands_over_what_it_has(inputs: AttackInputs) -> None:
    request = PerturbedImagesRequest(SOURCE, Condition.from_slug("pgd-linf-0.2-9"), (1,))
    assert perturb_images(inputs, request, lambda *_: None, lambda: True).stopped


def test_the_measurements_decisions_come_out_again(demo_store: Path) -> None:
    """Of the demo's stored samples, by its stored networks: what was decided on the perturbed images then."""
    reader = StoreReader(demo_store)
    run = reader.runs.all().set_index("objective", drop=False).loc["at"]
    slug = reader.runs.conditions([run.run_id]).set_index("shown")["condition"]["perturbed"]
    stored = reader.samples.features_at_epoch(run.run_id, 60, "test", [slug]).sort_values("sample").head(100)

    class Choice:
        measured_condition_slug, split = slug, Split.TEST

    Choice.run = run  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnc.ui.projections.perturbed_thumbnails.opened_store.reader", lambda: reader)
        request = _request(Choice, 60, stored["sample"].tolist())  # type: ignore[arg-type]
        assert _request(Choice, 61, [1]) is None and request is not None  # type: ignore[arg-type]
    (inputs,) = InputLoader().load_networks_in_turn(request)
    assert inputs.as_recorded
    found = perturb_images(inputs, request, lambda *_: None, lambda: False)
    assert found.sample.tolist() == stored["sample"].tolist() and found.label.tolist() == stored["label"].tolist()
    assert (found.decided[1] == stored["predicted"].to_numpy()).mean() >= 0.99, "but for rounding"
    digits = datasets.load("digits", Split.TEST).pixels()[torch.from_numpy(found.sample)]
    np.testing.assert_array_equal(found.clean_images, digits.numpy())
    with pytest.raises(datasets.DatasetError, match="340 images"):
        next(InputLoader().load_networks_in_turn(replace(request, samples=(340,))))
