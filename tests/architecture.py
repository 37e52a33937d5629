"""The rules of the architecture: which room may import which, and which packages of others belong to which rooms.

A room is a package or a module; CONTRIBUTING.md says what is in each. tests/test_architecture.py holds the code to this.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TOOLS = {
    "rnc.safe_paths", "rnc.state_files", "rnc.atomic_files", "rnc.command_line", "rnc.durations", "rnc.processes", "rnc.log",
    "rnc.file_locks",
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
    "rnc.ui.markdown": set(),
    "rnc.ui.charts": {"rnc.vocabulary", "rnc.conditions", "rnc.ui.markdown"},
    "rnc.ui": {
        "rnc.vocabulary", "rnc.conditions", "rnc.simplex", "rnc.datasets", "rnc.claims", "rnc.store", "rnc.lab", "rnc.ui.charts",
        "rnc.ui.markdown",
    },
    "rnc.doctor": {"rnc.vocabulary", "rnc.datasets", "rnc.devices", "rnc.store"},
    "pages": {
        "rnc.vocabulary", "rnc.simplex", "rnc.claims", "rnc.store", "rnc.lab", "rnc.ui", "rnc.ui.charts", "rnc.ui.markdown",
    },
    "app": {"rnc.store", "rnc.ui"},
    "train.sweeps": {"rnc.vocabulary", "rnc.datasets", "rnc.devices", "rnc.probe", "rnc.store", "train"},
    "train": {
        "rnc.vocabulary", "rnc.conditions", "rnc.datasets", "rnc.models", "rnc.attacks", "rnc.features", "rnc.umap_process",
        "rnc.devices", "rnc.probe", "rnc.store",
    },
    "train.sweep": {"rnc.vocabulary", "rnc.store", "rnc.probe", "train", "train.sweeps"},
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
