"""The log: one JSON object a line and event, in `rnc.log` beside the store, and on the server's standard error.

Whatever a page calls an error carries an id that is in the log. The same sentence keeps its id and is logged once, however
often pages are drawn anew. RNC_LOG names another file, or none where it is empty. Control characters are written as JSON's
escapes. Where the file cannot be written, standard error has one warning, and the program goes on without a log.
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

from rnc.safe_paths import UnsafePathError, open_to_append
from rnc.safe_paths import shown as shown_safely

VARIABLE = "RNC_LOG"
MOST_BYTES = 10 * 2**20
"""Of a log file; then it becomes `rnc.log.1`, in place of the one before."""
_MOST_IDS = 512
_LOG = logging.getLogger("rnc")
_ids: OrderedDict[str, str] = OrderedDict()
_ids_lock = threading.Lock()


class JsonLines(logging.Formatter):
    """time (UTC), level, event, pid, what the event tells, and the traceback of an exception, all in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """A JSON object without a line break."""
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
    """Opened for each line, so that processes share it and a full disk, or a folder that may not be written, costs lines only.

    Beside a store, whose folder may be somebody else's, it is a plain file or nothing: no link is followed and no pipe is
    opened. Where RNC_LOG names it (`chosen`), a link is followed, and a pipe or a terminal gets the lines that it takes at
    once: one that nobody reads, or that is full, loses them, and makes nobody wait.
    """

    def __init__(self, path: Path, *, chosen: bool) -> None:
        super().__init__()
        self.path, self.chosen, self._warned = path, chosen, False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode()
            self._make_room()
            with _open_chosen(self.path) if self.chosen else open_to_append(self.path, "log") as file:
                file.write(line)
        except BlockingIOError:  # (a full pipe)
            pass
        except (OSError, UnsafePathError) as error:
            self._warn(error)

    def _make_room(self) -> None:
        """Rename a file that is full. What has the other name is replaced, not followed."""
        try:
            status = self.path.stat() if self.chosen else self.path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISREG(status.st_mode) and status.st_size > MOST_BYTES:
            path = self.path.resolve() if self.chosen else self.path
            path.replace(path.with_name(path.name + ".1"))

    def _warn(self, error: Exception) -> None:
        """Say once, where the server's own words are, that there is no log."""
        if not self._warned:
            self._warned = True
            with suppress(OSError, ValueError):  # (standard error may be closed)
                sys.stderr.write(f"warning: {shown_safely(str(self.path), 200)} gets no log lines: {error}\n")


def _open_chosen(path: Path) -> FileIO:
    """Open what the user named, whatever it is, without waiting for the other end of a pipe."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    return FileIO(os.open(path, flags, 0o644), "wb")


class _OneLine(logging.Filter):
    """Streamlit's word about an exception that no page caught, which would fill many lines, becomes an event of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        exception(error)
        return False


def set_up(store: Path | None, *, console: bool = False) -> None:
    """Let this process log beside a store (None for no file), and on standard error where `console` is set; at any time again."""
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    given = os.environ.get(VARIABLE)
    beside = None if store is None else store.parent / "rnc.log"
    path = beside if given is None else Path(given) if given else None
    wanted: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if console else []
    if path is not None:
        wanted.append(_File(path, chosen=given is not None))
    ours = [handler for handler in _LOG.handlers if isinstance(handler.formatter, JsonLines)]
    if [_target(handler) for handler in ours] == [_target(handler) for handler in wanted]:
        return  # (pages ask at every rerun; a line of another session must not fall in between)
    for handler in ours:
        _LOG.removeHandler(handler)
    for handler in wanted:
        handler.setFormatter(JsonLines())
        _LOG.addHandler(handler)
    streamlit = logging.getLogger("streamlit.error_util")
    if console and not any(isinstance(known, _OneLine) for known in streamlit.filters):
        streamlit.addFilter(_OneLine())


def _target(handler: logging.Handler) -> object:
    """Where a handler of ours writes to."""
    return handler.path if isinstance(handler, _File) else getattr(handler, "stream", None)


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log that something happened."""
    _LOG.log(level, name, extra={"fields": fields})


def shown(text: str, **fields: Any) -> str:
    """The id of an error that a page shows, logged when it is first shown."""
    with _ids_lock:
        known = _ids.get(text)
        if known is None:
            known = _ids[text] = secrets.token_hex(4)
            event("error shown", logging.ERROR, id=known, text=text, **fields)
        _ids.move_to_end(text)
        while len(_ids) > _MOST_IDS:
            _ids.popitem(last=False)
        return known


def exception(error: BaseException) -> str:
    """The id of an exception, logged with its traceback when it is first met."""
    known: str | None = getattr(error, "_rnc_id", None)
    if known is None:
        known = secrets.token_hex(4)
        with suppress(AttributeError):
            error._rnc_id = known  # type: ignore[attr-defined]
        fields = {"id": known, "text": f"{type(error).__name__}: {error}"}
        _LOG.error("exception", exc_info=error, extra={"fields": fields})
    return known
