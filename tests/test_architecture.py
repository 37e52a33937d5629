"""The house holds: who may import whom, how long files may be, and that pages load neither torch nor umap."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("rnc", "train", "pages", "app", "tests")
LEFT_OF_THE_BAR = {
    "rnc.vocabulary", "rnc.safe_paths", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features",
    "rnc.metrics", "rnc.projection", "rnc.umap_process", "rnc.devices",
}  # fmt: skip
PAGE_MAY = {
    "rnc.vocabulary",
    "rnc.conditions",
    "rnc.geometry",
    "rnc.claims",
    "rnc.store",
    "rnc.charts",
    "rnc.controls",
    "rnc.class_choice",
    "rnc.figure_view",
    "rnc.error_view",
    "rnc.markdown",
    "rnc.readonly",
    "streamlit",
    "pandas",
}
CONTROLS_MAY = {
    "rnc.error_view",
    "rnc.markdown",
    "rnc.vocabulary",
    "rnc.conditions",
    "rnc.store",
    "rnc.launcher",
    "rnc.readonly",
    "rnc.run_filter",
    "rnc.run_labels",
    "rnc.cursor",
    "streamlit",
    "pandas",
}
LAB_OF_THE_SERVER = (
    "__init__",
    "checks",
    "source",
    "request",
    "arrays",
    "results",
    "wire",
    "limits",
    "ticket",
    "cache",
    "cost",
    "child",
    "dispatch",
    "client",
)
LAB_WITHOUT_TORCH = {
    "rnc.log",  # (what fails in the lab is in the server's log)
    "rnc.safe_paths",
    "rnc.vocabulary",
    "rnc.conditions",
    "rnc.geometry",
    "pandas",
    *(f"rnc.lab.{part}" for part in LAB_OF_THE_SERVER),
}

# Who may import what besides the standard library, numpy and itself; the first line that fits a file counts.
RULES: list[tuple[str, set[str]]] = [
    ("rnc/vocabulary.py", set()),
    ("rnc/conditions/", {"rnc.vocabulary"}),
    ("rnc/geometry.py", set()),
    ("rnc/readonly.py", set()),
    ("rnc/page_style.py", set()),
    ("rnc/state_files.py", set()),
    ("rnc/log.py", {"rnc.safe_paths"}),
    ("rnc/markdown.py", {"pandas"}),
    ("rnc/safe_paths.py", set()),
    ("rnc/command_line.py", set()),
    ("rnc/error_view.py", {"rnc.safe_paths", "rnc.log", "rnc.markdown", "rnc.readonly", "rnc.store", "streamlit"}),
    ("rnc/processes.py", set()),
    ("rnc/launcher.py", {"rnc.safe_paths", "rnc.command_line", "rnc.processes", "rnc.log", "rnc.readonly"}),
    ("rnc/devices.py", {"torch"}),
    ("rnc/datasets/image_folders.py", {"rnc.state_files", "rnc.datasets"}),
    ("rnc/datasets/", {"rnc.safe_paths", "rnc.vocabulary", "torch", "torchvision", "sklearn", "pyarrow", "PIL", "tqdm"}),
    # (mean and std are refused by the rule that refuses epsilons: sizes fit pixels in [0, 1])
    ("rnc/models/", {"rnc.safe_paths", "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "torch", "torchvision",
                     "safetensors"}),
    ("rnc/attacks/", {"rnc.vocabulary", "rnc.conditions", "torch"}),
    ("rnc/metrics/", {"rnc.vocabulary", "torch"}),
    ("rnc/features.py", {"rnc.vocabulary", "rnc.datasets", "rnc.models", "torch"}),
    ("rnc/projection.py", {"rnc.vocabulary", "torch", "umap", "sklearn"}),
    ("rnc/umap_process.py", {"rnc.projection"}),
    ("rnc/store/lake.py", {"rnc.safe_paths", "rnc.state_files", "rnc.store", "duckdb", "duckdb_extensions"}),
    ("rnc/store/", {"rnc.safe_paths", "rnc.command_line", "rnc.vocabulary", "rnc.conditions", "duckdb", "pyarrow", "pandas"}),
    ("rnc/doctor/", {"rnc.safe_paths", "rnc.command_line", "rnc.vocabulary", "rnc.datasets", "rnc.devices", "rnc.store",
                     "pandas"}),
    ("rnc/claims/", {"rnc.vocabulary", "pandas"}),
    ("rnc/charts/", {"rnc.markdown", "rnc.vocabulary", "rnc.conditions", "altair", "pyarrow", "pandas", "vl_convert", "PIL"}),
    *((f"rnc/lab/{part}.py", LAB_WITHOUT_TORCH) for part in LAB_OF_THE_SERVER),
    ("rnc/lab/keeping.py", {"rnc.safe_paths", "rnc.lab.request", "rnc.lab.results", "rnc.store"}),
    ("rnc/lab/", {*LEFT_OF_THE_BAR, "torch", "pandas"}),
    ("rnc/cursor.py", {"rnc.markdown", "rnc.error_view", "streamlit"}),
    ("rnc/run_filter.py", {"rnc.vocabulary", "streamlit", "pandas"}),
    ("rnc/run_labels.py", {"rnc.markdown", "rnc.vocabulary", "pandas"}),
    ("rnc/controls.py", CONTROLS_MAY),
    ("rnc/lab_view/", {*PAGE_MAY, "rnc.cursor", "rnc.lab.keeping", *(f"rnc.lab.{part}" for part in LAB_OF_THE_SERVER)}),
    ("rnc/class_choice.py", {"rnc.charts", "streamlit"}),
    ("rnc/figure_view.py", {"rnc.charts", "rnc.error_view", "rnc.log", "rnc.markdown", "streamlit", "pandas"}),
    ("rnc/projection_view/", {*PAGE_MAY, "rnc.datasets", "rnc.lab_view", *(f"rnc.lab.{part}" for part in LAB_OF_THE_SERVER)}),
    ("rnc/geometry_view.py", {*PAGE_MAY}),
    ("rnc/findings_view.py", {*PAGE_MAY}),
    (
        "rnc/runs_view/",
        {"rnc.markdown", "rnc.error_view", "rnc.vocabulary", "rnc.controls", "rnc.readonly", "rnc.store", "streamlit", "pandas"},
    ),
    ("pages/runs.py", {*PAGE_MAY, "rnc.run_filter", "rnc.runs_view", "rnc.sweep_view"}),
    ("pages/geometry.py", {*PAGE_MAY, "rnc.geometry_view"}),
    ("rnc/sweep_view.py", {"rnc.markdown", "rnc.vocabulary", "rnc.store", "streamlit"}),
    ("pages/findings.py", {*PAGE_MAY, "rnc.findings_view"}),
    ("pages/collapse.py", {*PAGE_MAY, "rnc.run_labels"}),
    ("pages/projections.py", {*PAGE_MAY, "rnc.projection_view"}),
    ("pages/attack_lab.py", {*PAGE_MAY, "rnc.lab_view", "rnc.lab.request"}),
    ("pages/", PAGE_MAY),
    ("rnc/request_guard.py", {"streamlit", "starlette"}),
    ("app.py", {*PAGE_MAY, "rnc.request_guard", "starlette", "rnc.cursor", "rnc.log", "rnc.page_style"}),
    ("train/engines.py", {"rnc.safe_paths", "rnc.command_line", "rnc.processes", "rnc.devices", "rnc.store.sweeps",
                          "train.job_options", "train.local_jobs", "train.sweep_job", "submitit", "torch"}),
    ("train/local_jobs.py", {"rnc.processes", "rnc.store.sweeps"}),
    ("train/job_options.py", {"rnc.safe_paths"}),
    ("train/sweep_job.py", {"rnc.safe_paths", "rnc.vocabulary", "rnc.store", "train.stopping", "submitit"}),
    ("train/", {"rnc.safe_paths", "rnc.command_line", *LEFT_OF_THE_BAR,
                "rnc.log", "rnc.store", "torch", "safetensors", "tyro", "tqdm"}),
    ("rnc/__init__.py", set()),
]  # fmt: skip


def python_files(root: Path = ROOT) -> list[Path]:
    """The product's own files."""
    return [root / "app.py", *(p for part in ("rnc", "train", "pages") for p in sorted((root / part).rglob("*.py")))]


def imported(source: str) -> set[str]:
    """The modules that a file names in its imports, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            split = node.module in ("rnc", "rnc.lab")  # (what is named may be a module of its own)
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if split else {node.module}
    return names


def broken(path: str, source: str) -> list[str]:
    """The imports of a file that no rule allows."""
    home, allowed = next((prefix, allowed) for prefix, allowed in RULES if path.startswith(prefix))
    own = home.removesuffix(".py").rstrip("/").replace("/", ".")
    allowed = allowed | {"numpy", own} | set(sys.stdlib_module_names)
    return [name for name in imported(source) if not any(name == a or name.startswith(a + ".") for a in allowed)]


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
        ("rnc/charts/curves.py", "import streamlit as st"),
        ("pages/collapse.py", "import torch"),
        ("pages/collapse.py", "from rnc import lab"),
        ("rnc/lab/client.py", "from rnc.lab.subject import load_subject"),
        ("rnc/lab/results.py", "import torch"),
        ("pages/runs.py", "import duckdb"),
        ("rnc/store/reader.py", "from train.config import RunConfig"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str) -> None:
    """The test above can fail."""
    assert broken(path, source)


def test_files_and_functions_stay_small() -> None:
    """Files have at most 300 lines, pages 80, functions 40."""
    for path in python_files():
        source = path.read_text()
        most = 80 if path.parent.name == "pages" else 300
        assert len(source.splitlines()) <= most, f"{path} is longer than {most} lines"
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
