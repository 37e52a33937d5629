"""Every part of the lab is ended, starved and flooded; after each, one request has failed in words, and the next is served."""

import json
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rnc.conditions import Condition
from rnc.lab import child as child_module
from rnc.lab import client as client_module
from rnc.lab import dispatch, results
from rnc.lab.checks import RequestError
from rnc.lab.client import LabBusyError, LabClient
from rnc.lab.limits import Limits
from rnc.lab.requests import AttackRequest, Source
from rnc.lab.ticket import Ticket, TicketState
from rnc.vocabulary import Split
from tests.rnc.lab.samples import masking_result

FAKE = Path(__file__).with_name("fake_worker.py")
ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(stop_seconds=0.2, start_seconds=20.0, prepare_seconds=20.0, tick_seconds=0.01)
PATIENCE = 60.0
PGD = Condition.from_slug("pgd-linf-0.1-5-step0.03")

Make = Callable[..., LabClient]


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The file that says what the next worker does when it starts."""
    return tmp_path / "start"


@pytest.fixture
def make(tmp_path: Path, start: Path) -> Iterator[Make]:
    """Clients with a worker that takes a tenth of a second to start."""
    made: list[LabClient] = []
    answer = tmp_path / "answer"
    answer.write_bytes(results.to_bytes(masking_result()))

    def client(**limits: float) -> LabClient:
        made.append(LabClient(replace(LIMITS, **limits), command=[sys.executable, str(FAKE), str(answer), str(start)]))
        return made[-1]

    yield client
    for one in made:
        one.close()
        assert one.worker_pid is None


seeds = iter(range(10**6))


def request(what: str = "ok") -> AttackRequest:
    """Another each time, so that none is answered by the cache."""
    source = Source("net", "ab" * 32, f"do-{what}", 0, "digits", Split.TEST, model=what)
    return AttackRequest(source, PGD, 10, next(seeds))


def ended(ticket: Ticket, state: TicketState) -> Ticket:
    assert ticket.wait(PATIENCE), ticket.state
    assert ticket.state is state, ticket.error
    return ticket


def serves(client: LabClient) -> None:
    """What comes next is done."""
    assert ended(client.submit(request()), TicketState.DONE).result is not None


def until(ticket: Ticket, state: TicketState) -> None:
    ends = time.monotonic() + PATIENCE
    while ticket.state is not state and time.monotonic() < ends:
        time.sleep(0.002)
    assert ticket.state is state, ticket.error


def test_all_is_well_with_a_worker_that_does_what_it_should(make: Make) -> None:
    client = make()
    serves(client)
    pid = client.worker_pid
    serves(client)
    assert client.worker_pid == pid


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("die", "was killed"), ("abort", "want of memory"), ("exit", "code 3"), ("garbage", "cannot be read"),
        ("half", "ended unexpectedly"), ("deaf", "answers nothing more"), ("no-kind", "KeyError"), ("other-kind", None),
        ("other-state", "ValueError"), ("no-result", "ValueError"), ("text-progress", "ValueError"),
        ("no-npz", "ContentError"), ("fatal", "no memory"),
    ],
)  # fmt: skip
def test_a_worker_that_misbehaves_fails_one_request(
    what: str, told: str | None, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child_module, "_SECONDS_TO_END", 0.2)
    monkeypatch.setattr(logging.getLogger("rnc"), "propagate", True)
    client = make(request_seconds=0.3 if what == "other-kind" else 60.0)
    waits = (client.submit(request(what)), client.submit(request()))
    failed = ended(waits[0], TicketState.FAILED)
    assert failed.error and (told or "as long as one request may take") in failed.error
    ended(waits[1], TicketState.DONE)
    assert caplog.records
    serves(client)


@pytest.mark.parametrize("how", ["die", "abort", "exit", "garbage", "half", "hang", "deaf", "mute"])
def test_a_worker_that_does_not_start_fails_one_request(
    how: str, make: Make, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_SECONDS_TO_END", 0.2)
    start.write_text(how)
    client = make(start_seconds=0.5 if how in ("hang", "mute") else 20.0)
    failed = ended(client.submit(request()), TicketState.FAILED)
    assert failed.error and "attack's process" in failed.error
    object.__setattr__(client.limits, "start_seconds", 20.0)
    serves(client)


@pytest.mark.parametrize(
    "error", [BlockingIOError(11, "Resource temporarily unavailable"), OSError(24, "Too many open files"),
              OSError(12, "Cannot allocate memory"), MemoryError(), subprocess.SubprocessError("no fork")], ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("by", ["request", "estimate"])
def test_a_machine_that_has_no_process_to_give(
    error: Exception, by: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment: an estimate or a request that comes then fails; the lab served nobody any more after it."""
    client = make()
    tried = threading.Event()

    def refuse(*_given: object, **_named: object) -> None:
        tried.set()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        if by == "estimate":
            client.prepare(request().source)
            assert tried.wait(PATIENCE)
        else:
            assert "could not be started" in (ended(client.submit(request()), TicketState.FAILED).error or "")
    serves(client)


def test_a_machine_without_file_handles(make: Make) -> None:
    """No patch: the process may open no more files for a moment."""
    client, before = make(), resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened, before[1]))
    try:
        failed = ended(client.submit(request()), TicketState.FAILED)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert failed.error and "Too many open files" in failed.error
    serves(client)


@pytest.mark.parametrize("name", ["lab", "lab-inbox"])
def test_a_machine_that_has_no_thread_to_give(name: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client, original = make(), threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        original(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        if name == "lab":
            with pytest.raises(LabBusyError, match="can't start new thread"):
                client.submit(request())
            client.prepare(request().source)
        else:
            assert "could not be started" in (ended(client.submit(request()), TicketState.FAILED).error or "")
            assert client.worker_pid is None
    serves(client)


@pytest.mark.parametrize("by", ["request", "estimate"])
def test_a_request_that_is_too_large(by: str, make: Make) -> None:
    """5 MB are no message: nothing is sent of it, and the worker stays."""
    client = make()
    serves(client)
    pid, large = client.worker_pid, request()
    object.__setattr__(large.source, "run_id", "x" * 5_000_000)
    if by == "estimate":
        client.prepare(large.source)
        serves(client)
    else:
        assert "is too large" in (ended(client.submit(large), TicketState.FAILED).error or "")
    serves(client)
    assert client.worker_pid == pid


def test_texts_that_are_too_long_make_no_request() -> None:
    for name in ("checkpoint", "run_id", "dataset", "model", "fingerprint"):
        with pytest.raises(RequestError, match=f"the {name} of a source may have"):
            replace(request().source, **{name: "x" * 5_000_000})


@pytest.mark.parametrize("what", ["die", "garbage", "hang", "wrong"])
def test_an_estimate_that_fails(what: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "_SECONDS_TO_END", 0.2)
    client = make(prepare_seconds=0.5)
    client.prepare(request(what).source)
    serves(client)


PARTS = {
    "the queue": (client_module.LabClient, "_drop_unseen"),
    "the look around": (client_module.LabClient, "_look_around"),
    "the answers to others": (client_module.LabClient, "_answer_others"),
    "the estimate": (dispatch.Dispatcher, "measure_pace"),
    "the work": (dispatch.Dispatcher, "work_on"),
    "the worker's end": (child_module.Child, "end"),
    "the cache, read": (client_module.ResultCache, "get"),
    "the cache, written": (client_module.ResultCache, "put"),
    "the paces": (dispatch.Paces, "note"),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("error", [ValueError("broken"), MemoryError(), SystemExit(3)], ids=repr)
def test_a_part_that_raises(name: str, error: BaseException, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, whatever it is. SystemExit ends a thread without a word."""
    monkeypatch.setattr(threading, "excepthook", lambda _given: None)
    of, method = PARTS[name]
    original = getattr(of, method)
    broken = threading.Event()

    def once(*given: object, **named: object) -> object:
        if threading.current_thread().name == "lab" and not broken.is_set():
            broken.set()
            raise error
        return original(*given, **named)

    client = make(patience_seconds=1000.0)
    serves(client)
    thread = client._thread
    monkeypatch.setattr(of, method, once)
    client.prepare(replace(request("estimate").source, sha256="cd" * 32))
    first = client.submit(request("die" if name == "the worker's end" else "ok"))
    assert first.wait(PATIENCE)
    serves(client)
    assert broken.is_set() and (client._thread is thread) is not isinstance(error, SystemExit)


def test_a_thread_that_has_died_is_missed_by_those_who_look(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request has failed, and what waits is served; nobody has to ask for anything new."""
    monkeypatch.setattr(threading, "excepthook", lambda _given: None)
    client = make()

    def die(*_given: object) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(threading, "excepthook", lambda _given: None)
        raise SystemExit

    monkeypatch.setattr(dispatch.Dispatcher, "work_on", die)
    first, second = client.submit(request()), client.submit(request())
    assert "The lab failed" in (ended(first, TicketState.FAILED).error or "")
    ended(second, TicketState.DONE)


def test_a_listener_that_has_died_is_missed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _given: None)
    monkeypatch.setattr(child_module, "_SECONDS_TO_END", 0.2)
    client = make()

    def die(*_given: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(child_module.Child, "_listen", die)
        assert "attack's process" in (ended(client.submit(request()), TicketState.FAILED).error or "")
    serves(client)


def test_a_worker_that_does_not_stop_is_ended(make: Make) -> None:
    """The one who asked has stopped; the next is served by a new worker."""
    client = make()
    hangs, following = client.submit(request("hang")), client.submit(request())
    until(hangs, TicketState.LOADING)
    while (pid := client.worker_pid) is None:
        time.sleep(0.002)
    hangs.stop()
    assert ended(hangs, TicketState.STOPPED).error is None
    ended(following, TicketState.DONE)
    assert client.worker_pid not in (None, pid) and not lives(pid)


def test_a_stop_while_the_worker_starts(make: Make, start: Path) -> None:
    start.write_text("hang")
    client = make()
    ticket = client.submit(request())
    until(ticket, TicketState.LOADING)
    ticket.stop()
    ended(ticket, TicketState.STOPPED)
    serves(client)


@pytest.mark.parametrize(("what", "whole"), [("hang", False), ("slow", True)])
def test_a_request_has_so_much_time(what: str, whole: bool, make: Make) -> None:
    """Then it is stopped, with what was done; and by force, where it does not stop."""
    client = make(request_seconds=0.5)
    serves(client)
    ticket = ended(client.submit(request(what)), TicketState.FAILED)
    assert ticket.error and "as long as one request may take" in ticket.error and "RNC_LAB_SECONDS" in ticket.error
    assert (ticket.result is not None) is whole
    serves(client)


def test_what_would_take_too_long_is_not_begun(make: Make) -> None:
    client = make(request_seconds=1000.0)
    serves(client)
    many = replace(request(), images=50_000, condition=replace(PGD, steps=1000, restarts=20, step_size=None))
    many = replace(many, source=request().source)
    client._dispatcher._paces.note(many.source, 1.0)
    ticket = client.submit(many)
    assert ticket.state is TicketState.FAILED and ticket.error
    assert "one request may take 17 min. Ask for fewer images" in ticket.error


def test_what_nobody_looks_at_ends_though_nobody_waits(make: Make) -> None:
    client = make(patience_seconds=0.2)
    ticket = client.submit(request("slow"))
    ends = time.monotonic() + PATIENCE
    while not ticket.is_over and time.monotonic() < ends:  # (which is no look)
        time.sleep(0.01)
    assert ticket.state is TicketState.STOPPED and ticket.result is not None
    assert ticket.error and "Nobody looked at this" in ticket.error
    object.__setattr__(client.limits, "patience_seconds", 100.0)
    serves(client)


def test_a_flood_of_answers_takes_no_memory(make: Make) -> None:
    client = make()
    ticket = client.submit(request("flood"))
    until(ticket, TicketState.RUNNING)
    time.sleep(0.3)
    ticket.stop()
    ended(ticket, TicketState.STOPPED)
    assert len(ticket.partial) <= 200
    serves(client)


def test_a_flood_that_nobody_receives_waits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inbox has room for a few messages; the worker waits for the server, not the other way round."""
    client, held = make(), []
    original = child_module.Child.receive

    def slow(child: child_module.Child, seconds: float) -> object:
        held.append(child._inbox.qsize())
        time.sleep(0.02)
        return original(child, seconds)

    monkeypatch.setattr(child_module.Child, "receive", slow)
    ticket = client.submit(request("flood"))
    until(ticket, TicketState.RUNNING)
    time.sleep(0.2)
    ticket.stop()
    ended(ticket, TicketState.STOPPED)
    assert 1 <= max(held) <= 4


def test_a_worker_that_reads_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is larger than a pipe holds, to a process that has stopped."""
    monkeypatch.setattr(child_module, "_SECONDS_TO_SEND", 0.3)
    client = make()
    serves(client)
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, 19)  # SIGSTOP
    large = request()
    object.__setattr__(large.source, "run_id", "x" * 1_000_000)
    failed = ended(client.submit(large), TicketState.FAILED)
    assert failed.error and "takes no requests" in failed.error and not lives(pid)
    serves(client)


def test_what_a_worker_has_started_ends_with_it(make: Make) -> None:
    client = make()
    ticket = client.submit(request("parent"))
    until(ticket, TicketState.LOADING)
    while (pid := client.worker_pid) is None or not (children := of_group(pid) - {pid}):
        time.sleep(0.005)
    ticket.stop()
    ended(ticket, TicketState.STOPPED)
    gone({pid, *children})


_SERVER = """
import json, sys, time
from dataclasses import replace
from rnc.lab.client import LabClient
from rnc.lab.requests import from_json
client = LabClient(command=json.loads(sys.argv[1]))
ticket = client.submit(from_json(sys.argv[2]))
while client.worker_pid is None:
    time.sleep(0.01)
print(client.worker_pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_server_leaves_no_process(make: Make) -> None:
    """Though the worker is at something that does not end."""
    from rnc.lab.requests import to_json

    command = json.dumps(make()._dispatcher._command)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, command, to_json(request("hang"))],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        server.kill()
    gone({worker})


def test_a_session_and_an_address_have_so_many_requests(make: Make) -> None:
    client = make(queued=5, queued_each=2, queued_from_one_address=3)
    tickets = [client.submit(request("slow"), "one", "host")]
    until(tickets[0], TicketState.RUNNING)
    tickets.append(client.submit(request(), "one", "host"))
    with pytest.raises(LabBusyError, match="2 attacks of yours wait already or are under way"):
        client.submit(request(), "one", "host")
    tickets.append(client.submit(request(), "two", "host"))
    with pytest.raises(LabBusyError, match="3 attacks of yours"):
        client.submit(request(), "three", "host")
    tickets += [client.submit(request()) for _turn in range(3)]
    with pytest.raises(LabBusyError, match="5 attacks wait already"):
        client.submit(request(), "four", "elsewhere")
    tickets[0].stop()
    for ticket in tickets[1:]:
        ended(ticket, TicketState.DONE)
    ended(client.submit(request(), "one", "host"), TicketState.DONE)


def test_a_network_outside_the_folders_is_not_read(make: Make, tmp_path: Path) -> None:
    """Nor by way of a link or of dots; the worker is never asked."""
    home = tmp_path / "store"
    (home / "checkpoints").mkdir(parents=True)
    (home / "checkpoints" / "net").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"")
    (home / "link").symlink_to(tmp_path)
    client = make()
    client._folders = lambda: [home]
    inside = request()
    object.__setattr__(inside.source, "checkpoint", str(home / "checkpoints" / "net"))
    ended(client.submit(inside), TicketState.DONE)
    wrong = [
        "/etc/passwd",
        f"{home}/../secret",
        f"{home}/link/secret",
        "relative",
        str(tmp_path / "secret"),
        f"{home}/\n",
        "\0",
    ]
    for path in wrong:
        asked = request()
        object.__setattr__(asked.source, "checkpoint", path)
        ticket = client.submit(asked)
        assert ticket.state is TicketState.FAILED and "is not read" in (ticket.error or ""), path
        client.prepare(asked.source)
    assert client._to_prepare is None


def of_group(pid: int) -> set[int]:
    """The processes of a group, zombies left out."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _parent, group = rest.split()[:3]
        if int(group) == pid and state != "Z":
            found.add(int(name.split()[0]))
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: set[int]) -> None:
    ends = time.monotonic() + PATIENCE
    while any(map(lives, pids)) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not any(map(lives, pids))
