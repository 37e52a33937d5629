"""Networks and images that people bring are on every page: one feature, many classes, products that forward computes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from rnc.lab.attack import AttackResult
from rnc.ui.lab import server_job_queue
from tests.pages.app import answered, open_page, seen
from tests.train.malformed.network import CLASSES, picture
from tests.train.user_networks import HERE, SIDE, cosine_in_forward, plain
from train.measure import main

PAGES = ["findings", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs"]
OF_ANY_NETWORK = ["findings", "runs"]
"""The pages that read no features, vectors or layers: of a run that somebody brought they show names and settings alone."""


@pytest.fixture(scope="module", autouse=True)
def _one_lab() -> Iterator[None]:
    """The server's lab may run the code of these networks, and ends with this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNC_MODELS", HERE)
        server_job_queue.job_queue().close()  # of another module, whose worker may not run this code
        yield
        server_job_queue.job_queue().close()


def with_constant_features() -> nn.Sequential:
    net = plain(3)
    with torch.no_grad():
        for layer in net[:-1]:
            for name, parameter in layer.named_parameters():
                parameter.fill_(0.1 if name == "bias" else 0.0)
    return net


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of networks of one feature, of constant features, of a product of their own, of 40 classes with long names."""
    folder = tmp_path_factory.mktemp("users")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNC_CACHE", str(folder / "cache"))
        torch.manual_seed(0)
        many = tuple(f"Ranunculus_repens_subspecies_number_{number}_of_the_collection" for number in range(40))
        nets = {
            "one": (plain(3, 1), ["plain", "--model-args", "width=1"], CLASSES),
            "constant": (with_constant_features(), ["plain"], CLASSES),
            "cosine": (cosine_in_forward(3), ["cosine_in_forward"], CLASSES),
            "many": (plain(40), ["plain"], many),
        }
        for name, (net, model, classes) in nets.items():
            torch.save(net.state_dict(), folder / f"{name}_epoch1.pt")
            for number, label in enumerate(classes):
                (folder / name / label).mkdir(parents=True)
                for each in range(3):
                    content = picture(seed=10 * number + each, size=(SIDE, SIDE))
                    (folder / name / label / f"{each}.png").write_bytes(content)
            given = ["--checkpoint", str(folder / f"{name}_epoch1.pt"), "--data", str(folder / name), "--name", name]
            few = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--threads", "1", "--sample-size", "80"]
            store = ["--store", str(folder / "store" / "rnc.duckdb")]
            assert main([*given, "--model", f"{HERE}:{model[0]}", *model[1:], *few, *store]) == 0
    return folder / "store" / "rnc.duckdb"


@pytest.fixture
def ids(measured: Path) -> dict[str, str]:
    """The runs' ids by name."""
    from rnc.store.reader import StoreReader

    return {run_id.partition("-own-")[0]: run_id for run_id in StoreReader(measured).runs.all()["run_id"]}


@pytest.mark.parametrize(
    ("name", "page"),
    [
        *(
            (name, page)
            for name in ("one", "constant", "cosine", "many")
            for page in PAGES
            if page not in OF_ANY_NETWORK
        ),
        *(("many", page) for page in OF_ANY_NETWORK),
    ],
)
def test_no_page_raises(
    page: str, name: str, measured: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_page(page, measured, monkeypatch, runs=[ids[name]]).title


def test_findings_say_why_nothing_is_judged(
    measured: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", measured, monkeypatch, runs=[ids["cosine"], ids["one"]])
    assert seen(app.info[0].value).startswith("No claim is tested on cosine, one: these networks were measured by")


@pytest.mark.parametrize("method", ["PCA", "Simplex plane"])
def test_a_network_of_one_feature_has_no_plane_and_the_page_says_so(
    method: str, measured: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("projections", measured, monkeypatch, runs=[ids["one"]], method=method)
    assert "plane" in app.info[0].value or "line" in app.info[0].value
    if method == "PCA":
        assert "this network has one penultimate feature" in app.info[0].value


@pytest.mark.parametrize(("name", "without_plane"), [("one", True), ("constant", False)])
def test_the_lab_attacks_networks_without_a_plane_or_a_simplex(
    name: str, without_plane: bool, measured: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("attack_lab", measured, monkeypatch, runs=[ids[name]], lab_images=6, lab_steps=2)
    result = answered(app, "Attack").result
    assert isinstance(result, AttackResult) and not app.error
    told = [info.value for info in app.info if info.value.startswith("A plane has")]
    assert told == (["A plane has two axes, but this network has one penultimate feature."] if without_plane else [])
    app.segmented_control(key="lab_plane_of").set_value("Simplex plane").run()
    assert not app.exception and any("There is no plane" in info.value for info in app.info)
