"""Threads that read one store at once share a connection; writers come to their turn."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import duckdb
import pytest

from rnc.store import shared_connection
from rnc.store.shared_connection import ProcessConnections


class Openings:
    """Connections that count themselves, and are held back until they may open."""

    def __init__(self) -> None:
        self.made = self.closed = 0
        self.may_open = threading.Event()

    @contextmanager
    def __call__(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.may_open.wait(60)
        self.made += 1
        with duckdb.connect() as connection:
            yield connection
        self.closed += 1


def test_who_waits_joins_the_one_that_opens() -> None:
    shared, openings, all_in = ProcessConnections(), Openings(), threading.Barrier(8)

    def ask(number: int) -> int:
        with shared.shared(openings) as connection:
            all_in.wait(60)
            (answer,) = connection.execute("SELECT ?::INTEGER", [number]).fetchone() or (None,)
            return answer

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, number) for number in range(8)]
        openings.may_open.set()
        assert [answer.result(60) for answer in answers] == list(range(8))
    assert (openings.made, openings.closed) == (1, 1)


def test_a_cursor_has_temporary_tables_of_its_own() -> None:
    shared, openings = ProcessConnections(), Openings()
    openings.may_open.set()
    with shared.shared(openings) as one, shared.shared(openings) as other:
        one.execute("CREATE TEMP VIEW seen AS SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            other.execute("FROM seen")


def test_nobody_joins_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a writer would wait for as long as there are readers."""
    monkeypatch.setattr(shared_connection, "_LONGEST_SECONDS", 0.0)
    shared, openings, asked = ProcessConnections(), Openings(), threading.Event()
    openings.may_open.set()

    def ask() -> None:
        asked.set()
        with shared.shared(openings):
            pass

    late = threading.Thread(target=ask)
    with shared.shared(openings):
        late.start()
        asked.wait(60)
        late.join(0.2)
        assert late.is_alive() and openings.made == 1
    late.join(60)
    assert not late.is_alive() and openings.made == 2


def test_a_writer_is_alone() -> None:
    shared, openings, order = ProcessConnections(), Openings(), []
    openings.may_open.set()

    def write() -> None:
        with shared.exclusive():
            order.append("written")

    with shared.shared(openings):
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(0.2)
        order.append("read")
    writer.join(60)
    assert order == ["read", "written"]


def test_what_could_not_be_opened_is_in_nobodys_way() -> None:
    shared, openings = ProcessConnections(), Openings()
    openings.may_open.set()

    @contextmanager
    def failing() -> Iterator[duckdb.DuckDBPyConnection]:
        raise OSError("no disk")
        yield

    with pytest.raises(OSError, match="no disk"), shared.shared(failing):
        pass
    with shared.shared(openings) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
