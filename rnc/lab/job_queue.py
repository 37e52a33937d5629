"""The job queue of the lab: it serves the requests of all browser sessions one after the other with one worker process.

A page submits a request, touches the job as long as somebody waits for it, and reads the job's state, result and error.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rnc import event_log
from rnc.lab.estimates import PassTimes
from rnc.lab.job import Job, JobState
from rnc.lab.message_format import MessageError
from rnc.lab.network_and_images import Source, refusal_of_place
from rnc.lab.request_base import Request
from rnc.lab.result_base import Result
from rnc.lab.result_cache import ResultCache
from rnc.lab.time_and_memory_limits import Limits, from_environment
from rnc.lab.worker_process import RequestFailedError, WorkerGoneError, WorkerProcess

_CACHE_BYTES = 256 * 2**20
_PAUSE_SECONDS = 0.1  # after an exception in the thread, so that a repeated one does not use up the processor
_CLOSED = "The app was closed."


class JobRefusedError(Exception):
    """Error raised if no job is accepted now, mostly because the queue is full; the message gives the reason."""


class JobQueue:
    """A queue that serves jobs one after the other, in the order of their arrival. It can be shared between threads.

    The result of an earlier equal request comes from the cache. A job that is not touched for `Limits.patience_seconds` is
    ended, because its browser tab is closed. An error ends one job: a dead worker or serving thread is started again.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        folders: Callable[[], Iterable[Path]] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Create the queue without starting the worker.

        If `limits` is None, they come from the environment. Networks are read only from inside `folders`; None allows any
        place, for commands that work on the user's files. `command` starts another worker than the lab's own.
        """
        self.limits = from_environment() if limits is None else limits
        self.closed = False
        """True if the queue serves no more jobs."""
        self._folders = folders
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._to_measure: Source | None = None
        self._thread: threading.Thread | None = None
        self._cache = ResultCache(_CACHE_BYTES)
        self._pass_times = PassTimes()
        self._worker = WorkerProcess(self.limits, command)

    def submit(self, request: Request, session: str = "", address: str = "") -> Job:
        """Put a request at the end of the queue; a cached result or a refusal ends the job at once.

        `session` and `address` identify the visitor, so that no visitor can fill the whole queue. Raises JobRefusedError.
        """
        job = Job(request, session, address)
        if self._answer_from_cache(job):
            return job
        refusal = refusal_of_place(request.sources, self._folders)
        refusal = refusal or self.limits.refusal_of_time(self._estimate_of_work(request))
        if refusal is not None:
            job.end(JobState.FAILED, error=refusal)
            return job
        with self._changed:
            self._drop_abandoned()
            refusal = self.limits.refusal_by_queue_limits(job, self._waiting, self._current) or self._wake()
            if refusal is not None:
                raise JobRefusedError(refusal)
            self._waiting.append(job)
        return job

    def estimate(self, request: Request) -> float | None:
        """Return the seconds that a request will take once it is its turn: 0 if its result is cached, None if unknown.

        They are known for networks that have run since the app started; `measure_when_idle` measures another one.
        """
        return 0.0 if self._cached(request) is not None else self._estimate_of_work(request)

    def measure_when_idle(self, source: Source) -> None:
        """Start the worker, load the network and measure its pass time for `estimate`, once nothing else is to be done.

        Errors are not raised, because only the estimate depends on the measurement.
        """
        if self._pass_times.knows(source) or refusal_of_place([source], self._folders) is not None:
            return
        with self._changed:
            self._to_measure = source
            if (refusal := self._wake()) is not None:
                event_log.event("lab: no pass time", error=refusal)

    def touch(self, job: Job) -> None:
        """Record that somebody still waits for a job, and start the serving thread again if it has died."""
        job.touch()
        if job.ended or self.closed or self._thread is None or self._thread.is_alive():
            return
        with self._changed:
            if (refusal := self._wake()) is not None:
                event_log.event("lab: not started", error=refusal)

    def place(self, job: Job) -> int | None:
        """Return the number of jobs that are served before this one; None if it is no longer queued."""
        with self._changed:
            return self._waiting.index(job) + (self._current is not None) if job in self._waiting else None

    def stop(self, job: Job) -> None:
        """Stop a job after the current round; a queued job leaves the queue at once."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.end(JobState.STOPPED)
            elif job is self._current:
                job.request_end()

    @property
    def length(self) -> int:
        """The number of jobs that wait or are under way."""
        with self._changed:
            return len(self._waiting) + (self._current is not None)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process ID; None if no worker runs."""
        return self._worker.pid

    def close(self) -> None:
        """End the worker and all jobs."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self._worker.end_for_good()
        if self._thread is not None:
            self._thread.join()

    def _estimate_of_work(self, request: Request) -> float | None:
        """Return the seconds that a request takes without the cache; None if they are not known."""
        seconds = self._pass_times.estimate(request)
        return seconds if seconds is None or self.worker_pid is not None else seconds + self._worker.start_seconds

    def _cached(self, request: Request) -> Result | None:
        """Return the cached result, or None if there is none or the cache fails."""
        try:
            return self._cache.get(request.key)
        except Exception as error:
            event_log.log_exception(error)
            return None

    def _answer_from_cache(self, job: Job) -> bool:
        result = self._cached(job.request)
        if result is not None:
            job.end_from_cache(result)
        return result is not None

    def _wake(self) -> str | None:
        """Start the thread if it does not run, and notify it of a change. Call with the lock held. Return why it cannot start."""
        if self.closed:
            return "the lab is closed; start the app again"
        if self._thread is None or not self._thread.is_alive():
            self._clean_up_after_thread()
            try:
                thread = threading.Thread(target=self._serve, name="lab", daemon=True)
                thread.start()
            except RuntimeError as error:  # the system has no thread left
                event_log.log_exception(error)
                return f"the lab cannot start now ({error}); try again in a moment"
            self._thread = thread
        self._changed.notify_all()
        return None

    def _clean_up_after_thread(self) -> None:
        """Fail the job of a thread that died, and end its worker, which may still be at work."""
        job, self._current = self._current, None
        if self._thread is not None:
            event_log.event("lab: its thread died and is started again", 40)
            self._worker.end()
        if job is not None:
            job.end(JobState.FAILED, error="The lab failed; run it again.")

    def _drop_abandoned(self) -> None:
        """End the queued jobs whose pages are closed. Call with the lock held."""
        for job in [job for job in self._waiting if job.seconds_untouched > self.limits.patience_seconds]:
            self._waiting.remove(job)
            job.end(JobState.FAILED, error="This left the queue because its page was closed; run it again.")

    def _serve(self) -> None:
        """Serve jobs until the queue is closed; this is the only thread that makes requests to the worker."""
        while True:
            try:
                work = self._next()
                if work is None:
                    return
                if isinstance(work, Source):
                    self._measure_pass_time(work)
                elif not self._answer_from_cache(work):
                    self._run(work)
            except Exception as error:  # any exception, so that the next job is served
                event_log.log_exception(error)
                if self._current is not None:
                    self._fail(self._current, f"The lab failed ({type(error).__name__}); run it again.")
                time.sleep(_PAUSE_SECONDS)

    def _next(self) -> Job | Source | None:
        """Wait for the next job, or for a network to measure if no job waits; return None once the queue is closed."""
        with self._changed:
            self._current = None
            while not self.closed:
                self._drop_abandoned()
                if self._waiting:
                    self._current = self._waiting.popleft()
                    return self._current
                if self._to_measure is not None:
                    source, self._to_measure = self._to_measure, None
                    return source
                self._changed.wait()
            for job in self._waiting:
                job.end(JobState.FAILED, error=_CLOSED)
            self._waiting.clear()
            return None

    def _run(self, job: Job) -> None:
        """Let the worker answer a job's request, and end the job. An error ends only this job."""
        try:
            job.enter_loading_state()
            result, is_complete = self._worker.run_and_report_completeness(job, lambda: self._check(job))
        except (MessageError, RequestFailedError) as error:
            self._fail(job, str(error))
        except WorkerGoneError as error:
            self._worker.end()
            if job.end_request is not None and not self.closed:
                job.end_early()
            self._fail(job, str(error))
        except Exception as error:  # any exception, so that the queue goes on
            self._worker.end()
            event_log.log_exception(error)
            self._fail(job, f"The lab failed ({type(error).__name__}); try again: other attacks continue.")
        else:
            self._finish(job, result, is_complete)

    def _finish(self, job: Job, result: Result | None, is_complete: bool) -> None:
        """End a job with its result; a complete one is cached, and ends all queued jobs of an equal request."""
        if result is None or not is_complete:
            job.end_early(result)
            return
        try:
            self._pass_times.add_request(job.request, job.running_seconds)
            self._cache.put(job.request.key, result)
        except Exception as error:  # the job still gets its result
            event_log.log_exception(error)
        job.end(JobState.DONE, result)
        self._answer_equal_jobs(job.request, result)

    def _answer_equal_jobs(self, request: Request, result: Result) -> None:
        with self._changed:
            for job in [job for job in self._waiting if job.request.key == request.key]:
                self._waiting.remove(job)
                job.end_from_cache(result)

    def _check(self, current: Job) -> None:
        """Apply the limits to the queued jobs and the current one. Raises WorkerGoneError if the worker must be ended."""
        with self._changed:
            self._drop_abandoned()
        self.limits.request_end_if_exceeded(current)
        end_request = current.end_request
        if end_request is not None and time.monotonic() - end_request.requested_at > self.limits.stop_seconds:
            event_log.event("lab: a worker that did not stop in time was ended", logging.WARNING)
            raise WorkerGoneError("The attack's process did not stop in time, and was ended.")

    def _measure_pass_time(self, source: Source) -> None:
        """Let the worker measure a network. Errors are only logged."""
        try:
            self._pass_times.add(source, self._worker.measure_speed(source))
        except Exception as error:
            if not isinstance(error, MessageError | RequestFailedError):
                self._worker.end()
            if not isinstance(error, MessageError | RequestFailedError | WorkerGoneError):
                event_log.log_exception(error)
            if not self.closed:
                event_log.event("lab: no pass time", logging.WARNING, run=source.run_id[:200], error=str(error))

    def _fail(self, job: Job, error: str) -> None:
        if self.closed:
            error = _CLOSED
        elif not job.ended:
            event_log.event("lab: a job failed", logging.WARNING, text=error)
        job.end(JobState.FAILED, error=error)
