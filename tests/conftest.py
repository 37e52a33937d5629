"""Shared stores: one tiny run, made once; the demo, trained in the background while the other tests run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# In a background job SIGINT is ignored, and the runs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["RNC_GALLERY"] = ""  # (the tests of the gallery name one)

_USES_DEMO = "demo_store"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the demo runs last, so that its training is done by then."""
    items.sort(key=lambda item: _USES_DEMO in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def demo_training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen | None, Path]]:
    """The training of the real demo, begun; RNC_TEST_DEMO names a store that holds it already."""
    given = os.environ.get("RNC_TEST_DEMO")
    if given:
        yield None, Path(given)
        return
    store = tmp_path_factory.mktemp("demo") / "rnc.duckdb"
    log = store.with_name("log").open("wb")
    command = [sys.executable, "-m", "train.run", "demo", "--store", str(store)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    yield process, store
    process.kill()
    log.close()


@pytest.fixture(scope="session", autouse=True)
def _begin_demo(request: pytest.FixtureRequest) -> None:
    """Begin the demo's training with the first test, if any test of this session needs it."""
    if any(_USES_DEMO in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("demo_training")


@pytest.fixture(scope="session")
def demo_store(demo_training: tuple[subprocess.Popen | None, Path]) -> Path:
    """The store of the finished demo."""
    process, store = demo_training
    if process is not None and process.wait() != 0:
        pytest.fail(f"training the demo failed:\n{store.with_name('log').read_text()[-2000:]}")
    return store


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one tiny run."""
    from train.run import main

    store = tmp_path_factory.mktemp("tiny") / "rnc.duckdb"
    assert main(["tiny", "--store", str(store)]) == 0
    return store


@pytest.fixture
def own_tiny_store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of the tiny store, checkpoints included, that a test may change."""
    shutil.copytree(tiny_store.parent, tmp_path / "copy")
    return tmp_path / "copy" / tiny_store.name
