"""Processes that have torch loaded when they begin."""

import multiprocessing
from multiprocessing.context import ForkServerContext

_LOADED = ["train.run", "tests.train.killed_run", "tests.faults.killed"]


def fork_server() -> ForkServerContext:
    """Return the context of such processes; a process of the suite has one fork server, whoever asks for it first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context
