"""The tests with hostile stores can fail: whatever no step may do is found, with `strace` and without."""

from collections.abc import Iterator

import pytest

from tests.security import job_server, tracing
from tests.security.guard import World
from tests.security.job_server import Server

MISDEEDS = {
    "read": "read {victim}/secret.txt",
    "print": "a secret is printed",
    "digest": "a secret is printed",
    "make": "guard: made victim/made",
    "change": "guard: changed victim/secret.txt",
    "remove": "guard: removed victim/secret.txt",
    "link": "guard: made victim/made",
    "run": "run /bin/ls",
    "call": "call ",
    "leave": "outlives the job",
    "memory": "MiB of memory, of at most",
    "crash": "its process ended with status 6",
    "terminal": "a terminal is sent '\\x1b'",
    "traceback": "a traceback: ValueError: x",
    "raise": "raised ZeroDivisionError",
    "write": "a secret is written into stranger/given/written",
}


@pytest.fixture(scope="module", params=["traced", "watched"])
def either(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server of the other tests, and one that is not traced."""
    if request.param == "traced":
        if not server.traces:
            pytest.skip("nothing is traced here: strace is missing, or not permitted")
        yield server
    else:
        untraced = Server(tmp_path_factory.mktemp("untraced"), traced=False)
        yield untraced
        untraced.close()


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_what_no_step_may_do_is_found(misdeed: str, either: Server, world: World) -> None:
    report = either.run(world, [f"misdeed:{misdeed}"], grace=1.0)
    expected = MISDEEDS[misdeed].replace("{victim}", str(world.victim))
    assert any(expected in finding for finding in report.findings), report.wrong


def test_what_hangs_is_ended(server: Server, world: World) -> None:
    report = server.run(world, ["misdeed:hang", "list"], patience=2.0)
    assert "misdeed:hang: hangs" in report.wrong and not job_server._of_job(str(server._number), -1)


LOG = r"""
10 openat(AT_FDCWD</x>, "/rnc-step/1 a", O_RDONLY) = -1 ENOENT (No such file or directory)
10 openat(AT_FDCWD</x>, "y\303\244.txt", O_RDONLY|O_CLOEXEC) = 3</x/y\303\244.txt>
10 openat(AT_FDCWD</x>, "none", O_RDONLY) = -1 ENOENT (No such file or directory)
11 openat(AT_FDCWD</x>, "later", O_WRONLY|O_CREAT, 0644 <unfinished ...>
10 unlinkat(5</x/z>, "w", 0) = 0
11 <... openat resumed>) = 4</x/later>
10 rename("a", "/b") = 0
10 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 EINPROGRESS
10 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
10 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/x"}, 110) = 0
10 execve("/bin/ls", ["ls", "-l"], 0x7ffd /* 1 var */) = 0
10 symlink("target", "/link") = 0
"""


def test_a_log_of_system_calls_is_read() -> None:
    found = [(call.kind, call.path) for call in tracing.calls(LOG.strip().splitlines())]
    assert [kind for kind, _path in found] == ["read", "write", "write", "write", "write", "call", "run", "write"]
    assert [path for _kind, path in found if path.startswith("/")] == [
        "/x/yä.txt", "/x/z/w", "/x/later", "/b", "/bin/ls", "/link",
    ]  # fmt: skip
