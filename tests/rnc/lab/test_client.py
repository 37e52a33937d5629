"""The client and its real worker process: four sessions at once, stops, failures, a killed worker, want of memory."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnc import datasets, models
from rnc.conditions import Condition
from rnc.lab.client import LabBusyError, LabClient, Ticket, TicketState
from rnc.lab.engine.loading import Library
from rnc.lab.engine.trajectory import follow
from rnc.lab.limits import Limits
from rnc.lab.requests import AttackRequest, Axis, MaskingRequest, Request, Source, SweepRequest
from rnc.lab.results import AttackResult
from rnc.models import weights
from rnc.vocabulary import Split
from tests.rnc.lab.test_results import same

ROOT = Path(__file__).resolve().parents[3]
PGD = Condition.from_slug("pgd-linf-0.1-5-step0.03")
ENDLESS = Condition.from_slug("pgd-linf-0.1-1000-step0.03-restarts20")
PATIENCE = 120.0


def save(folder: Path, seed: int, width: float = 0.25) -> Source:
    torch.manual_seed(seed)
    path = folder / f"net{seed}.safetensors"
    net = models.build("small_cnn", datasets.spec("digits"), width)
    sha256 = weights.save(net, path, {"dataset": "digits", "model": "small_cnn", "width": width})
    return Source(str(path), sha256, f"run{seed}", seed, "digits", Split.TEST, model=f"small_cnn x {width}")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return save(tmp_path_factory.mktemp("nets"), 0)


@pytest.fixture(scope="module")
def client() -> Iterator[LabClient]:
    """One worker for most tests: importing torch takes seconds."""
    made = LabClient()
    yield made
    made.close()


def attack(source: Source, seed: int, condition: Condition = PGD, images: int = 50) -> AttackRequest:
    return AttackRequest(source, condition, images, seed, watched=20)


def until(ticket: Ticket, state: TicketState) -> None:
    ends = time.monotonic() + PATIENCE
    while ticket.state is not state and not ticket.ended and time.monotonic() < ends:
        time.sleep(0.01)
    assert ticket.state is state, (ticket.state, ticket.error)


def done(ticket: Ticket) -> AttackResult:
    assert ticket.wait(PATIENCE) and ticket.state is TicketState.DONE, ticket.error
    assert isinstance(ticket.result, AttackResult)
    return ticket.result


def direct(request: AttackRequest) -> AttackResult:
    subject = Library().subject(request.source, request.images)
    return follow(subject, request, lambda *_: None, lambda: False)


def same_work(one: AttackResult, other: AttackResult) -> bool:
    return same(replace(one, seconds=0.0), replace(other, seconds=0.0))


def test_four_sessions_at_once_each_get_their_own(client: LabClient, source: Source, tmp_path: Path) -> None:
    """Other seeds, networks and attacks, submitted and awaited by four threads; each as computed here, alone."""
    other = save(tmp_path, 1)
    wanted = [[attack(who, 10 * session + k) for k, who in enumerate((source, other))] for session in range(4)]
    found: dict[int, list[AttackResult]] = {}

    def session(number: int) -> None:
        tickets = [client.submit(request) for request in wanted[number]]
        found[number] = [done(ticket) for ticket in tickets]

    threads = [threading.Thread(target=session, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, requests in enumerate(wanted):
        for request, result in zip(requests, found[number], strict=True):
            assert same_work(result, direct(request)), request


def test_who_waits_has_a_place_and_is_served_in_turn(client: LabClient, source: Source) -> None:
    first = client.submit(attack(source, 100, ENDLESS))
    until(first, TicketState.RUNNING)
    others = [client.submit(attack(source, 101 + k)) for k in range(3)]
    assert [ticket.place for ticket in others] == [1, 2, 3] and first.place is None and client.waiting == 4
    assert {ticket.state for ticket in others} == {TicketState.QUEUED}
    others[0].stop()
    assert others[0].state is TicketState.STOPPED and others[0].result is None
    assert [ticket.place for ticket in others[1:]] == [1, 2]
    first.stop()
    order = [done(ticket) and ticket for ticket in others[1:]]
    assert all(same_work(done(ticket), direct(ticket.request)) for ticket in order)  # type: ignore[arg-type]


def test_a_stop_ends_it_within_a_step_and_keeps_what_was_done(client: LabClient, source: Source) -> None:
    ticket = client.submit(attack(source, 0, ENDLESS))
    until(ticket, TicketState.RUNNING)
    while ticket.done < 3:
        time.sleep(0.005)
    partial = ticket.partial
    ticket.stop()
    assert ticket.wait(PATIENCE) and ticket.state is TicketState.STOPPED
    result = ticket.result
    assert isinstance(result, AttackResult) and result.stopped and 0 < result.steps_done < 1000
    fewer = replace(attack(source, 0, PGD), condition=replace(PGD, steps=result.steps_done))
    assert result.after == pytest.approx(direct(fewer).after, rel=1e-5, abs=1e-6)
    assert len(partial) and partial.equals(result.frames.head(len(partial)))
    again = client.submit(ticket.request)
    assert not again.from_cache, "what was stopped is no answer to who asks for the whole"
    again.stop()
    assert again.wait(PATIENCE)


def test_the_same_again_is_answered_without_work(client: LabClient, source: Source) -> None:
    first = client.submit(attack(source, 7))
    result = done(first)
    moved = replace(first.request, source=replace(source, checkpoint="/elsewhere", run_id="renamed"))
    again = client.submit(moved)
    assert again.state is TicketState.DONE and again.from_cache and again.result is result
    assert client.estimate(moved) == 0.0


def test_who_waits_for_the_same_gets_it_at_once(client: LabClient, source: Source) -> None:
    """The last of the queue has its answer with the first, while what lies between is still under way."""
    blocker = client.submit(attack(source, 8, ENDLESS))
    until(blocker, TicketState.RUNNING)
    first, between, last = (
        client.submit(r) for r in (attack(source, 200), attack(source, 201, ENDLESS), attack(source, 200))
    )
    blocker.stop()
    assert done(first) is done(last) and last.from_cache and not first.from_cache
    assert not between.ended
    between.stop()
    assert between.wait(PATIENCE)


def test_a_killed_worker_fails_one_and_serves_the_next(client: LabClient, source: Source) -> None:
    ticket, following = client.submit(attack(source, 9, ENDLESS)), client.submit(attack(source, 210))
    until(ticket, TicketState.RUNNING)
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert ticket.wait(PATIENCE) and ticket.state is TicketState.FAILED and ticket.result is None
    assert ticket.error is not None and "killed" in ticket.error and "memory" in ticket.error
    assert same_work(done(following), direct(following.request))  # type: ignore[arg-type]
    assert client.worker_pid not in (None, pid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": "/no/such/file", "sha256": "1" * 64}, "cannot be read"),
        ({"sha256": "0" * 64}, "is not the file that the store recorded"),
        ({"dataset": "nothing"}, "unknown dataset"),
    ],
)
def test_what_cannot_be_loaded_is_said_and_the_worker_stays(
    client: LabClient, source: Source, change: dict, message: str
) -> None:
    done(client.submit(attack(source, 220)))
    pid = client.worker_pid
    ticket = client.submit(attack(replace(source, **change), 221))
    assert ticket.wait(PATIENCE) and ticket.state is TicketState.FAILED
    assert ticket.error is not None and message in ticket.error
    assert client.worker_pid == pid


def test_a_network_of_not_a_number_is_an_error(client: LabClient, tmp_path: Path) -> None:
    net = models.build("small_cnn", datasets.spec("digits"), 0.25)
    with torch.no_grad():
        net.classifier.weight.fill_(torch.nan)
        net.stages["conv1"][0].weight.fill_(torch.nan)  # type: ignore[index]
    path = tmp_path / "nan.safetensors"
    sha256 = weights.save(net, path, {"dataset": "digits", "model": "small_cnn", "width": 0.25})
    ticket = client.submit(attack(Source(str(path), sha256, "nan", 0, "digits", Split.TEST), 0))
    assert ticket.wait(PATIENCE) and ticket.state is TicketState.FAILED
    assert ticket.error is not None and "NaN" in ticket.error


def test_sweeps_and_checks_come_back_too(client: LabClient, source: Source) -> None:
    requests: list[Request] = [
        SweepRequest((source, source), PGD, Axis.EPSILON, (0.0, 0.1), images=30),
        MaskingRequest(source, PGD, images=30),
    ]
    tickets = [client.submit(request) for request in requests]
    for ticket in tickets:
        assert ticket.wait(PATIENCE) and ticket.state is TicketState.DONE, ticket.error
        assert ticket.done == ticket.total > 0 and client.estimate(ticket.request) == 0.0


def test_the_time_is_known_before_it_runs(client: LabClient, tmp_path: Path) -> None:
    """Another width is another network: unknown until it was prepared or has run, and longer for more images."""
    other = save(tmp_path, 2, width=0.3)
    assert client.estimate(attack(other, 0)) is None
    client.prepare(other)
    ends = time.monotonic() + PATIENCE
    while client.estimate(attack(other, 0)) is None and time.monotonic() < ends:
        time.sleep(0.02)
    few, many = client.estimate(attack(other, 0)), client.estimate(attack(other, 0, images=5000))
    assert few and many and many > 10 * few
    assert client.estimate(attack(save(tmp_path, 3, width=0.3), 0)) == few, "of the same name and data set"


def test_who_has_gone_leaves_the_queue_and_makes_room(
    client: LabClient, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three, nobody looks at the one under way and the one that waits; who does look gets an answer."""
    under_way = client.submit(attack(source, 300, ENDLESS))
    until(under_way, TicketState.RUNNING)
    waits = client.submit(attack(source, 301, ENDLESS))
    monkeypatch.setattr(client, "limits", replace(client.limits, patience_seconds=1.0))
    done(client.submit(attack(source, 310)))
    assert waits._state is TicketState.FAILED and waits.error is not None and "left the queue" in waits.error
    assert under_way._state is TicketState.STOPPED and under_way.result is not None


def test_a_queue_has_an_end(client: LabClient, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "limits", replace(client.limits, queued=2))
    tickets = [client.submit(attack(source, 400, ENDLESS))]
    until(tickets[0], TicketState.RUNNING)
    tickets += [client.submit(attack(source, 401 + k)) for k in range(2)]
    with pytest.raises(LabBusyError, match="2 attacks wait already"):
        client.submit(attack(source, 410))
    for ticket in reversed(tickets):
        ticket.stop()
    assert tickets[0].wait(PATIENCE)


def test_closing_ends_all(source: Source) -> None:
    client = LabClient()
    tickets = [client.submit(attack(source, 500 + k, ENDLESS)) for k in range(2)]
    client.close()
    assert [ticket.state for ticket in tickets] == [TicketState.FAILED] * 2
    assert [ticket.error for ticket in tickets] == ["The app was closed."] * 2 and client.worker_pid is None
    with pytest.raises(LabBusyError, match="closed"):
        client.submit(attack(source, 510))


def _private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="private memory is limited on Linux")
def test_want_of_memory_fails_one_and_serves_the_next(client: LabClient, source: Source, tmp_path: Path) -> None:
    """A worker that may take little more than it has cannot read a large network; a small one it can."""
    done(client.submit(attack(source, 600)))
    assert client.worker_pid is not None
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(4 * 2**30)  # (its bytes take no room on the disk)
    limited = LabClient(Limits(memory_bytes=_private_bytes(client.worker_pid) + 100 * 2**20))
    try:
        large = limited.submit(attack(replace(source, checkpoint=str(path), sha256="2" * 64), 0))
        following = limited.submit(attack(source, 601))
        assert large.wait(PATIENCE) and large.state is TicketState.FAILED
        assert large.error is not None and "ask for fewer images" in large.error and "RNC_LAB_MEMORY" in large.error
        assert same_work(done(following), direct(following.request))  # type: ignore[arg-type]
    finally:
        limited.close()


_SERVER = """
import sys
from rnc.lab.client import LabClient
from rnc.lab.requests import from_json
client = LabClient()
ticket = client.submit(from_json(sys.argv[1]))
assert ticket.wait() and ticket.result is not None, ticket.error
assert not {"torch", "umap", "sklearn"} & set(sys.modules)
print(client.worker_pid, flush=True)
sys.stdin.read()
"""


def test_the_worker_ends_with_the_server_which_never_loads_torch(source: Source) -> None:
    """Though it has nothing to do, and so nothing to write to a server that is gone."""
    from rnc.lab.requests import to_json

    command = [sys.executable, "-c", _SERVER, to_json(attack(source, 0))]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    os.kill(worker, 0)
    server.kill()
    server.communicate()
    ends = time.monotonic() + 20
    while _lives(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(pid: int) -> bool:
    """Whether the process is there, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_idle_is_replaced(client: LabClient, source: Source) -> None:
    done(client.submit(attack(source, 700)))
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while client.worker_pid is not None:
        time.sleep(0.01)
    done(client.submit(attack(source, 701)))
    assert client.worker_pid not in (None, pid)
