"""The worked examples of CONTRIBUTING.md (docs/examples) apply to the code as it is, and their own tests pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.diff"))
_PARTS = ("rnc", "pages", "train", "tests", "docs", ".streamlit")
_NOT_COPIED = shutil.ignore_patterns("images", "older_version")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with every example applied, one after the other."""
    folder = tmp_path_factory.mktemp("contributed")
    for part in _PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=_NOT_COPIED)
    for file in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    for example in EXAMPLES:
        applied = subprocess.run(
            ["git", "apply", str(example)], cwd=folder, capture_output=True, text=True, check=False
        )
        assert applied.returncode == 0, f"{example.name} is out of date: {applied.stderr}"
    return folder


def test_each_example_is_named_in_the_document() -> None:
    document = (ROOT / "CONTRIBUTING.md").read_text()
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        assert f"docs/examples/{example.name}" in document


@pytest.mark.slow
def test_the_tests_that_the_examples_add_pass(copy: Path) -> None:
    added = sorted(
        str(path.relative_to(copy)) for path in (copy / "tests").rglob("test_*.py") if not _is_here(path, copy)
    )
    assert len(added) == 3
    environment = os.environ | {"PYTHONPATH": str(copy), "RNC_GALLERY": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *added]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]


def _is_here(path: Path, copy: Path) -> bool:
    return (ROOT / path.relative_to(copy)).exists()
