"""Pages look for news less often while pages take long."""

import pytest

from rnc.ui import refresh_interval_by_load
from rnc.ui.refresh_interval_by_load import measured_drawing, refresh_seconds_from_drawing_times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, of a server that has not drawn a page yet."""
    now = [100.0]
    monkeypatch.setattr(refresh_interval_by_load.time, "monotonic", lambda: now[0])
    refresh_interval_by_load._seconds.clear()
    return now


def draw(clock: list[float], *pages: float) -> None:
    for seconds in pages:
        with measured_drawing():
            clock[0] += seconds


def test_a_new_server_looks_every_three_seconds_though_its_first_page_took_long(clock: list[float]) -> None:
    assert refresh_seconds_from_drawing_times() == 3
    draw(clock, 9, 2, 2, 2)
    assert refresh_seconds_from_drawing_times() == 3


@pytest.mark.parametrize(("seconds", "interval"), [(0.2, 3), (0.5, 3), (1, 6), (4, 24), (30, 30)])
def test_the_interval_is_six_times_the_time_of_a_page_between_its_limits(
    seconds: float, interval: float, clock: list[float]
) -> None:
    draw(clock, *[seconds] * 5)
    assert refresh_seconds_from_drawing_times() == pytest.approx(interval)


def test_one_slow_page_among_others_changes_nothing_and_pages_of_long_ago_are_forgotten(clock: list[float]) -> None:
    draw(clock, 1, 1, 1, 50, 1)
    assert refresh_seconds_from_drawing_times() == pytest.approx(6)
    draw(clock, *[2] * 20)
    assert refresh_seconds_from_drawing_times() == pytest.approx(12)


def draw_and_fail(clock: list[float], seconds: float) -> None:
    with measured_drawing():
        clock[0] += seconds
        raise ValueError("broken")


def test_a_page_that_fails_counts_too(clock: list[float]) -> None:
    draw(clock, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="broken"):
        draw_and_fail(clock, 1)
    assert refresh_seconds_from_drawing_times() == pytest.approx(6)


@pytest.mark.parametrize(
    ("given", "interval"), [("0.5", 0.5), ("60", 60), ("", 6), ("0", 6), ("-1", 6), ("nan", 6), ("soon", 6)]
)
def test_the_environment_sets_it(
    given: str, interval: float, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it names a time; on a server whose pages take a second."""
    draw(clock, *[1] * 5)
    monkeypatch.setenv(refresh_interval_by_load.SECONDS_VARIABLE, given)
    assert refresh_seconds_from_drawing_times() == pytest.approx(interval)
