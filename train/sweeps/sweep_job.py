"""The work of one job of a sweep: its runs as separate commands, several at a time, resumed after a requeue.

Every run is `python -m train.run`, under torchrun if it has several ranks. It saves its state at the end of epochs, so
that after any end of a job (preempted, out of time, node lost) the next job resumes it with the same numbers.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission

from rnc.probe.interruption import OUT_OF_TIME
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.writer import run_state
from rnc.vocabulary import RunState

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 300.0  # after SIGTERM, for clusters with a grace period before they take the node
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass
class SweepJob:
    """A callable job that trains its runs; the result is the exit code of each run's command."""

    store: Path
    commands: dict[str, list[str]]
    """The arguments of `train.run`, by run."""
    at_a_time: int
    ranks: int
    """Number of processes per run, one per GPU."""
    gpus: int
    """Number of the machine's GPUs to distribute over the runs; 0 leaves that to the engine."""
    seconds: float | None
    """Seconds from the job's start until its runs stop at the end of an epoch; None for no limit."""
    requeues: bool
    """True if the engine requeues the job when it is out of time."""
    _busy: dict[int, tuple[str, subprocess.Popen]] = field(default_factory=dict, init=False, repr=False)
    _is_stopping: bool = field(default=False, init=False, repr=False)

    def __call__(self) -> dict[str, int]:
        """Train the unfinished runs; the failure of one does not affect the others."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        deadline = None if self.seconds is None else time.time() + self.seconds
        todo = [run_id for run_id in self.commands if self._state(run_id) != RunState.FINISHED]
        ended: dict[str, int] = {}
        while (todo and not _is_over(deadline)) or self._busy:
            for slot in range(self.at_a_time):
                if slot not in self._busy and todo and not _is_over(deadline):
                    self._start(slot, todo.pop(0), deadline)
            time.sleep(_POLL_SECONDS)
            ended |= self._collect()
        unfinished = todo or OUT_OF_TIME in ended.values()
        if unfinished and self.requeues:
            self.requeue()
        return ended | dict.fromkeys(todo, OUT_OF_TIME)

    def checkpoint(self) -> DelayedSubmission:
        """Stop the runs when submitit signals preemption or a timeout, and return the same job for resubmission."""
        self._stop()
        return DelayedSubmission(replace(self))

    def requeue(self) -> None:
        """Return the job to its engine with the signal that submitit uses."""
        os.kill(os.getpid(), getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}"))
        time.sleep(_GRACE_SECONDS)

    def _start(self, slot: int, run_id: str, deadline: float | None) -> None:
        command = [sys.executable, "-m", "train.run"]
        if self.ranks > 1:
            torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(self.ranks)]
            command = [sys.executable, "-m", *torchrun, "-m", "train.run"]
        limit = [] if deadline is None else ["--time-limit", f"{max(deadline - time.time(), 1):.0f}s"]
        print(f"{run_id}: started", flush=True)
        process = subprocess.Popen(
            [*command, *self.commands[run_id], *limit],
            cwd=_ROOT,
            env=os.environ | self._gpus_of(slot),
            preexec_fn=_prepare_child,
        )
        self._busy[slot] = run_id, process

    def _gpus_of(self, slot: int) -> dict[str, str]:
        if self.gpus <= self.ranks:
            return {}
        visible = os.environ["CUDA_VISIBLE_DEVICES"].split(",")  # set by submitit
        first = slot * self.ranks
        return {"CUDA_VISIBLE_DEVICES": ",".join(visible[(first + i) % len(visible)] for i in range(self.ranks))}

    def _collect(self) -> dict[str, int]:
        """Return the runs that have ended since the last call, with their exit codes."""
        ended = {}
        for slot, (run_id, process) in list(self._busy.items()):
            if (code := process.poll()) is None:
                continue
            del self._busy[slot]
            if code not in (0, OUT_OF_TIME) and self._state(run_id) == RunState.INTERRUPTED:
                code = OUT_OF_TIME  # torchrun returns the same code for all failures of a rank
            print(f"{run_id}: ended with code {code}", flush=True)
            ended[run_id] = code
        return ended

    def _state(self, run_id: str) -> str | None:
        """Return the state of a run in the store, read by a thread of its own; None if it cannot be read.

        The handlers of signals run in the main thread and wait for runs, which write to the store. In the middle of a
        query of the main thread, they would keep its connection open, for which the runs would wait in turn.
        """
        with ThreadPoolExecutor(1, "state of a run") as reader:
            return reader.submit(self._read_state, run_id).result()

    def _read_state(self, run_id: str) -> str | None:
        try:
            with reading(self.store) as connection:
                return run_state(connection, run_id)
        except StoreError:
            return None

    def _stop(self) -> None:
        """Send SIGTERM to the runs, and wait until they have ended."""
        self._is_stopping = True
        for _run_id, process in self._busy.values():
            process.terminate()
        for _run_id, process in self._busy.values():
            with suppress(ChildProcessError):  # the process was already waited for
                # Not `process.wait()`: this signal handler may have interrupted a `poll()` that holds its lock.
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    def _on_sigterm(self, _number: int, _frame: Any) -> None:
        """Handle SIGTERM: a user cancels the job, or a cluster is about to take its node and requeue the job itself.

        In the second case, a job that exits now would count as done. The job therefore waits to be killed, and requeues
        itself if that does not happen; a cancelled job is killed within the cluster's KillWait.
        """
        if self._is_stopping:
            return
        self._stop()
        if self.requeues:
            time.sleep(_GRACE_SECONDS)
            self.requeue()
        sys.exit(128 + signal.SIGTERM)


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.time() >= deadline


def _prepare_child() -> None:
    """Make the new process end with the job, and ignore the signal that is meant for the job."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
