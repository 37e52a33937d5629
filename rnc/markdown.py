"""Texts that are not ours, in places where Markdown is read."""

import re


def inert(text: str) -> str:
    """A name without the power to make links, images or code; the same text, where it is a name as people give them."""
    return re.sub(r"([\\`*\[\]|<>$~])", r"\\\1", text)


def literal(text: str) -> str:
    """A text that Markdown shows as it is: paths and patterns have stars and underscores, names may have anything."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>$:~^=&])", r"\\\1", text)
