"""Named images are perturbed as a measurement perturbs them, and come back clean and perturbed with what is decided."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnc import datasets
from rnc.conditions import Condition
from rnc.lab.checks import RequestError
from rnc.lab.engine.loading import Library, Subject
from rnc.lab.engine.perturb import perturb
from rnc.lab.estimates import passes
from rnc.lab.requests import MOST_PICTURES, AttackRequest, PicturesRequest, from_json, to_json
from rnc.lab.results import PicturesResult, from_bytes, summary, to_bytes
from rnc.store.reader import StoreReader
from rnc.ui.projections.perturbed_thumbnails import _request  # (what the page asks for)
from rnc.vocabulary import Split
from tests.rnc.lab.samples import PGD, SOURCE


def test_a_request_names_its_images_once_and_rising() -> None:
    request = PicturesRequest(SOURCE, PGD, (7, 3, 7))
    assert request.samples == (3, 7) and request.images == 2
    assert request.key == PicturesRequest(SOURCE, PGD, (3, 7)).key
    assert request.key not in (PicturesRequest(SOURCE, PGD, (3, 8)).key, AttackRequest(SOURCE, PGD, images=2).key)
    assert from_json(to_json(request)) == request
    assert passes(PicturesRequest(SOURCE, PGD, tuple(range(20)))) == 10 * passes(request)


@pytest.mark.parametrize("samples", [(), (-1,), (True,), ("3",), tuple(range(MOST_PICTURES + 1)), (2**31,)])
def test_what_names_no_images_is_refused(samples: tuple) -> None:
    with pytest.raises(RequestError):
        PicturesRequest(SOURCE, PGD, samples)
    with pytest.raises(RequestError):
        PicturesRequest(SOURCE, Condition.from_slug("clean"), (1,))


@pytest.mark.parametrize("slug", ["pgd-linf-0.2-3", "sign_noise-linf-0.2"])
def test_each_image_is_perturbed_alone_within_the_ball(subject: Subject, slug: str) -> None:
    condition = Condition.from_slug(slug)
    told: list[tuple] = []
    found = perturb(
        subject, PicturesRequest(SOURCE, condition, tuple(range(40))), lambda *t: told.append(t), lambda: False
    )
    assert not found.stopped and told[0][0] == 0 and told[-1][0] == told[-1][1] > 0
    assert np.abs(found.perturbed_images - found.clean_images).max() <= 0.2 + 1e-6
    assert found.decided.shape == (2, 40) and found.perturbed_images.dtype == np.float32
    some = torch.tensor([5, 30])
    few = replace(subject, images=subject.images[some], labels=subject.labels[some], indices=subject.indices[some])
    again = perturb(few, PicturesRequest(SOURCE, condition, (1, 2)), lambda *_: None, lambda: False)
    np.testing.assert_allclose(again.perturbed_images, found.perturbed_images[some], atol=1e-6)
    assert isinstance(from_bytes(to_bytes(found)), PicturesResult) and summary(found)["images"] == 40


def test_a_stopped_one_hands_over_what_it_has(subject: Subject) -> None:
    request = PicturesRequest(SOURCE, Condition.from_slug("pgd-linf-0.2-9"), (1,))
    assert perturb(subject, request, lambda *_: None, lambda: True).stopped


def test_the_measurements_decisions_come_out_again(demo_store: Path) -> None:
    """Of the demo's stored samples, by its stored networks: what was decided on the perturbed images then."""
    reader = StoreReader(demo_store)
    run = reader.runs().set_index("objective", drop=False).loc["at"]
    slug = reader.conditions([run.run_id]).set_index("shown")["condition"]["perturbed"]
    stored = reader.sample(run.run_id, 60, "test", [slug]).sort_values("sample").head(100)

    class Choice:
        condition, split = slug, Split.TEST

    Choice.run = run  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnc.ui.projections.perturbed_thumbnails.state.reader", lambda: reader)
        request = _request(Choice, 60, stored["sample"].tolist())  # type: ignore[arg-type]
        assert _request(Choice, 61, [1]) is None and request is not None  # type: ignore[arg-type]
    subject = Library().named(request.source, request.samples)
    assert subject.as_recorded
    found = perturb(subject, request, lambda *_: None, lambda: False)
    assert found.sample.tolist() == stored["sample"].tolist() and found.label.tolist() == stored["label"].tolist()
    assert (found.decided[1] == stored["predicted"].to_numpy()).mean() >= 0.99, "but for rounding"
    digits = datasets.load("digits", Split.TEST).pixels()[torch.from_numpy(found.sample)]
    np.testing.assert_array_equal(found.clean_images, digits.numpy())
    with pytest.raises(datasets.DatasetError, match="340 images"):
        Library().named(request.source, [340])
