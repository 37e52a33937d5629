"""Coroutines in tests, also beside a browser's tests, whose event loop runs in the main thread of the process."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run(task: Awaitable[Any]) -> Any:
    """Wait for a task in an event loop of another thread, and return its result."""

    async def wait() -> Any:
        return await task

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, wait()).result()
