"""The errors of a store. Each message says what happened, why, and what to do.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""


class StoreError(Exception):
    """A store that cannot be used; the message says why and what to do."""


class StoreMissingError(StoreError):
    """There is no store yet, or nothing was ever written to it."""


class StoreOlderError(StoreError):
    """The store has an older schema; any command that writes to it upgrades it."""


class NotAStoreError(StoreError):
    """A DuckDB file of another program."""


class StoreBusyError(StoreError):
    """Another process held the store for longer than the waiting time."""


class StoreWriteError(StoreError):
    """The disk refused a write; everything written before is safe."""


class StoreAddressError(StoreError, ValueError):
    """An address that names no store."""


class RunExistsError(StoreError):
    """The store already holds a finished run with this key."""


class SweepFileError(Exception):
    """A sweep's file that is invalid; the message says where."""
