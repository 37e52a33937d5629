"""Waiting for a job of the lab, as a page that stays open does."""

import time

from rnc.lab.job import Job
from rnc.lab.job_queue import JobQueue


def wait(queue: JobQueue, job: Job, seconds: float) -> bool:
    """Touch a job until it ends, at most this many seconds, and return whether it has ended."""
    until = time.monotonic() + seconds
    while not job.ended and time.monotonic() < until:
        queue.touch(job)
        time.sleep(0.002)
    return job.ended
