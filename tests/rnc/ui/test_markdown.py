"""Texts of others in Markdown: shown as they are. That a browser makes nothing of them: `tests/browser/test_markdown.py`."""

import pandas as pd
import pytest

from rnc.ui.markdown import MAX_LENGTH, escape_markdown, escape_table, safe_plain_line


@pytest.mark.parametrize("name", [
    "digits-small_cnn-st-linf-s1-1f9c037d", "pgd-linf-8_255-10", "AT (gallery)", "ST width 0.25", "5,000 images", "zero", "3",
    "8/255",
    "preact_resnet18", "ℓ∞, ε = 0.1", "TRADES seed 1", "a.b@c", "100 %", "torchvision resnet18",
])  # fmt: skip
def test_names_as_people_give_them_are_left_as_they_are(name: str) -> None:
    """Addresses of pages hold them."""
    assert escape_markdown(name).replace("\N{WORD JOINER}", "") == safe_plain_line(name) == name


@pytest.mark.parametrize(("text", "escaped"), [
    ("a *b* <c> [d](e) $f$ `g` | {h} & ~i~", r"a \*b\* \<c\> \[d\](e) \$f\$ \`g\` \| \{h\} \& \~i\~"),
    ("_f_ a_b __init__", r"\_f\_ a_b \_\_init\_\_"),
    ("# x", r"\# x"), ("- x", r"\- x"), ("12. x", r"12\. x"), ("1) x", r"1\) x"), ("=== x", r"\=== x"), ("> x", r"\> x"),
    ("python -m rnc.store a.duckdb --upgrade", "python -m rnc.store a.duckdb --upgrade"), ("pgd-linf->b", r"pgd-linf-\>b"),
    ("C:/x 12:30 host:8501 ./md:x", r"C:/x 12:30 host:8501 ./md\:x"), (":red a:b", r"\:red a\:b"),
    ("a\\", r"a\\"), ("    x", "x"), ("a\nb\r\n# c", "a b  # c"), ("a\u2028b", "a\ufffdb"),
])  # fmt: skip
def test_what_has_a_meaning_is_escaped(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize("text", [
    ":smile:", ":material/home:", "http://evil.example", "HTTPS://evil.example", "www.evil.example", "WWW.evil.example",
    "me@evil.example", "a :+1: b", "ftp://evil.example", "mailto:me@evil.example", "a -- b",
])  # fmt: skip
def test_what_is_found_after_the_escapes_has_a_character_between(text: str) -> None:
    assert (
        "\N{WORD JOINER}" in escape_markdown(text)
        and escape_markdown(text).replace("\N{WORD JOINER}", "").replace("\\", "") == text
    )


@pytest.mark.parametrize(
    "text", ["a\u202eb", "a\x00b", "a\x1b[31mb", "a\ud800b", "a\uffffb", "a\u200bb", "a\ue000b", "a\u2066b"]
)
def test_what_is_not_seen_is_seen(text: str) -> None:
    assert safe_plain_line(text).startswith("a\ufffd") and safe_plain_line(text).endswith("b")
    escape_markdown(text).encode()


def test_long_texts_are_cut_in_the_middle() -> None:
    told = safe_plain_line("b" + "a" * 50_000 + "e")
    assert len(told) == MAX_LENGTH and told[0] == "b" and told[-1] == "e" and "…" in told


def test_a_table_is_escaped_with_its_headers() -> None:
    table = pd.DataFrame({"[a](b)": ["*x*", "y"]}, index=pd.Index(["<i>", "j"], name="claim"))
    told = escape_table(table)
    assert list(told.columns) == [r"\[a\](b)"] and list(told.index) == [r"\<i\>", "j"] and told.index.name == "claim"
    assert told.iloc[0, 0] == r"\*x\*"


def test_names_of_rows_are_links_to_places_on_the_page_alone() -> None:
    frame = pd.DataFrame({"a": ["x"]}, index=["[C1](http://e.x)"])
    (name,) = escape_table(frame, ["c1"]).index
    assert name.startswith("[\\[C1") and name.endswith("](#c1)")
    with pytest.raises(ValueError, match="not the name of a place"):
        escape_table(frame, ["c1) [x](http://e.x"])
