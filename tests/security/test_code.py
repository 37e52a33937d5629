"""Tests of the program's own code: it has no unpickling, code from text, shells, SQL from input or HTML from names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnc.datasets import native_files, spec
from rnc.datasets.specs import DatasetError
from rnc.vocabulary import Split
from tests.architecture import ROOT, python_files

FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
    "xmlrpc",
    "code",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pd.read_pickle"}
SQL_CALLS = {"execute", "executemany", "sql", "query", "from_query"}
QUOTING = ("quoted_name", "quoted_text")
"""The functions that make any text harmless in SQL (`rnc/store/quoting.py`)."""
SQL_NAMES = {
    "rnc/store/writer.py": {"table"},  # of Rows, which knows the schema's alone
    "rnc/store/run_editor.py": {"table", "column"},  # of TABLES_OF_A_RUN, and tags, note, archived_at
    "rnc/store/copy.py": {"name", "known", "sql"},  # identifiers that the database lists, and texts of the file's own
    "rnc/store/open_untrusted_file.py": {"allowed"},  # folders, quoted
    "rnc/store/compact.py": {"database"},  # one of two constants
    "rnc/store/lake_store.py": {"extension", "options"},  # constants, and a path, quoted
    "rnc/store/publish_run.py": {"table", "rows"},
    "rnc/store/published_reader.py": {"table", "view"},  # of the schema, and files, quoted
    "rnc/store/published_row_checks.py": {"source", "key", "widest", "sql"},  # files and the schema's columns, quoted
    "rnc/store/connection_per_transaction.py": {"SCHEMA.read_text()"},
    "rnc/store/migrations.py": {
        "SCHEMA.read_text()",
        "UPGRADES[step]",
        "table",
        "empty_table_query(table)",
    },  # of ADDED_TABLES
    "rnc/store/schema_checks.py": {"SCHEMA.read_text()", "sql"},
    "rnc/store/networks_shared_by_stores.py": {"sql"},
    "rnc/store/queries/saved_lab_results.py": {"sql", "size"},
    "rnc/store/cached_queries.py": {"sql", "key", "table"},  # the last two of _KEYS
}
"""The parts of SQL that are allowed besides constants: names from closed lists, files of the server's own, quoted."""
HTML_OF = {
    "STYLE",
    "LAB_STYLE",
    "SIDE_BY_SIDE + LARGE_ON_HOVER",
    "curve_legend",
    "chip_style",
    "verdict_tiles",
    "f'''<div style=\"{_GRID}\">{''.join",
}
"""Texts of ours, three functions that escape what they are given, and one that is given colours of ours."""
PICKLE_IN = {"rnc/datasets/native_files.py"}
"""CIFAR's authors pickled it; that file's unpickler knows the parts of an array and nothing that could run."""


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def option(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(given.value) for given in call.keywords if given.arg == name), None)


def wrong(path: str, source: str) -> list[str]:
    """Return everything that a file does although no file may."""
    tree = ast.parse(source)
    found = [name for node in ast.walk(tree) for name in _modules(node) if name.split(".")[0] in FORBIDDEN_MODULES]
    found = [name for name in found if (name, path in PICKLE_IN) != ("pickle", True)]
    for call in calls(tree):
        found += _wrong_call(call)
        if name_of(call).split(".")[-1] in SQL_CALLS and call.args:
            found += [f"SQL with {part}" for part in _from_input(call.args[0], path)]
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _wrong_call(call: ast.Call) -> list[str]:
    name = name_of(call)
    rules = {
        name: name in FORBIDDEN_CALLS,
        f"{name} in a shell": option(call, "shell") not in (None, "False"),
        "torch.load without weights_only=True": name == "torch.load" and option(call, "weights_only") != "True",
        f"{name} with pickles": option(call, "allow_pickle") not in (None, "False"),
        f"{name} with HTML": bool(option(call, "unsafe_allow_html") or option(call, "unsafe_allow_javascript")),
        f"{name} of a text of others": name.endswith((".html", ".iframe")) and not _is_html_of_ours(call),
    }
    return [rule for rule, broken in rules.items() if broken]


def _is_html_of_ours(call: ast.Call) -> bool:
    return ast.unparse(call.args[0]).split("(")[0] in HTML_OF


def _from_input(sql: ast.expr, path: str) -> list[str]:
    """Parts of an SQL text that are neither constants nor of the list above."""
    if isinstance(sql, ast.Constant):
        return []
    if isinstance(sql, ast.JoinedStr):
        return [
            part
            for value in sql.values
            if isinstance(value, ast.FormattedValue)
            for part in _from_input(value.value, path)
        ]
    if isinstance(sql, ast.BinOp):
        return _from_input(sql.left, path) + _from_input(sql.right, path)
    if isinstance(sql, ast.Call) and name_of(sql) in QUOTING:
        return []
    text = ast.unparse(sql)
    constant = any(part.lstrip("_").isupper() for part in text.split("."))
    return [] if constant or text in SQL_NAMES.get(path, ()) else [text]


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in python_files()])
def test_no_product_file_uses_forbidden_functions(path: str) -> None:
    assert wrong(path, Path(ROOT, path).read_text()) == []


@pytest.mark.parametrize("source", [
    "import pickle", "from marshal import loads", "torch.load(path)", "torch.load(path, weights_only=False)",
    "np.load(path, allow_pickle=True)", "eval(text)", "subprocess.run(text, shell=True)", "os.system(text)",
    "connection.execute(f'SELECT * FROM run WHERE run_id = {run_id}')", "connection.execute('SELECT ' + asked)",
    "connection.execute(asked)", "queries.query('SELECT ' + f'{name}')", "st.markdown(name, unsafe_allow_html=True)",
    "st.html(f'<b>{name}</b>')",
])  # fmt: skip
def test_the_test_above_can_fail(source: str) -> None:
    assert wrong("rnc/any.py", source)


def test_a_pickled_batch_runs_nothing(tmp_path: Path) -> None:
    """A protocol 0 pickle that would make a file, in the place of CIFAR's."""
    canary, folder = tmp_path / "canary", tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for part in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (folder / part).write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
    for split in Split:
        with pytest.raises(DatasetError, match=r"cannot be read as a batch of CIFAR \(it asks for os\.system"):
            native_files.load_arrays(spec("cifar10"), split, tmp_path)
    assert not canary.exists()
