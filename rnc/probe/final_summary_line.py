"""The last line of a measurement: the number of images measured in each split, what was left out, and the accuracies.

Tested by tests/train/test_images_of_users.py.
"""

from pathlib import Path

from rnc.conditions import CLEAN
from rnc.datasets import ImageSet
from rnc.probe.external_measurement_config import ExternalRun
from rnc.probe.measured_images import measured_positions
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Role, Split


def summary(
    run: ExternalRun, store: Path, image_sets: dict[Split, ImageSet], classes: tuple[str, ...], left_out: str
) -> str:
    """Return one line on a measured run. `left_out` describes the images and files left out, and the reasons."""
    epochs = f"{len(run.epochs)} epochs are" if len(run.epochs) > 1 else f"epoch {run.epochs[0]} is"
    parts = [f"{run.run_id}: {epochs} in {store}"]
    for split, part in image_sets.items():
        chosen = measured_positions(run, part, len(classes))
        measured = len(chosen)
        of_all = f"{measured} of {len(part)}" if measured < len(part) else f"all {len(part)}"
        accuracies = _accuracies(run, store, split)
        parts.append(f"{split}: {of_all} images measured, accuracy at epoch {run.epochs[-1]} {accuracies}")
        if int(part.labels[chosen].bincount().max()) == 1:
            parts.append(f"{split}: one image of each class, so that NC1 is 0 and the nearest centre is always right")
    parts += [f"{split}: no images" for split in Split if split not in image_sets]
    parts += [f"{len(classes)} classes", f"left out: {left_out or 'nothing'}"]
    return "; ".join(parts)


def _accuracies(run: ExternalRun, store: Path, split: Split) -> str:
    """Return the clean and the attacked accuracy of the last epoch, in words."""
    attack = next(condition.slug for role, condition in run.conditions if role is Role.PERTURBED)
    rows = StoreReader(store).metrics.curves([run.run_id], [Role.CLEAN, Role.PERTURBED], split, [Metric.ACCURACY])
    last = dict(zip(*(rows[rows["epoch"] == run.epochs[-1]][name] for name in ("condition", "value")), strict=True))
    named = {CLEAN.slug: "clean", attack: f"under {attack}"}
    return " and ".join(
        f"{100 * last[slug]:.1f} % {words}" if slug in last else f"not defined {words}" for slug, words in named.items()
    )
