"""The lab of the pages' tests: it does what they ask for, and no more."""

from collections.abc import Iterator

import pytest

from rnc.lab.job_queue import JobQueue
from rnc.lab.network_and_images import Source


@pytest.fixture(autouse=True)
def speeds_asked() -> Iterator[list[Source]]:
    """Note the networks whose speed a form lets the lab measure; to measure it, a process would load torch for each module."""
    asked: list[Source] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobQueue, "measure_when_idle", lambda _queue, source: asked.append(source))
        yield asked
