"""The table in docs/faults.md is what people see, each state brought about for real; the good data is still there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from rnc.datasets import allowed_folders
from rnc.datasets.custom import CustomImages
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.models import weights
from rnc.models.weights import CheckpointError
from rnc.store import cached_queries, file_store
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock
from rnc.store.migrations import OLDEST_READ, SCHEMA_VERSION
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from tests.conftest import ROOT
from tests.pages.app import open_page
from tests.rnc.store.hand_written import begin, one_epoch

ROWS = re.findall(r"^\| (.+?) \| (trainer|page) \| (.+) \|$", (ROOT / "docs/faults.md").read_text(), re.MULTILINE)
MESSAGES = {state: message for state, _who, message in ROWS}
ROOM = 8 * 2**20


def is_said(state: str, message: str) -> None:
    """The message is the table's; a page says under which id the log has it, too."""
    message = re.sub(r" \(error `[0-9a-f]{8}` in the log\)$", "", message)
    pattern = ".*".join(re.escape(part) for part in MESSAGES[state].split("…"))
    assert re.fullmatch(pattern, " ".join(message.split())), message


def epochs(store: Path) -> list[int]:
    with reading(store) as connection:
        return [epoch for (epoch,) in connection.execute("SELECT DISTINCT epoch FROM metric ORDER BY ALL").fetchall()]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where the system lets one be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all room; returns the file that takes it."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return path


def test_a_full_disk(disk: Path) -> None:
    """Epochs written before can be read while the disk is full, and writing goes on once there is room again."""
    store = disk / "rnc.duckdb"
    writer = begin(store, "a")
    writer.write_epoch("a", 0, one_epoch("a", 0))
    landed, filler = epochs(store), fill(disk)
    for epoch in range(10, 300):
        try:
            writer.write_epoch("a", epoch, one_epoch("a", epoch))
        except StoreError as error:
            is_said("the disk is full, in an epoch", str(error))
            break
        landed = epochs(store)
    else:
        pytest.fail("there was room")
    with pytest.raises(StoreError) as error:
        begin(disk / "new.duckdb", "b")
    is_said("the disk is full, a new store", str(error.value))
    assert epochs(store) == landed
    filler.unlink()
    writer.write_epoch("a", 400, one_epoch("a", 400))
    assert len(epochs(store)) == len(landed) + 1
    begin(disk / "new.duckdb", "b")


def test_a_read_only_folder(disk: Path) -> None:
    """Reading works."""
    store = disk / "rnc.duckdb"
    begin(store, "a").write_epoch("a", 0, one_epoch("a", 0))
    landed = epochs(store)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for path in (store, disk / "new.duckdb", disk / "folder" / "new.duckdb"):
        with pytest.raises(StoreError) as error:
            StoreWriter(path).prepare()
        is_said("the folder is read-only", str(error.value))
    with pytest.raises(StoreError) as error, run_lock(store, "a"):
        pytest.fail("it is held")
    is_said("the folder is read-only, a run's lock", str(error.value))
    assert epochs(store) == landed


def cut(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:5000])


def flip(store: Path) -> None:
    """In the middle, where DuckDB looks only when it reads the block."""
    content = bytearray(store.read_bytes())
    place = len(content) // 2
    content[place] ^= 4
    store.write_bytes(content)


def changed(statement: str) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        with duckdb.connect(str(store)) as connection:
            connection.execute(statement)

    return change


def link_the_log(store: Path) -> None:
    store.with_name(f"{store.name}.wal").symlink_to(store)


SPOILED = {
    "the store is cut short": cut,
    "a bit of the store has flipped": flip,
    "the store is of a newer schema": changed(f"UPDATE schema_version SET version = {SCHEMA_VERSION + 1}"),
    "the store is of an older schema": changed(f"UPDATE schema_version SET version = {OLDEST_READ - 1}"),
    "the store defines a view": changed("CREATE VIEW mine AS SELECT content FROM read_text('/etc/hostname')"),
    "the store defines a macro": changed("CREATE MACRO coalesce(a, b) AS current_setting('home_directory')"),
    "a column computes something": changed(
        "ALTER TABLE run_mark ALTER note SET DEFAULT current_setting('home_directory')"
    ),
    "a column is of another type": changed("ALTER TABLE metric ALTER value TYPE VARCHAR"),
    "a link lies where the write-ahead log should": link_the_log,
    "a run has a config that makes no sense": changed("UPDATE run SET config = '[1]'"),
    "a run has too many classes": changed("UPDATE run SET classes = range(5000)"),
}


@contextmanager
def shown(store: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page says it, in place of a traceback, and leaves the store as it is."""
    before = store.read_bytes()
    app = open_page("runs", store, monkeypatch)
    (error,) = app.error
    is_said(state, re.sub(r"\\(.)", r"\1", error.value))
    yield
    assert store.read_bytes() == before


@pytest.mark.parametrize("state", SPOILED)
def test_a_spoiled_store_on_a_page(state: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, landed = store.read_bytes(), epochs(store)
    SPOILED[state](store)
    with shown(store, state, monkeypatch):
        pass
    store.with_name(f"{store.name}.wal").unlink(missing_ok=True)
    store.write_bytes(good)
    assert epochs(store) == landed


def test_an_answer_that_is_too_large(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_queries, "MOST_ANSWER_ROWS", 0)
    with shown(store, "an answer is too large", monkeypatch):
        pass


def test_a_lake_that_nobody_here_named(tmp_path: Path) -> None:
    given = tmp_path / "rnc.lake"
    given.write_text("ducklake:postgres:host=db.example dbname=theirs\n")
    with pytest.raises(StoreError) as error:
        epochs(given)
    is_said("the file of a lake names a database that nobody here named", str(error.value))


def test_a_store_that_this_process_has_open_otherwise(store: Path) -> None:
    with duckdb.connect(str(store), read_only=True), pytest.raises(StoreError) as error:
        epochs(store)
    is_said("another part of this process has the store open", str(error.value))
    assert epochs(store)


def test_images_that_nobody_here_measured(tmp_path: Path) -> None:
    spec = DatasetSpec("mine", ("a", "b"), (3, 8, 8), (0.0,) * 3, (1.0,) * 3, any_size=True)
    with pytest.raises(DatasetError) as error:
        allowed_folders.refuse_unless_allowed(CustomImages(tmp_path, None, spec))
    is_said("the images of a run lie where no network was measured", str(error.value))


def test_a_damaged_published_run(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gallery" / "theirs").mkdir(parents=True)
    (tmp_path / "gallery" / "theirs" / "run.parquet").write_text("no table")
    monkeypatch.setenv("RNC_GALLERY", str(tmp_path / "gallery"))
    captions = [re.sub(r"\\(.)", r"\1", caption.value) for caption in open_page("runs", store, monkeypatch).caption]
    is_said("a published run is damaged", next(caption for caption in captions if "theirs" in caption))
    assert epochs(store)


@pytest.mark.slow
def test_every_flipped_bit_is_found_or_harmless(store: Path) -> None:
    """Whatever can be read is right; the rest is refused as a store error and never as DuckDB's."""
    good, places = store.read_bytes(), 60
    tables = ("metric", "run", "condition")

    def content() -> list[list[tuple]]:
        with reading(store) as connection:
            return [connection.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in tables]

    expected, refused = content(), 0
    for place in range(places):
        damaged = bytearray(good)
        damaged[place * len(good) // places + 17] ^= 1 << place % 8
        store.write_bytes(damaged)
        try:
            assert content() == expected
        except StoreError:
            refused += 1
    assert 0 < refused < places


def test_a_store_locked_by_another_program(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and over when the other lets go."""
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(store)]
    monkeypatch.setattr(file_store, "_PATIENCE_SECONDS", 0.3)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with shown(store, "the store is locked by another program", monkeypatch):
            other.communicate()
    assert epochs(store)


def test_a_spoiled_checkpoint(own_tiny_store: Path) -> None:
    (found,) = (
        StoreReader(own_tiny_store)
        .runs.checkpoints(list(StoreReader(own_tiny_store).runs.all()["run_id"]))
        .tail(1)
        .itertuples()
    )
    path = Path(found.path)
    good = path.read_bytes()
    for spoiled in (good[: len(good) // 2], good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]):
        path.write_bytes(spoiled)
        with pytest.raises(CheckpointError) as error:
            weights.load(path, found.sha256)
        is_said("the checkpoint is cut short, or a bit of it has flipped", str(error.value))
    path.write_bytes(good)
    weights.load(path, found.sha256)


def test_a_run_that_is_trained_already(store: Path) -> None:
    with run_lock(store, "a"), pytest.raises(StoreError) as error, run_lock(store, "a"):
        pytest.fail("both hold it")
    is_said("the run is being trained already", str(error.value))


def test_every_row_of_the_table_is_tried() -> None:
    """A row that no test names says nothing."""
    source = Path(__file__).read_text()
    assert len(MESSAGES) == 23 and all(f'"{state}"' in source for state in MESSAGES)
