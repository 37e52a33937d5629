"""A PostgreSQL of one's own for tests of the lake, with Debian's programs, on a port and in a folder of its own."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnc.store import lake_addresses
from rnc.store.lake_store import LakeStore

VARIABLE = "RNC_TEST_POSTGRES"
_NUMBERS = itertools.count()


def programs() -> Path | None:
    """Where initdb and pg_ctl are: on the path, or where Debian keeps them; None where there are none."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    found = str(kept[-1]) if kept else shutil.which("pg_ctl")
    return Path(found).parent if found else None


@contextmanager
def server(*, durable: bool = True) -> Iterator[str]:
    """The server runs within the block; what libpq needs to reach it, but for the data base's name.

    One that is not durable spares the waits for the disk. Its folder is of its own: pytest closes those of root to the user
    that the server runs as whenever another session of it begins.
    """
    where, port = programs(), _free_port()
    assert where is not None
    with tempfile.TemporaryDirectory(prefix="rnc-postgres-") as folder:
        run: list[str] = []
        if os.geteuid() == 0:  # (which PostgreSQL refuses to serve as)
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            run = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": "/"}
        subprocess.run([*run, where / "initdb", "-D", folder, "-A", "trust", "-U", "rnc", "--no-sync"], **quiet)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += "" if durable else " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        control = [*run, where / "pg_ctl", "-D", folder]
        subprocess.run([*control, "-l", f"{folder}/log", "-o", options, "-w", "start"], **quiet)
        try:
            yield f"host=127.0.0.1 port={port} user=rnc"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def new_lake(given: str, folder: Path) -> str:
    """The address of a lake that nobody has written to."""
    name = f"lake{os.getpid()}_{next(_NUMBERS)}"
    where = programs()
    assert where is not None
    host, port, user = (part.split("=")[1] for part in given.split())
    subprocess.run([where / "createdb", "-h", host, "-p", port, "-U", user, name], check=True)
    return f"ducklake:postgres:{given} dbname={name} data={folder}"


def stores_are_lakes() -> None:
    """From now on, in this process, a store that is made at any path is a lake on the server that VARIABLE names.

    At the path lies what stands for it, as `lake_addresses.lake_file` would have written it for an address.
    """

    def create(store: LakeStore) -> None:
        path = store.path
        if path.exists():
            return
        address = new_lake(os.environ[VARIABLE], path.parent)
        catalog = address.partition(" data=")[0]
        lake_addresses.trust_catalog(catalog)
        path.write_text(catalog + "\n")

    def is_lake(path: Path) -> bool:
        if path.suffix == ".lake" or not path.exists():
            return True
        return path.is_file() and path.read_bytes().startswith(lake_addresses.SCHEME.encode())

    LakeStore.create_file_if_missing = create
    lake_addresses.is_lake = is_lake


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
