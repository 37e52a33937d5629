"""The colours of runs: each objective has its own, and a run keeps its colour whatever else is selected.

A fresh visit gives every run the colour of its objective, or another one if that is taken. The address holds the colours that
differ from these, so that it shows the same ones on every machine.
"""

from collections.abc import Mapping, Sequence

from rnc.ui.charts.palette import RUN_COLOURS
from rnc.vocabulary import Objective

_CODES = "0123456789abcdefghijklmno"[: len(RUN_COLOURS)]
"""The letter of each colour in an address."""
_AS_FRESH = "-"
_PREFERRED: dict[str, str] = {
    Objective.ST: "blue",
    Objective.AT: "orange",
    Objective.TRADES: "green",
    Objective.TRADES_RELEASED: "pink",
    Objective.AT_EVAL_ATTACK: "vermilion",
    Objective.OWN: "sky blue",
}
_SPARE = ["sky blue", "vermilion", "grey", "olive", "pink", "green", "orange", "blue"]
"""The hues for runs whose own colour is taken: those come first that no common objective has."""
MOST_KEPT = 1_000
"""Largest number of runs whose colours are kept in a session."""


def assign_colours(objective_of_run: Mapping[str, str], earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each run's colour, for runs (id -> objective) in their order; `earlier` has the session's colours.

    Runs keep theirs. A new run gets its objective's colour, or the first one that no run has; if runs that are not shown have
    all the others, one of these; if the shown ones have all, its objective's.
    """
    colours = {run_id: earlier[run_id] for run_id in objective_of_run if run_id in earlier}
    for run_id, objective in objective_of_run.items():
        if run_id in colours:
            continue
        wanted = _PREFERRED.get(objective, _SPARE[0])
        candidates = [wanted, *_SPARE, *RUN_COLOURS]
        shown, ever = set(colours.values()), {*colours.values(), *earlier.values()}
        free = [name for name in candidates if name not in ever] or [name for name in candidates if name not in shown]
        colours[run_id] = next(iter(free), wanted)
    return {run_id: colours[run_id] for run_id in objective_of_run}


def colours_as_address_text(objective_of_run: Mapping[str, str], colours: Mapping[str, str]) -> str:
    """Return the text of the address: a letter for each run, in their order, if a fresh visit would show another colour."""
    fresh = assign_colours(objective_of_run, {})
    names = list(RUN_COLOURS)
    letters = [_AS_FRESH if colours[r] == fresh[r] else _CODES[names.index(colours[r])] for r in objective_of_run]
    return "".join(letters).rstrip(_AS_FRESH)


def colours_from_address_text(text: str, objective_of_run: Mapping[str, str]) -> dict[str, str]:
    """Return the colours that the text of an address gives to runs; letters that are no colour count as if there were none."""
    colours = assign_colours(objective_of_run, {})
    names = list(RUN_COLOURS)
    for run_id, letter in zip(objective_of_run, text, strict=False):
        if letter in _CODES:
            colours[run_id] = names[_CODES.index(letter)]
    return colours


def exchange(colours: Mapping[str, str], run_id: str, colour: str) -> dict[str, str]:
    """Return the colours of runs with one of them changed; a run that had the colour gets the one that becomes free."""
    return {r: colour if r == run_id else colours[run_id] if c == colour else c for r, c in colours.items()}


def source_colours(run_ids: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    """Return the colour of each network of these runs, as #RRGGBB: its run's, or another one if it has been given already.

    `colours` has the names of the runs' colours. Networks of runs that have none are coloured as external networks.
    """
    given: dict[str, str] = {}
    for place, run_id in enumerate(run_ids):
        wanted = {str(place): colours[run_id]} if run_id in colours and colours[run_id] not in given.values() else {}
        given |= assign_colours({str(place): Objective.OWN}, {**given, **wanted})
    return [RUN_COLOURS[name] for name in given.values()]
