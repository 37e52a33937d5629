"""Drawing in a process of its own: a chart that wants too much ends that process, and nothing else."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnc.ui.charts import picture_files
from rnc.ui.charts.chart_with_cached_specification import Chart, named
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.render_process import Renderer, RenderError

POINTS = {"mark": "point", "encoding": {"x": {"field": "data", "type": "quantitative"}}}
SMALL = POINTS | {"data": {"sequence": {"start": 0, "stop": 5}}}
HUGE = POINTS | {"data": {"sequence": {"start": 0, "stop": 100_000_000}}}
"""A short specification of which the engine makes gigabytes."""


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    made = Renderer(memory=700 * 2**20, seconds=60)
    yield made
    made.close()


def test_a_chart_that_wants_too_much_memory_is_refused_and_the_next_is_drawn(renderer: Renderer) -> None:
    with pytest.raises(RenderError, match="needs more than 700 MB"):
        renderer.render(HUGE, "svg")
    assert renderer.render(SMALL, "svg").startswith(b"<svg")


def test_one_process_draws_chart_after_chart(renderer: Renderer) -> None:
    renderer.render(SMALL, "svg")
    process = renderer._process
    renderer.render(SMALL, "svg")
    assert process is not None and renderer._process is process and process.poll() is None


def test_a_chart_that_takes_too_long_is_given_up() -> None:
    renderer = Renderer(seconds=0.05)
    with pytest.raises(RenderError, match=r"was stopped after 0 s"):
        renderer.render(SMALL, "svg")
    assert renderer._process is None


def test_a_process_that_was_ended_is_replaced(renderer: Renderer) -> None:
    renderer.render(SMALL, "svg")
    assert renderer._process is not None
    os.kill(renderer._process.pid, signal.SIGKILL)
    renderer._process.wait()
    assert renderer.render(SMALL, "svg").startswith(b"<svg")


def test_the_process_ends_with_its_parent(renderer: Renderer) -> None:
    renderer.render(SMALL, "svg")
    process = renderer._process
    assert process is not None and process.stdin is not None
    process.stdin.close()  # (what the system does where the parent is gone)
    assert process.wait(30) == 0
    renderer._process = None


def test_a_specification_that_is_none_is_said(renderer: Renderer) -> None:
    with pytest.raises(RenderError, match="could not be drawn"):
        renderer.render({"mark": 1}, "svg")
    assert renderer.render(SMALL, "svg")


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_nothing_is_fetched(renderer: Renderer, kind: str) -> None:
    """Neither an image of another host nor rows are asked for."""
    image = {"mark": {"type": "image", "url": "http://evil.example/x"}, "data": {"values": [{"url": "a column"}]}}
    encoded = {
        "mark": "image",
        "encoding": {"url": {"field": "x"}},
        "data": {"values": [{"x": "http://evil.example/x"}]},
    }
    for spec in (image, encoded, POINTS | {"data": {"url": "file:///etc/passwd"}}, {"layer": [image]}):
        with pytest.raises(RenderError, match="refers to an address"):
            renderer.render(spec, kind)
    assert renderer.render(POINTS | {"data": {"values": [{"data": 1, "url": "x"}]}}, "svg")


def test_pictures_are_drawn_one_at_a_time(renderer: Renderer) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(renderer.render(SMALL, "svg"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1


def test_the_process_may_use_so_much_and_no_more(renderer: Renderer) -> None:
    renderer.render(SMALL, "svg")
    assert renderer._process is not None
    limits = Path(f"/proc/{renderer._process.pid}/limits")
    if not limits.exists():
        pytest.skip("this system does not tell of limits")
    line = next(line for line in limits.read_text().splitlines() if line.startswith("Max data size"))
    assert str(700 * 2**20) in line


def test_very_many_rows_are_refused_before_anything_is_built() -> None:
    rows = pd.DataFrame({"x": np.zeros(picture_files.MOST_ROWS + 1)})
    chart = Chart(named("points").mark_point().encode(x="x:Q").to_json(), {"points": rows})
    began = time.process_time()
    with pytest.raises(RenderError, match="100,001 rows"):
        picture_file(chart, FileKind.SVG)
    assert time.process_time() - began < 1
