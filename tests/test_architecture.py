"""The architecture: which room may import which, which packages belong to which rooms, no circles, how long files may be.

CONTRIBUTING.md says what is in each room.
"""

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TOOLS = {
    "rnc.safe_paths", "rnc.state_files", "rnc.atomic_files", "rnc.command_line", "rnc.durations", "rnc.processes", "rnc.log",
}  # fmt: skip
"""Modules that every room may import. They import only each other."""

ROOMS: dict[str, set[str]] = {
    **{key: set() for key in sorted(TOOLS)},
    "rnc.vocabulary": set(),
    "rnc.simplex": set(),
    "rnc.devices": set(),
    "rnc.conditions": {"rnc.vocabulary"},
    "rnc.datasets": {"rnc.vocabulary"},
    # (mean and std are refused by the rule that refuses epsilons: sizes fit pixels in [0, 1])
    "rnc.models": {"rnc.vocabulary", "rnc.conditions", "rnc.datasets"},
    "rnc.attacks": {"rnc.vocabulary", "rnc.conditions"},
    "rnc.features": {"rnc.vocabulary", "rnc.datasets", "rnc.models"},
    "rnc.metrics": {"rnc.vocabulary"},
    "rnc.projection": {"rnc.vocabulary"},
    "rnc.umap_process": {"rnc.projection"},
    "rnc.store": {"rnc.vocabulary", "rnc.conditions"},
    "rnc.probe": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics",
        "rnc.projection", "rnc.umap_process", "rnc.devices", "rnc.store",
    },
    "rnc.claims": {"rnc.vocabulary"},
    "rnc.lab": {"rnc.vocabulary", "rnc.conditions", "rnc.simplex", "rnc.store"},
    "rnc.lab.engine": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics",
        "rnc.projection", "rnc.devices", "rnc.lab",
    },
    "rnc.ui.charts": {"rnc.vocabulary", "rnc.conditions", "rnc.ui.markdown"},
    "rnc.ui": {
        "rnc.vocabulary", "rnc.conditions", "rnc.simplex", "rnc.datasets", "rnc.claims", "rnc.store", "rnc.lab", "rnc.ui.charts",
    },
    "rnc.doctor": {"rnc.vocabulary", "rnc.datasets", "rnc.devices", "rnc.store"},
    "pages": {"rnc.vocabulary", "rnc.simplex", "rnc.claims", "rnc.store", "rnc.lab", "rnc.ui", "rnc.ui.charts"},
    "app": {"rnc.store", "rnc.ui"},
    "train.sweeps": {"rnc.vocabulary", "rnc.datasets", "rnc.devices", "rnc.probe", "rnc.store", "train"},
    "train": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.umap_process",
        "rnc.devices", "rnc.probe", "rnc.store", "train.sweeps",
    },
    "rnc": set(),
}  # fmt: skip
"""Each room, and the rooms and modules of ours that it may import besides its own and TOOLS; a file is in the smallest."""

WITH_TORCH = {
    "rnc.devices", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics", "rnc.projection", "rnc.probe",
    "rnc.lab.engine", "train", "train.sweeps",
}  # fmt: skip
PACKAGES: dict[str, set[str]] = {
    "streamlit": {"rnc.ui", "pages", "app"},
    "starlette": {"rnc.ui", "app"},
    "altair": {"rnc.ui.charts"},
    "vl_convert": {"rnc.ui.charts"},
    "torch": WITH_TORCH,
    "torchvision": {"rnc.datasets", "rnc.models"},
    "safetensors": {"rnc.models", "train"},
    "umap": {"rnc.projection"},
    "sklearn": {"rnc.datasets", "rnc.projection"},
    "duckdb": {"rnc.store"},
    "duckdb_extensions": {"rnc.store"},
    "pyarrow": {"rnc.store", "rnc.datasets", "rnc.ui.charts"},
    "pandas": {
        "rnc.store",
        "rnc.claims",
        "rnc.doctor",
        "rnc.lab",
        "rnc.lab.engine",
        "rnc.ui",
        "rnc.ui.charts",
        "pages",
    },
    "PIL": {"rnc.datasets", "rnc.ui.charts"},
    "tyro": {"rnc.probe", "train"},
    "tqdm": {"rnc.datasets", "rnc.probe", "train"},
    "submitit": {"train.sweeps"},
}
"""Each package of others, and the rooms that import it; numpy and the standard library are everybody's."""


def python_files(root: Path = ROOT) -> list[Path]:
    """Return the product's own files."""
    return [root / "app.py", *(p for part in ("rnc", "train", "pages") for p in sorted((root / part).rglob("*.py")))]


def module_name(path: str) -> str:
    """Return the module of a file, by its path in the project."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_name(str(path.relative_to(ROOT))): path for path in python_files()}


def imported(source: str) -> set[str]:
    """Return the modules that a file imports, wherever in it; what only a type checker imports is left out."""
    tree = ast.parse(source)
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
    return names


def room_of(module: str) -> str:
    """Return the room of a module."""
    return max((room for room in ROOMS if f"{module}.".startswith(f"{room}.")), key=len)


def broken(path: str, source: str) -> list[str]:
    """Return the imports of a file that no rule allows."""
    room = room_of(module_name(path))
    return sorted(name for name in imported(source) if not _allowed(name, room))


def _allowed(name: str, room: str) -> bool:
    top = name.split(".")[0]
    if top in ("rnc", "train", "pages", "app", "tests"):
        if name not in MODULES and top != "rnc":
            return False
        return bool({name, room_of(name)} & {room, *ROOMS[room], *TOOLS})
    return top in sys.stdlib_module_names or top == "numpy" or room in PACKAGES.get(top, set())


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    """Data flows one way."""
    assert broken(str(path.relative_to(ROOT)), path.read_text()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rnc/vocabulary.py", "import torch"),
        ("rnc/metrics/collapse.py", "from rnc.models import build"),
        ("rnc/attacks/pgd.py", "def f():\n    from rnc import datasets"),
        ("rnc/ui/charts/curves.py", "import streamlit as st"),
        ("rnc/ui/charts/curves.py", "from rnc.ui import sidebar"),
        ("rnc/ui/sidebar.py", "import torch"),
        ("rnc/ui/lab/form.py", "from rnc.lab.engine.loading import load_subject"),
        ("pages/collapse.py", "import torch"),
        ("pages/collapse.py", "import altair"),
        ("rnc/lab/client.py", "from rnc.lab.engine.loading import load_subject"),
        ("rnc/lab/client.py", "from rnc.lab.engine import loading"),
        ("rnc/lab/results.py", "import torch"),
        ("pages/runs.py", "import duckdb"),
        ("rnc/probe/probe.py", "from train.config import RunConfig"),
        ("rnc/store/reader.py", "from train.config import RunConfig"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str) -> None:
    """The test above can fail."""
    assert broken(path, source)


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; none where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a package neither."""
    imports = {name: (imported(path.read_text()) & set(MODULES)) - {name} for name, path in MODULES.items()}
    assert circle(imports) == []
    assert circle(imports | {"rnc.vocabulary": {"rnc.conditions"}})


def test_files_and_functions_stay_small() -> None:
    """Files have at most 300 lines, functions 40."""
    for path in python_files():
        source = path.read_text()
        assert len(source.splitlines()) <= 300, f"{path} is longer than 300 lines"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 40 or _is_signature_heavy(node), f"{path}: {node.name} has {length} lines"


def _is_signature_heavy(node: ast.FunctionDef) -> bool:
    """Whether the body alone, without signature and docstring, keeps to 40 lines."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return bool(body) and (node.end_lineno or 0) - body[0].lineno + 1 <= 40


_OPEN_EVERY_PAGE = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
for page in sorted(Path("pages").glob("*.py")):
    app.switch_page(str(page)).run()
    assert not app.exception, (page, app.exception)
    assert app.title, page
print(sorted({"torch", "umap"} & set(sys.modules)))
"""


def test_no_page_loads_torch_or_umap(tiny_store: Path) -> None:
    """Every page is opened in a process of its own; the attack lab loads torch at the first attack only."""
    environment = os.environ | {"RNC_STORE": str(tiny_store)}
    command = [sys.executable, "-c", _OPEN_EVERY_PAGE]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stdout.strip().splitlines()[-1] == "[]"
