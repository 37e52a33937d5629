"""Choices of epochs: from a word or a list to a sorted list of epoch numbers."""

LOG_POINTS = 12


def log_spaced(epochs: int, drops: list[int]) -> list[int]:
    """Return about LOG_POINTS epochs from 0 to the last, dense at the start, including the learning-rate drops."""
    powers = {round(epochs ** (i / (LOG_POINTS - 1))) for i in range(LOG_POINTS)} if epochs else set()
    return sorted({0, epochs, *drops, *powers})


def parse_epochs(text: str, epochs: int, drops: list[int], measured: list[int] | None) -> list[int]:
    """Return the epochs that `text` selects in a run of `epochs`.

    `measured` are the epochs meant by the word `measured`; None if that word is not allowed. Raises ValueError for an
    unknown word, an epoch outside 0..epochs, or one that is not among `measured` if that is given.
    """
    words = {"log": log_spaced(epochs, drops), "every": list(range(epochs + 1)), "last": [epochs], "none": []}
    words["milestones"] = sorted({0, epochs, *drops})
    if measured is not None:
        words |= {"measured": measured, "every": measured}
    chosen = words[text] if text in words else _listed(text, list(words))
    outside = [epoch for epoch in chosen if not 0 <= epoch <= epochs]
    if outside:
        raise ValueError(f"epochs {outside} are outside 0..{epochs}")
    if measured is not None and not set(chosen) <= set(measured):
        raise ValueError(f"epochs {sorted(set(chosen) - set(measured))} are not measured; measured are {measured}")
    return chosen


def _listed(text: str, words: list[str]) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ValueError(
            f"{text!r} is not a valid choice of epochs; use {', '.join(words)}, or a list such as 0,10,40"
        ) from None
