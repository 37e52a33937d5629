"""Where things lie beside a store."""

from pathlib import Path


def real_path(store: Path) -> Path:
    """Return a store's absolute path, all links followed; where links form a circle, the path that was given, absolute."""
    try:
        return store.resolve()
    except (OSError, RuntimeError):
        return store.absolute()  # (opening it says what is wrong)
