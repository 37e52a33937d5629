"""The code keeps to the rules of tests/architecture.py, files stay small, and pages load neither torch nor umap."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs import architecture as document
from tests.architecture import (
    MODULES,
    ROOMS,
    ROOT,
    broken,
    circle,
    covering_test,
    imports_of_modules,
    mentions,
    mirrored_test,
    needs_test,
    python_files,
)


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
        ("rnc/lab/job_queue.py", "from rnc.lab.engine.loading import load_subject"),
        ("rnc/lab/job_queue.py", "from rnc.lab.engine import loading"),
        ("rnc/lab/result_base.py", "import torch"),
        ("pages/runs.py", "import duckdb"),
        ("rnc/probe/measure_epoch.py", "from train.config import RunConfig"),
        ("rnc/store/reader.py", "from train.config import RunConfig"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str) -> None:
    """The test above can fail."""
    assert broken(path, source)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a package neither."""
    imports = imports_of_modules()
    assert circle(imports) == []
    assert circle(imports | {"rnc.vocabulary": {"rnc.conditions"}})


@pytest.mark.parametrize("module", filter(needs_test, MODULES))
def test_each_module_has_a_test_of_its_name_or_names_one(module: str) -> None:
    """Otherwise nobody finds it; a docstring names it in its last line: `Tested by tests/rnc/a/test_b.py.`"""
    test = covering_test(module)
    assert test is not None, f"{module} has no test of its name, and its docstring names none"
    assert (ROOT / test).is_file(), f"{module} names {test}, which does not exist"
    if test != mirrored_test(module):
        assert mentions(test, module), f"{test} has nothing to do with {module}"


def test_the_diagram_is_drawn_from_the_imports() -> None:
    """`python docs/architecture.py` brings it up to date."""
    assert document.diagram() in document.DOCUMENT.read_text()
    drawn = {room for arrow in document.arrows() for room in arrow}
    assert drawn | document.EVERYBODYS == set(ROOMS)


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
    """Return whether the body alone, without signature and docstring, keeps to 40 lines."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return bool(body) and (node.end_lineno or 0) - body[0].lineno + 1 <= 40


_OPEN_EVERY_PAGE = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60)
for page in sorted(Path("pages").glob("*.py")):
    app.switch_page(str(page)).run()
    assert not app.exception, (page, app.exception)
    assert app.title, page
print(sorted({"torch", "umap"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_no_page_loads_torch_or_umap(tiny_store: Path) -> None:
    """Every page is opened in a process of its own; the attack lab loads torch at the first attack only."""
    environment = os.environ | {"RNC_STORE": str(tiny_store)}
    command = [sys.executable, "-c", _OPEN_EVERY_PAGE]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stdout.strip().splitlines()[-1] == "[]"
