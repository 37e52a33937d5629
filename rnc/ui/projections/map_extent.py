"""The extent of a map's plane over all epochs and conditions of its run, which gives the map the same axes in all of them.

Maps of two runs have axes of their own, because their planes have nothing in common; scale bars make them comparable.

Tested by tests/pages/test_map_frames.py.
"""

import pandas as pd

from rnc.ui import opened_store
from rnc.ui.charts.projection import OUTSIDE
from rnc.ui.projections.map_options import SIMPLEX, MapChoice


def extent_over_epochs(choice: MapChoice, vertices: list[str]) -> pd.DataFrame:
    """Return the least and the greatest x and y of a map's run, split and projection, over all stored epochs and conditions."""
    samples, run_id = opened_store.reader().samples, choice.run.run_id
    if choice.method != SIMPLEX:
        return samples.projected_extent(run_id, choice.split, choice.method.lower())
    labels = [choice.all_class_names.index(name) for name in vertices]
    extent = samples.simplex_extent_of_all_epochs(run_id, choice.split, labels)
    stretch = extent["is_vertex"].map({True: OUTSIDE, False: 1.0})  # the names are outside the vertices
    return extent[["x", "y"]].mul(stretch, axis="index")
