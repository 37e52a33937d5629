"""Detection of out-of-memory errors, which torch raises in several forms.

Tested by tests/rnc/lab/test_parts.py.
"""

import torch

_PHRASES = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "bad alloc",
    "bad_alloc",
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error was raised because there was not enough memory."""
    message = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(phrase in message for phrase in _PHRASES)
