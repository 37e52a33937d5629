"""Everything that this program does with a store, each as a step that a process of its own takes (`job_server.py`)."""

import glob
import hashlib
import io
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.security.guard import World

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that a terminal would act upon."""
_ACTIVE = re.compile(r"!\[|\]\(|<(?:script|img|iframe|svg|a)\b|:(?:red|blue|material)\w*\[|https?://evil")
_IS_MARKDOWN = ("markdown", "caption", "info", "warning", "error", "success", "header", "subheader", "title")
_HAS_MARKDOWN = (
    "button", "checkbox", "toggle", "radio", "selectbox", "multiselect", "slider", "select_slider",
    "text_input", "number_input", "text_area",
)  # fmt: skip


class Findings(list[str]):
    """Descriptions of everything that a step did wrong."""


def take(name: str, options: dict[str, Any], world: World, findings: Findings) -> str:
    """Take one step; a word on how it ended."""
    kind, _, which = name.partition(":")
    return _STEPS[kind](world, which, options, findings)


def check_output(text: str, secrets: list[bytes], findings: Findings) -> None:
    """Find in what a command printed, or in the log, what must not be there."""
    if "Traceback (most recent call last)" in text:
        last = [line for line in text.splitlines() if re.match(r"\w[\w.]*(Error|Exception|Interrupt)\b", line)]
        findings.append(f"a traceback: {last[-1][:200] if last else text[-200:]}")
    if found := _CONTROL.search(text.replace("\x1b[A", "").replace("\r", "")):
        findings.append(f"a terminal is sent {found[0]!r} in {text[max(found.start() - 40, 0) : found.end() + 20]!r}")
    check_secrets(text.encode(errors="replace"), secrets, "printed", findings)


def check_secrets(content: bytes, secrets: list[bytes], where: str, findings: Findings) -> None:
    """Find what guarded files hold."""
    for secret in secrets:
        if secret in content:
            findings.append(f"a secret is {where}: …{content[max(content.index(secret) - 60, 0) :][:140]!r}")


def _address(world: World, options: dict[str, Any]) -> str:
    return str(options.get("store", world.store))


def _exit(main: Callable[[list[str]], int], *arguments: str) -> str:
    try:
        code: object = main(list(arguments))
    except SystemExit as end:
        code = end.code
    return f"exit {code}"


def _list(world: World, which: str, options: dict[str, Any], _findings: Findings) -> str:
    from rnc.store.__main__ import main

    return _exit(main, _address(world, options), *(["--upgrade"] if which == "upgrade" else []))


def _doctor(world: World, which: str, options: dict[str, Any], _findings: Findings) -> str:
    from rnc.doctor.__main__ import main

    repair = ["--repair"] if which == "repair" else []
    return _exit(main, _address(world, options), "--data-root", str(world.scratch / "images"), *repair)


def _copy(world: World, _which: str, options: dict[str, Any], _findings: Findings) -> str:
    from rnc.store.copy import main

    chosen = [] if "run" not in options else ["--run", _pattern(options["run"])]
    return _exit(main, _address(world, options), str(options.get("to", world.mine)), *chosen)


def _pattern(run_id: str) -> str:
    """The pattern of this run id alone; a dash at its beginning is no option."""
    escaped = glob.escape(run_id)
    return f"[-]{escaped[1:]}" if escaped.startswith("-") else escaped


def _export(world: World, _which: str, options: dict[str, Any], _findings: Findings) -> str:
    from rnc.store.export import main

    to = str(options.get("to", world.out))
    chosen = _pattern(options["run"]) if "run" in options else "*"
    return _exit(main, chosen, "--store", _address(world, options), "--to", to)


def _kept(world: World, _which: str, options: dict[str, Any], findings: Findings) -> str:
    from rnc.lab import saved_results
    from rnc.store.errors import StoreError
    from rnc.store.reader import StoreReader

    reader, told = StoreReader(Path(_address(world, options))), []
    try:
        keys = list(reader.lab.results()["key"])[:20]
    except StoreError as error:
        return f"refused: {error}"
    for key in keys:
        try:
            told.append(str(type(saved_results.load(reader, key)).__name__))
        except (ValueError, StoreError) as error:
            told.append(str(error)[:100])
    _say(told)
    return f"{len(told)} kept results"


def _page(world: World, which: str, options: dict[str, Any], findings: Findings) -> str:
    from streamlit.testing.v1 import AppTest

    from rnc.lab.job_queue import JobQueue

    JobQueue.measure_when_idle = lambda *_arguments: None  # type: ignore[method-assign]  # (the step `lab` starts a worker)
    os.environ["RNC_STORE"] = _address(world, options)
    os.environ["RNC_GALLERY"] = str(options.get("gallery", ""))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    for name, value in options.get("asked", {}).items():
        app.query_params[name] = value
    app.switch_page(f"pages/{which}.py").run()
    _look_at(app, findings)
    if which == "film":
        _request_films(findings)
    if options.get("press"):
        for note in list(app.text_area):  # (of the open run; it is saved as it is entered)
            note.set_value("a note").run()
            _look_at(app, findings)
    for key in options.get("press", []):
        buttons = [button for button in app.button if button.key == key]
        if buttons and not buttons[0].disabled:
            buttons[0].click().run()
            _look_at(app, findings)
    return f"{len(app.main.children)} elements, {len(app.error)} errors{': ' + app.error[0].value[:160] if app.error else ''}"


def _request_films(findings: Findings) -> None:
    """Request every file of the films that the page offered, as a browser would."""
    from rnc.ui.film import film_routes
    from rnc.ui.random_addresses import FILM_FOLDER
    from tests.rnc.ui.route_requests import ask

    for key in film_routes.offers.offered_keys():
        for name in (
            "states",
            "view/pca",
            "view/umap",
            "view/span-0-1-2",
            "view/span-0-1-2-3",
            "view/span-0-9998-9999",
        ):
            answer = ask(film_routes.routes(), f"/{FILM_FOLDER}/{key}/{name}")
            check_secrets(answer.content, _secrets, "sent to the browser", findings)
            if answer.status not in (200, 422):
                findings.append(f"film {name}: {answer.status} {answer.content[:200]!r}")


def _look_at(app: Any, findings: Findings) -> None:
    for error in app.exception:
        findings.append(f"an exception: {error.message[:200]}")
    for element in app._tree:
        proto = getattr(element, "proto", None)
        if hasattr(proto, "SerializeToString"):
            content = proto.SerializeToString()
            check_secrets(content, _secrets, "sent to the browser", findings)
            if b"Traceback" in content and type(element).__name__ != "Exception":
                findings.append("a traceback is sent to the browser")
    for text in _markdown(app):
        read = re.sub(r"(`+)(?:.|\n)*?\1", "", re.sub(r"\\.", "", text))
        if found := _ACTIVE.search(read):
            findings.append(f"a stranger's words are read as Markdown: …{read[max(found.start() - 30, 0) :][:120]!r}")


def _markdown(app: Any) -> Iterator[str]:
    """Every text of a page that the browser reads as Markdown."""
    for kind in _IS_MARKDOWN:
        yield from (element.value for element in getattr(app, kind))
    for kind in _HAS_MARKDOWN:
        yield from (element.label for element in getattr(app, kind))
    for radio in app.radio:
        yield from map(str, radio.options)
    for element in app._tree:
        proto = getattr(element, "proto", None)
        name = type(proto).__name__
        if name in ("Progress", "Expandable", "Metric"):
            yield str(getattr(proto, "text", "") or getattr(proto, "label", ""))
        if name == "ButtonGroup":
            yield from (option.content for option in proto.options)
        if name == "ImageList":
            yield from (image.caption for image in proto.imgs)


_secrets: list[bytes] = []


def know(secrets: list[bytes]) -> None:
    """Set the secrets that `_look_at` looks for."""
    _secrets[:] = secrets


def _lab(world: World, _which: str, options: dict[str, Any], findings: Findings) -> str:
    """Attack every network that the store names, then one of one's own: whatever the first did, that must work."""
    from rnc.lab.job_queue import JobQueue
    from tests.rnc.lab.waiting import wait

    os.chdir(options.get("in", os.getcwd()))
    queue, told = JobQueue(), []
    try:
        for store in options.get("stores", [_address(world, options)]):
            for request in _requests(Path(store), told):
                job = queue.submit(request)
                if not wait(queue, job, options.get("seconds", 45)):
                    queue.stop(job)
                    if not wait(queue, job, 10):
                        findings.append(f"Stop does not end an attack on {store}")
                        return "hangs"
                told.append(f"{Path(store).parent.name}: {job.state} {job.error or ''}")
        for request in _requests(Path(options["honest"]), told) if "honest" in options else []:
            job = queue.submit(request)
            if not wait(queue, job, 90) or job.error:
                findings.append(f"after that an honest attack does not work: {job.error}")
    finally:
        _say(told)
        queue.close()
    return f"{len(told)} attacks"


def _requests(store: Path, told: list[str]) -> Iterator[Any]:
    from rnc.conditions import Condition
    from rnc.lab.attack import AttackRequest
    from rnc.store.errors import StoreError
    from rnc.store.reader import StoreReader
    from rnc.ui.lab.checkpoint_picker import source_of
    from rnc.vocabulary import ConditionKind, Norm, Split

    condition = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 2)
    try:
        reader = StoreReader(store)
        runs = reader.runs.all().set_index("run_id", drop=False)
        for checkpoint in reader.runs.checkpoints(list(runs["run_id"])).to_dict("records")[-1:]:
            source = source_of(runs.loc[checkpoint["run_id"]], checkpoint, Split.TEST)
            yield AttackRequest(source, condition, images=20)
    except (StoreError, ValueError) as error:
        told.append(f"{store.parent.name}: refused: {error}")


def _train(world: World, _which: str, options: dict[str, Any], _findings: Findings) -> str:
    """Press the button that trains, with a program in the trainer's place that does nothing."""
    from rnc.ui.training_process import Training

    real, sys.executable = sys.executable, "/bin/true"
    try:
        training = Training(Path(_address(world, options)))
        training.start("demo")
        if training._process is not None:
            training._process.wait()
        _say([training.log_tail()])
    finally:
        sys.executable = real
    return "started"


def _sweeps(world: World, _which: str, options: dict[str, Any], _findings: Findings) -> str:
    from rnc.store.sweep_state import sweeps_of

    found = sweeps_of(Path(_address(world, options)))
    return f"{len(found)} sweeps"


def _say(lines: list[str]) -> None:
    """Print what a visitor is told, so that it is looked at as all that is printed."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _misdeed(world: World, which: str, _options: dict[str, Any], _findings: Findings) -> str:
    """Do one of the things that no step may do, so that the tests show that they would see it."""
    secret = world.victim / "secret.txt"
    if which == "hang":
        (world.victim / "pipe").read_text()
    elif which == "call":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:  # (which sends nothing)
            one.connect(("192.0.2.1", 9))
    elif which == "leave":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    elif which == "memory":
        len(bytearray(b"x" * 3 * 2**30))
    elif which == "crash":
        os.abort()
    else:
        {
            "read": secret.read_bytes,
            "print": lambda: _say([secret.read_text()]),
            "digest": lambda: _say([hashlib.sha256(secret.read_bytes()).hexdigest()]),
            "make": (world.victim / "made").touch,
            "change": lambda: secret.write_text("x"),
            "remove": secret.unlink,
            "link": lambda: (world.victim / "made").symlink_to(secret),
            "run": lambda: subprocess.run(["/bin/ls"], check=False),
            "terminal": lambda: _say(["\x1b[2J"]),
            "traceback": lambda: _say(["Traceback (most recent call last):", "ValueError: x"]),
            "raise": lambda: 1 // 0,
            "write": lambda: (world.given / "written").write_bytes(secret.read_bytes()),
        }[which]()
    return "done"


_STEPS = {
    "list": _list, "doctor": _doctor, "copy": _copy, "export": _export, "kept": _kept, "page": _page, "lab": _lab,
    "train": _train, "sweeps": _sweeps, "misdeed": _misdeed,
}  # fmt: skip
PAGES = ("findings", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs")


def captured(text: io.BufferedRandom) -> str:
    """Return everything that was written since the beginning."""
    text.flush()
    text.seek(0)
    return text.read().decode(errors="surrogateescape")
