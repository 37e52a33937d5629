"""The frames of an attack as a film: their names, and the points and values of each.

Tested by tests/pages/test_attack_lab.py.
"""

import numpy as np
import pandas as pd

from rnc.lab.attack import CLEAN_STEP, AttackResult
from rnc.vocabulary import Role


def frame_names(frames: pd.DataFrame) -> list[str]:
    """Return a name per row of (restart, step): clean, start, 1, 2, … and the ends of later restarts."""
    special = {CLEAN_STEP: "clean", 0: "start"}
    restarts, steps = (frames[name].to_numpy(dtype=np.int64) for name in ("restart", "step"))
    return [
        f"restart {restart + 1}" if restart > 0 else special.get(step, str(step))
        for restart, step in zip(restarts.tolist(), steps.tolist(), strict=True)
    ]


def clean_and_perturbed_points(result: AttackResult, places: np.ndarray, frame: int, names: list[str]) -> pd.DataFrame:
    """Return every watched image, clean and at a frame (shown, sample, label, predicted, x, y), from places (T, n, 2)."""
    parts = []
    for shown, at in ((Role.CLEAN, 0), (Role.PERTURBED, frame)):
        x, y = places[at].T
        columns = {"shown": str(shown), "sample": result.sample, "label": np.array(names)[result.label]}
        parts.append(pd.DataFrame(columns | {"predicted": np.array(names)[result.predicted[at]], "x": x, "y": y}))
    return pd.concat(parts, ignore_index=True)


def step_values(result: AttackResult, metric: str) -> pd.DataFrame:
    """Return a value per frame (frame, value); for the margin also the band from the 10th to the 90th percentile."""
    frames = frame_names(result.frames)
    if metric != "margin":
        return pd.DataFrame({"frame": frames, "value": result.frames[metric]})
    low, high = np.quantile(result.margin, (0.1, 0.9), axis=1)
    return pd.DataFrame({"frame": frames, "value": result.margin.mean(axis=1), "low": low, "high": high})


def frame_of_each_leap(result: AttackResult, names: list[str]) -> pd.DataFrame:
    """Return a row per watched image that leaps for good (frame, label)."""
    leapt = result.frame_of_lasting_leap >= 0
    frames = np.array(frame_names(result.frames))
    return pd.DataFrame(
        {"frame": frames[result.frame_of_lasting_leap[leapt]], "label": np.array(names)[result.label[leapt]]}
    )
