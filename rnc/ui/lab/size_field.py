"""A text field for a size in pixels that marks a wrong entry and says what is accepted, while the other fields stay.

Tested by tests/pages/test_lab_form.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streamlit.delta_generator import DeltaGenerator

from rnc.conditions import format_pixels, parse_pixels
from rnc.ui.lab.style import SIZE, WRONG
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown


@dataclass(frozen=True)
class SizeField:
    """A size in pixels of [0, 1]: its label, the keys of its state and address, and the value that stands in for a wrong one."""

    label: Markdown
    key: str
    default: float
    help: Markdown
    shown: str | None = None
    """The text of the empty field; None if the field begins with the default."""


@dataclass
class WrongFields:
    """The labels of the fields of a form that have wrong entries, in their order on the page."""

    labels: list[Markdown] = field(default_factory=list)

    def read(self, where: DeltaGenerator, size: SizeField, check: Callable[[float], object]) -> float:
        """Draw a field and return its value; mark it and return its default if `check` or the parsing raises ValueError."""
        bound: Any = {"bind": "query-params"}
        begins = format_pixels(size.default) if size.shown is None else ""
        place = where.container(key=f"{SIZE}_{size.key}")
        text = place.text_input(size.label, begins, key=size.key, help=size.help, placeholder=size.shown, **bound)
        text = (text or "").strip()
        if not text and size.shown is not None:
            return size.default
        try:
            value = parse_pixels(text)
            check(value)
        except ValueError as error:
            self.labels.append(size.label)
            _mark(place, size.key, str(error))
            return size.default
        return value


def _mark(place: DeltaGenerator, key: str, message: str) -> None:
    """Draw the message below a field, whose border becomes red."""
    sentence = f"{message[0].upper()}{message[1:]}{'' if message.endswith('?') else '.'}"
    below = place.container(key=f"{WRONG}_{key}")
    below.markdown(f":small[:red[:material/error: {escape_markdown(sentence, MAX_MESSAGE_LENGTH)}]]")
