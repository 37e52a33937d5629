"""Short labels and colours of attacked networks, and the names of their classes, as the store has them now.

Tested by tests/pages/test_attack_lab.py.
"""

from collections.abc import Sequence

from rnc.lab.network_and_images import Source
from rnc.ui.charts.palette import RunColours
from rnc.ui.markdown import safe_plain_line
from rnc.ui.opened_store import reader
from rnc.ui.run_colours import source_colours
from rnc.ui.run_labels import run_labels
from rnc.ui.run_picker import kept_colours

_MOST_CLASSES = 1000


def class_names(run_id: str) -> list[str]:
    """Return the names of a run's classes, or numbers if the run is no longer in the store."""
    runs = reader().runs.all()
    run = runs[runs["run_id"] == run_id]
    return [str(number) for number in range(_MOST_CLASSES)] if run.empty else list(run["classes"].iloc[0])


def label_sources(sources: Sequence[Source]) -> RunColours:
    """Return a label for each network, with its colour: that of its run, or another one if the run has several networks.

    A network whose run is not in the store, or whose short label another one has, has its full label.
    """
    runs = reader().runs.all()
    runs = (
        runs[runs["run_id"].isin([source.run_id for source in sources])].reset_index(drop=True) if len(runs) else runs
    )
    short = run_labels(runs) if len(runs) else {}
    colours: dict[str, str] = {}
    for source, colour in zip(
        sources, source_colours([source.run_id for source in sources], kept_colours()), strict=True
    ):
        label = (
            f"{short[source.run_id]} \N{MIDDLE DOT} epoch {source.epoch}" if source.run_id in short else source.label
        )
        colours[safe_plain_line(source.label if label in colours else label)] = colour
    return colours
