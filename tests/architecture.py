"""The rules of the architecture: which room may import which, and which packages of others belong to which rooms.

A room is a package or a module; CONTRIBUTING.md says what is in each. tests/test_architecture.py holds the code to this.
"""

import ast
import re
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TOOLS = {
    "rnc.safe_paths", "rnc.names_entered_by_user", "rnc.atomic_files", "rnc.command_output", "rnc.durations", "rnc.processes",
    "rnc.event_log", "rnc.file_locks", "rnc.interrupt_while_loading",
}  # fmt: skip
"""Modules that every room may import. They import only each other."""

ROOMS: dict[str, set[str]] = {
    **{key: set() for key in sorted(TOOLS)},
    "rnc.vocabulary": set(),
    "rnc.class_mean_geometry": set(),
    "rnc.device_and_threads": set(),
    "rnc.conditions": {"rnc.vocabulary"},
    "rnc.datasets": {"rnc.vocabulary"},
    # (mean and std are refused by the rule that refuses epsilons: sizes fit pixels in [0, 1])
    "rnc.models": {"rnc.vocabulary", "rnc.conditions", "rnc.datasets"},
    "rnc.attacks": {"rnc.vocabulary", "rnc.conditions"},
    "rnc.features": {"rnc.vocabulary", "rnc.datasets", "rnc.models"},
    "rnc.metrics": {"rnc.vocabulary"},
    "rnc.pca_and_umap_planes": {"rnc.vocabulary"},
    "rnc.umap_process": {"rnc.pca_and_umap_planes"},
    "rnc.store": {"rnc.vocabulary", "rnc.conditions"},
    "rnc.probe": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics",
        "rnc.pca_and_umap_planes", "rnc.umap_process", "rnc.device_and_threads", "rnc.store",
    },
    "rnc.claims": {"rnc.vocabulary"},
    "rnc.lab": {"rnc.vocabulary", "rnc.conditions", "rnc.class_mean_geometry", "rnc.store"},
    "rnc.lab.engine": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics",
        "rnc.pca_and_umap_planes", "rnc.device_and_threads", "rnc.lab",
    },
    "rnc.film": {"rnc.vocabulary", "rnc.conditions", "rnc.class_mean_geometry", "rnc.store"},
    "rnc.ui.markdown": set(),
    "rnc.ui.charts": {"rnc.vocabulary", "rnc.conditions", "rnc.ui.markdown"},
    "rnc.ui": {
        "rnc.vocabulary", "rnc.conditions", "rnc.class_mean_geometry", "rnc.datasets", "rnc.claims", "rnc.store", "rnc.lab",
        "rnc.film", "rnc.ui.charts", "rnc.ui.markdown",
    },
    "rnc.doctor": {"rnc.vocabulary", "rnc.datasets", "rnc.device_and_threads", "rnc.store"},
    "pages": {
        "rnc.vocabulary", "rnc.class_mean_geometry", "rnc.claims", "rnc.store", "rnc.lab", "rnc.ui", "rnc.ui.charts",
        "rnc.ui.markdown",
    },
    "app": {"rnc.ui"},
    "train.sweeps": {"rnc.vocabulary", "rnc.datasets", "rnc.device_and_threads", "rnc.probe", "rnc.store", "train"},
    "train": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.umap_process",
        "rnc.device_and_threads", "rnc.probe", "rnc.store",
    },
    "train.sweep": {"rnc.vocabulary", "rnc.store", "rnc.probe", "train", "train.sweeps"},
    "rnc": set(),
}  # fmt: skip
"""Each room, and the rooms and modules of ours that it may import besides its own and TOOLS; a file is in the smallest."""

WITH_TORCH = {
    "rnc.device_and_threads", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.metrics",
    "rnc.pca_and_umap_planes", "rnc.probe", "rnc.lab.engine", "train", "train.sweeps",
}  # fmt: skip
PACKAGES: dict[str, set[str]] = {
    "streamlit": {"rnc.ui", "pages", "app"},
    "starlette": {"rnc.ui", "app"},
    "altair": {"rnc.ui.charts"},
    "vl_convert": {"rnc.ui.charts"},
    "torch": WITH_TORCH,
    "torchvision": {"rnc.datasets", "rnc.models"},
    "safetensors": {"rnc.models", "train"},
    "umap": {"rnc.pca_and_umap_planes"},
    "sklearn": {"rnc.datasets", "rnc.pca_and_umap_planes"},
    "duckdb": {"rnc.store"},
    "duckdb_extensions": {"rnc.store"},
    "pyarrow": {"rnc.store", "rnc.datasets", "rnc.ui.charts", "rnc.ui.markdown"},  # (tables as they are sent)
    "pandas": {
        "rnc.store",
        "rnc.claims",
        "rnc.doctor",
        "rnc.film",
        "rnc.lab",
        "rnc.lab.engine",
        "rnc.ui",
        "rnc.ui.charts",
        "rnc.ui.markdown",
        "pages",
    },
    "PIL": {"rnc.datasets", "rnc.ui.charts"},
    "tyro": {"rnc.probe", "train"},
    "tqdm": {"rnc.datasets", "rnc.probe", "train", "train.sweep"},
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


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; none where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imports_of_modules() -> dict[str, set[str]]:
    """Return the product's modules, and the modules of the product that each imports."""
    return {name: (imported(path.read_text()) & set(MODULES)) - {name} for name, path in MODULES.items()}


def imports_of_rooms() -> dict[str, set[str]]:
    """Return the rooms, and the rooms that each imports something of."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, names in imports_of_modules().items():
        found[room_of(module)] |= {room_of(name) for name in names} - {room_of(module)}
    return found


TESTED_BY = re.compile(r"^Tested by (tests/\S+\.py)\.$", re.MULTILINE)
"""The line at the end of a module's docstring that names its test, if no test has the module's own name."""


def needs_test(module: str) -> bool:
    """Return whether a module has code of its own: a package whose `__init__.py` only imports names needs no test."""
    tree = ast.parse(MODULES[module].read_text())
    only_names = (ast.Expr, ast.Import, ast.ImportFrom)
    return not all(isinstance(node, only_names) or _is_all(node) for node in tree.body)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def mirrored_test(module: str) -> Path:
    """Return the path of the test that has a module's own name: `tests/rnc/a/test_b.py` for `rnc/a/b.py`."""
    *folders, name = module.split(".")
    return Path("tests", *folders, f"test_{name}.py")


def covering_test(module: str) -> Path | None:
    """Return the test of a module: the one of its name, or the one that its docstring names; None if there is neither."""
    mirrored = mirrored_test(module)
    if (ROOT / mirrored).is_file():
        return mirrored
    line = TESTED_BY.search(ast.get_docstring(ast.parse(MODULES[module].read_text())) or "")
    return None if line is None else Path(line[1])


def public_names(module: str) -> set[str]:
    """Return the public classes, functions and constants that a module defines, if they are long enough to be distinctive."""
    names: set[str] = set()
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_") and len(name) > 5}


def mentions(test: Path, module: str) -> bool:
    """Return whether a test has to do with a module: names it or one of its public names, or imports one of its users.

    Tests in tests/pages open the pages, and thereby the parts of the screen.
    """
    source = test.read_text()
    words = {re.escape(module), re.escape(str(MODULES[module].relative_to(ROOT))), *public_names(module)}
    if any(re.search(rf"\b{word}\b", source) for word in words) or steps_to(test, module) <= 2:
        return True
    return "pages" in test.parts and module.split(".")[:2] in (["rnc", "ui"], ["pages", module.split(".")[-1]], ["app"])


@cache
def _imports() -> dict[str, set[str]]:
    return imports_of_modules()


def steps_to(test: Path, module: str) -> int:
    """Return 0 if a test imports a module, 1 if it imports a module that does so, 2 for one step more; 3 for all others."""
    reached = imported(test.read_text()) & set(MODULES)
    for steps in range(3):
        if module in reached:
            return steps
        reached = reached.union(*(_imports()[name] for name in reached))
    return 3
