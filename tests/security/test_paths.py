"""Paths in a stranger's store: outside its folder, and outside the target, nothing is read, made, changed or removed."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc.lab.network_and_images import RequestError
from rnc.store import copy, export
from rnc.store.backup import back_up
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock, training_process
from rnc.store.migrations import SCHEMA_VERSION
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.ui import opened_store
from rnc.ui.lab.checkpoint_picker import source_of
from rnc.vocabulary import RunState, Split
from tests.rnc.store.hand_written import begin, one_epoch
from tests.security.hostile_names import RUN_IDS, plant, snapshot
from train.run import main as train

CONTENT = b"import os  # a stranger's program\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Path]:
    """A tree beside the stores, in which nothing may change."""
    folder = plant(tmp_path / "guard")
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before


@pytest.fixture(scope="session")
def with_a_good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that each test gets a copy of."""
    store = tmp_path_factory.mktemp("given") / "rnc.duckdb"
    add_run(store, "good", "checkpoints/good/epoch-0001.safetensors")
    return store


@pytest.fixture
def given(with_a_good_run: Path, tmp_path: Path, guard: Path) -> Path:
    """Somebody else's store, with one run that is all right; it lies as deep as the guard tree."""
    return shutil.copytree(with_a_good_run.parent, tmp_path / "guard.given") / with_a_good_run.name


def add_run(store: Path, run_id: str, recorded: str | None = None, sha256: str = SHA256) -> None:
    """Enter a finished run; where a network is recorded in the usual place, it is there."""
    begin(store, run_id).write_epoch(run_id, 0, one_epoch(run_id, 0))
    StoreWriter(store).end_run(run_id, RunState.FINISHED, 1.0)
    if recorded is not None:
        with duckdb.connect(str(store)) as connection:
            connection.execute("INSERT INTO checkpoint VALUES (?, 1, ?, ?)", [run_id, recorded, sha256])
        if recorded == f"checkpoints/{run_id}/epoch-0001.safetensors":
            file = store.parent / recorded
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(CONTENT)


def run_ids(store: Path) -> list[str]:
    with reading(store) as connection:
        return [run_id for (run_id,) in connection.execute("SELECT run_id FROM run ORDER BY run_id").fetchall()]


def add_hostile_runs(store: Path, guard: Path) -> None:
    """Enter a finished run of each hostile id."""
    with duckdb.connect(str(store)) as connection:
        for run_id in RUN_IDS:
            connection.execute(
                "INSERT INTO run SELECT * REPLACE ($id AS run_id) FROM run WHERE run_id = 'good'",
                {"id": run_id.format(guard=guard)},
            )


def test_runs_whose_ids_lead_elsewhere_are_named_and_the_others_are_copied(
    given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_hostile_runs(given, guard)
    before, mine = snapshot(given.parent), tmp_path / "guard.mine" / "rnc.duckdb"
    assert copy.main([str(given), str(mine)]) == 2
    told = capsys.readouterr()
    assert told.out == "good: copied\n" and "\x1b" not in told.err
    assert [line.split(": ")[2][:6] for line in told.err.splitlines()] == ["run id"] * len(RUN_IDS)
    assert run_ids(mine) == ["good"]
    assert sorted(path.name for path in mine.parent.iterdir()) == ["checkpoints", "locks", "rnc.duckdb"]
    assert sorted(path.name for path in (mine.parent / "locks").iterdir()) == ["good.lock", "rnc.duckdb.turn"]
    changed = {name for name, _hash in snapshot(given.parent).items() ^ before.items()}
    assert changed == {"locks/good.lock"}


RECORDED = [
    "../guard/app.py", "{guard}/app.py", "../guard.mine/rnc.duckdb", "rnc.duckdb", "locks/rnc.duckdb.turn",
    "checkpoints/good/epoch-0001.safetensors", "checkpoints/bad/../../../guard/x.safetensors", "checkpoints/bad/link.safetensors",
    "checkpoints/bad/linked/notes.safetensors", "checkpoints/bad/pipe.safetensors", "checkpoints/bad/folder.safetensors",
    "/dev/zero", "/proc/self/fd/0", "checkpoints/bad/a\0.safetensors", "", "checkpoints/bad/.safetensors",
    "checkpoints/bad/app.py", "http://evil.example/x.safetensors", "checkpoints/bad/socket.safetensors",
]  # fmt: skip


def add_hostile_networks(store: Path, guard: Path) -> list[str]:
    """Enter a run for each recorded path, with the right hash where there is a file; return the hashes."""
    hashes = []
    with duckdb.connect(str(store)) as connection:
        for number, path in enumerate(RECORDED):
            run_id, recorded = f"bad{number}", path.format(guard=guard).replace("/bad/", f"/bad{number}/")
            hostile_networks(store, guard, run_id)
            file = store.parent / recorded if recorded and "\0" not in recorded else store.parent
            hashes.append(hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else SHA256)
            connection.execute("INSERT INTO checkpoint VALUES (?, 1, ?, ?)", [run_id, recorded, hashes[-1]])
            connection.execute(
                "INSERT INTO run SELECT * REPLACE (? AS run_id) FROM run WHERE run_id = 'good'", [run_id]
            )
    return hashes


def hostile_networks(store: Path, guard: Path, run_id: str) -> None:
    """Put links that lead out, pipes and folders into the folder of a run's networks."""
    folder = store.parent / "checkpoints" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link.safetensors").symlink_to(guard / "app.py")
    (folder / "linked").symlink_to(guard / "precious")
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "folder.safetensors").mkdir()
    (folder / "app.py").write_bytes(CONTENT)


def test_networks_that_lie_elsewhere_are_not_copied(
    given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the recorded hash is right."""
    add_hostile_networks(given, guard)
    mine = tmp_path / "guard.mine" / "rnc.duckdb"
    add_run(mine, "own")
    before = mine.read_bytes()
    assert copy.main([str(given), str(mine), "--run", "bad*"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("was not copied: network") == len(RECORDED) == told.err.count("\n")
    assert mine.read_bytes() == before and not (mine.parent / "checkpoints").exists()


def test_a_resume_file_is_no_link(given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume = given.parent / "checkpoints" / "good" / "resume.safetensors"
    resume.symlink_to(guard / "keys" / "id_ed25519")
    mine = tmp_path / "guard.mine" / "rnc.duckdb"
    for expected in ("leads out of", "is a pipe"):
        assert copy.main([str(given), str(mine)]) == 2 and expected in capsys.readouterr().err
        resume.unlink()
        os.mkfifo(resume)
    assert not (mine.parent / "checkpoints").exists()


@pytest.mark.parametrize("place", ["checkpoints", "checkpoints/good", "checkpoints/good/epoch-0001.safetensors"])
def test_a_link_in_the_target_is_not_written_through(
    place: str, given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store that is copied into may have come from a stranger, too."""
    mine = tmp_path / "guard.mine" / "rnc.duckdb"
    add_run(mine, "own")
    link = mine.parent / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(guard / ("app.py" if place.endswith("safetensors") else "precious"))
    assert copy.main([str(given), str(mine)]) == 2 and "by a link" in capsys.readouterr().err
    assert link.is_symlink() and run_ids(mine) == ["own"]


def test_what_a_killed_copy_left_is_replaced_and_not_written_through(given: Path, guard: Path, tmp_path: Path) -> None:
    folder = tmp_path / "guard.mine" / "checkpoints" / "good"
    folder.mkdir(parents=True)
    (folder / ".epoch-0001.safetensors.partial").symlink_to(guard / ".bashrc")
    assert copy.main([str(given), str(folder.parents[1] / "rnc.duckdb")]) == 0
    assert [path.name for path in folder.iterdir()] == ["epoch-0001.safetensors"]


@pytest.mark.parametrize("other", ["rnc.duckdb", "link.duckdb", "hard.duckdb"])
def test_a_store_is_not_copied_onto_itself(other: str, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (given.parent / "link.duckdb").symlink_to(given)
    (given.parent / "hard.duckdb").hardlink_to(given)
    assert copy.main([str(given), str(given.parent / other)]) == 2
    assert "are one store" in capsys.readouterr().err


def test_a_store_is_copied_to_one_in_the_same_folder(given: Path) -> None:
    """They share the folder of networks, and the lock."""
    before, other = snapshot(given.parent / "checkpoints"), given.with_name("other.db")
    assert copy.main([str(given), str(other)]) == 0
    assert run_ids(other) == ["good"] and snapshot(given.parent / "checkpoints") == before


def obstacle(kind: str, place: Path, guard: Path) -> None:
    """Put something that is no plain file in a lock file's place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if kind == "link":
        place.symlink_to(guard / "keys" / "id_ed25519")
    elif kind == "dangling":
        place.symlink_to(guard / "new")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        shutil.rmtree(place.parent)
        place.parent.symlink_to(guard / "keys")


OBSTACLES = ["link", "dangling", "pipe", "folder", "the folder is a link"]


@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_run_lock_that_is_no_plain_file(kind: str, given: Path, guard: Path) -> None:
    obstacle(kind, given.parent / "locks" / "good.lock", guard)
    with pytest.raises(StoreError, match="lock"), run_lock(given, "good"):
        pytest.fail("it was locked")
    with pytest.raises(StoreError, match="lock"):
        training_process(given, "good")


def test_run_locks_lie_beside_the_store(given: Path, guard: Path) -> None:
    before = snapshot(given.parent)
    for run_id in RUN_IDS:
        with pytest.raises(StoreError, match=r"^run id"), run_lock(given, run_id.format(guard=guard)):
            pytest.fail("it was locked")
        with pytest.raises(StoreError, match=r"^run id"):
            training_process(given, run_id.format(guard=guard))
    assert snapshot(given.parent) == before


def test_a_file_of_somebody_else_is_no_lock(given: Path, guard: Path) -> None:
    """A second name (a hard link) of a file cannot be told from a file; its content can."""
    lock = given.parent / "locks" / "good.lock"
    lock.hardlink_to(guard / "keys" / "id_ed25519")
    with pytest.raises(StoreError, match="holds something else"), run_lock(given, "good"):
        pytest.fail("it was locked")
    lock.unlink()
    with run_lock(given, "good"):
        assert training_process(given, "good") == str(os.getpid())
    assert lock.read_text() == str(os.getpid())


@pytest.mark.one_file("a lake's writers lock another file")
@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_store_lock_that_is_no_plain_file(kind: str, given: Path, guard: Path) -> None:
    obstacle(kind, given.parent / "locks" / "rnc.duckdb.turn", guard)
    for opened in (reading, writing):
        with pytest.raises(StoreError, match="lock"), opened(given):
            pytest.fail("it was opened")


def test_two_names_of_a_store_have_one_lock(given: Path, tmp_path: Path) -> None:
    """And their networks lie beside the file."""
    link = tmp_path / "elsewhere" / "link.duckdb"
    link.parent.mkdir()
    link.symlink_to(given)
    with run_lock(given, "good"), pytest.raises(StoreError, match="is being trained"), run_lock(link, "good"):
        pytest.fail("it was locked twice")
    StoreWriter(link).delete_run("good")
    assert not (given.parent / "checkpoints" / "good").exists()
    assert [path.name for path in link.parent.iterdir()] == ["link.duckdb"]


def test_runs_whose_ids_lead_elsewhere_are_not_published_and_the_others_are(
    given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_hostile_runs(given, guard)
    out = tmp_path / "guard.out"
    assert export.main(["*", "--store", str(given), "--to", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == f"{out / 'good'}\n" and "\x1b" not in told.err
    assert [line.split(": ")[2][:6] for line in told.err.splitlines()] == ["run id"] * len(RUN_IDS)
    assert [path.name for path in out.iterdir()] == ["good"]


def test_networks_that_lie_elsewhere_are_not_published(
    given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = add_hostile_networks(given, guard)
    out = tmp_path / "guard.out"
    assert export.main(["bad*", "--store", str(given), "--to", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("was not published: network") == len(RECORDED) == told.err.count("\n")
    assert not any(found[:12] in told.err for found in hashes)
    assert not out.exists() or list(out.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "a published run and a note", "link", "file", "a link inside"])
def test_export_replaces_nothing_but_a_published_run(
    kind: str, given: Path, guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "guard.out"
    arguments = ["good", "--store", str(given), "--to", str(out)]
    assert export.main(arguments) == 0
    if kind == "a published run and a note":
        (out / "good" / "notes.txt").write_text("mine")
    elif kind == "a link inside":
        (out / "good" / "metric.parquet").unlink()
        (out / "good" / "metric.parquet").symlink_to(guard / "app.py")
    else:
        shutil.rmtree(out / "good")
        if kind == "folder":
            (out / "good").mkdir()
            (out / "good" / "run.txt").write_text("mine")
        elif kind == "link":
            (out / "good").symlink_to(guard / "precious")
        else:
            (out / "good").write_text("mine")
    before = snapshot(out)
    assert export.main(arguments) == 2 and "was left as it is" in capsys.readouterr().err
    assert snapshot(out) == before


def test_deleting_follows_no_link(given: Path, guard: Path) -> None:
    hostile_networks(given, guard, "good")
    StoreWriter(given).delete_run("good")
    assert not (given.parent / "checkpoints" / "good").exists()
    add_run(given, "again")
    (given.parent / "checkpoints").rmdir()
    (given.parent / "checkpoints").symlink_to(guard)
    with pytest.raises(StoreError, match="by a link"):
        StoreWriter(given).delete_run("again")


def test_the_app_opens_no_network_elsewhere(given: Path, guard: Path, tmp_path: Path) -> None:
    """Neither of a store nor of a folder of published runs, and it tells nothing of what is there."""
    hashes = add_hostile_networks(given, guard)
    export.main(["good", "--store", str(given), "--to", str(tmp_path / "guard.out")])
    rows = tmp_path / "guard.out" / "good" / "checkpoint.parquet"
    for store, gallery in ((given, None), (given, tmp_path / "guard.out")):
        reader = StoreReader(store, gallery)
        kept = reader.runs.checkpoints(["good", *(f"bad{number}" for number in range(len(RECORDED)))])
        for row in kept.to_dict("records"):
            if row["run_id"] == "good":
                assert reader.runs.network(row["path"]).read_bytes() == CONTENT
            elif not Path(row["path"].replace("\0", "")).resolve().is_relative_to(given.parent):
                with pytest.raises(StoreError, match="network") as refusal:
                    reader.runs.network(row["path"])
                assert not any(found[:12] in str(refusal.value) for found in hashes)
    published = pq.read_table(rows)
    for recorded in ("../../guard/app.py", str(guard / "app.py"), "good/../../guard/app.py", "/dev/zero"):
        paths = published.set_column(published.column_names.index("path"), "path", pa.array([recorded]))
        pq.write_table(paths.replace_schema_metadata(published.schema.metadata), rows)
        reader = StoreReader(tmp_path / "none.duckdb", tmp_path / "guard.out")
        assert reader.runs.checkpoints(["good"]).empty and "network" in reader.left_out()["good"]


def test_the_lab_is_handed_no_network_elsewhere(
    given: Path, guard: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (given.parent / "pipe.safetensors").unlink(missing_ok=True)
    os.mkfifo(given.parent / "pipe.safetensors")
    monkeypatch.setattr(opened_store, "reader", lambda: StoreReader(given))
    run = StoreReader(given).runs.all().iloc[0]
    row = StoreReader(given).runs.checkpoints(["good"]).iloc[0].to_dict() | {"sha256": "ab" * 32}
    assert source_of(run, row, Split.TEST).checkpoint == str(given.parent / "checkpoints/good/epoch-0001.safetensors")
    for path in (
        str(guard / "app.py"),
        f"{given.parent}/../guard/app.py",
        "/dev/zero",
        str(given.parent / "pipe.safetensors"),
    ):
        with pytest.raises(RequestError, match="network"):
            source_of(run, row | {"path": path}, Split.TEST)


def test_two_stores_in_a_folder_keep_each_others_networks(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the other one is called; when the last one that names them lets go, they go."""
    other, networks = given.with_name("other.sqlite"), given.parent / "checkpoints" / "good"
    shutil.copyfile(given, other)
    StoreWriter(given).delete_run("good")
    assert run_ids(given) == [] and (networks / "epoch-0001.safetensors").read_bytes() == CONTENT
    StoreWriter(other).delete_run("good")
    assert not networks.exists()


def test_networks_stay_if_another_store_cannot_be_read(given: Path) -> None:
    lake = given.with_name("shared.lake")
    lake.write_text("ducklake:postgres:host=db.example dbname=rnc\n")
    with pytest.raises(StoreError, match=r"shared\.lake beside it, which could not be read"):
        StoreWriter(given).delete_run("good")
    assert run_ids(given) == [] and (given.parent / "checkpoints" / "good").exists()


def test_a_file_of_another_program_and_a_copy_from_before_an_upgrade_keep_no_networks(given: Path) -> None:
    with duckdb.connect(str(given.with_name("notes.duckdb"))) as connection:
        connection.execute("CREATE TABLE checkpoint (run_id VARCHAR)")
    shutil.copyfile(given, given.with_name("rnc-v3-2026-11-28.duckdb"))
    StoreWriter(given).delete_run("good")
    assert not (given.parent / "checkpoints" / "good").exists()


def test_a_copy_does_not_replace_the_networks_of_another_store(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others, mine = tmp_path / "guard.mine" / "others.db", tmp_path / "guard.mine" / "rnc.duckdb"
    add_run(others, "good", "checkpoints/good/epoch-0001.safetensors")
    file = others.parent / "checkpoints" / "good" / "epoch-0001.safetensors"
    file.write_bytes(b"another training of the same run")
    assert copy.main([str(given), str(mine)]) == 2 and "others.db beside it may need" in capsys.readouterr().err
    assert file.read_bytes() == b"another training of the same run"
    assert others.parent.joinpath("rnc.duckdb").exists() is False


def test_training_does_not_replace_the_networks_of_another_store(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_store.parent, tmp_path / "data")
    before, other = snapshot(tmp_path / "data" / "checkpoints"), tmp_path / "data" / "other.duckdb"
    assert train(["tiny", "--store", str(other)]) == 2
    assert "belong to rnc.duckdb, too" in capsys.readouterr().err
    assert snapshot(tmp_path / "data" / "checkpoints") == before and run_ids(other) == []


@pytest.mark.slow
def test_training_does_not_write_through_links(
    tiny_store: Path, tmp_path: Path, guard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of somebody's, in which one trains."""
    store = tmp_path / "data" / "rnc.duckdb"
    run_id = run_ids(tiny_store)[0]
    networks = store.parent / "checkpoints" / run_id
    networks.mkdir(parents=True)
    (networks / "epoch-0000.safetensors.partial").symlink_to(guard / ".bashrc")
    (networks / "resume.safetensors.partial").symlink_to(guard / "uv.lock")
    assert train(["tiny", "--store", str(store)]) == 0
    assert not any(path.is_symlink() for path in networks.iterdir())
    shutil.rmtree(store.parent)
    store.parent.mkdir()
    (store.parent / "checkpoints").symlink_to(guard / "precious")
    assert train(["tiny", "--store", str(store)]) == 2 and "by a link" in capsys.readouterr().err


def test_a_copy_before_an_upgrade_is_not_written_through_a_link(given: Path, guard: Path) -> None:
    name = f"rnc-v{SCHEMA_VERSION}-{datetime.now(UTC):%Y-%m-%d}"
    (given.parent / f"{name}-2.duckdb.partial").symlink_to(guard / ".bashrc")
    (given.parent / f"{name}.duckdb").symlink_to(guard / "app.py")
    made = back_up(given, SCHEMA_VERSION)
    assert made.name == f"{name}-2.duckdb" and made.read_bytes() == given.read_bytes()
