"""`python -m tests.security.job_server`: takes jobs, a line of JSON each, and takes their steps in processes of their own.

It imports the program once, without a thread, and forks for each job: a step that hangs, takes all memory or kills its process
costs that process alone. `Server` is its other side.
"""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.security import tracing, watch
from tests.security.guard import World, changes, fingerprint, secrets_of

MOST_BYTES = 2 * 2**30
"""Of memory that one process, or the worker that it started, may have held at its peak."""
_HARD_LIMIT = 6 * 2**30
"""Where the system refuses more, so that the machine of the tests stays."""
STEP_SECONDS, LAB_SECONDS = 30.0, 180.0
"""A step that has not ended by then hangs; they take a second or two. The lab's ends what hangs by itself."""
_JOB = "RNC_HOSTILE_JOB"
_SAID = "said.txt"
GRACE_SECONDS = 30.0
"""In which processes of a job may end after it: a worker notices that its server is gone."""


@dataclass
class Report:
    """The result of a job: how each step ended, and all that was wrong."""

    steps: dict[str, str]
    findings: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> str:
        """All findings, a line each, and under them how the steps ended; empty where nothing was wrong."""
        ends = [f"    ({name}: {end[:200]})" for name, end in self.steps.items()]
        shown = [*self.findings[:12], *([f"and {len(self.findings) - 12} more"] if len(self.findings) > 12 else [])]
        return "\n".join(["", *shown, *ends]) if self.findings else ""

    def assert_harmless(self) -> None:
        """Fail, telling all that was wrong."""
        if self.wrong:
            pytest.fail(self.wrong, pytrace=False)


class Server:
    """The process that takes jobs, traced where the system offers it."""

    def __init__(self, folder: Path, *, traced: bool = True) -> None:
        """Start it; its log of system calls lies in the folder."""
        self._log = folder / "strace.log"
        prefix = tracing.command(self._log) if traced else []
        self.traces = bool(prefix)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("RNC_STORE", "RNC_LOG", "RNC_DATA", "RNC_MODELS", "RNC_READONLY"):
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.security.job_server"], cwd=ROOT, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._read, self._number = 0, 0

    def run(
        self,
        world: World,
        steps: list[tuple[str, dict[str, Any]] | str],
        may_read: tuple[Path, ...] = (),
        grace: float = GRACE_SECONDS,
        patience: float = STEP_SECONDS,
    ) -> Report:
        """Take steps on a stranger's store in a world; what they did wrong. Files that a step names may be read."""
        self._number += 1
        before, secrets = fingerprint(world), secrets_of(world)
        wanted = [(step, {}) if isinstance(step, str) else step for step in steps]
        job = {
            "id": str(self._number), "root": str(world.root), "steps": wanted, "watch": not self.traces,
            "may_read": [str(path) for path in may_read], "grace": grace, "patience": patience,
            "secrets": [secret.decode() for secret in secrets],
        }  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the server of jobs has ended"
        report = Report(**json.loads(answer))
        report.findings += [f"guard: {change}" for change in changes(before, fingerprint(world))]
        report.findings += self._traced(world, may_read)
        report.findings += _left_in_files(world, secrets)
        return report

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)

    def _traced(self, world: World, may_read: tuple[Path, ...]) -> list[str]:
        if not self.traces:
            return []
        with self._log.open(errors="replace") as log:
            log.seek(self._read)
            text = log.read()
            self._read = log.tell()
        found = [call for call in tracing.calls(text.splitlines()) if call.step]
        return tracing.outside(
            [call for call in found if call.kind != "read" or Path(call.path) not in may_read], world
        )


def _left_in_files(world: World, secrets: list[bytes]) -> list[str]:
    """Secrets in what the steps wrote: logs, published runs, the store that was copied into."""
    found: list[str] = []
    for folder in (world.given, world.out, world.mine.parent):
        for path in folder.rglob("*") if folder.is_dir() else []:
            if path.is_symlink() or not path.is_file() or not world.may_change(path) or path.stat().st_size > 2**26:
                continue
            content = _readable(path)
            found += [
                f"a secret is written into {path.relative_to(world.root)}" for secret in secrets if secret in content
            ]
    return found


def _readable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".parquet" and path.parent.parent.name == "out":
        import pyarrow.parquet as pq

        with suppress(Exception):
            return str(pq.read_table(path).to_pylist()).encode(errors="replace")
    return content


# What follows runs in the server's process.


def _environment(job: dict[str, Any], world: World) -> None:
    os.environ.update(
        HOME=str(world.root / "home"), TMPDIR=str(world.scratch), RNC_DATA=str(world.scratch / "images"), RNC_GALLERY="",
        XDG_CACHE_HOME=str(world.scratch / "cache"), XDG_CONFIG_HOME=str(world.scratch / "config"),
        XDG_STATE_HOME=str(world.scratch / "state"),
    )  # fmt: skip
    os.environ["RNC_MEMORY_LIMIT"] = "512MB"
    os.environ[_JOB] = job["id"]
    tempfile.tempdir = None
    here = world.victim / "here"
    os.chdir(here)


def _child(job: dict[str, Any], steps: list[Any], answers: int) -> None:
    """Take the steps, and say of each that it begins and how it ended."""
    from tests.security import consumers

    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (_HARD_LIMIT, _HARD_LIMIT))
    world = World(Path(job["root"]))
    _environment(job, world)
    secrets = [secret.encode() for secret in job["secrets"]]
    consumers.know(secrets)
    for name, options in steps:
        os.write(answers, (json.dumps({"begin": name}) + "\n").encode())
        _mark(f"{job['id']} {name}")
        findings, heard = consumers.Findings(), []
        with (world.scratch / _SAID).open("w+b") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                with watch.opened() as heard:
                    ended = consumers.take(name, options, world, findings)
            except BaseException as error:
                ended = f"raised {type(error).__name__}: {str(error)[:300]}"
                last = traceback.extract_tb(error.__traceback__)[-1]
                findings.append(f"{ended} at {last.filename.removeprefix(str(ROOT))}:{last.lineno}")
            sys.stdout.flush()
            sys.stderr.flush()
            said = consumers.captured(output)
        consumers.check_output(said, secrets, findings)
        if job["watch"]:
            done = [call for call in tracing.heard(heard, name) if call.path not in job["may_read"]]
            findings += tracing.outside(done, world)
        answer = {"end": name, "how": ended, "said": said[-3000:], "findings": findings}
        os.write(answers, (json.dumps(answer) + "\n").encode())
    os._exit(0)


def _mark(name: str) -> None:
    with suppress(OSError):
        os.open(f"{tracing.MARK}{name}", os.O_RDONLY)


def _run(job: dict[str, Any], baseline: int) -> dict[str, Any]:
    steps: dict[str, str] = {}
    findings: list[str] = []
    inbound, outbound = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(inbound)
        try:
            _child(job, job["steps"], outbound)
        finally:
            os._exit(70)
    os.close(outbound)
    under_way = _follow(inbound, steps, findings, job["patience"])
    os.close(inbound)
    if under_way == "hangs":
        os.kill(pid, signal.SIGKILL)
    _pid, status, usage = os.wait4(pid, 0)
    if under_way not in ("", "hangs"):
        said = (Path(job["root"]) / "scratch" / _SAID).read_text(errors="replace")[-300:]
        findings.append(f"{under_way}: its process ended with status {status} ({usage.ru_maxrss >> 10} MiB): {said}")
    _mark("")  # (what follows is no step's)
    survivors = _survivors(job["id"], pid, job["grace"])
    findings += [f"process {other} outlives the job: {words}" for other, words in survivors.items()]
    for other in survivors:
        with suppress(ProcessLookupError):
            os.kill(other, signal.SIGKILL)
    if usage.ru_maxrss * 1024 > MOST_BYTES:
        findings.append(f"{usage.ru_maxrss >> 10} MiB of memory, of at most {MOST_BYTES >> 20}")
    steps["memory"] = f"{usage.ru_maxrss >> 10} MiB, {baseline >> 10} of them before"
    return {"steps": steps, "findings": findings}


def _follow(inbound: int, steps: dict[str, str], findings: list[str], patience: float) -> str:
    """Read what the child says until its end; `hangs`, or the step that it died in, or nothing."""
    rest, step, began = b"", "", 0.0
    while True:
        seconds = LAB_SECONDS if step.startswith("lab") else patience
        ready, _, _ = select.select([inbound], [], [], seconds)
        if not ready:
            findings.append(f"{step}: hangs, for {seconds:.0f} s")
            steps[step] = "hangs"
            return "hangs"
        part = os.read(inbound, 2**16)
        if not part:
            return step
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "begin" in message:
                step, began = message["begin"], time.monotonic()
                number = sum(other == step or other.startswith(f"{step} (") for other in steps)
                step = f"{step} ({number + 1})" if number else step
                continue
            said = message["said"].strip().replace("\n", " | ")
            steps[step] = f"{time.monotonic() - began:.1f} s  {message['how']}  {said[-400:]}"
            findings += [f"{step}: {finding}" for finding in message["findings"]]
            step = ""


def _survivors(job: str, session: int, grace: float) -> dict[int, str]:
    """Processes of a job that are still there after a while."""
    until = time.monotonic() + grace
    while (found := _of_job(job, session)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _of_job(job: str, session: int) -> dict[int, str]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] == "Z":
                continue
            of_session = int(fields[3]) == session
            marked = f"{_JOB}={job}\0".encode() in (folder / "environ").read_bytes()
            if of_session or marked:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:100]
    return found


_PRELOADED = (
    "rnc.doctor.__main__", "rnc.store.__main__", "rnc.store.copy", "rnc.store.export", "rnc.lab.saved_results",
    "rnc.lab.job_queue", "rnc.ui.sidebar", "rnc.ui.training_status", "rnc.ui.opened_store", "rnc.ui.lab.activities",
    "rnc.ui.lab.form", "rnc.ui.lab.saved_results",
    "rnc.ui.projections.selection_panel", "rnc.ui.pages.geometry", "rnc.ui.pages.simplex_distances", "rnc.ui.pages.findings",
    "rnc.ui.runs.save_archive_delete", "rnc.ui.runs.sweep_progress", "rnc.ui.charts.picture_files",
    "streamlit.testing.v1", "tests.security.consumers", "pyarrow.parquet", "sklearn.datasets", "pandas",
)  # fmt: skip


def main() -> None:
    """Serve until the input ends."""
    for module in _PRELOADED:
        importlib.import_module(module)
    answers = os.fdopen(os.dup(1), "w")
    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        json.dump(_run(json.loads(line), baseline), answers)
        answers.write("\n")
        answers.flush()


if __name__ == "__main__":
    main()
