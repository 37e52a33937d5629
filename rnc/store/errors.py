"""What can be wrong with a store. Each message says what happened, why, and what to do."""


class StoreError(Exception):
    """A store that cannot be used; the message says why and what to do."""


class StoreMissingError(StoreError):
    """There is no store yet, or nothing was ever written to it."""


class StoreOlderError(StoreError):
    """The store is of an older schema; whatever writes to it brings it up to date."""


class StoreForeignError(StoreError):
    """A DuckDB file that is no store, but of another program."""


class StoreBusyError(StoreError):
    """Another process held the store for longer than we wait."""


class StoreWriteError(StoreError):
    """The disk refused; what had landed before is safe."""


class StoreAddressError(StoreError, ValueError):
    """An address that names no store."""
