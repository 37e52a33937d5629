"""A copied run is the same in every table and file; a copy that is broken off leaves the target as it was."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from rnc.store import copy
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.copy import copy_run, main
from rnc.store.errors import StoreError


def contents(store: Path) -> dict[str, pa.Table]:
    """Every table, whole."""
    with reading(store) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
            ).fetchall()
        ]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetch_arrow_table() for name in names}


def files(store: Path) -> dict[str, str]:
    """The hash of every file below the checkpoints."""
    root = store.parent / "checkpoints"
    found = (file for file in sorted(root.rglob("*")) if file.is_file())
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


def only_run(store: Path) -> str:
    return contents(store)["run"]["run_id"][0].as_py()


def test_there_and_back_nothing_is_lost(tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    there, back = tmp_path / "there" / "rnc.duckdb", tmp_path / "back" / "rnc.duckdb"
    assert main([str(tiny_store), str(there)]) == 0
    assert main([str(there), str(back), "--run", "digits-*"]) == 0
    for store in (there, back):
        assert contents(store) == contents(tiny_store) and files(store) == files(tiny_store)
    assert len(contents(back)) >= 14 and contents(back)["metric"].num_rows > 100 and files(back)
    assert main([str(tiny_store), str(back)]) == 0 and "already there" in capsys.readouterr().out
    assert contents(back) == contents(tiny_store)


def test_an_unfinished_run_gives_way(tiny_store: Path, tmp_path: Path) -> None:
    target, run_id = tmp_path / "target" / "rnc.duckdb", only_run(tiny_store)
    copy_run(tiny_store, target, run_id)
    with writing(target) as connection:
        connection.execute("UPDATE run SET state = 'interrupted', epochs_done = 1")
        connection.execute("DELETE FROM metric WHERE epoch > 0")
    assert copy_run(tiny_store, target, run_id)
    assert contents(target) == contents(tiny_store)


@pytest.mark.parametrize("held", [False, True])
def test_a_copy_that_is_broken_off_leaves_the_target_as_it_was(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """Broken off in the last moment before the commit, with an unfinished run of the same key there, or none."""
    target, run_id = tmp_path / "target" / "rnc.duckdb", only_run(tiny_store)
    with writing(target):
        pass
    if held:
        copy_run(tiny_store, target, run_id)
        with writing(target) as connection:
            connection.execute("UPDATE run SET state = 'interrupted'")
        network = next((target.parent / "checkpoints").rglob("*.safetensors"))
        network.write_bytes(b"an older one")
    before = contents(target), files(target)

    class Broken(Exception):
        pass

    replace = Path.replace

    def replaced(self: Path, to: Path) -> Path:
        if self.name.endswith(".partial") and "0002" in self.name:  # the last network, when the others are in place
            raise Broken
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(Broken):
        copy_run(tiny_store, target, run_id)
    assert (contents(target), files(target)) == before


def test_what_is_not_whole_is_not_copied(own_tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    target = tmp_path / "target" / "rnc.duckdb"
    network = next((own_tiny_store.parent / "checkpoints").rglob("epoch-0001.safetensors"))
    kept = network.read_bytes()
    network.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert main([str(own_tiny_store), str(target)]) == 2 and "is damaged" in capsys.readouterr().err
    assert not target.exists() and files(target) == {}
    network.unlink()
    assert main([str(own_tiny_store), str(target)]) == 2 and "is missing" in capsys.readouterr().err
    assert main([str(own_tiny_store), str(target), "--run", "nobody"]) == 2


def test_rows_that_change_on_their_way_are_found(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, read = tmp_path / "rnc.duckdb", copy._rows

    def lossy(connection: object, sql: str, run_id: str) -> pa.Table:
        rows = read(connection, sql, run_id)  # type: ignore[arg-type]
        return rows.slice(1) if "metric" in sql and target.exists() else rows

    monkeypatch.setattr(copy, "_rows", lossy)
    with pytest.raises(StoreError, match="are not the"):
        copy_run(tiny_store, target, only_run(tiny_store))
    assert files(target) == {}


def test_networks_that_lie_there_already_are_taken_as_they_are(tiny_store: Path, tmp_path: Path) -> None:
    """Two stores of a folder may hold the same run: the second copy replaces no network that the first one names."""
    first, run_id = tmp_path / "target" / "first.duckdb", only_run(tiny_store)
    copy_run(tiny_store, first, run_id)
    networks = sorted((first.parent / "checkpoints").rglob("*.safetensors"))
    before = [(network, network.stat().st_ino) for network in networks]
    copy_run(tiny_store, first.with_name("second.duckdb"), run_id)
    assert before and [(network, network.stat().st_ino) for network in networks] == before
