"""Durations in words, for pages, logs and errors."""


def in_words(seconds: float) -> str:
    """Return a duration in seconds as words with about two significant digits: `40 s`, `12 min`, `3.4 h`, `2.1 days`."""
    for unit, size in (("days", 86400), ("h", 3600)):
        if seconds >= 2 * size:
            count = seconds / size
            return f"{count:.1f} {unit}".replace(".0 ", " ") if count < 10 else f"{count:.0f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{max(seconds, 1):.0f} s"
