"""The vectors of a run that was never trained: class means on their way to a simplex, features around them, their planes."""

import numpy as np

from rnc.conditions import CLEAN, Condition
from rnc.pca_and_umap_planes import PlanePCA
from rnc.store.row_buffer import Rows
from rnc.vocabulary import FEATURES_LAYER, ProjectionMethod, Role, Split
from tests.benchmarks.synthetic.metric_rows import NUM_CLASSES, generator, hardness, progress
from train.config import RunConfig

FEATURE_SIZE = 16
_SCALE = 5.0
_SPREAD = 1.5  # of features around their mean at initialisation


def add_vectors(rows: Rows, config: RunConfig, run_id: str) -> None:
    """Add class means, classifier, sampled features and their planes at the run's vector epochs."""
    rng = generator(run_id, "vectors")
    start = rng.normal(size=(NUM_CLASSES, FEATURE_SIZE))
    basis = np.linalg.qr(rng.normal(size=(FEATURE_SIZE, NUM_CLASSES)))[0].T
    simplex = _SCALE * (basis - basis.mean(axis=0))
    labels = np.arange(config.sample_size) % NUM_CLASSES
    sampled: dict[tuple[int, Split, Condition], np.ndarray] = {}
    for epoch in config.vectors_at():
        done = float(progress(np.array([epoch]), config.epochs)[0])
        clean = (1 - done) * start + done * simplex
        rows.add("classifier", run_id=run_id, epoch=epoch, **_classes(), vector=clean / _SCALE, bias=np.zeros(10))
        for split, (role, condition) in ((split, named) for split in Split for named in config.conditions):
            if role is Role.AS_TRAINED and (split is Split.TEST or epoch == 0):
                continue
            hard = min(hardness(config, role, condition, split), 1.0)
            means = (1 - hard / 2) * clean + hard / 2 * np.roll(clean, -1, axis=0)
            key = {"run_id": run_id, "epoch": epoch, "split": split, "condition": condition.slug}
            rows.add("class_mean", **key, layer=FEATURES_LAYER, **_classes(), vector=means)
            if condition.relabelled:
                continue
            spread = _SPREAD * (1 - done * (1 - 0.5 * hard)) + 0.1
            features = (means[labels] + rng.normal(scale=spread, size=(len(labels), FEATURE_SIZE))).astype(np.float32)
            decided = (features @ clean.T - (clean**2).sum(axis=1) / 2).argmax(axis=1)
            rows.add("feature", **key, sample=np.arange(len(labels)), label=labels, predicted=decided, vector=features)
            sampled[epoch, split, condition] = features
    _add_planes(rows, config, run_id, sampled)


def _add_planes(
    rows: Rows, config: RunConfig, run_id: str, sampled: dict[tuple[int, Split, Condition], np.ndarray]
) -> None:
    """PCA of everything; what stands for UMAP is the same plane bent, of the conditions that UMAP projects."""
    clean = [vectors for (_epoch, split, condition), vectors in sampled.items() if (split, condition) == _TRAIN_CLEAN]
    if not clean:
        return
    pca = PlanePCA(clean)
    bent = [condition for role, condition in config.conditions if role in (Role.CLEAN, Role.PERTURBED, Role.TARGETED)]
    for (epoch, split, condition), vectors in sampled.items():
        plane = pca.transform(vectors)
        key = {"run_id": run_id, "epoch": epoch, "split": split, "condition": condition.slug}
        key |= {"sample": np.arange(len(vectors))}
        rows.add("projection", **key, method=ProjectionMethod.PCA, coordinates=plane)
        if epoch == config.epochs and split is Split.TRAIN and condition in bent:
            rows.add("projection", **key, method=ProjectionMethod.UMAP, coordinates=3 * np.tanh(plane / _SCALE))


_TRAIN_CLEAN = (Split.TRAIN, CLEAN)


def _classes() -> dict[str, range]:
    return {"class": range(NUM_CLASSES)}
