"""Timing and reporting of benchmarks: rivals in turn, medians, ratios in one run, a table and JSON."""

import argparse
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tests.benchmarks.machine import machine, megabytes, seconds

Acts = dict[str, Callable[[], object]]
"""The functions that are compared, by name."""


def in_turn(acts: Acts, repeats: int, device: torch.device | str = "cpu") -> dict[str, float]:
    """The median seconds of every act, all in turn `repeats` times, so that a busy spell of the machine falls on all alike.

    On one CPU thread they are seconds of that core's work, which other programs do not lengthen by taking turns on it.
    """
    taken: dict[str, list[float]] = {name: [] for name in acts}
    own = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    for repeat in range(-1, repeats):
        for name, act in acts.items():
            begin = time.process_time()
            once = seconds(act, torch.device(device))
            if repeat >= 0:  # the first round warms up
                taken[name].append(time.process_time() - begin if own else once)
    return {name: statistics.median(times) for name, times in taken.items()}


def extra_memory(act: Callable[[], object]) -> float:
    """The peak in MB above what was held before an act; NaN where the system does not tell."""
    act()  # what a first call holds ever after: the workspace of the products
    try:
        ctypes.CDLL(None).malloc_trim(0)  # (what is free but not given back would hide what the act takes)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return float("nan")
    before = megabytes("VmRSS")
    act()
    return megabytes("VmHWM") - before


def header(on: dict, settings: dict) -> str:
    """The machine and the settings in a line."""
    return " · ".join(f"{name} {value}" for name, value in (on | settings).items())


def write_json(found: dict, to: Path | None) -> None:
    """Write a result where asked."""
    if to:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(json.dumps(found, indent=2) + "\n")


def exponent(sizes: list[float], costs: list[float]) -> float:
    """The slope of log cost over log size by least squares: 1 where the cost grows in proportion."""
    logs = torch.tensor([sizes, costs], dtype=torch.float64).log()
    x, y = logs - logs.mean(1, keepdim=True)
    return float((x * y).sum() / x.square().sum())


@dataclass
class Report:
    """Rows of a table: printed as they come, and kept for JSON."""

    title: str
    settings: dict
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rows: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Print the header: what the times depend on besides the code."""
        self.machine = machine(self.device)
        sys.stdout.write(f"# {self.title}\n{header(self.machine, self.settings)}\n")

    def add(self, **columns: object) -> None:
        """Add a row and print it; the first row's names, and those of a row of another kind, are printed above it."""
        if not self.rows or list(self.rows[-1]) != list(columns):
            sys.stdout.write(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
        shown = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in columns.values())
        sys.stdout.write(f"| {' | '.join(shown)} |\n")
        sys.stdout.flush()
        self.rows.append(columns)

    def write(self, to: Path | None) -> None:
        """Write JSON where asked."""
        named = {"title": self.title, "machine": self.machine, "settings": self.settings}
        write_json(named | {"rows": self.rows}, to)


def arguments(description: str | None, repeats: int = 5) -> argparse.ArgumentParser:
    """A parser with what every benchmark can be asked: repeats, threads, JSON."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--repeats", type=int, default=repeats, help="of which the median is taken (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    return parser
