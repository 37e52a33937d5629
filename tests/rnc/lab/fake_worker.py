"""A worker of the lab that needs no torch and misbehaves as it is told: by a file when it starts, by the run's id later.

Arguments: a file with the bytes of a result, and one that says what the next start does; it is removed as it is read.
"""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnc.lab.message_format import messages, send_message

answers = os.fdopen(os.dup(1), "wb")
result, at_start = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
asked: queue.Queue[dict[str, Any]] = queue.Queue()
stopped: set[int] = set()


def listen() -> None:
    for message, _data in messages(sys.stdin.buffer):  # type: ignore[arg-type]
        if message["kind"] == "stop":
            stopped.add(message["id"])
        else:
            asked.put(message)
    os._exit(0)


def garbage() -> None:
    os.write(answers.fileno(), b"\xff" * 100_000)
    time.sleep(1000)


def half() -> None:
    os.write(answers.fileno(), b"\0\0\0\x09\0\0\0\0{")
    os._exit(0)


def deaf() -> None:
    """Its output is closed, and it lives on."""
    answers.close()
    os.close(1)
    time.sleep(1000)


def parent() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    time.sleep(1000)


MISBEHAVIOUR: dict[str, Callable[[], object]] = {
    "die": lambda: os.kill(os.getpid(), 9),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "garbage": garbage,
    "half": half,
    "hang": lambda: time.sleep(1000),
    "deaf": deaf,
    "parent": parent,
}
"""Events that may happen in any phase."""


def answer(message: dict[str, Any]) -> None:
    number, text = message["id"], str(message)
    how = next((word for word in text.replace('"', " ").replace("'", " ").split() if word.startswith("do-")), "do-ok")[
        3:
    ]
    MISBEHAVIOUR.get(how, lambda: None)()
    if message["kind"] == "pass_time":
        seconds = "nan?" if how == "wrong" else 1e-6
        send_message(answers, {"kind": "pass_time", "id": number, "seconds": seconds, "measurement_seconds": 0.0})
        return
    send_message(answers, {"kind": "progress", "id": number, "done": 0, "total": 2, "row": None})
    while how in ("slow", "flood") and number not in stopped:
        if how == "flood":
            row = {"step": 1, "x": "y" * 1000}
            send_message(answers, {"kind": "progress", "id": number, "done": 1, "total": 2, "row": row})
        else:
            time.sleep(0.005)
    wrong = {
        "no-kind": {"id": number},
        "other-kind": {"id": number, "kind": 3},
        "other-state": {"id": number, "kind": "result", "state": "queued"},
        "no-result": {"id": number, "kind": "result", "state": "done"},
        "text-progress": {"id": number, "kind": "progress", "done": "many", "total": []},
    }
    if how in wrong:
        send_message(answers, wrong[how])
    elif how == "no-npz":
        send_message(answers, {"id": number, "kind": "result", "state": "done"}, b"no result")
    elif how == "fatal":
        send_message(answers, {"id": number, "kind": "failed", "error": "no memory", "fatal": True})
        os._exit(0)
    else:
        state = "stopped" if number in stopped else "done"
        send_message(answers, {"kind": "result", "id": number, "state": state}, result)


if __name__ == "__main__":
    how_to_start = at_start.read_text() if at_start.exists() else "ok"
    at_start.unlink(missing_ok=True)
    MISBEHAVIOUR.get(how_to_start, lambda: None)()
    threading.Thread(target=listen, daemon=True).start()
    if how_to_start != "mute":
        send_message(answers, {"kind": "started"})
    while True:
        answer(asked.get())
