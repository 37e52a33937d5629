"""The gallery that comes with the project: whole, small, told truly by the documents, and shown before anything is trained."""

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from docs import gallery as documents
from docs.gallery import GALLERY, Published
from rnc.models import weights
from rnc.store.published_reader import published_run_ids
from rnc.vocabulary import TRAINED
from tests.pages.app import charts, open_page, seen
from train.named_run_sets import cpu_runs
from train.run import parse

ROOT = Path(__file__).resolve().parents[1]
RUNS = published_run_ids(GALLERY)


@pytest.fixture(scope="module")
def found() -> Published:
    return Published(GALLERY)


def test_the_runs_for_a_cpu_are_all_there() -> None:
    assert set(RUNS) >= {make().run_id for make in cpu_runs().values()}


def test_it_is_small() -> None:
    sizes = {path: path.stat().st_size for path in GALLERY.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= 40e6
    assert all(size <= 10e6 for path, size in sizes.items() if path.suffix == ".safetensors")


@pytest.mark.parametrize("run", RUNS)
def test_no_image_of_a_data_set_is_in_it(run: str) -> None:
    """Files of known kinds, and no vector as long as an image."""
    for path in (GALLERY / run).iterdir():
        assert path.suffix in (".parquet", ".safetensors") or path.name == "README.md"
        if path.suffix == ".parquet":
            columns = pq.read_table(path).to_pandas()
            lengths = {len(cell) for name in ("vector", "coordinates") if name in columns for cell in columns[name]}
            assert max(lengths, default=0) < 1_000


@pytest.mark.parametrize("run", RUNS)
def test_every_run_has_the_command_that_makes_it_again(run: str) -> None:
    command = re.search(r"^python -m train\.run (.*)$", (GALLERY / run / "README.md").read_text(), re.MULTILINE)
    assert command and parse(command[1].split())[0].config.run_id == run


def test_every_last_network_loads(found: Published) -> None:
    networks = found.reader.runs.checkpoints(RUNS)
    assert set(networks["run_id"]) == set(RUNS)
    for network in networks.itertuples():
        weights.load(Path(network.path), network.sha256)


@pytest.mark.parametrize(
    ("document", "name", "table"),
    [
        ("data/gallery/README.md", "wanted", documents.wanted_table),
        ("data/gallery/README.md", "accuracy", documents.accuracy_table),
        ("data/gallery/README.md", "collapse", documents.collapse_table),
        ("docs/findings.md", "accuracy", documents.accuracy_table),
        ("docs/findings.md", "collapse", documents.collapse_table),
        ("docs/findings.md", "verdicts", documents.verdict_table),
        ("docs/findings.md", "running statistics", documents.running_statistics_table),
    ],
)
def test_the_documents_say_what_the_runs_say(document: str, name: str, table, found: Published) -> None:
    """`make gallery` brings them up to date."""
    text = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", (ROOT / document).read_text(), re.DOTALL)
    assert text and text[1].strip() == table(found)


def test_the_findings_page_judges_as_the_document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every verdict of the table in docs/findings.md stands in the page's matrix, run for run."""
    monkeypatch.setenv("RNC_GALLERY", str(GALLERY))
    found = Published(GALLERY)
    app = open_page("findings", tmp_path / "none.duckdb", monkeypatch, runs=list(found.runs["run_id"]))
    matrix: pd.DataFrame = app.table[0].value
    matrix.index = [seen(link)[1:].split("](")[0] for link in matrix.index]
    lines = documents.verdict_table(found).splitlines()[2:]
    for line in lines:
        claim, *verdicts = [cell.strip().strip("*") for cell in line.strip("|").split("|")]
        shown = [cell.split(":")[0].split()[1] if ":" in cell else "–" for cell in map(seen, matrix.loc[claim])]
        assert shown == verdicts, claim


@pytest.mark.parametrize(
    "page", ["findings", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs"]
)
def test_every_page_shows_it_on_an_empty_store(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One run of each objective, of the setting that goes beyond zero training error, marked as the gallery's."""
    monkeypatch.setenv("RNC_GALLERY", str(GALLERY))
    app = open_page(page, tmp_path / "none.duckdb", monkeypatch)
    chosen = app.sidebar.multiselect(key="runs").value
    expected = {make().run_id for name, make in cpu_runs().items() if name.startswith("cifar10-tpt-")}
    assert set(chosen) == expected and len(chosen) == len(TRAINED) - 1
    assert "4 of 4 selected from the built-in gallery" in app.sidebar.caption[0].value
    assert not app.error and (page in ("findings", "film", "attack_lab", "runs") or charts(app))
