"""Shared stores: one tiny run, made once; the demo, trained in the background while the other tests run."""

import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from tests import scheduling
from tests.examples import PROFILE, examples

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# In a background job SIGINT is ignored, and the runs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
_STATE = tempfile.TemporaryDirectory(prefix="rnc-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name  # (what train.measure notes there is not of whoever runs the tests)
os.environ["RNC_GALLERY"] = ""  # (the tests of the gallery name one)
_COMPILED = "-".join(version(name) for name in ("numba", "umap-learn", "pynndescent"))
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba" / _COMPILED))
_KEPT = str(ROOT / "tests" / "kept_compilations")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_KEPT, os.environ.get("PYTHONPATH")]))

# No test is about how long something takes: the machine may be busy.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
_SAME_EACH_TIME = {"derandomize": True, "database": None} if PROFILE == "mutation" else {}
settings.register_profile(PROFILE, examples(100), **_UNTIMED, **_SAME_EACH_TIME)
settings.load_profile(PROFILE)

_GIVEN = "RNC_TEST_DEMO"
_GIVEN_TINY = "RNC_TEST_TINY"
_DEMO_EPOCHS = "0,1,3,10,30,60"
"""The epochs at which the tests' demo is measured: few of those of the recipe, since each takes seconds in three runs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests for their distribution over processes."""
    scheduling.order(items)


def pytest_collection_finish() -> None:
    """Leave all that is loaded now out of later garbage collections: Streamlit collects after each page, for 0.1 s otherwise."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let Python free at its end what was left out: triton, for one, reports what is not freed then."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests over processes by the fixtures that they share."""
    return scheduling.scheduler(config, log)


def _folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all pytest processes of one command share."""
    here = tmp_path_factory.getbasetemp()
    return here.parent if "PYTEST_XDIST_WORKER" in os.environ else here


@pytest.fixture(scope="session")
def demo_training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the real demo is trained into, begun; `exit` in it says how it went.

    Of several pytest processes (pytest-xdist) the first one trains it for all. RNC_TEST_DEMO names a store that holds it.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = _folder_of_all(tmp_path_factory) / "demo"
    try:
        folder.mkdir()
    except FileExistsError:
        yield folder  # (another process trains it)
        return
    train = f"{sys.executable} -m train.run demo --measured-epochs {_DEMO_EPOCHS} --store {folder / 'rnc.duckdb'}"
    command = f"{train} > {folder / 'log'} 2>&1; echo $? > {folder / 'ended'}; mv {folder / 'ended'} {folder / 'exit'}"
    process = subprocess.Popen(["sh", "-c", command], cwd=ROOT, start_new_session=True)
    yield folder
    if alone:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session", autouse=True)
def _begin_demo(request: pytest.FixtureRequest) -> None:
    """Begin the demo's training with the first test, if any test of this session needs it."""
    needed = any(map(scheduling.uses_demo, request.session.items))
    if needed and not os.environ.get(_GIVEN):
        request.getfixturevalue("demo_training")


@pytest.fixture(scope="session")
def demo_store(request: pytest.FixtureRequest) -> Path:
    """The store of the finished demo."""
    if given := os.environ.get(_GIVEN):
        return Path(given)
    folder: Path = request.getfixturevalue("demo_training")
    while not (folder / "exit").exists():  # (no clock but the suite's own time limit)
        time.sleep(0.2)
    if (folder / "exit").read_text().strip() != "0":
        pytest.fail(f"training the demo failed:\n{(folder / 'log').read_text()[-2000:]}")
    return folder / "rnc.duckdb"


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Streamlit's AppTest puts a page in the place of `__main__`, which processes that a later test starts would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def _log_is_heard() -> None:
    """Let pytest's `caplog` hear the log also after a test whose page or command sent it to a file alone."""
    logging.getLogger("rnc").propagate = True


@pytest.fixture(scope="session", autouse=True)
def _error_hook() -> None:
    """Let AppTest show errors as the server does (`app.py`), and unexpected ones also as Streamlit does: `AppTest.exception`."""
    create = LocalScriptRunner.__init__

    def show(error: Exception) -> bool:
        from rnc.ui.errors import ERRORS_FOR_USERS, show_unexpected_error

        return show_unexpected_error(error) and isinstance(error, ERRORS_FOR_USERS)

    def create_with_hook(self: LocalScriptRunner, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        self._on_script_error = show

    LocalScriptRunner.__init__ = create_with_hook  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _installed_components() -> None:
    """Look for components in the installed packages once for all AppTests, each of which would read all packages' metadata."""
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)  # type: ignore[assignment]


@pytest.fixture(scope="session", autouse=True)
def _compiled_scripts() -> None:
    """Compile each page once, as a server does; each AppTest would compile it anew."""
    compiled = ScriptCache()
    local_script_runner.ScriptCache = lambda: compiled  # type: ignore[misc,assignment]


@pytest.fixture(scope="module", autouse=True)
def _end_lab() -> Iterator[None]:
    """End the lab that pages of this module started: its thread would go on, and log beside the stores of later tests."""
    yield
    if jobs := sys.modules.get("rnc.ui.lab.server_job_queue"):
        for queue in jobs._queues:
            queue.close()


@pytest.fixture
def loaded_commands() -> Iterator[None]:
    """Let commands `python -m train.…` that the test starts find torch loaded: tests/loaded_commands.py."""
    from tests.loaded_commands import finding_torch_loaded

    with finding_torch_loaded():
        yield


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one tiny run; of several pytest processes the first one trains it, and each has a copy."""
    made = _folder_of_all(tmp_path_factory) / "tiny"
    try:
        made.mkdir()
    except FileExistsError:
        while not (made / "ended").exists():  # (no clock but the suite's own time limit)
            time.sleep(0.1)
    else:
        _make_tiny_store(made)
    copy = tmp_path_factory.mktemp("tiny") / "store"
    shutil.copytree(made / "store", copy)
    return copy / "rnc.duckdb"


def _make_tiny_store(folder: Path) -> None:
    """Train into `folder/store`; `ended` says that it is over, whether or not it went well.

    RNC_TEST_TINY names a store that holds the run already.
    """
    try:
        if given := os.environ.get(_GIVEN_TINY):
            shutil.copytree(Path(given).parent, folder / "store")
            return
        from train.run import main

        assert main(["tiny", "--store", str(folder / "store" / "rnc.duckdb")]) == 0
    finally:
        (folder / "ended").touch()


@pytest.fixture
def own_tiny_store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of the tiny store, checkpoints included, that a test may change."""
    shutil.copytree(tiny_store.parent, tmp_path / "copy")
    return tmp_path / "copy" / tiny_store.name
