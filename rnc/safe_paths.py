"""Checks of names and paths that come from files of other people, and safe opening of such files.

A store, a bundle, a model card, a sweep file or a kept result may come from an untrusted source. Every name in them that
becomes part of a path passes `checked_name` or `path_inside`; every file that they name is opened by `open_plain_file`.
"""

import os
import stat
import unicodedata
from pathlib import Path
from typing import BinaryIO

MOST_NAME_BYTES = 200
"""Maximum UTF-8 bytes of one name. File systems allow 255; temporary names add a few."""
MOST_TEXT_BYTES = 16 * 2**20
"""The default size limit of `read_plain_file`."""
_RESERVED = ("", ".", "..")


class UnsafePathError(Exception):
    """A name, path or file that is refused because it could do harm; the message says what it is and why."""


def checked_name(name: object, what: str) -> str:
    """Return `name` if it can safely be the name of one file or folder.

    Raises UnsafePathError, whose message begins with `what` (for example "run id"), for anything that is not a text, is empty
    or longer than MOST_NAME_BYTES, begins with a dot (as this program's hidden and temporary files do), contains a separator
    of any system, a control or formatting character, or a look-alike that becomes one of these under Unicode's compatibility
    normalisation, or begins or ends with a space.
    """
    if not isinstance(name, str):
        raise UnsafePathError(f"{what} must be a text, got {type(name).__name__}")
    reason = _reason_against(name) or _reason_against(unicodedata.normalize("NFKC", name))
    if reason:
        raise UnsafePathError(f"{what} {quoted(name)} cannot be the name of a file: {reason}")
    return name


def _reason_against(name: str) -> str | None:
    if name in _RESERVED:
        return "it is empty" if not name else "it leads to another folder"
    if any(character in "/\\∕⧸⁄∖⧵" for character in name):
        return "it contains a path separator, or a character that looks like one"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in name):
        return "it contains a control or invisible character"
    if name.startswith("."):
        return "it begins with a dot"
    if name != name.strip():
        return "it begins or ends with a space"
    if len(name.encode()) > MOST_NAME_BYTES:
        return f"it is longer than {MOST_NAME_BYTES} bytes"
    return None


def path_inside(folder: Path, recorded: object, what: str) -> Path:
    """Return the path of `recorded`, a relative path such as `checkpoints/RUN/epoch-0001.safetensors`, in a folder.

    The file need not exist. Raises UnsafePathError if `recorded` is absolute or has a part that `checked_name` refuses, or if
    a link on the path leads out of the folder. `folder` itself may be reached through a link, since its owner chose it.
    """
    if not isinstance(recorded, str):
        raise UnsafePathError(f"{what} must be a text, got {type(recorded).__name__}")
    if recorded.startswith("/"):
        raise UnsafePathError(f"{what} {quoted(recorded)} is absolute; only files inside {folder} are used")
    for part in recorded.split("/"):
        try:
            checked_name(part, what)
        except UnsafePathError as error:
            raise UnsafePathError(f"{what} {quoted(recorded)} is not used: {error}") from None
    home = folder.resolve()
    place = home.joinpath(recorded)
    if not resolved(place).is_relative_to(home):
        raise UnsafePathError(f"{what} {quoted(recorded)} leads out of {folder} by a link; such links are not followed")
    return folder / recorded


def resolved(path: Path) -> Path:
    """Return `path` with all links followed. Raises UnsafePathError if links form a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise UnsafePathError(f"{quoted(str(path))} cannot be followed ({error})") from None


def open_plain_file(path: Path, what: str, *, most_bytes: int | None = None) -> BinaryIO:
    """Open an existing plain file for reading, without waiting for anything.

    The last part of the path must not be a link. Raises UnsafePathError for a pipe, a device, a socket, a folder, a link, or a
    file of more than `most_bytes`; FileNotFoundError and other OSError as usual.
    """
    return os.fdopen(_descriptor(path, what, os.O_RDONLY, most_bytes), "rb")


def open_lock_file(path: Path, *, create: bool) -> BinaryIO:
    """Open a plain file as a lock, without changing it: for reading and writing with `create`, else for reading.

    Raises UnsafePathError for anything that is not a plain file (for example a link), and OSError as usual.
    """
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    return os.fdopen(_descriptor(path, "lock file", flags, None), "r+b" if create else "rb")


def open_to_append(path: Path, what: str) -> BinaryIO:
    """Open a plain file for appending; create it if it does not exist.

    Raises UnsafePathError for anything that is not a plain file (a link, a pipe), and OSError as usual.
    """
    return os.fdopen(_descriptor(path, what, os.O_WRONLY | os.O_APPEND | os.O_CREAT, None), "ab")


def open_new_replacing_old(path: Path) -> BinaryIO:
    """Open a new file for writing. Remove anything that already has the name, such as a link, instead of writing through it.

    Raises OSError as usual.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")  # O_EXCL follows no link


def read_plain_file(path: Path, what: str, *, most_bytes: int = MOST_TEXT_BYTES) -> bytes:
    """Return the content of a plain file of at most `most_bytes`; raises as `open_plain_file` does."""
    with open_plain_file(path, what, most_bytes=most_bytes) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:  # the file grew after it was opened
        raise UnsafePathError(f"{what} {quoted(str(path))} is larger than {most_bytes:,} bytes")
    return content


def _descriptor(path: Path, what: str, flags: int, most_bytes: int | None) -> int:
    try:
        # O_NONBLOCK: opening a pipe would wait for its other end. O_NOCTTY: a terminal must not become this process's own.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
    except ValueError as error:
        raise UnsafePathError(f"{what} {quoted(str(path))} cannot be opened: {error}") from None
    except OSError:
        if path.is_symlink():
            raise UnsafePathError(f"{what} {quoted(str(path))} is a link; links are not followed here") from None
        if path.exists() and not path.is_file():  # a socket, or a pipe opened only for writing
            raise UnsafePathError(
                f"{what} {quoted(str(path))} is {_kind(path.stat().st_mode)}, not a plain file"
            ) from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePathError(f"{what} {quoted(str(path))} is {_kind(status.st_mode)}, not a plain file")
        if most_bytes is not None and status.st_size > most_bytes:
            raise UnsafePathError(
                f"{what} {quoted(str(path))} has {status.st_size:,} bytes; at most {most_bytes:,} are read"
            )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
        stat.S_IFLNK: "a link",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def quoted(text: str, most: int = 80) -> str:
    """Return an untrusted text for a message or a terminal: quoted, shortened, with control characters as escapes."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return repr(cut).encode("utf-8", "backslashreplace").decode()
