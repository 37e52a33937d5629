"""The texts of a PDF page with their boxes, read from the page's drawing operations."""

from typing import Any, NamedTuple

import numpy as np
from pypdf import PageObject
from pypdf.generic import ContentStream

_IDENTITY = np.eye(3)


class Box(NamedTuple):
    """A piece of text and the corners of its box in points from the page's lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    slanted: bool
    """True if the text is neither horizontal nor vertical, so that its box is larger than it."""


def text_boxes(page: PageObject) -> list[Box]:
    """The boxes of all pieces of text of a page, from the baseline to the height of a capital."""
    return _Reader(page["/Resources"], page.pdf, _IDENTITY).boxes_of(page.get_contents())


class _Reader:
    """Follows the operations of a page or a form, which change the place and the font of the texts after them."""

    def __init__(self, resources: Any, pdf: Any, place: np.ndarray) -> None:
        self._resources, self._pdf = resources, pdf
        self._stack, self._text_place = [place], _IDENTITY
        self._font, self._size = None, 0.0

    def boxes_of(self, content: Any) -> list[Box]:
        boxes: list[Box] = []
        for operands, operator in ContentStream(content, self._pdf).operations:
            if operator in (b"Tj", b"TJ"):
                pieces = operands[0] if operator == b"TJ" else operands
                boxes.append(_box(pieces, self._font, self._size, self._text_place @ self._stack[-1]))
            elif operator == b"Do":
                boxes += self._boxes_of_form(self._resources["/XObject"][operands[0]])
            else:
                self._follow(operator, operands)
        return boxes

    def _follow(self, operator: bytes, operands: Any) -> None:
        if operator == b"q":
            self._stack.append(self._stack[-1])
        elif operator == b"Q":
            self._stack.pop()
        elif operator == b"cm":
            self._stack[-1] = _matrix(operands) @ self._stack[-1]
        elif operator == b"Tf":
            self._font, self._size = self._resources["/Font"][operands[0]], float(operands[1])
        elif operator == b"Tm":
            self._text_place = _matrix(operands)

    def _boxes_of_form(self, form: Any) -> list[Box]:
        if form["/Subtype"] != "/Form":
            return []
        place = _matrix(form.get("/Matrix", [1, 0, 0, 1, 0, 0])) @ self._stack[-1]
        return _Reader(form.get("/Resources", self._resources), self._pdf, place).boxes_of(form)


def _matrix(numbers: Any) -> np.ndarray:
    a, b, c, d, e, f = map(float, numbers)
    return np.array([[a, b, 0], [c, d, 0], [e, f, 1]])


def _box(pieces: Any, font: Any, size: float, place: np.ndarray) -> Box:
    """The box of some glyphs; numbers between them move the next one to the left, in thousandths of the font's size."""
    widths, letters = _widths(font), _letters(font)
    length, text = 0.0, ""
    for piece in pieces:
        if isinstance(piece, int | float):
            length -= float(piece) / 1000
            continue
        glyphs = np.frombuffer(_bytes(piece), ">u2")
        length += sum(widths.get(int(glyph), 1000.0) for glyph in glyphs) / 1000
        text += "".join(letters.get(int(glyph), "\N{REPLACEMENT CHARACTER}") for glyph in glyphs)
    ends = np.array([[x, y, 1] for x in (0, length * size) for y in (0, 0.72 * size)]) @ place
    slanted = bool(np.abs(place[0, :2]).min() > 1e-3 * np.abs(place[0, :2]).max())
    return Box(text, *ends[:, :2].min(axis=0).tolist(), *ends[:, :2].max(axis=0).tolist(), slanted)


def _bytes(piece: Any) -> bytes:
    return bytes(getattr(piece, "original_bytes", piece))


def _widths(font: Any) -> dict[int, float]:
    """The advance width of each glyph (/W of a composite font) in thousandths."""
    entries, found = list(font["/DescendantFonts"][0].get_object()["/W"]), {}
    while entries:
        first, second = entries.pop(0), entries.pop(0)
        if isinstance(second, list):
            found |= {int(first) + place: float(width) for place, width in enumerate(second)}
        else:
            found |= dict.fromkeys(range(int(first), int(second) + 1), float(entries.pop(0)))
    return found


def _letters(font: Any) -> dict[int, str]:
    """The text of each glyph (/ToUnicode)."""
    letters: dict[int, str] = {}
    for line in font["/ToUnicode"].get_object().get_data().decode().splitlines():
        parts = line.strip("<> ").split("> <")
        if line.startswith("<") and len(parts) == 2 and "begin" not in line:
            letters[int(parts[0], 16)] = bytes.fromhex(parts[1]).decode("utf-16-be")
    return letters
