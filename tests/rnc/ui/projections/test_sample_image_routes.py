"""Images are answered by address for the samples that a map drew, and for no others; wrong images are not shown."""

from pathlib import Path

import numpy as np
import pytest
from streamlit import config

from rnc import datasets
from rnc.ui.charts.images import small_file
from rnc.ui.projections import sample_image_routes
from rnc.ui.projections.sample_image_routes import ImageOrigin, offer
from rnc.ui.random_addresses import Offers
from rnc.vocabulary import Split
from tests.rnc.ui.route_requests import Answer
from tests.rnc.ui.route_requests import ask as ask_routes

ORIGIN = ImageOrigin("digits", Split.TRAIN, Path("nowhere"))
SAMPLES = np.array([7, 3, 400])


@pytest.fixture(autouse=True)
def _no_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_image_routes, "offers", Offers(most=64))
    sample_image_routes._small_image.cache_clear()


def ask(path: str, method: str = "GET") -> Answer:
    """Send a request to a server that has nothing but the images."""
    return ask_routes(sample_image_routes.routes(), path, method)


def labels() -> np.ndarray:
    return datasets.load("digits", "train").labels.numpy()[SAMPLES]


def test_the_image_of_a_sample_is_the_data_sets() -> None:
    address = offer(ORIGIN, SAMPLES, labels())
    images = (datasets.load("digits", "train").pixels().numpy() * 255).round().astype(np.uint8)
    for sample in SAMPLES:
        answer = ask(f"/{address}{sample}")
        assert answer.status == 200 and (answer.content, "image/png") == small_file(images[sample], 48)
        assert answer.headers["content-type"] == "image/png" and "private" in answer.headers["cache-control"]


@pytest.mark.parametrize("sample", ["8", "99999999999999999999", "-1", "../7", "7/8", "", "x"])
def test_what_was_not_offered_is_not_answered(sample: str) -> None:
    address = offer(ORIGIN, SAMPLES, labels())
    assert ask(f"/{address}{sample}").status == 404
    assert ask(f"/sample-images/{'A' * 22}/7").status == 404
    assert ask(f"/{address}7", "POST").status == 405


def test_an_image_that_is_not_the_runs_is_not_shown() -> None:
    """The source may have its images in another order, or be gone by now."""
    address = offer(ORIGIN, SAMPLES, (labels() + np.array([0, 1, 0])) % 10)
    assert [ask(f"/{address}{sample}").status for sample in SAMPLES] == [200, 404, 200]
    gone = offer(ImageOrigin("cifar10", Split.TEST, Path("nowhere")), SAMPLES, labels())
    assert ask(f"/{gone}7").status == 404


def test_equal_samples_have_one_address_and_others_another() -> None:
    address = offer(ORIGIN, SAMPLES, labels())
    assert offer(ORIGIN, SAMPLES.copy(), labels()) == address
    others = {offer(ORIGIN, SAMPLES[:2], labels()[:2]), offer(ORIGIN, SAMPLES, labels() + 1)}
    others.add(offer(ImageOrigin("digits", Split.TEST, Path("nowhere")), SAMPLES, labels()))
    assert len(others | {address}) == 4


def test_the_oldest_offers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_image_routes, "offers", Offers(most=2))
    first, second = (offer(ORIGIN, SAMPLES[:n], labels()[:n]) for n in (1, 2))
    assert offer(ORIGIN, SAMPLES[:1], labels()[:1]) == first, "which makes it the newest"
    third = offer(ORIGIN, SAMPLES, labels())
    assert [ask(f"/{address}7").status for address in (first, second, third)] == [200, 404, 200]


def test_addresses_follow_the_path_under_which_pages_are_served() -> None:
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", "/lab/nc/")
    try:
        (route,) = sample_image_routes.routes()
    finally:
        config.set_option("server.baseUrlPath", before)
    assert route.path == "/lab/nc/sample-images/{key}/{sample:int}"
