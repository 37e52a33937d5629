"""Files beside a store: other stores, copies from before an upgrade, networks, locks, published runs that are damaged."""

import os
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from rnc.store import addresses, errors_from_duckdb, published_reader
from rnc.store.backup import _copy
from rnc.store.connection_per_transaction import writing
from rnc.store.damaged_tables import damaged_tables
from rnc.store.errors import StoreError, StoreMissingError, StoreWriteError
from rnc.store.file_locations import checkpoint_file, folder_of_networks_without_run, network_inside, run_lock_file
from rnc.store.locks import exclusive_lock, run_lock, training_process
from rnc.store.networks_shared_by_stores import other_stores, refuse_networks_of_others, users_of_networks
from rnc.store.publish_run import publish
from rnc.store.published_reader import leave_out_damaged_runs, published_run_ids
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import begin, one_epoch
from tests.rnc.store.test_writer import full_run

pytestmark = pytest.mark.one_file("files beside a store that is one file")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "rnc.duckdb"


def names_networks(store: Path, run_id: str) -> None:
    """A store without the run, in which a network of it is recorded."""
    StoreWriter(store).prepare()
    with writing(store) as connection:
        connection.execute("INSERT INTO checkpoint VALUES (?, 0, 'checkpoints/x', '00')", [run_id])


def test_other_stores_that_name_a_runs_networks_are_known(store: Path) -> None:
    begin(store, "a")
    assert users_of_networks(store, "a") == ([], [])
    begin(store.with_name("has-the-run.duckdb"), "a")
    begin(store.with_name("has-another.duckdb"), "b")
    names_networks(store.with_name("names-it.duckdb"), "a")
    assert users_of_networks(store, "a") == ([], []), "without networks there is nothing to ask for"
    refuse_networks_of_others(store, "a")
    (store.parent / "checkpoints" / "a").mkdir(parents=True)
    damaged = store.with_name("damaged.duckdb")
    damaged.write_bytes(store.read_bytes()[:4096] + bytes(8192))
    naming, unknown = users_of_networks(store, "a")
    assert [other.name for other in naming] == ["has-the-run.duckdb", "names-it.duckdb"]
    assert [other.name for other in unknown] == ["damaged.duckdb"]
    words = r"the networks of a in .*checkpoints/a belong to has-the-run.duckdb, too, which lies beside rnc.duckdb"
    with pytest.raises(StoreError, match=words):
        refuse_networks_of_others(store, "a")
    refuse_networks_of_others(store, "b")


def test_a_database_that_is_no_store_names_no_networks(store: Path) -> None:
    begin(store, "a")
    (store.parent / "checkpoints" / "a").mkdir(parents=True)
    with duckdb.connect(str(store.with_name("other.duckdb"))) as connection:
        connection.execute("CREATE TABLE something (x INTEGER)")
    assert users_of_networks(store, "a") == ([], [])


def test_copies_from_before_an_upgrade_and_other_files_are_no_other_stores(store: Path) -> None:
    begin(store, "a")
    content = store.read_bytes()
    copies = ["rnc-v2-2026-11-25.duckdb", "rnc-v12-2026-11-25-3.duckdb"]
    others = [
        "old-v2-2026-11-25.duckdb",
        "rnc-v2-2026-11-25",
        "rnc-v2-2026-11-25.duckdb.duckdb",
        "rnc-v2-2026-11-5.duckdb",
        "rncXduckdb",
    ]
    for name in (*copies, *others):
        store.with_name(name).write_bytes(content)
    store.with_name("notes.duckdb").write_text("no database")
    store.with_name("folder.duckdb").mkdir()
    store.with_name("link.duckdb").symlink_to(store)
    assert [other.name for other in other_stores(store)] == sorted(others)


def test_a_copy_has_the_bytes_and_a_name_that_is_not_in_use(store: Path) -> None:
    store.write_bytes(b"first")
    copy = _copy(store, "v2-2026-11-25")
    assert copy == store.with_name("rnc-v2-2026-11-25.duckdb") and copy.read_bytes() == b"first"
    assert _copy(store, "v2-2026-11-25") == copy, "the same bytes are not copied twice"
    store.write_bytes(b"other")  # of the same length
    second = _copy(store, "v2-2026-11-25")
    assert second == store.with_name("rnc-v2-2026-11-25-2.duckdb") and second.read_bytes() == b"other"
    store.write_bytes(b"third")
    assert _copy(store, "v2-2026-11-25").name == "rnc-v2-2026-11-25-3.duckdb"
    assert copy.read_bytes() == b"first" and second.read_bytes() == b"other"
    store.with_name("rnc-w.duckdb").symlink_to(store)
    assert _copy(store, "w").name == "rnc-w-2.duckdb", "a link to the store is no copy of it"
    store.with_name("rnc-x.duckdb").symlink_to(store.with_name("nowhere"))
    assert _copy(store, "x").name == "rnc-x-2.duckdb"


def test_files_of_runs_lie_beside_the_store_itself(store: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = elsewhere / "link.duckdb"
    link.symlink_to(store)
    for name in (store, link):
        assert checkpoint_file(name, "a", 7) == tmp_path / "checkpoints" / "a" / "epoch-0007.safetensors"
        assert checkpoint_file(name, "a", 12345).name == "epoch-12345.safetensors"
        assert folder_of_networks_without_run(name) == tmp_path / "leftovers"
    (tmp_path / "leftovers").symlink_to("/")
    with pytest.raises(StoreError, match="the folder of leftovers"):
        folder_of_networks_without_run(store)


def test_a_network_is_a_plain_file_inside_the_folder(store: Path, tmp_path: Path) -> None:
    begin(store, "a")
    folder = tmp_path / "checkpoints" / "a"
    folder.mkdir(parents=True)
    network = folder / "net.safetensors"
    network.write_bytes(b"x")
    for path in (str(network), "checkpoints/a/net.safetensors"):
        assert network_inside(tmp_path, path) == network
        assert StoreReader(store).runs.network(path) == network
    gallery = tmp_path.parent / f"{tmp_path.name}-gallery"
    (gallery / "b").mkdir(parents=True)
    published_network = gallery / "b" / "net.safetensors"
    published_network.write_bytes(b"y")
    assert StoreReader(store, gallery).runs.network(str(published_network)) == published_network
    for refused in (
        str(published_network),
        "/etc/hostname",
        "checkpoints/a/absent.safetensors",
        "checkpoints/a",
        "../x",
    ):
        with pytest.raises(StoreError, match="network"):
            StoreReader(store).runs.network(refused)


def test_the_process_that_trains_a_run_is_known_while_it_does(store: Path) -> None:
    assert training_process(store, "a") is None and not run_lock_file(store, "a").exists()
    with run_lock(store, "a"):
        assert training_process(store, "a") == str(os.getpid())
        assert training_process(store, "b") is None
    assert training_process(store, "a") is None
    for content in (b"", b"no number", b"1" * 100):
        run_lock_file(store, "a").write_bytes(content)
        with exclusive_lock(run_lock_file(store, "a"), 0) as obtained:
            assert obtained and training_process(store, "a") == "unknown"


def test_the_tables_that_cannot_be_read_are_named(store: Path) -> None:
    with pytest.raises(StoreMissingError):
        damaged_tables(store)
    begin(store, "a")
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "INSERT INTO metric SELECT 'a', range, 'train', 'clean', 'train', 'clean', 'features', 'nc1', random() "
            "FROM range(200000)"
        )
        connection.execute(
            "INSERT INTO epoch (run_id, epoch, train_loss) SELECT 'a', range, random() FROM range(200000)"
        )
        connection.execute("CHECKPOINT")
        blocks = []
        for table, column in (("metric", "value"), ("epoch", "train_loss")):
            segments = f"SELECT block_id FROM pragma_storage_info('{table}') WHERE column_name = '{column}'"
            blocks += connection.execute(f"{segments} AND block_id >= 0").fetchone() or [None]
        (size,) = connection.execute("SELECT block_size FROM pragma_database_size()").fetchone() or (None,)
    assert damaged_tables(store) == {}
    content = bytearray(store.read_bytes())
    for block in blocks:
        middle = 3 * 4096 + block * size + size // 2
        content[middle : middle + 64] = bytes(byte ^ 255 for byte in content[middle : middle + 64])
    store.write_bytes(content)
    found = damaged_tables(store)
    assert list(found) == ["epoch", "metric"] and 0 < len(found["metric"]) <= 200 and "\n" not in found["metric"]


def published_two(store: Path) -> Path:
    """A gallery of the runs a and b."""
    gallery = store.parent / "gallery"
    for run_id in ("a", "b"):
        writer = begin(store, run_id)
        writer.write_epoch(run_id, 0, one_epoch(run_id, 0))
        writer.end_run(run_id, RunState.FINISHED, 1.0)
        publish(store, run_id, gallery)
    return gallery


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(byte ^ 255 for byte in content[4:60])
    file.write_bytes(content)


def test_a_damaged_published_run_leaves_the_others(store: Path) -> None:
    gallery = published_two(store)
    damage(gallery / "b" / "metric.parquet")
    assert published_run_ids(gallery) == ["a"]
    left_out = StoreReader(store.with_name("none.duckdb"), gallery).left_out()
    assert list(left_out) == ["b"] and left_out["b"].startswith("metric.parquet cannot be read (")


def test_published_runs_of_which_a_file_decays_are_left_out(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses bytes does not change the times of a file, by which changes are noticed."""
    monkeypatch.setattr(published_reader, "_states", lambda _run: ())
    gallery = published_two(store)
    assert published_run_ids(gallery) == ["a", "b"]
    assert not leave_out_damaged_runs(gallery, frozenset({"metric", "run"}))
    damage(gallery / "b" / "metric.parquet")
    assert not leave_out_damaged_runs(gallery, frozenset({"run"})), (
        "only the files of the tables that are asked for are read"
    )
    assert published_run_ids(gallery) == ["a", "b"]
    assert leave_out_damaged_runs(gallery, frozenset({"metric", "run"}))
    assert published_run_ids(gallery) == ["a"]
    reader = StoreReader(tmp_path / "none.duckdb", gallery)
    assert list(reader.left_out()) == ["b"]
    assert reader.left_out()["b"].startswith("metric.parquet cannot be read (")
    assert len(reader.left_out()["b"]) <= len("metric.parquet cannot be read ()") + 160


def test_a_query_is_answered_without_the_run_whose_file_decays(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_reader, "_states", lambda _run: ())
    gallery = published_two(store)
    reader = StoreReader(tmp_path / "none.duckdb", gallery)
    assert set(reader.runs.all()["run_id"]) == {"a", "b"}
    damage(gallery / "b" / "metric.parquet")
    assert set(reader.metrics.measured_epochs(["a", "b"])["run_id"]) == {"a"}
    assert list(reader.left_out()) == ["b"]


def test_only_free_blocks_within_the_file_are_unused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB counts free blocks at the end of the file that it has cut off already."""
    begin(store, "a")
    size = store.stat().st_size
    for free, used, unused in (
        (10**9, size - 1000, 1000),
        (10, size - 1000, 10),
        (10**9, size, 0),
        (10**9, size + 1, 0),
        (0, 0, 0),
    ):
        reader = StoreReader(store)
        counted = pd.DataFrame({"free": [free], "used": [used]})
        monkeypatch.setattr(reader._cached, "query", lambda _sql, counted=counted: counted)
        assert reader.unused_bytes() == unused
    assert StoreReader(store.with_name("none.duckdb")).unused_bytes() == 0


def test_the_gallery_is_that_of_the_environment_or_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_GALLERY", "/some/folder")
    assert addresses.gallery_path() == Path("/some/folder")
    monkeypatch.setenv("RNC_GALLERY", "")
    assert addresses.gallery_path() is None
    monkeypatch.delenv("RNC_GALLERY")
    assert addresses.gallery_path() == Path(addresses.__file__).parents[2] / "data" / "gallery"


def test_a_log_lies_beside_a_store_or_what_will_be_one(store: Path) -> None:
    assert addresses.path_if_store_or_new(store) == store
    full_run(store, "a")
    assert addresses.path_if_store_or_new(store) == store
    text = store.with_name("notes.txt")
    text.write_text("no store")
    assert addresses.path_if_store_or_new(text) is None


def test_what_the_disk_refuses_says_so_and_what_to_do() -> None:
    path, error = Path("/folder/rnc.duckdb"), OSError("no space left")
    read = errors_from_duckdb.refused_by_disk(path, error, read_only=True)
    assert type(read) is StoreError and "store /folder/rnc.duckdb cannot be read; its content is safe" in str(read)
    written = errors_from_duckdb.refused_by_disk(path, error, read_only=False)
    assert type(written) is StoreWriteError and "cannot be written" in str(written)
    assert "allow access in /folder" in str(written) and str(written).endswith("(no space left)")
    failed = errors_from_duckdb.failed_write(path, error)
    assert type(failed) is StoreWriteError and "/folder/rnc.duckdb could not be written" in str(failed)
    assert str(failed).endswith("(no space left)")
    large = errors_from_duckdb.out_of_memory(path, ValueError("x  y\n" + "z" * 300))
    assert "store /folder/rnc.duckdb needs more memory" in str(large) and str(large).endswith(f"(x y {'z' * 196})")
