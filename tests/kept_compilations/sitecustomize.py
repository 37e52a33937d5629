"""Lets the UMAP processes that tests start keep what numba compiles: each of them would compile for 16 s of processor.

Python imports this module when it starts, since tests/conftest.py has its folder in PYTHONPATH.
Tested by tests/rnc/test_umap_process.py.
"""

import sys
from collections.abc import Callable
from typing import Any

UMAP_PROCESS = ["-m", "rnc.umap_process"]


def keeping(decorate: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator of numba that keeps machine code in NUMBA_CACHE_DIR, unless its caller says otherwise."""

    def decorator(*arguments: Any, **options: Any) -> Any:
        return decorate(*arguments, **{"cache": True, **options})

    return decorator


if sys.orig_argv[-2:] == UMAP_PROCESS:
    import numba

    numba.njit, numba.jit = keeping(numba.njit), keeping(numba.jit)
