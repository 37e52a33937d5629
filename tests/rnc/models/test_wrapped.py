"""A wrapped module is the module: same logits, weights and modes; features and stages are those that a pass by hand gives."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models as theirs

from rnc.attacks import PGD, LinfBall
from rnc.models import wrap
from rnc.models.fast_cpu.folding import folded_copy
from tests.examples import examples

SHAPE = (3, 32, 32)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)


def settled(module: nn.Module, shape: tuple[int, int, int] = SHAPE) -> nn.Module:
    """With BatchNorm statistics that are not those of the start, in eval mode."""
    with torch.no_grad():
        module.train()(torch.rand(4, *shape))
    return module.eval()


def images(n: int = 3, shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(3))


def normalised(x: torch.Tensor) -> torch.Tensor:
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


THEIRS: dict[str, tuple[Callable[..., nn.Module], str, str]] = {
    "resnet18": (theirs.resnet18, "fc", "layer4"),
    "vgg11_bn": (theirs.vgg11_bn, "classifier.6", "features.28"),
    "vgg11": (theirs.vgg11, "classifier.6", "features.20"),
}


@pytest.fixture(scope="module", params=list(THEIRS))
def their(request: pytest.FixtureRequest) -> tuple[nn.Module, str, str]:
    build, classifier, last = THEIRS[request.param]
    torch.manual_seed(0)
    return settled(build(num_classes=4)), classifier, last


def test_networks_of_torchvision(their: tuple[nn.Module, str, str]) -> None:
    module, classifier, _last = their
    net, x = wrap(module, image_shape=SHAPE, mean=MEAN, std=STD).eval(), images()
    layer = module.get_submodule(classifier)
    assert net.classifier is layer and net.classifier_name == classifier and net.weight is layer.weight
    with torch.no_grad():
        logits, h = net(x), net.features(x)
        assert torch.equal(logits, module(normalised(x)))
        torch.testing.assert_close(h @ net.weight.T + net.bias, logits, rtol=1e-4, atol=1e-5)
    assert h.shape == (3, net.weight.shape[1])


def test_stages_are_what_a_pass_by_hand_gives(their: tuple[nn.Module, str, str]) -> None:
    """Also of VGG, whose in-place ReLUs write over what the convolutions give."""
    module, _classifier, last = their
    net, x = wrap(module, stages=None, image_shape=SHAPE, mean=MEAN, std=STD).eval(), images()
    with torch.no_grad():
        found = dict(net.activations(x))
        assert list(found) == net.stage_names and len(found) >= 6
        hidden = normalised(x)
        parts = [(name, part) for name, part in module.named_children()]
        if parts[0][0] == "features":  # (VGG is a chain)
            chain = [*((f"features.{n}", p) for n, p in module.features.named_children()), ("avgpool", module.avgpool)]
            chain += [
                ("flatten", nn.Flatten()),
                *((f"classifier.{n}", p) for n, p in module.classifier.named_children()),
            ]
        else:  # (so is a ResNet, from block to block)
            chain = [*parts[:-1], ("flatten", nn.Flatten())]
        seen = []
        for name, part in chain:
            hidden = part(hidden.clone())
            if name in found:
                torch.testing.assert_close(found[name], hidden, rtol=1e-5, atol=1e-6)
                seen.append(name)
    assert seen == list(found) and (last in found or last.startswith("features"))


@examples(40)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=5),
    st.integers(2, 5),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_any_chain_of_linear_layers(hidden: list[tuple[int, bool]], classes: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    before = 8
    for size, inplace in hidden:
        layers += [nn.Linear(before, size), nn.ReLU(inplace=inplace)]
        before = size
    module = nn.Sequential(*layers, nn.Linear(before, classes, bias=bias))
    net, x = wrap(module, image_shape=(2, 2, 2)), images(5, (2, 2, 2))
    with torch.no_grad():
        expected, by_hand = [], x
        for index, part in enumerate(module):
            by_hand = part(by_hand.clone())
            expected += [(str(index), by_hand)] if isinstance(part, nn.Linear) else []
        found = list(net.activations(x))
        assert [name for name, _ in found] == [name for name, _ in expected[:-1]]
        for (_name, activation), (_same, other) in zip(found, expected, strict=False):
            torch.testing.assert_close(activation, other)
        torch.testing.assert_close(net.features(x) @ net.weight.T + net.bias, net(x), rtol=1e-4, atol=1e-5)
    assert net.bias.shape == (classes,)


def test_nothing_is_copied_and_modes_reach_the_module() -> None:
    module = theirs.resnet18(num_classes=4)
    net = wrap(module, "fc", ["layer1"], image_shape=SHAPE)
    assert module.training and net.train().module is module
    theirs_, ours = set(map(id, module.parameters())), list(map(id, net.parameters()))
    assert set(ours) == theirs_ and len(ours) == len(theirs_), "each once, and the same"
    assert not net.eval().module.training and not module.bn1.training
    net.train()
    assert module.bn1.training
    with torch.no_grad():
        module.fc.bias.fill_(7.0)
    assert bool((net.bias == 7.0).all())
    assert not any("stage" in name or "hook" in name for name in net.state_dict())
    assert set(net.state_dict()) == {f"module.{name}" for name in module.state_dict()}


def test_a_trial_leaves_modes_statistics_and_hooks_as_they_were() -> None:
    module = theirs.resnet18(num_classes=4).train()
    module.layer2.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    net = wrap(module, image_shape=SHAPE)
    list(net.activations(images())), net.features(images())
    assert module.bn1.training and not module.layer2.training
    net.eval(), list(net.activations(images()))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    wrap(module.train(), image_shape=SHAPE)
    assert torch.equal(before["fc.weight"], module.fc.weight)


def test_a_trial_moves_no_statistics() -> None:
    module = theirs.resnet18(num_classes=4).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    wrap(module, image_shape=SHAPE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_attacks_and_folding_take_it() -> None:
    torch.manual_seed(0)
    net, x, y = wrap(settled(theirs.resnet18(num_classes=4)), image_shape=SHAPE).eval(), images(), torch.arange(3)
    folded = folded_copy(net, x)
    assert folded is not None and folded.folded == 20
    moved = PGD(LinfBall(0.05), 3, 0.02).run(net, x, y, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape and bool((moved != x).any())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_double_precision_stays_double() -> None:
    net = wrap(theirs.resnet18(num_classes=4).double(), image_shape=SHAPE, mean=MEAN, std=STD)
    assert net.features(images().double()).dtype == torch.float64


def test_stages_come_in_the_order_of_the_pass_whatever_order_they_are_named_in() -> None:
    net = wrap(theirs.resnet18(num_classes=4), "fc", ["layer3", "conv1", "layer1.0"], image_shape=SHAPE)
    assert net.stage_names == ["conv1", "layer1.0", "layer3"]
    assert [name for name, _x in net.activations(images())] == net.stage_names
    assert list(wrap(net.module, "fc", [], image_shape=SHAPE).activations(images())) == []


class Encoder(nn.Module):
    """Gives a dict, and calls the parts of a list: as the encoders of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, 4, 3), nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return {"last": x, "pooled": x.mean((2, 3))}


class Encoded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.fc = Encoder(), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.encoder(x)["pooled"])


def test_parts_that_give_no_batch_are_opened_for_stages() -> None:
    net = wrap(Encoded(), image_shape=(3, 8, 8))
    assert net.stage_names == ["encoder.stem", "encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.2"]


def test_a_stage_may_not_be_called_as_the_features_are() -> None:
    net = wrap(theirs.vgg11(num_classes=4), None, ["features"], image_shape=SHAPE)
    assert [name for name, _x in net.activations(images())] == ["features (stage)"]


class Softmaxed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1)).softmax(1)


class Detached(Softmaxed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.fc(x.flatten(1))


class Twice(Softmaxed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fc(x.flatten(1))
        return self.fc(x.flatten(1))


class Tokens(Softmaxed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1)[:, None]).mean(1)


class Paired(Softmaxed):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.fc(x.flatten(1)).sum(), x


BROKEN = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
nn.init.constant_(BROKEN[1].weight, float("nan"))
LINEAR = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
TWO_LAYERS = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 3))
REFUSED = [
    (Softmaxed(), {}, r"not those of fc: the network must end in that layer, without a softmax"),
    (Detached(), {}, "logits have no gradient with respect to the pixels"),
    (Twice(), {"classifier": "fc"}, "fc must be called once in a pass, with features .*, but is called 2 times"),
    (Tokens(), {}, r"fc must be called once in a pass, with features \(N, d\), but is given \(2, 1, 12\)"),
    (Paired(), {}, r"must return logits \(N, C\) of at least two classes, but returns tuple"),
    (nn.Flatten(), {}, "calls no linear layer in a pass"),
    (nn.Sequential(nn.Flatten(), nn.Linear(12, 1)), {}, r"at least two classes, but returns \(2, 1\)"),
    (nn.Sequential(nn.Flatten(), nn.Linear(13, 3)), {}, r"does not accept images of shape \(3, 2, 2\): .*mat1 and mat2"),
    (BROKEN, {}, "logits are NaN or infinite on random images"),
    (LINEAR, {"classifier": "fc"}, r"'fc' is not a linear layer.*; the linear layers are: 1$"),
    (TWO_LAYERS, {"classifier": "1"}, "not those of 1: the network must end in"),
    (LINEAR, {"stages": ["conv"]}, "stage 'conv'.* is not a module that a pass calls; the possible stages are: 0$"),
    (Softmaxed(), {"mean": (0.1, 0.2)}, "mean must be one finite number, or one for each of 3 channels"),
    (Softmaxed(), {"mean": (123.7,)}, "mean 123.7 is more than the whole range of pixels"),
    (Softmaxed(), {"std": (0.2, 58.4, 0.2)}, "std 58.4 is more than the whole range of pixels"),
    (Softmaxed(), {"std": (0.1, 0.2, 0.0)}, "std must be greater than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "options", "message"), REFUSED, ids=[message for _m, _o, message in REFUSED])
def test_invalid_classifiers_and_options_are_refused_with_the_valid_ones(
    module: nn.Module, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wrap(module, **{"image_shape": (3, 2, 2), **options})
