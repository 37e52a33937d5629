"""Which files the processes under `strace` open, change and run, and whom they call: one line of its log a system call."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.security.guard import World

MARK = "/rnc-step/"
"""A file that is not there and is asked for at the beginning of each step: the name of the step in the log."""
_CALLS = (
    "open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,symlink,symlinkat,link,linkat,"
    "truncate,chmod,fchmodat,chown,fchownat,lchown,utimensat,mknod,mknodat,execve,connect,sendto,sendmsg"
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_OF_THE_SYSTEM = ("/usr/", "/lib", "/sys/", "/etc/ld.so", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf")
_OTHERS = (
    "/etc/passwd", "/etc/group", "/etc/machine-id", "/etc/os-release", "/etc/debian_version", "/etc/host.conf", "/etc/hosts",
    "/etc/resolv.conf", "/etc/gai.conf", "/etc/services", "/etc/ssl/openssl.cnf", "/dev/null", "/dev/urandom", "/dev/random",
    "/dev/tty", "/", "/etc/apt/sources.list", "/etc/inputrc", "/dev/shm", "/proc", "/etc/protocols", "/etc/locale.alias",
)  # fmt: skip
_OF_PROC = re.compile(r"/proc/(\d+|self|thread-self)/(mem|fd|root|cwd|cmdline)")
_PROGRAM = tuple(
    f"{Path(place).resolve()}/" for place in (ROOT, sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"])
)
_LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"')


def command(log: Path) -> list[str]:
    """Return the prefix that traces a command into `log`; empty where the system offers no tracing."""
    program = shutil.which("strace")
    if program is None:
        return []
    traced = [program, "-f", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-e", f"trace={_CALLS}"]
    for wanted in (["--seccomp-bpf"], []):
        prefix = [*traced, *wanted, "-o", str(log)]
        if not subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
            return prefix
    return []


@dataclass(frozen=True)
class Call:
    """A system call that succeeded, or one to another machine: the step it belongs to, what it did, and to which path."""

    step: str
    kind: str
    """read, write, run or call."""
    path: str


def calls(lines: list[str]) -> Iterator[Call]:
    """Yield the calls in a log, in the order of the log."""
    step, begun = "", {}
    for line in lines:
        pid, _, said = line.partition(" ")
        said = said.strip()
        if said.endswith("<unfinished ...>"):
            begun[pid] = said.removesuffix("<unfinished ...>")
            if MARK not in said:
                continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", said):
            said = begun.pop(pid, "") + resumed[1]
        if found := re.search(rf'"{MARK}([^"]*)"', said):
            step = found[1]
            continue
        for kind, path in _meaning(said):
            yield Call(step, kind, path)


def _meaning(said: str) -> Iterator[tuple[str, str]]:
    name, _, rest = said.partition("(")
    result = rest.rpartition(" = ")[2]
    if name in ("connect", "sendto", "sendmsg"):
        if "sa_family=AF_INET" in rest and not _LOOPBACK.search(rest):
            yield "call", rest[:200]
        return
    if result.startswith(("-1", "?")) or not result:
        return
    if name in ("open", "openat", "openat2", "creat"):
        opened = re.match(r"\d+<(.*)>", result)
        path = opened[1].removesuffix(" (deleted)") if opened else rest
        if "O_PATH" not in rest:
            yield ("write" if _WRITES.search(rest) or name == "creat" else "read"), _text(path)
        return
    kind = "run" if name == "execve" else "write"
    for path in _paths(rest.rpartition(" = ")[0], symbolic=name.startswith("symlink")):
        yield kind, path
        if kind == "run":
            return


def _paths(arguments: str, *, symbolic: bool) -> Iterator[str]:
    """The paths among a call's arguments, each in the folder that the descriptor before it names."""
    found = re.findall(r'(?:(?:AT_FDCWD|\d+)<((?:[^<>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"', arguments)
    for folder, path in found[1:] if symbolic else found:
        yield os.path.join(_text(folder), _text(path)) if folder else _text(path)


def _text(escaped: str) -> str:
    """As strace writes it (octal and C escapes), decoded."""
    return (
        escaped.encode("latin-1", "replace")
        .decode("unicode_escape")
        .encode("latin-1", "replace")
        .decode(errors="replace")
    )


_KINDS = {"open": "read", "os.listdir": "read", "os.scandir": "read", "subprocess.Popen": "run", "os.system": "run"}
_KINDS |= {"os.exec": "run", "os.posix_spawn": "run", "socket.connect": "call", "socket.getaddrinfo": "call"}


def heard(events: list[tuple[str, str]], step: str) -> list[Call]:
    """Return the calls in Python's audit events, for systems without tracing; DuckDB's files, for example, are missing."""
    found = []
    for event, what in events:
        kind = _KINDS.get(event, "write")
        path = (
            what.split()[0] if kind == "run" else what if kind == "call" else os.path.realpath(what.replace("\0", ""))
        )
        found.append(Call(step, kind, path))
    return found


def outside(found: list[Call], world: World) -> list[str]:
    """Return the calls that a command with a stranger's store may not make, each once."""
    seen = {}
    for call in found:
        if not _allowed(call, world):
            seen[f"{call.step}: {call.kind} {call.path}"] = None
    return list(seen)


def _allowed(call: Call, world: World) -> bool:
    if call.kind == "call":
        return False
    if call.kind == "run":
        return call.path.startswith((*_PROGRAM, "/usr/bin/python", "/usr/bin/true", "/bin/true", "/sbin/ldconfig"))
    path = Path(
        os.path.realpath(os.path.dirname(call.path)), os.path.basename(call.path)
    )  # (not the last link: that is removed)
    if call.path.startswith(("/proc/", "/dev/")):
        path = Path(call.path)
    if call.kind == "read" and path.parent == world.root / "home" and path.name in (".pgpass", ".pg_service.conf"):
        return True  # (libpq looks there for what belongs to an address, whatever it is)
    listed = (
        world.given,
        world.mine.parent,
        world.out,
        world.victim / "here",
    )  # (the last by Python, which looks for modules)
    if world.may_change(path) or (call.kind == "read" and path in listed):
        return True
    if call.kind == "write":
        return str(path) in ("/dev/null", "/dev/tty") or (
            path.name == "oom_score_adj" and str(path).startswith("/proc/")
        )
    return _may_be_read(str(path))


def _may_be_read(path: str) -> bool:
    if _OF_PROC.match(path):
        return False
    return path in _OTHERS or path.startswith((*_OF_THE_SYSTEM, "/proc/", *_PROGRAM)) or f"{path}/" in _PROGRAM
