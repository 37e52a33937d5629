"""Tests of the counts of `tests.benchmarks.page_cost`, from made-up frames: no server and no browser."""

import os
import threading

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.benchmarks.frames import FrameCounter, Traffic
from tests.benchmarks.page_acts import COLD, IDLE, Cost, processor_seconds, without_polls
from tests.benchmarks.page_cost import Case, named, row, run_too_often


def begin(*fragments: str) -> bytes:
    message = ForwardMsg()
    message.new_session.name = "app"
    message.metadata.run.fragment_ids.extend(fragments)
    return message.SerializeToString()


def end(kind: int = ForwardMsg.FINISHED_SUCCESSFULLY) -> bytes:
    return ForwardMsg(script_finished=kind).SerializeToString()


def delta(text: str) -> bytes:
    message = ForwardMsg()
    message.delta.new_element.markdown.body = text
    return message.SerializeToString()


def polled(fragment: str) -> bytes:
    message = ForwardMsg()
    message.auto_rerun.fragment_id, message.auto_rerun.interval = fragment, 3.0
    return message.SerializeToString()


END_OF_FRAGMENT = end(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
BROKEN_OFF = end(ForwardMsg.FINISHED_EARLY_FOR_RERUN)
ONE_RUN = [begin(), delta("a page"), polled("status"), end()]


def counted(frames: list[bytes | str]) -> FrameCounter:
    counter = FrameCounter()
    for frame in frames:
        counter.add(frame)
    return counter


def test_a_run_has_its_bytes() -> None:
    counter = counted(ONE_RUN)
    assert counter.traffic == Traffic(reruns=1, sent=sum(map(len, ONE_RUN)))
    assert (counter.begun, counter.ended, counter.is_running) == (1, 1, False)


def test_polls_are_told_from_fragments_that_an_act_runs() -> None:
    """By what the server announced; their bytes are apart."""
    poll, fragment = (
        [begin("status"), delta("60 %"), END_OF_FRAGMENT],
        [begin("film"), delta("a frame"), END_OF_FRAGMENT],
    )
    counter = counted([*ONE_RUN, *poll, *fragment, *poll])
    assert counter.traffic - counted(ONE_RUN).traffic == Traffic(
        fragments=1, polls=2, sent=sum(map(len, fragment)), sent_by_polls=2 * sum(map(len, poll))
    )
    assert (counter.begun, counter.ended) == (2, 2)


def test_a_run_that_begins_during_a_poll_or_breaks_off_another_is_a_rerun() -> None:
    counter = counted([*ONE_RUN, begin("status"), begin(), BROKEN_OFF])
    assert (counter.traffic.reruns, counter.ended, counter.is_running) == (2, 1, False)
    counter.add(begin())
    assert (counter.traffic.reruns, counter.ended, counter.is_running) == (3, 1, True)


def test_a_poll_is_no_sign_that_an_act_is_under_way() -> None:
    counter = counted([*ONE_RUN, begin("status")])
    assert (counter.begun, counter.ended, counter.is_running) == (1, 1, False)


def test_a_text_is_counted_by_its_bytes() -> None:
    assert counted(["é"]).traffic == Traffic(sent=2)


def test_the_work_of_polls_is_subtracted() -> None:
    costs = {
        COLD: Cost(5.0, 6.0, Traffic(reruns=1, polls=1)),
        IDLE: Cost(0.4, 10.0, Traffic(polls=4)),
        "switch": Cost(0.5, 1.0, Traffic(reruns=1, polls=2)),
        "legend": Cost(0.02, 0.1, Traffic()),
    }
    left = {act: cost.processor for act, cost in without_polls(costs).items()}
    assert left == pytest.approx({COLD: 4.9, IDLE: 0.4, "switch": 0.3, "legend": 0.02})
    assert without_polls({IDLE: Cost(0.1, 10.0, Traffic())})[IDLE].processor == 0.1


def test_acts_with_a_second_rerun_are_named() -> None:
    """By the largest number of any repeat; the other columns are medians."""
    case = Case("demo", "now")
    case.costs["box"] = [Cost(s, 2 * s, Traffic(reruns=n, sent=1_000_000)) for s, n in ((0.1, 1), (0.2, 2), (0.3, 1))]
    case.costs["switch"] = [Cost(0.1, 0.2, Traffic(reruns=1))]
    assert run_too_often(case) == "More than one rerun on demo, now: box (2)"
    found = row(case, "box")
    assert (found["processor s"], found["wall s"], found["MB"], found["reruns"]) == (0.2, 0.4, 1.0, 2)
    assert found["p95 processor s"] == pytest.approx(0.29)
    assert "p95 processor s" not in row(case, "switch")
    assert run_too_often(Case("demo", "now")) == "More than one rerun on demo, now: none"


def test_stores_and_checkouts_are_given_by_name() -> None:
    assert named(["gallery=", "demo=a=b.duckdb"]) == {"gallery": "", "demo": "a=b.duckdb"}
    assert named(["/a/old", "now=."]) == {"old": "/a/old", "now": "."}
    for wrong in (["=demo.duckdb"], ["a=1", "a=2"], ["/a/old", "/b/old"]):
        with pytest.raises(ValueError, match="expected NAME=VALUE"):
            named(wrong)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc, which only Linux has")
def test_the_work_of_a_process_includes_its_threads() -> None:
    before = processor_seconds(os.getpid())
    done = threading.Event()

    def work() -> None:
        while processor_seconds(os.getpid()) < before + 0.05:
            sum(range(10_000))
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(60)
