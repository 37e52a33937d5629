"""Rules of style that make a browser compute the style of the whole page for each element that is added are not used."""

from rnc.ui.lab.style import LAB_STYLE
from rnc.ui.style import STYLE


def test_no_rule_asks_what_later_siblings_contain() -> None:
    """With such a rule, drawing the curves of 12 runs styled 89,000 elements, and 10,000 without it."""
    for rules in (STYLE, LAB_STYLE):
        assert ":has(~" not in rules.replace(" ", "") and ":has(+" not in rules.replace(" ", "")
