"""Features come in the order of the images, whatever the batch size, under the perturbation and labels that were asked for."""

import pytest
import torch

from rnc import datasets, models
from rnc.attacks.perturbation import Perturbed, perturbation
from rnc.features import FeatureSet, feature_batches, gather
from rnc.models import FeatureClassifier
from rnc.vocabulary import CLEAN, Condition, ConditionKind, Norm, TargetRule
from tests.oracles import samples

SIZE = 23
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 2, target_rule=TargetRule.NEXT)
NOISE = Condition(ConditionKind.GAUSSIAN, Norm.L2, 0.5)


@pytest.fixture(scope="module")
def net() -> FeatureClassifier:
    torch.manual_seed(0)
    return models.build("small_cnn", datasets.spec("digits")).double().eval()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return samples.images(0, SIZE, size=8), samples.labels(0, SIZE, 10)


def found(
    net: FeatureClassifier, condition: Condition, size: int = 500, indices: torch.Tensor | None = None
) -> FeatureSet:
    images, labels = batch()
    return gather(feature_batches(net, images, labels, perturbation(condition, net, 10, 0), indices, size))


def test_clean_features_logits_and_decisions(net: FeatureClassifier) -> None:
    images, labels = batch()
    with torch.no_grad():
        h, logits = net.features(images), net(images)
    seen = found(net, CLEAN)
    assert torch.equal(seen.features, h) and torch.equal(seen.logits, logits)
    assert torch.equal(seen.predicted, logits.argmax(1))
    assert torch.equal(seen.labels, labels) and torch.equal(seen.true, labels)
    assert not seen.features.requires_grad and not seen.logits.requires_grad


@pytest.mark.parametrize("size", [1, 7, 22, 23, 24])
@pytest.mark.parametrize("condition", [CLEAN, TARGETED, NOISE], ids=lambda c: c.slug)
def test_the_batch_size_changes_nothing(net: FeatureClassifier, condition: Condition, size: int) -> None:
    whole, parts = found(net, condition), found(net, condition, size)
    assert torch.allclose(whole.features, parts.features, atol=1e-9)
    assert torch.equal(whole.labels, parts.labels) and torch.equal(whole.true, parts.true)


def test_batches_are_as_long_as_asked(net: FeatureClassifier) -> None:
    images, labels = batch()
    parts = list(feature_batches(net, images, labels, perturbation(CLEAN, net, 10, 0), batch_size=10))
    assert [len(part.features) for part in parts] == [10, 10, 3]


def test_targeted_features_carry_the_target_and_the_truth(net: FeatureClassifier) -> None:
    seen, (_images, labels) = found(net, TARGETED), batch()
    assert torch.equal(seen.labels, (labels + 1) % 10) and torch.equal(seen.true, labels)


def test_indices_name_the_samples_for_their_noise(net: FeatureClassifier) -> None:
    assert torch.equal(found(net, NOISE).features, found(net, NOISE, indices=torch.arange(SIZE)).features)
    shifted = torch.arange(SIZE) + 100
    assert not torch.allclose(found(net, NOISE).features, found(net, NOISE, indices=shifted).features)
    images, labels = batch()
    chosen = shifted[5:9]
    part = feature_batches(net, images[5:9], labels[5:9], perturbation(NOISE, net, 10, 0), chosen)
    assert torch.allclose(gather(part).features, found(net, NOISE, indices=shifted).features[5:9], atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_the_callers_choice(training: bool) -> None:
    torch.manual_seed(0)
    net, modes = models.build("small_cnn", datasets.spec("digits")).train(training), []

    def look(images: torch.Tensor, labels: torch.Tensor, _indices: torch.Tensor) -> Perturbed:
        modes.append(net.training)
        return Perturbed(images, labels)

    images, labels = batch()
    gather(feature_batches(net, images.float(), labels, look, batch_size=12))
    assert modes == [training] * 2 and net.training is training
