"""Titles of charts on a page have words where exported figures have letters with an index, and are as wide as their chart."""

import json
import re
from typing import Any

import pandas as pd
import pytest

from rnc.ui.charts.geometry import class_norms
from rnc.ui.charts.page_specification import page_specification, with_symbols_as_words
from rnc.vocabulary import METRIC_INFO, Metric

INDEX = re.compile(r"[A-Za-zΣμ]_[A-Za-z]")


def titles(part: Any) -> list[str]:
    """All titles of a specification."""
    if isinstance(part, list):
        return [text for each in part for text in titles(each)]
    if not isinstance(part, dict):
        return []
    own = [part[name] for name in ("title", "text", "subtitle") if isinstance(part.get(name), str)]
    return own + [text for each in part.values() for text in titles(each)]


@pytest.mark.parametrize("metric", list(Metric))
def test_no_metric_is_explained_with_a_raw_index(metric: Metric) -> None:
    title = {"text": METRIC_INFO[metric].label, "subtitle": METRIC_INFO[metric].meaning}
    (layer,) = with_symbols_as_words({"layer": [{"title": title}]})["layer"]
    assert not any(map(INDEX.search, titles(layer))) and len(titles(layer)) == 2


def test_axes_have_words_and_names_of_data_are_as_they_were() -> None:
    frame = pd.DataFrame({"class": ["μ_c", "b"], "shown": "clean", "value": [1.0, 2.0]})
    drawn = class_norms(frame, ["μ_c", "b"], "#000000").specification
    shown = with_symbols_as_words(drawn)
    assert any(map(INDEX.search, titles(drawn))) and not any(map(INDEX.search, titles(shown)))
    assert "‖class mean − global mean‖" in titles(shown)
    assert shown["encoding"]["x"]["sort"] == ["μ_c", "b"]


@pytest.mark.parametrize("title", ["Norms", {"text": "Norms", "subtitle": "‖μ_c − μ_G‖"}])
def test_the_longest_title_follows_the_width_of_its_chart(title: Any) -> None:
    """A number would be the width of the place in which the chart was drawn first."""
    text = json.dumps({"mark": "bar", "title": title})
    drawn = page_specification(text)
    assert "width" in drawn["title"]["limit"]["expr"] and drawn["title"]["text"] == "Norms"
    drawn["title"]["text"] = "changed"
    assert page_specification(text)["title"]["text"] == "Norms", "each draws its copy"


def test_a_chart_without_a_title_gets_none() -> None:
    assert "title" not in page_specification('{"mark": "bar"}')
