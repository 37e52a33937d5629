"""The file of a sweep may be a stranger's: one that makes no sense is named and left out, and leads nowhere."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnc.store import sweep_file, sweep_file_checks
from rnc.store.errors import StoreWriteError
from rnc.store.sweep_file import Job, PlannedRun, Sweep, sweep_folder
from rnc.store.sweep_state import progress, sweeps_of

GOOD = Sweep("good-1", "local", {}, {"a": PlannedRun({"seed": 1}, 10, 1.0)}, [Job("17", ["a"])])


def fields(**changed: Any) -> dict[str, Any]:
    run = {"config": {"seed": 1}, "epochs": 10, "seconds": 1.0}
    job = {"job_id": "17", "run_ids": ["a"], "cancelled": False}
    return {"name": "bad", "engine": "local", "options": {}, "runs": {"a": run}, "jobs": [job]} | changed


def run(**changed: Any) -> dict[str, Any]:
    return fields(runs={"a": fields()["runs"]["a"] | changed})


def job(**changed: Any) -> dict[str, Any]:
    return fields(jobs=[fields()["jobs"][0] | changed])


BAD = {
    "not JSON": "{",
    "no text": b"\xff\xfe{}",
    "deep": "[" * 100_000,
    "a list": "[]",
    "a name that is a number": json.dumps({"name": 1}),
    "twice": '{"name": "bad", "name": "bad"}',
    "not a number": json.dumps(run(seconds=float("nan"))),
    "infinite": json.dumps(run(seconds=float("inf"))),
    "infinite in disguise": json.dumps(run(seconds=5)).replace('"seconds": 5', '"seconds": 1e999'),
    "digits": json.dumps(run(epochs=5)).replace('"epochs": 5', f'"epochs": {"9" * 5000}'),
    "a newer version": json.dumps(fields(version=3)),
    "a field of a newer version": json.dumps(fields(priority=3)),
    "a run's field of a newer version": json.dumps(run(priority=3)),
    "a job's field of a newer version": json.dumps(job(priority=3)),
    "an option of a newer version": json.dumps(fields(options={"priority": 3})),
    "a field less": json.dumps({name: value for name, value in fields().items() if name != "jobs"}),
    "another name": json.dumps(fields(name="good-1")),
    "an engine": json.dumps(fields(engine="cloud")),
    "an engine that is a list": json.dumps(fields(engine=["local"])),
    "no runs": json.dumps(fields(runs={}, jobs=[])),
    "runs in a list": json.dumps(fields(runs=["a"])),
    "a run's name": json.dumps(fields(runs={"../a": fields()["runs"]["a"]}, jobs=[])),
    "a run without config": json.dumps(run(config=None)),
    "an empty config": json.dumps(run(config={})),
    "epochs below 0": json.dumps(run(epochs=-1)),
    "epochs without end": json.dumps(run(epochs=2**31 - 1)),
    "epochs in a half": json.dumps(run(epochs=1.5)),
    "epochs that contradict": json.dumps(run(config={"epochs": 11})),
    "epochs true": json.dumps(run(epochs=True)),
    "seconds below 0": json.dumps(run(seconds=-1)),
    "seconds in a text": json.dumps(run(seconds="1")),
    "a job of another's run": json.dumps(job(run_ids=["b"])),
    "a job's number": json.dumps(job(job_id="-9")),
    "a job's number that is one": json.dumps(job(job_id=17)),
    "a job's options": json.dumps(job(job_id="--user=root")),
    "a job's folder": json.dumps(job(folder="../../x")),
    "a job's process": json.dumps(job(process="1")),
    "jobs that are none": json.dumps(fields(jobs={"a": 1})),
    "packed by -1": json.dumps(fields(options={"pack": -1})),
    "ranks": json.dumps(fields(options={"ranks": 10**9})),
    "a limit": json.dumps(fields(options={"time_limit": "soon"})),
    "flags": json.dumps(fields(options={"flags": "--overwrite"})),
    "slurm": json.dumps(fields(options={"slurm": {"setup": ["rm"]}})),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    found = tmp_path / "data" / "rnc.duckdb"
    GOOD.save(found)
    (found.parent / "sweeps" / "bad").mkdir()
    return found


@pytest.mark.parametrize("content", BAD.values(), ids=list(BAD))
def test_a_file_that_makes_no_sense_is_left_out(store: Path, content: str | bytes) -> None:
    file = store.parent / "sweeps" / "bad" / "sweep.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert sweeps_of(store) == [GOOD]
    (reason,) = [why for name, why in sweep_file.find_sweeps(store).left_out.items() if name == "bad"]
    assert reason and len(reason) < 400 and reason.isprintable()
    assert ("update" in reason) == (
        file.read_text(errors="replace").find('"priority"') > 0 or '"version"' in str(content)
    )


def test_what_is_whole_is_taken(store: Path) -> None:
    """Also of the version before, whose jobs had neither folder nor process."""
    file = store.parent / "sweeps" / "bad" / "sweep.json"
    file.write_text(json.dumps(fields()))
    assert [sweep.name for sweep in sweeps_of(store)] == ["bad", "good-1"]
    assert sweeps_of(store)[0].jobs == [Job("17", ["a"])]
    file.write_text(json.dumps(run(epochs=0)))
    now = progress(sweeps_of(store)[0], pd.DataFrame({"run_id": ["a"], "state": ["running"], "epochs_done": [5]}), NONE)
    assert now.share == 0


AT_THE_BOUNDS = {
    "epochs": run(epochs=sweep_file_checks.MOST_EPOCHS, config={"epochs": sweep_file_checks.MOST_EPOCHS}),
    "no epochs": run(epochs=0, seconds=0),
    "seconds": run(seconds=sweep_file_checks.MOST_SECONDS),
    "packed": fields(
        options={"pack": sweep_file_checks.MOST_RUNS, "at_a_time": sweep_file_checks.MOST_RUNS, "ranks": 1024}
    ),
    "not packed": fields(options={"pack": 0, "at_a_time": 0, "ranks": 1, "on_gpus": False}),
    "limits": fields(options={"time_limit": sweep_file_checks.MOST_SECONDS, "flags": ["f" * 4096] * 32}),
    "no limits": fields(options={"time_limit": None, "flags": [], "slurm": {}}),
    "no time": fields(options={"time_limit": 0, "slurm": {f"k{k}": "v" * 4096 for k in range(64)}}),
    "a task of an array": job(job_id="9" * 18 + "_" + "9" * 9),
    "a process": job(process="0123abcd-" * 4 + ":" + "9" * 20, folder="f", cancelled=True),
    "settings": run(config={f"k{k}": k for k in range(1000)}),
    "jobs": fields(jobs=[]),
    "an older version": fields(version=1),
    "this version": fields(version=2),
}

BEYOND_THE_BOUNDS = {
    "epochs must be 0 to 1,000,000, got 1000001": run(epochs=1_000_001),
    "epochs must be 0 to 1,000,000, got -1": run(epochs=-1),
    "run a: seconds must be 0 or more, got 1000000000001": run(seconds=10**12 + 1),
    "options: pack cannot be 5001": fields(options={"pack": 5001}),
    "options: at_a_time cannot be -1": fields(options={"at_a_time": -1}),
    "options: at_a_time cannot be 5001": fields(options={"at_a_time": 5001}),
    "options: at_a_time cannot be true": fields(options={"at_a_time": True}),
    "options: ranks cannot be 0": fields(options={"ranks": 0}),
    "options: ranks cannot be 1025": fields(options={"ranks": 1025}),
    "options: on_gpus cannot be 1": fields(options={"on_gpus": 1}),
    "options: time_limit cannot be -1": fields(options={"time_limit": -1}),
    "options: time_limit cannot be true": fields(options={"time_limit": True}),
    "options: flags cannot be a list": fields(options={"flags": ["f"] * 33}),
    "options: slurm cannot be an object": fields(options={"slurm": {f"k{k}": "v" for k in range(65)}}),
    "options: slurm cannot be a list": fields(options={"slurm": []}),
    "options must be an object, got a list": fields(options=[]),
    "options has a field priority that this program does not know": fields(options={"priority": 1}),
    "the file has a field priority that this program does not know": fields(priority=1),
    "the file has no jobs": {name: value for name, value in fields().items() if name != "jobs"},
    "run a has no seconds": fields(runs={"a": {"config": {"seed": 1}, "epochs": 10}}, jobs=[]),
    "run a must be an object, got a list": fields(runs={"a": []}, jobs=[]),
    "run a: config must be an object, got 7": run(config=7),
    "run a: config has 1001 fields": run(config={f"k{k}": k for k in range(1001)}),
    "run a: config has 0 fields": run(config={}),
    "run a: epochs are 10, but 11 in its config": run(config={"epochs": 11}),
    "a sweep has 1 to 5,000 runs, this one 0": fields(runs={}, jobs=[]),
    "runs must be an object, got a list": fields(runs=[], jobs=[]),
    "jobs must be a list of at most 50,000, got an object": fields(jobs={}),
    "a job must be an object, got 17": fields(jobs=[17]),
    "job 17_: job_id must be a number, or two with _ between them": job(job_id="17_"),
    "job 17: its runs are not all among those of the sweep": job(run_ids=["a", "b"]),
    "job 17: cancelled cannot be 1": job(cancelled=1),
    "job 17: process cannot be": job(process="x:1"),
    "job 17: folder": job(folder="a/b"),
    "version must be a whole number, got 0": fields(version=0),
    "version must be a whole number, got true": fields(version=True),
    "it is of version 3, and this program knows up to 2: update it": fields(version=3),
    "it calls itself good-1, but its folder bad": fields(name="good-1"),
    "engine must be slurm or local, got cloud": fields(engine="cloud"),
    "name must be of letters, digits and . _ -, got b d": fields(name="b d"),
    "the file must be an object, got a list": [],
}


@pytest.mark.parametrize("content", AT_THE_BOUNDS.values(), ids=list(AT_THE_BOUNDS))
def test_values_at_the_bounds_are_taken_as_they_are(store: Path, content: dict[str, Any]) -> None:
    (store.parent / "sweeps" / "bad" / "sweep.json").write_text(json.dumps(content))
    assert sweep_file.find_sweeps(store).left_out == {}
    taken = sweeps_of(store)[0]
    assert taken.options == content["options"]
    assert {name: vars(planned) for name, planned in taken.runs.items()} == content["runs"]
    assert [vars(one) for one in taken.jobs] == [{"folder": "", "process": ""} | one for one in content["jobs"]]


@pytest.mark.parametrize(("reason", "content"), BEYOND_THE_BOUNDS.items(), ids=list(BEYOND_THE_BOUNDS))
def test_values_beyond_the_bounds_are_named(store: Path, reason: str, content: Any) -> None:
    (store.parent / "sweeps" / "bad" / "sweep.json").write_text(json.dumps(content))
    found = sweep_file.find_sweeps(store)
    assert found.sweeps == [GOOD]
    assert reason in found.left_out["bad"].replace("'", "")


def test_a_file_of_too_many_bytes_is_not_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = store.parent / "sweeps" / "bad" / "sweep.json"
    file.write_text(json.dumps(fields()))
    monkeypatch.setattr(sweep_file, "MOST_BYTES", file.stat().st_size)
    assert "bad" not in sweep_file.find_sweeps(store).left_out
    monkeypatch.setattr(sweep_file, "MOST_BYTES", file.stat().st_size - 1)
    assert "bytes" in sweep_file.find_sweeps(store).left_out["bad"]


NONE = pd.DataFrame({"run_id": [], "seconds": []})


@pytest.mark.timeout(20)
def test_a_pipe_a_link_a_device_or_a_huge_file_is_left_out(store: Path, tmp_path: Path) -> None:
    folder = store.parent / "sweeps"
    for name in ("pipe", "link", "device", "huge", "folder"):
        (folder / name).mkdir()
    os.mkfifo(folder / "pipe" / "sweep.json")
    (folder / "link" / "sweep.json").symlink_to(folder / "good-1" / "sweep.json")
    (folder / "device" / "sweep.json").symlink_to("/dev/zero")
    (folder / "folder" / "sweep.json").mkdir()
    with (folder / "huge" / "sweep.json").open("wb") as huge:
        huge.truncate(2**40)
    Sweep("outside", "local", {}, GOOD.runs).save(tmp_path / "elsewhere" / "rnc.duckdb")
    (folder / "outside").symlink_to(tmp_path / "elsewhere" / "sweeps" / "outside")
    (folder / "again").symlink_to(folder / "good-1")
    (folder / "notes.txt").write_text("no folder")
    (folder / ".hidden").mkdir()
    assert sweeps_of(store) == [GOOD]
    assert list(sweep_file.find_sweeps(store).left_out) == [
        "again",
        "device",
        "folder",
        "huge",
        "link",
        "outside",
        "pipe",
    ]


def test_the_folder_of_the_sweeps_is_not_followed_out(store: Path, tmp_path: Path) -> None:
    (store.parent / "sweeps").rename(tmp_path / "precious")
    (store.parent / "sweeps").symlink_to(tmp_path / "precious")
    before = sorted(tmp_path.rglob("*"))
    assert sweeps_of(store) == []
    left_out = sweep_file.find_sweeps(store).left_out
    assert list(left_out) == ["sweeps"] and "leads out of" in left_out["sweeps"]
    with pytest.raises(StoreWriteError, match="leads out of"):
        GOOD.save(store)
    with pytest.raises(StoreWriteError, match="leads out of"):
        sweep_folder(store, "good-1")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a b", "a%jb", "a\nb", "a'b", "ä" * 3])
def test_a_sweep_is_not_saved_under_a_name_that_leads_elsewhere(store: Path, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreWriteError):
        Sweep(name, "local", {}, GOOD.runs).save(store)
    assert sorted(tmp_path.rglob("*")) == before


def test_many_large_files_are_not_all_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_file, "MOST_BYTES_TOGETHER", 2_000)
    for number in range(9):
        Sweep(f"s-{number}", "local", {}, {"a": PlannedRun({"text": "x" * 400}, 1, 1.0)}).save(store)
    found = sweep_file.find_sweeps(store)
    assert 2 <= len(found.sweeps) <= 4 and "no more are read" in found.left_out["s-8"]


def test_a_file_is_read_again_where_it_changed_and_once_where_not(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, parsed = store.parent / "sweeps" / "good-1" / "sweep.json", []
    checked = sweep_file.checked_sweep
    monkeypatch.setattr(sweep_file, "checked_sweep", lambda *given: parsed.append(given) or checked(*given))
    os.utime(file, (1_000, 1_000))
    sweeps_of(store)[0].jobs.clear()  # (what somebody does with what was found is not found by the next one)
    assert sweeps_of(store) == [GOOD] and len(parsed) == 1
    GOOD.save(store)
    assert sweeps_of(store) == [GOOD] == sweeps_of(store) and len(parsed) == 3


@pytest.mark.parametrize(
    ("done", "pace"), [(float("nan"), 1.0), (-5, 1.0), (10**12, 1.0), (5, float("inf")), (5, float("nan")), (5, -1.0)]
)
def test_no_number_of_a_store_spoils_the_progress(done: float, pace: float) -> None:
    runs = pd.DataFrame({"run_id": ["a"], "state": ["running"], "epochs_done": [done]})
    now = progress(GOOD, runs, pd.DataFrame({"run_id": ["a"], "seconds": [pace]}))
    assert 0 <= now.share <= 1 and (now.seconds_left is None or 0 <= now.seconds_left <= 10)
    assert "nan" not in str(now) and "inf" not in str(now)
