"""A last layer that the network's own forward computes: W, b and h are what the product takes, whatever weights are loaded."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc.models import wrap
from rnc.models.functional_last_layer import FUNCTION
from tests.train.own_networks import FEATURES, body, move_weights

SHAPE = (3, 8, 8)
UNIT = functional.normalize
Head = Callable[["Own", torch.Tensor], torch.Tensor]


class Own(nn.Module):
    """A body, weights both ways round, a bias, a scale, and a head that is a function."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = body(), head
        self.weight, self.across = nn.Parameter(torch.randn(3, FEATURES)), nn.Parameter(torch.randn(FEATURES, 3))
        self.bias, self.scale = nn.Parameter(torch.randn(3)), nn.Parameter(torch.tensor(7.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self, self.body(x).flatten(1))


Effective = Callable[[Own], tuple[torch.Tensor, torch.Tensor | float]]
KINDS: dict[str, tuple[Head, Effective, bool]] = {
    "linear": (lambda n, h: functional.linear(h, n.weight, n.bias), lambda n: (n.weight, n.bias), False),
    "@ with a bias added": (lambda n, h: h @ n.across + n.bias, lambda n: (n.across.T, n.bias), False),
    "scaled with a bias inside": (
        lambda n, h: n.scale * functional.linear(h, n.weight, n.bias),
        lambda n: (n.scale * n.weight, n.scale * n.bias), False,
    ),
    "scaled with a bias after": (
        lambda n, h: n.scale * (h @ n.weight.t()) + n.bias, lambda n: (n.scale * n.weight, n.bias), False,
    ),
    "addmm": (lambda n, h: torch.addmm(n.bias, h, n.across), lambda n: (n.across.T, n.bias), False),
    "einsum": (lambda n, h: torch.einsum("nd,cd->nc", h, n.weight), lambda n: (n.weight, 0.0), False),
    "cosine": (
        lambda n, h: n.scale * functional.linear(UNIT(h), UNIT(n.weight)), lambda n: (n.scale * UNIT(n.weight), 0.0), True,
    ),
    "cosine by mm": (
        lambda n, h: UNIT(h).mm(UNIT(n.across, dim=0)) / 0.05, lambda n: (20 * UNIT(n.across, dim=0).T, 0.0), True,
    ),
    "cosine_similarity": (
        lambda n, h: n.scale * functional.cosine_similarity(h[:, None], n.weight[None], dim=2),
        lambda n: (n.scale * UNIT(n.weight), 0.0), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("trained", [False, True], ids=["as built", "other weights later"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_features_are_those_of_the_product(kind: str, trained: bool) -> None:
    head, effective, normalised = KINDS[kind]
    net = Own(head)
    model, x = wrap(net, image_shape=SHAPE).eval(), torch.rand(5, *SHAPE)
    if trained:
        move_weights(net)
    h = net.body(x).flatten(1)
    weight, bias = effective(net)
    torch.testing.assert_close(model.features(x), UNIT(h) if normalised else h)
    torch.testing.assert_close(model.weight, weight, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.bias, bias + torch.zeros(3), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(model.logits_of(model.features(x)), net(x), rtol=1e-4, atol=1e-3)
    assert model.mismatch(x) < 1e-4
    assert wrap(net, FUNCTION, model.stage_names, image_shape=SHAPE).stage_names == model.stage_names


def test_a_layer_called_twice_is_accepted_if_it_gives_the_logits() -> None:
    layer = nn.Linear(FEATURES, 3)
    net = Own(lambda n, h: n.layer(h + 0 * n.layer(h).sum()))
    net.layer = layer
    model, x = wrap(net, image_shape=SHAPE).eval(), torch.rand(5, *SHAPE)
    torch.testing.assert_close(model.weight, layer.weight)
    torch.testing.assert_close(model.features(x), net.body(x).flatten(1))


REFUSED: dict[str, Head] = {
    "a softmax after it": lambda n, h: (h @ n.across).softmax(1),
    "divided by each image's length": lambda n, h: (h @ n.across) / h.norm(dim=1, keepdim=True),
    "weights that depend on the images": lambda n, h: h @ (n.across * h.mean()),
    "distances": lambda n, h: -(torch.cdist(h, n.weight) ** 2),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_linear_in_its_features_is_refused(kind: str) -> None:
    with pytest.raises(
        ValueError, match=r"calls no linear layer in a pass; it must end in one, logits = W h \+ b"
    ) as caught:
        wrap(Own(REFUSED[kind]), image_shape=SHAPE)
    assert ("% of the largest logit" in str(caught.value)) == (kind != "distances")


def test_the_modes_and_buffers_stay() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), Own(KINDS["cosine"][0]))
    model = wrap(net.train(), image_shape=SHAPE)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert model.weight.shape == (3, FEATURES) and net[0].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
