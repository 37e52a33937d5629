"""The life of a run in the store: its lock, its state from running to the final one, and its heartbeat.

Trained runs and measurements of external networks share it.

Tested by tests/train/test_measure.py.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rnc import event_log
from rnc.probe.heartbeat import Heartbeat
from rnc.probe.interruption import StopRun, sigterm_stops
from rnc.probe.measurement_config import MeasurementConfig
from rnc.probe.save_networks import forget_unknown
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock
from rnc.store.networks_shared_by_stores import refuse_networks_of_others
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState


class RunSession:
    """A run that this process has locked; `begin` marks it as running in the store."""

    def __init__(self, writer: StoreWriter, config: MeasurementConfig, *, overwrite: bool) -> None:
        """Start the clock; nothing is written yet. `overwrite` replaces a finished run with the same id."""
        self.writer = writer
        """The one writer of the run: it adds the time of each write to the row of its epoch at the next write."""
        self.heartbeat = Heartbeat(writer, config.run_id)
        self.is_running = False
        self._config = config
        self._overwrite = overwrite
        self._seconds_before = 0.0
        self._started = time.monotonic()

    def begin(
        self,
        classes: list[str],
        provenance: dict[str, Any],
        *,
        resume_after: int | None = None,
        epochs_done: int = 0,
        seconds_before: float = 0.0,
    ) -> None:
        """Mark the run as running, and remove networks whose rows are not stored.

        An interrupted run is resumed after the stored epoch `resume_after`; it had done `epochs_done` epochs in
        `seconds_before` seconds. Raises RunExistsError for a finished run, and StoreError as the writer does.
        """
        config = self._config
        conditions = config.conditions + config.conditions_at_end
        self.writer.begin_run(
            config.run_id,
            config.to_json(),
            classes,
            provenance,
            conditions,
            overwrite=self._overwrite,
            resume_after=resume_after,
        )
        self.is_running = True
        self.heartbeat.epochs_done = epochs_done
        self._seconds_before = seconds_before
        name = "run started" if resume_after is None else "run resumed"
        event_log.event(name, run=config.run_id, epoch=resume_after or 0, device=provenance["device"])
        forget_unknown(self.writer.path, config.run_id, -1 if resume_after is None else resume_after)

    def seconds_of_all_sessions(self) -> float:
        """Return the wall time of the run, including its previous sessions."""
        return self._seconds_before + time.monotonic() - self._started

    def record_finished(self) -> None:
        """Record that the run is finished. Raises StoreError if the store cannot be written."""
        self._end(RunState.FINISHED, None)

    def end_with(self, error: BaseException) -> None:
        """Record the error that ended the run: interrupted for Ctrl-C and StopRun, failed for all others.

        An error of the store is ignored here (for example a full disk), since the error that ended the run says more.
        """
        is_interruption = isinstance(error, KeyboardInterrupt | StopRun)
        with suppress(StoreError):
            self._end(RunState.INTERRUPTED if is_interruption else RunState.FAILED, _reason(error))

    def _end(self, state: RunState, reason: str | None) -> None:
        self.is_running = False
        level = logging.ERROR if state is RunState.FAILED else logging.INFO
        event_log.event(f"run {state}", level, run=self._config.run_id, epoch=self.heartbeat.epochs_done, reason=reason)
        self.writer.end_run(self._config.run_id, state, self.seconds_of_all_sessions(), reason)


@contextmanager
def run_session(writer: StoreWriter, config: MeasurementConfig, *, overwrite: bool) -> Iterator[RunSession]:
    """Hold the lock of a run during the block; record its final state in the store if the block has begun it.

    SIGTERM ends the block with StopRun. Raises StoreError if another process trains or measures the run into this store,
    or if another store in the folder uses the networks of a run with the same id.
    """
    with sigterm_stops(), run_lock(writer.path, config.run_id):
        refuse_networks_of_others(writer.path, config.run_id)
        session = RunSession(writer, config, overwrite=overwrite)
        try:
            yield session
        except BaseException as error:
            if session.is_running:
                session.end_with(error)
            raise
        if session.is_running:
            session.record_finished()


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped by the user"
    return str(error) if isinstance(error, StopRun) else f"{type(error).__name__}: {error}"
