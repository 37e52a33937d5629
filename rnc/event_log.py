"""The log: one JSON object per line and event, in `rnc.log` beside the store and on the server's standard error.

Every error that a page shows carries an id that is in the log. The same message keeps its id and is logged once, even if
pages are drawn again. RNC_LOG names another file; if it is empty, there is no file. Control characters become JSON
escapes. If the file cannot be written, one warning goes to standard error, and the program goes on without a log.
"""

import json
import logging
import os
import secrets
import stat
import sys
import threading
import traceback
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from rnc.safe_paths import UnsafePathError, open_to_append, quoted

VARIABLE = "RNC_LOG"
MOST_BYTES = 10 * 2**20
"""Maximum size of a log file. A full file is renamed to `rnc.log.1` and replaces the previous one."""
_MOST_IDS = 512
_LOG = logging.getLogger("rnc")
_ids: OrderedDict[str, str] = OrderedDict()
_ids_lock = threading.Lock()


class JsonLines(logging.Formatter):
    """Formatter of a line: time (UTC), level, event, pid, the event's fields, and the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a JSON object without a line break."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str)


class _File(logging.Handler):
    """Handler that opens the file for each line, so that processes can share it and a disk error loses only lines.

    A log beside a store may lie in another user's folder. It must be a plain file: no link is followed and no pipe is opened.
    If RNC_LOG names the file (`chosen`), a link is followed, and a pipe or a terminal gets the lines that it accepts at once.
    If it is full or has no reader, lines are lost, and the program does not wait.
    """

    def __init__(self, path: Path, *, chosen: bool) -> None:
        super().__init__()
        self.path = path
        self.chosen = chosen
        self._warned = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode()
            self._make_room()
            with _open_chosen(self.path) if self.chosen else open_to_append(self.path, "log") as file:
                file.write(line)
        except BlockingIOError:  # a full pipe
            pass
        except (OSError, UnsafePathError) as error:
            self._warn(error)

    def _make_room(self) -> None:
        """Rename a full file. A file or link that already has the new name is replaced, not followed."""
        try:
            status = self.path.stat() if self.chosen else self.path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISREG(status.st_mode) and status.st_size > MOST_BYTES:
            path = self.path.resolve() if self.chosen else self.path
            path.replace(path.with_name(path.name + ".1"))

    def _warn(self, error: Exception) -> None:
        """Write one warning to the server's standard error that there is no log."""
        if not self._warned:
            self._warned = True
            with suppress(OSError, ValueError):  # standard error may be closed
                sys.stderr.write(
                    f"warning: {quoted(str(self.path), 200)} cannot be written, so there is no log: {error}\n"
                )


def _open_chosen(path: Path) -> FileIO:
    """Open the file that the user named, of whatever kind, without waiting for the other end of a pipe."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    return FileIO(os.open(path, flags, 0o644), "wb")


class _OneLine(logging.Filter):
    """Filter that turns Streamlit's many lines about an uncaught exception of a page into one log event."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        log_exception(error)
        return False


def set_up(store: Path | None, *, console: bool = False) -> None:
    """Send this process's log to a file beside a store (None for no file) and, if `console` is set, to standard error.

    It may be called again at any time.
    """
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    given = os.environ.get(VARIABLE)
    default = None if store is None else store.parent / "rnc.log"
    path = default if given is None else Path(given) if given else None
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if console else []
    if path is not None:
        handlers.append(_File(path, chosen=given is not None))
    ours = [handler for handler in _LOG.handlers if isinstance(handler.formatter, JsonLines)]
    if [_target(handler) for handler in ours] == [_target(handler) for handler in handlers]:
        return  # pages call this at every rerun; a line of another session must not be lost in between
    for handler in ours:
        _LOG.removeHandler(handler)
    for handler in handlers:
        handler.setFormatter(JsonLines())
        _LOG.addHandler(handler)
    streamlit = logging.getLogger("streamlit.error_util")
    if console and not any(isinstance(known, _OneLine) for known in streamlit.filters):
        streamlit.addFilter(_OneLine())


def _target(handler: logging.Handler) -> object:
    """Return the path or the stream that one of this module's handlers writes to."""
    return handler.path if isinstance(handler, _File) else getattr(handler, "stream", None)


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event with its fields."""
    _LOG.log(level, name, extra={"fields": fields})


def report_error(text: str, **fields: Any) -> str:
    """Return the id of an error that a page shows; log the error when it is first shown."""
    with _ids_lock:
        known = _ids.get(text)
        if known is None:
            known = _ids[text] = secrets.token_hex(4)
            event("error shown", logging.ERROR, id=known, text=text, **fields)
        _ids.move_to_end(text)
        while len(_ids) > _MOST_IDS:
            _ids.popitem(last=False)
        return known


def log_exception(error: BaseException) -> str:
    """Return the id of an exception; log it with its traceback the first time."""
    known: str | None = getattr(error, "_rnc_id", None)
    if known is None:
        known = secrets.token_hex(4)
        with suppress(AttributeError):
            error._rnc_id = known  # type: ignore[attr-defined]
        fields = {"id": known, "text": f"{type(error).__name__}: {error}"}
        _LOG.error("exception", exc_info=error, extra={"fields": fields})
    return known
