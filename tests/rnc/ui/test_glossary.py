"""The glossary has every technical word that the pages use, and the pages take their help on such words from it."""

import ast
import re
from pathlib import Path

import pytest

from rnc.conditions import condition_in_words
from rnc.ui.glossary import GLOSSARY, explain
from rnc.vocabulary import METRIC_INFO, AttackObjective, ConditionKind, Norm, Objective, Role, Split
from tests.architecture import ROOT
from tests.pages.app import open_page

ACRONYM = re.compile(r"(?<![\w./'-])(?:[A-Z][A-Z0-9]+(?:-[A-Z]+)*)(?![\w(/.=-])")
KNOWN_TO_ALL = set(
    re.findall(
        r"\S+",
        "CSV PDF PNG SVG GIF SQL GPU CPU RAM ID IDS UTC JSON HTML URL MB GB RNC STORE TMLR SLURM CIFAR MNIST CDN OK SELECT CUDA "
        "HTTP NAME GET STYLE HH YYYY-MM-DD LN10",
    )
)
"""Capitals of computers, data sets and addresses, which are not this field's. C1 to C11 are the claims."""
VIEWS = [
    *(ROOT / "pages").glob("*.py"),
    *(ROOT / "rnc" / "ui").rglob("*.py"),
    ROOT / "rnc" / "claims" / "paper_claims.py",
]


def shown_texts(path: Path) -> list[str]:
    """The texts of a source that people may see: all of them but docstrings, keys without a space and constants' names."""
    tree = ast.parse(path.read_text())
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node.value for node in texts if id(node) not in documented and " " in node.value]


def is_explained(word: str) -> bool:
    return word in GLOSSARY or word in KNOWN_TO_ALL or bool(re.fullmatch(r"C\d+", word))


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_acronym_of_a_page_is_explained(path: Path) -> None:
    used = {word for text in shown_texts(path) for word in ACRONYM.findall(text)}
    assert [word for word in sorted(used) if not is_explained(word)] == []


def test_the_test_above_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text('"""A docstring with DOCS."""\nst.title("The XYZ of NC1")\n')
    assert [word for text in shown_texts(page) for word in ACRONYM.findall(text)] == ["XYZ", "NC1"]
    assert not is_explained("XYZ") and is_explained("NC1")


def test_every_name_that_a_visitor_can_choose_is_explained() -> None:
    names = {*map(condition_in_words, Role), *Split, *(objective.upper() for objective in Objective)}
    names |= {kind.upper() for kind in ConditionKind if kind in ("pgd", "fgsm", "apgd")}
    names |= {objective.upper() for objective in AttackObjective if objective in ("kl", "dlr")}
    names |= {info.label.split(" · ")[0] for info in METRIC_INFO.values() if " · " in info.label}
    assert {name for name in names if name not in GLOSSARY} == set()
    assert all(f"ℓ{'∞' if norm is Norm.LINF else '2'}" in GLOSSARY["norm"] for norm in Norm)


def test_explanations_are_short_and_begin_with_a_capital() -> None:
    for word, text in GLOSSARY.items():
        assert text[0].isupper() and text.endswith(".") and len(text) < 260, word


def test_help_is_the_glossary() -> None:
    assert explain("NC1", "leap").count("\n\n") == 1 and GLOSSARY["leap"] in explain("leap")
    with pytest.raises(KeyError):
        explain("no such word")


@pytest.mark.parametrize("page", ["findings", "runs"])
def test_every_page_has_it(page: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(page, tiny_store, monkeypatch)
    assert any("Terminal phase of training" in element.value for element in app.sidebar.markdown)
