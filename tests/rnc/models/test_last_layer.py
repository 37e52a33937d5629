"""The last layer's weights and features are those that the network uses; what gives other logits is refused, and by how much."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc.features import ImageBatch, feature_batches
from rnc.models import wrap
from rnc.vocabulary import Metric
from tests.train import own_networks as nets
from tests.train.malformed.network import write_images
from tests.train.small import ask
from train.measure import main

SHAPE = (3, 8, 8)
UNIT = functional.normalize


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def used(net: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """By hand: W and b as the pass uses them."""
    head = net.head
    zero = torch.zeros(3)
    if isinstance(head, nets.CosineLinear):
        return head.scale * UNIT(head.weight), zero
    if isinstance(head, nets.NormedLinear):
        return UNIT(head.weight, dim=0).T, zero
    if isinstance(head, nets.NormedWeights):
        return 3 * UNIT(head.weight), head.bias
    if isinstance(net, nets.Outside):
        return net.temperature * head.weight, zero
    return head.weight, head.bias


KINDS: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "cosine": (nets.cosine, True),
    "LDAM's": (lambda: nets.Headed(nets.NormedLinear(nets.FEATURES, 3)), True),
    "normalised weights": (lambda: nets.Headed(nets.NormedWeights(nets.FEATURES, 3)), False),
    "normalised and scaled outside": (nets.Outside, True),
    "plain": (lambda: nets.Headed(nn.Linear(nets.FEATURES, 3)), False),
}


@pytest.mark.parametrize("trained", [False, True], ids=["as built", "other weights later"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_features_are_those_that_the_network_uses(kind: str, trained: bool) -> None:
    make, normalised = KINDS[kind]
    net = seeded(make)
    model, x = wrap(net, image_shape=SHAPE).eval(), torch.rand(5, *SHAPE)
    if trained:
        nets.move_weights(net)
    h = net.body(x).flatten(1)
    expected, bias = used(net)
    torch.testing.assert_close(model.features(x), UNIT(h) if normalised else h)
    torch.testing.assert_close(model.weight, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.bias, bias, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.features(x) @ model.weight.T + model.bias, net(x), rtol=1e-4, atol=1e-5)
    (found,) = feature_batches(model, [ImageBatch(x, torch.zeros(5), torch.zeros(5))])
    torch.testing.assert_close(found.logits, net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("old", [True, False], ids=["old", "new"])
@pytest.mark.parametrize("make", [nets.spectral, nets.weight_normed])
def test_reparametrised_weights_are_the_effective_ones_and_buffers_stay(
    make: Callable[[bool], nn.Module], old: bool
) -> None:
    net = seeded(lambda: make(old))
    with torch.no_grad():
        for _ in range(3):
            net.train()(torch.rand(4, *SHAPE))
    other = seeded(lambda: make(old), 1).eval()
    model = wrap(other.train(), image_shape=SHAPE)
    other.load_state_dict(net.state_dict())
    x, before = torch.rand(5, *SHAPE), {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for training in (True, False):
        model.train(training)
        weight, bias = model.weight, model.bias
    h = net.eval().body(x).flatten(1)
    torch.testing.assert_close(h @ weight.T + bias, net(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.eval().features(x) @ weight.T + bias, model(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


REFUSED = [
    (nets.DropsOut(nn.Linear(nets.FEATURES, 3)), r"different logits .*second pass.*differ by .*%.*dropout"),
    (
        nn.Sequential(nets.Functional(nn.Linear(nets.FEATURES, 3)), nn.Tanh()),
        r"calls no linear layer in a pass.*a product computed in its forward differs by .*% of the.*; "
        r"these linear layers are not called in a pass: 0\.head",
    ),
    (nets.Headed(nets.Squared(nets.FEATURES, 3)), r"differ by .*% of the largest logit"),
    (nn.Sequential(nets.Headed(nn.Linear(nets.FEATURES, 3)), nn.Tanh()), r"differ by .*% of the largest logit"),
]


@pytest.mark.parametrize(("net", "message"), REFUSED, ids=[message for _net, message in REFUSED])
def test_other_last_layers_are_refused_with_the_difference(net: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrap(net, image_shape=SHAPE)


@pytest.mark.parametrize("end", [nn.Sigmoid, nn.Tanh, nn.Softmax, nn.LogSoftmax])
@pytest.mark.parametrize("size", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("function", [False, True], ids=["layer", "function"])
def test_ends_that_are_nearly_linear_for_small_logits_are_refused(
    end: type[nn.Module], size: float, function: bool
) -> None:
    """Near 0 a sigmoid or tanh is a line, up to rounding; far from there it is not."""
    torch.manual_seed(1)
    last = nn.Linear(nets.FEATURES, 3)
    with torch.no_grad():
        last.weight *= size
    body = nets.Functional(last) if function else nets.Headed(last)
    with pytest.raises(ValueError, match=r"differ|calls no linear layer in a pass|outputs are not those of"):
        wrap(nn.Sequential(body, end(*([1] if end in (nn.Softmax, nn.LogSoftmax) else []))), image_shape=SHAPE)


def test_what_a_hook_makes_of_the_logits_is_in_the_weights() -> None:
    net = seeded(nets.hooked)
    model = wrap(net, image_shape=SHAPE).eval()
    torch.testing.assert_close(model.weight, 2 * net.head.weight, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.bias, 2 * net.head.bias, rtol=1e-5, atol=1e-5)


PACKED: dict[str, Callable] = {
    "a tuple": lambda logits, h: (logits, h),
    "features first": lambda logits, h: [h, logits],
    "a dict": lambda logits, h: {"features": h, "logits": logits},
    "an object": nets.Output,
    "logits that are not the first of that shape": lambda logits, h: (h[:, :3].exp(), logits),
}


@pytest.mark.parametrize("kind", PACKED)
def test_the_logits_are_found_among_the_outputs(kind: str) -> None:
    net = seeded(lambda: nets.Poly(PACKED[kind]))
    model, x = wrap(net, image_shape=SHAPE).eval(), torch.rand(4, *SHAPE)
    h = net.body(x).flatten(1)
    torch.testing.assert_close(model(x), net.fc(h))
    torch.testing.assert_close(model.features(x), h)
    assert model.weight is net.fc.weight


def measured(tmp_path: Path, net: nn.Module, function: str) -> tuple[int, Path]:
    torch.save(net.state_dict(), tmp_path / "w.pt")
    store = tmp_path / "store" / "rnc.duckdb"
    given = ["--checkpoint", str(tmp_path / "w.pt"), "--data", str(write_images(tmp_path / "images"))]
    more = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--threads", "1", "--store", str(store)]
    return main([*given, "--model", f"{nets.HERE}:{function}", *more]), store


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))


def test_a_cosine_classifier_is_measured_by_its_effective_weights(tmp_path: Path) -> None:
    net = seeded(nets.cosine, 3)
    with torch.no_grad():
        net.head.weight.mul_(torch.tensor([[1.0], [5.0], [25.0]]))
        net.head.scale.fill_(20.0)
    code, store = measured(tmp_path, net, "cosine")
    assert code == 0
    (found,) = {
        round(value, 4) for (value,) in ask(store, f"SELECT value FROM metric WHERE metric = '{Metric.NC2_EQUINORM_W}'")
    }
    assert found == 0, "all rows are of one length in use, whatever the lengths of the parameters"


def test_a_file_whose_logits_are_not_those_of_the_last_layer_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the weights that it was built with the layer is linear, with those of the file it is not."""
    net = seeded(nets.gated, 1)
    net.head.gate.data.fill_(1.0)
    code, store = measured(tmp_path, net, "gated")
    assert code == 2 and not store.exists()
    assert "of the largest logit" in capsys.readouterr().err
