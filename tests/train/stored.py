"""Check of the values that `train.measure` stored of a network, by those that it itself gives for the same images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from rnc import datasets
from rnc.models import weights
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Split
from tests.train.small import ask

Logits = Callable[[Any], torch.Tensor]


def only_run(store: Path) -> pd.Series:
    """The one run of a store."""
    runs = StoreReader(store).runs.all()
    assert len(runs) == 1
    return runs.iloc[0]


@torch.no_grad()
def check_stored(
    store: Path, net: nn.Module, logits_in: Logits = lambda output: output, *, root: Path | None = None,
    measured: dict[Split, np.ndarray] | None = None, normalised: Logits = lambda pixels: pixels,
) -> dict[Split, float]:  # fmt: skip
    """Compare accuracy, loss, decisions, logits and the kept network with the network's own; returns its accuracies.

    `measured` are the positions of the measured images where these are not all, `normalised` what the network's pixels are.
    """
    run, found = only_run(store), {}
    assert run["state"] == "finished", run["state"]
    for split in Split:
        images = datasets.load(run["images_from"], split, root)
        if measured is not None:
            images = images.take(torch.from_numpy(measured[split]))
        logits = _logits(net, images.pixels(), logits_in, normalised)
        found[split] = float((logits.argmax(1) == images.labels).float().mean())
        loss = float(nn.functional.cross_entropy(logits, images.labels))
        curves = StoreReader(store).metrics.curves([run["run_id"]], ["clean"], split, [Metric.ACCURACY, Metric.LOSS])
        stored = curves[curves["epoch"] == curves["epoch"].max()].set_index("metric")["value"]
        np.testing.assert_allclose(stored[[Metric.ACCURACY, Metric.LOSS]], [found[split], loss], rtol=1e-4)
        _check_features(store, run, split, net, logits_in, normalised, root)
    _check_kept(store, run, net, logits_in, normalised, root)
    return found


def _logits(net: nn.Module, pixels: torch.Tensor, logits_in: Logits, normalised: Logits) -> torch.Tensor:
    net.eval()
    return torch.cat([logits_in(net(normalised(part))) for part in pixels.split(100)])


def _check_features(
    store: Path, run: pd.Series, split: Split, net: nn.Module, logits_in: Logits, normalised: Logits, root: Path | None
) -> None:
    """The stored features, W and b give the network's logits, and its decisions are those stored."""
    epoch = ask(store, "SELECT max(epoch) FROM feature")[0][0]
    where = "epoch = ? AND split = ? AND condition = 'clean'"
    rows = ask(store, f"SELECT sample, predicted, vector FROM feature WHERE {where} ORDER BY sample", epoch, split)
    samples, predicted, features = (np.asarray(column) for column in zip(*rows, strict=True))
    rows = ask(store, "SELECT vector, bias FROM classifier WHERE epoch = ? ORDER BY class", epoch)
    weight, bias = (np.asarray(column) for column in zip(*rows, strict=True))
    images = datasets.load(run["images_from"], split, root)
    logits = _logits(net, images.take(torch.from_numpy(samples)).pixels(), logits_in, normalised).numpy()
    np.testing.assert_allclose(features @ weight.T + bias, logits, rtol=1e-3, atol=1e-4 * np.abs(logits).max())
    assert (predicted == logits.argmax(1)).mean() > 0.99  # (two logits may be equal up to rounding)


def _check_kept(
    store: Path, run: pd.Series, net: nn.Module, logits_in: Logits, normalised: Logits, root: Path | None
) -> None:
    """The network that the lab will open gives the same logits."""
    reader = StoreReader(store)
    kept = reader.runs.checkpoints([run["run_id"]]).sort_values("epoch").iloc[-1]
    pixels = datasets.load(run["images_from"], Split.TEST, root).pixels(torch.arange(5))
    again = weights.load(reader.runs.network(kept["path"]), kept["sha256"])
    torch.testing.assert_close(again(pixels), _logits(net, pixels, logits_in, normalised), rtol=1e-4, atol=1e-4)
