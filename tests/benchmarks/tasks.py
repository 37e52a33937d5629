"""Ten tasks of a new user, and what each takes: `python -m tests.benchmarks.tasks [--store DEMO] [--json FILE]`.

The real server with the demo and the built-in gallery, and a headless Chromium. Each task begins on the home page with the
selection that the app begins with, in a browser that knows nothing yet; the opening of the home page is a row of its own. A row
has the interactions (a click, an entry into a field, the mouse held over a chart), the seconds of waiting (from each interaction
to the page at rest), the seconds of attacks by the attack lab's account, the pixels of scrolling, and the answer that was read on
the page. A task without its answer has "no:" and the reason there, and the command ends with exit code 1.

Attacks are on 50 images. Everything is done on a copy of the store; a store that is not named is trained first (5 minutes).

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Browser, Error

from docs.tools import chromium, served
from tests.benchmarks.film import PLAYER
from tests.benchmarks.new_user import HOME, TITLES, NewUser
from tests.benchmarks.pages import made
from tests.benchmarks.results import Report

Task = Callable[[NewUser], str]
"""Does a task and returns the answer."""
_IMAGES, _LAB = "50", TITLES["Attack lab"]
_TRADES_ROW = 2  # of the demo's three runs, which are the newest of the table
_PLAYED_MS = 3_000
_EMPTY = "No measurements yet"


def nc1_at_the_end(user: NewUser) -> str:
    """Read NC1 of clean and of attacked images, at the end of standard training."""
    return user.sees(re.compile(r"^ST at epoch \d+:.*NC1 [\d.]+ → [\d.]+"))


def compare_on_test_images(user: NewUser) -> str:
    """Compare the accuracy of AT and TRADES on test images, clean and attacked."""
    user.go("Collapse")
    user.click(user.sidebar.get_by_text("test", exact=True), TITLES["Collapse"])
    tooltip = user.page.locator("#vg-tooltip-element")
    charts = user.page.get_by_test_id("stVegaLiteChart")
    user.hover(charts.filter(has_text="share of samples classified as their label").first, 0.975, tooltip)
    lines = [" ".join(line.split()) for line in tooltip.locator("tr").all_inner_texts()]
    compared = [line for line in lines if re.search("(AT|TRADES) · (clean|perturbed)", line)]
    assert len(compared) == 4, f"the tooltip has {lines}"
    return f"{tooltip.locator('h2').inner_text()}: {'; '.join(compared)}"


def class_that_rotates_most(user: NewUser) -> str:
    """Read which class an attack moves most."""
    user.go("Geometry")
    return user.sees(re.compile("rotates most"))


def play_the_training(user: NewUser) -> str:
    """Play the film of the training; the answer is the number of pictures a second."""
    user.go("Film")
    user.click(
        user.page.locator(".film").get_by_role("button", name="Play"),
        reruns=False,
        until=user.page.get_by_text(re.compile(r"^ST · epoch .*between")),
    )
    frames = f"() => ({PLAYER})().frames"
    before = user.page.evaluate(frames)
    user.page.wait_for_timeout(_PLAYED_MS)
    return f"{1000 * (user.page.evaluate(frames) - before) / _PLAYED_MS:.0f} pictures/s"


def simplex_plane(user: NewUser) -> str:
    """Show the features in the plane of three class means."""
    user.go("Projections")
    user.click(user.page.get_by_text("Simplex plane", exact=True), TITLES["Projections"])
    return user.sees(re.compile(r"^ST · simplex plane", re.IGNORECASE))


def attack_and_flipped_images(user: NewUser) -> str:
    """Attack the network of standard training, and see the images whose class flipped."""
    _open_lab(user)
    user.attack("Attack", user.page.get_by_text("all 10 steps"))
    user.click(user.page.locator(".st-key-lab_fate").get_by_text("leapt", exact=True), _LAB)
    return user.sees(re.compile(r"#\d+, true .*predicted .* → "))


def stop_an_attack(user: NewUser) -> str:
    """Stop a long attack, and keep what it did."""
    user.go("Attack lab")
    user.enter(user.page.get_by_role("spinbutton", name="Steps"), "1000", _LAB)
    user.press("Attack", until=user.page.get_by_text(re.compile(r"step \d+ of 1000")))
    stopped = user.page.get_by_text(re.compile(r"stopped after \d+ steps"))
    user.press("Stop", until=stopped)
    return user.sees_at(stopped)


def sweep_two_networks(user: NewUser) -> str:
    """Compare ST and AT over the strength of the attack; all selected runs are compared, of which these are two."""
    _open_lab(user, "Sweep")
    user.attack("Sweep", user.page.get_by_text("(9 values)"))
    user.sees_at(user.page.get_by_label("Accuracy against strength"))
    compared = [name for name in ("ST", "AT", "TRADES") if user.page.get_by_text(f"{name} · epoch 60").count()]
    assert {"ST", "AT"} <= set(compared), compared
    return f"{', '.join(compared)}: {user.page.get_by_text('(9 values)').first.inner_text()}"


def _open_lab(user: NewUser, activity: str | None = None) -> None:
    """Open the attack lab, and set few images, so that the attack is short."""
    user.go("Attack lab")
    if activity is not None:
        user.click(user.page.locator(".st-key-lab_do").get_by_text(activity, exact=True), _LAB)
    user.enter(user.page.get_by_role("spinbutton", name="Images"), _IMAGES, _LAB)


def export_a_figure(user: NewUser) -> str:
    """Take along the first figure of the collapse page as PDF for one column, and its table as CSV."""
    user.go("Collapse")
    user.click(user.page.get_by_role("button", name="Export"), reruns=False)
    pdf, csv = user.download("PDF").read_bytes(), user.download("CSV").read_text()
    box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+)", pdf)
    head = csv.splitlines()[0]
    assert pdf.startswith(b"%PDF") and "split" in head, head
    return f"PDF of {float(box.group(1)) / 72:.2f} in; CSV: {head}" if box else f"PDF; CSV: {head}"


def share_the_view(user: NewUser) -> str:
    """Copy the address of what is shown."""
    user.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    user.click(
        user.page.get_by_role("button", name="Copy link"), reruns=False, until=user.page.get_by_text("Link copied")
    )
    address = user.page.evaluate("navigator.clipboard.readText()")
    assert "runs=" in address, address
    return f"{user.sees('Link copied')}, with the runs"


def filter_runs(user: NewUser) -> str:
    """Find the runs that a word occurs in."""
    user.click(user.sidebar.get_by_role("button", name="Filter"), reruns=False)
    user.enter(user.page.get_by_role("searchbox", name="Search"), "trades", HOME)
    return user.sees_at(user.sidebar.get_by_role("button", name=re.compile(r"Filter · \d+ of \d+")))


def tag_a_run(user: NewUser) -> str:
    """Give a run a tag."""
    _open_trades(user)
    panel = user.page.locator(".st-key-open_run")
    user.enter(panel.get_by_role("combobox", name="Tags"), "compare", TITLES["Runs"])
    return f"{user.sees_at(panel.locator('[data-tag]'))}: {user.sees(re.compile('^Saved for'))}"


def command_of_a_run(user: NewUser) -> str:
    """Find the command that trains a run again."""
    _open_trades(user)
    user.click(user.page.get_by_role("tab", name="Reproduce this run"), TITLES["Runs"], reruns=False)
    return user.sees_at(user.page.locator(".st-key-open_run").get_by_text(re.compile("python -m train.run")))


def delete_a_run(user: NewUser) -> str:
    """Delete a run, and confirm it."""
    _open_trades(user)
    user.click(user.page.locator(".st-key-open_run").get_by_role("button", name="Delete …"), TITLES["Runs"])
    user.press("Delete permanently", TITLES["Runs"])
    return user.sees(re.compile("^Deleted "))


def _open_trades(user: NewUser) -> None:
    user.go("Runs")
    user.open_run(_TRADES_ROW)


def train_and_stop(user: NewUser) -> str:
    """Start the demo on an empty store, and stop it with the first click."""
    page = user.page
    user.press("Train the demo", until=page.get_by_text("Starting the training"))
    started = user.waited
    user.press("Stop training", until=page.get_by_text("The training is stopped"))
    return f"starting seen after {started:.1f} s; {user.sees(re.compile('The training is stopped'))}"


TASKS: dict[str, Task] = {
    "a": nc1_at_the_end,
    "b": compare_on_test_images,
    "c": class_that_rotates_most,
    "d": play_the_training,
    "e": simplex_plane,
    "f": attack_and_flipped_images,
    "f stop": stop_an_attack,
    "g": sweep_two_networks,
    "h": export_a_figure,
    "i": share_the_view,
    "j filter": filter_runs,
    "j tag": tag_a_run,
    "j command": command_of_a_run,
    "j delete": delete_a_run,
}
ON_EMPTY_STORE: dict[str, Task] = {"k": train_and_stop}


def do_task(name: str, task: Task, user: NewUser, report: Report, pictures: Path | None) -> bool:
    """Do a task, add its row to the report, and return whether the answer was on the page."""
    try:
        answer = " ".join(task(user).split())
        is_answered = True
    except (AssertionError, Error, TimeoutError) as error:
        answer, is_answered = f"no: {str(error).splitlines()[0]}", False
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        user.page.screenshot(path=pictures / f"{name.replace(' ', '-')}.png")
    report.add(
        task=f"{name} {task.__name__.replace('_', ' ')}",
        interactions=user.interactions,
        waiting_s=round(user.waited, 1),
        attack_s=round(user.attacked, 1),
        scrolled_px=user.scrolled,
        answer=answer,
    )
    user.page.context.close()
    return is_answered


def do_tasks(
    browser: Browser, store: Path, empty: Path, report: Report, pictures: Path | None, only: list[str]
) -> bool:
    """Do the tasks, the last one on an empty store without the gallery; return whether all were answered."""
    is_answered = []
    for tasks, path, gallery, title in ((TASKS, store, None, HOME), (ON_EMPTY_STORE, empty, "", _EMPTY)):
        wanted = {name: task for name, task in tasks.items() if not only or name in only}
        if not wanted:
            continue
        with served(path, gallery) as (address, process):
            first = NewUser(browser, address, process, title)
            report.add(task="(home page, first visit)", seconds=round(first.opened, 1))
            first.page.context.close()
            for name, task in wanted.items():
                user = NewUser(browser, address, process, title)
                is_answered.append(do_task(name, task, user, report, pictures))
    return all(is_answered)


def main(arguments: list[str] | None = None) -> int:
    """Do the tasks, print a table, and write JSON where asked; return 1 if a task has no answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="the demo's store (default: trained first)")
    parser.add_argument("--only", nargs="+", default=[], choices=[*TASKS, *ON_EMPTY_STORE], help="some tasks")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of the page at the end of each task")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        store = given.store or made(Path(folder), "demo", "train.run", "demo")
        shutil.copytree(store.parent, Path(folder) / "copy")
        report = Report("Ten tasks of a new user", {"images of an attack": _IMAGES}, torch.device("cpu"))
        copy, empty = Path(folder) / "copy" / store.name, Path(folder) / "empty" / "rnc.duckdb"
        is_answered = do_tasks(browser, copy, empty, report, given.load_checked_images, given.only)
    report.write(given.json)
    return 0 if is_answered else 1


if __name__ == "__main__":
    sys.exit(main())
