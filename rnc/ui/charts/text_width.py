"""Widths of text in an exported figure, which must be known before the figure is drawn.

The fonts of figures have the widths of Helvetica (Arial and Liberation Sans were designed with the same ones).

Tested by tests/rnc/ui/charts/test_text_width.py.
"""

import unicodedata

_WIDTHS = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft\N{MIDDLE DOT}",
    333: "()-`r\N{SUPERSCRIPT TWO}",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jcksvxyz",
    556: "#$0123456789?L_abdeghnopqu",
    584: "+<=>~\N{MINUS SIGN}",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1015: "@",
}
"""Advance widths of Helvetica in thousandths of the font size (Adobe font metrics), and the characters that have them."""
_WIDTH_OF = {character: width / 1000 for width, characters in _WIDTHS.items() for character in characters}
_OTHER, _IDEOGRAPH = 0.72, 1.0
"""Widths of characters that Helvetica does not have: as wide as a capital, or a square."""


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text in the unit of its font size; too large rather than too small."""
    return size * sum(_WIDTH_OF.get(character) or _unusual(character) for character in text)


def _unusual(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    return _IDEOGRAPH if unicodedata.east_asian_width(character) in "WF" else _OTHER


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Return the text in lines of at most this width, broken at spaces, or within words that are longer than a line."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(longer, size) <= width:
            lines[-1] = longer
            continue
        *full, rest = _pieces(word, width, size)
        lines = [*(line for line in lines if line), *full, rest]
    return lines


def _pieces(word: str, width: float, size: float) -> list[str]:
    """Return a word in parts of at most this width, each of at least one character."""
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
