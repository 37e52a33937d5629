"""A lake's address and the file that stands for it; what happens in it is told by the other tests under RNC_TEST_LAKE=1."""

import multiprocessing
import os
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnc.store import lake_addresses, lake_store
from rnc.store.addresses import store_path
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreBusyError, StoreError
from rnc.store.lake_store import LakeStore

CATALOG = "ducklake:postgres:host=db.example port=5433 dbname=rnc"


def test_an_address_becomes_the_file_that_stands_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_STORE", f"{CATALOG} data={tmp_path}/shared")
    file = store_path()
    assert file == tmp_path / "shared" / "rnc.lake" and lake_addresses.is_lake(file)
    assert file.read_text() == CATALOG + "\n"
    assert (
        store_path(file) == file
        and store_path(f"ducklake:postgres:data={tmp_path}/shared dbname=rnc port=5433 host=db.example") == file
    )


@pytest.mark.skipif("RNC_TEST_LAKE" in os.environ, reason="there every store is a lake")
def test_a_duckdb_file_is_no_lake(tmp_path: Path) -> None:
    assert not lake_addresses.is_lake(tmp_path / "rnc.duckdb")


def test_an_address_without_a_folder_is_refused() -> None:
    with pytest.raises(StoreError, match="data=FOLDER"):
        store_path(CATALOG)


@pytest.mark.parametrize(
    "word", ["password=x", "passfile=/home/x", "service=x", "options=-c", "host=$(id)", "postgresql://a:b@c/d"]
)
def test_an_address_with_a_password_or_other_options_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        store_path(f"{CATALOG} {word} data={tmp_path}/shared")
    assert not (tmp_path / "shared").exists()


def test_a_folder_belongs_to_one_catalog(tmp_path: Path) -> None:
    file = store_path(f"{CATALOG} data={tmp_path}")
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError, match="belongs to another lake"):
        store_path(f"{CATALOG.replace('dbname=rnc', 'dbname=other')} data={tmp_path}")
    file.write_text("ducklake:postgres:host=x password=y\n")
    with pytest.raises(StoreError, match="password"), reading(file):
        pass


def test_a_file_alone_leads_to_no_database_that_nobody_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's `rnc.lake` names whatever host it likes; the address, given once on this account, makes it one's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    given = tmp_path / "given" / "rnc.lake"
    given.parent.mkdir()
    given.write_text(CATALOG + "\n")
    monkeypatch.setattr(lake_store, "_attach", lambda *_arguments: pytest.fail("a database was asked for"))
    with pytest.raises(StoreError, match=r"not given on this account.*data=/"), reading(given):
        pass
    attached: list[str] = []
    monkeypatch.setattr(lake_store, "_attach", lambda _path, catalog, *_rest: attached.append(catalog) or pytest.skip())
    words = CATALOG.removeprefix("ducklake:postgres:").split()
    assert store_path(f"ducklake:postgres:{' '.join(reversed(words))} data={given.parent}") == given
    with pytest.raises(pytest.skip.Exception), reading(given):
        pass
    assert attached == [CATALOG]


def test_an_address_that_cannot_be_noted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="XDG_STATE_HOME"):
        store_path(f"{CATALOG} data={tmp_path}/shared")


def test_a_link_called_a_lake_leads_to_a_lake_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what else it leads to is not opened."""
    other = tmp_path / "secret.txt"
    other.write_text("secret")
    (tmp_path / "rnc.lake").symlink_to(other)
    monkeypatch.setattr("rnc.store.addresses.begins_as_duckdb", lambda _path: pytest.fail("it was read"))
    with pytest.raises(StoreError, match="is a link to"):
        store_path(tmp_path / "rnc.lake")
    (tmp_path / "nothing.lake").symlink_to(tmp_path / "missing.lake")
    with pytest.raises(StoreError, match="is a link to"):
        store_path(tmp_path / "nothing.lake")


def test_no_catalog_may_take_its_time() -> None:
    bounded = lake_store._with_time_limits(CATALOG, read_only=True)
    assert bounded == f"{CATALOG} connect_timeout=10 options='-c statement_timeout=10s'"
    assert "connect_timeout=10" not in lake_store._with_time_limits(f"{CATALOG} connect_timeout=3", read_only=False)


@pytest.mark.skipif(find_spec("duckdb_extensions") is not None, reason="the packages are here")
def test_without_its_packages_the_error_says_which(tmp_path: Path) -> None:
    store = store_path(f"{CATALOG} data={tmp_path}")
    for opened in (reading, writing):
        with pytest.raises(StoreError, match=r"requirements-lake\.txt"), opened(store):
            pass


def hold(path: Path, held: object, over: object) -> None:
    with LakeStore(path).write_lock():
        held.set()  # type: ignore[attr-defined]
        over.wait()  # type: ignore[attr-defined]


def test_writers_take_turns_and_say_when_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store_path(f"{CATALOG} data={tmp_path}")
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    other = context.Process(target=hold, args=(path, held, over))
    other.start()
    held.wait(60)
    monkeypatch.setattr("rnc.store.lake_store._PATIENCE_SECONDS", 0.1)
    with pytest.raises(StoreBusyError, match="others have written"), writing(path):
        pass
    over.set()
    other.join()
    before = path.stat().st_mtime_ns
    time.sleep(0.02)
    with LakeStore(path).write_lock():
        pass
    assert path.stat().st_mtime_ns > before  # (by which readers know that there is something new)
