"""The optimiser has the bits of torch's SGD, and a training without `--compiled` never loads torch's compiler."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from rnc.probe.store_and_device_options import Options
from tests.train.fork_server import fork_server
from tests.train.small import small
from train.eager_sgd import EagerSGD
from train.loop import train_run


def trained(kind: type[torch.optim.SGD], fused: bool) -> list[torch.Tensor]:
    """Weights, gradients and momenta after three steps, and three more at another rate from the state that was saved."""
    torch.manual_seed(0)
    net, images = nn.Linear(5, 3), torch.rand(4, 5)
    saved = None
    for rate in (0.1, 0.01):
        optimizer = kind(net.parameters(), rate, 0.9, weight_decay=5e-4, fused=fused)
        if saved is not None:
            optimizer.load_state_dict(saved)
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            net(images).square().sum().backward()
            optimizer.step()
        saved = optimizer.state_dict()
    momenta = [kept["momentum_buffer"] for kept in optimizer.state_dict()["state"].values()]
    assert all(parameter.requires_grad for parameter in net.parameters()) and len(momenta) == 2
    return [tensor for p in net.parameters() for tensor in (p.detach(), p.grad)] + momenta


@pytest.mark.parametrize("fused", [False, True])
def test_the_steps_and_the_state_are_those_of_torch(fused: bool) -> None:
    ours, torchs = (trained(kind, fused) for kind in (EagerSGD, torch.optim.SGD))
    assert all(torch.equal(*pair) for pair in zip(ours, torchs, strict=True))


def train_and_look(store: Path) -> None:
    """Train in this process, and exit with 1 if that loaded the compiler."""
    train_run(small(subset=100, measure_subset=40), Options(store, device="cpu"))
    sys.exit("torch._dynamo" in sys.modules)


def test_a_training_does_not_load_the_compiler(tmp_path: Path) -> None:
    process = fork_server().Process(target=train_and_look, args=(tmp_path / "rnc.duckdb",))
    process.start()
    process.join()
    assert process.exitcode == 0
