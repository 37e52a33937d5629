"""Tell errors for want of memory from others: torch raises several kinds of them.

Tests: tests/rnc/lab/test_client.py.
"""

import torch

_SAID = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "bad alloc",
    "bad_alloc",
    "can't start new thread",
)


def is_want_of_memory(error: BaseException) -> bool:
    """Return whether an error was raised because memory could not be had."""
    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in said for words in _SAID)
