"""Features come in the order of the images, whatever the batch size, under the perturbation and labels that were asked for."""

import pytest
import torch

from rnc import datasets, models
from rnc.attacks.from_condition import Perturbed, perturbation
from rnc.conditions import CLEAN, Condition
from rnc.datasets import ImageSet
from rnc.features import FeatureSet, feature_batches, gather, perturbed_batches, positions, stage_batches
from rnc.models import FeatureClassifier
from rnc.vocabulary import PIXELS_LAYER, ConditionKind, Norm, TargetRule
from tests.oracles import samples

SIZE = 23
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 2, target_rule=TargetRule.NEXT)
NOISE = Condition(ConditionKind.GAUSSIAN, Norm.L2, 0.5)


@pytest.fixture(scope="module")
def net() -> FeatureClassifier:
    torch.manual_seed(0)
    return models.build("small_cnn", datasets.spec("digits")).double().eval()


class DoubleSet(ImageSet):
    """Pixels in float64, so that equal means equal."""

    def pixels(self, indices: torch.Tensor | None = None) -> torch.Tensor:
        return super().pixels(indices).double()


def data() -> DoubleSet:
    images = (samples.images(0, SIZE, size=8) * 255).to(torch.uint8)
    return DoubleSet(images, samples.labels(0, SIZE, 10))


def found(
    net: FeatureClassifier, condition: Condition, size: int = 500, names: torch.Tensor | None = None
) -> FeatureSet:
    made = perturbed_batches(data(), perturbation(condition, net, 10, 0), names, positions(SIZE, size))
    return gather(feature_batches(net, made))


def test_clean_features_logits_and_decisions(net: FeatureClassifier) -> None:
    images, labels = data().pixels(), data().labels
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
    made = perturbed_batches(data(), perturbation(CLEAN, net, 10, 0), batch_positions=positions(SIZE, 10))
    assert [len(part.features) for part in feature_batches(net, made)] == [10, 10, 3]


def test_targeted_features_carry_the_target_and_the_truth(net: FeatureClassifier) -> None:
    seen, labels = found(net, TARGETED), data().labels
    assert torch.equal(seen.labels, (labels + 1) % 10) and torch.equal(seen.true, labels)


def test_relabelled_features_carry_the_decision_and_the_truth(net: FeatureClassifier) -> None:
    seen = found(net, TARGETED)
    again = seen.relabelled()
    assert torch.equal(again.labels, seen.logits.argmax(1)) and torch.equal(again.true, seen.true)
    assert torch.equal(again.features, seen.features)


def test_names_decide_the_noise_of_a_sample(net: FeatureClassifier) -> None:
    assert torch.equal(found(net, NOISE).features, found(net, NOISE, names=torch.arange(SIZE)).features)
    shifted = torch.arange(SIZE) + 100
    assert not torch.allclose(found(net, NOISE).features, found(net, NOISE, names=shifted).features)
    made = perturbed_batches(data(), perturbation(NOISE, net, 10, 0), shifted, [torch.arange(5, 9)])
    part = gather(feature_batches(net, made))
    assert torch.allclose(part.features, found(net, NOISE, names=shifted).features[5:9], atol=1e-9)


def test_stages_start_at_the_pixels_and_carry_the_labels(net: FeatureClassifier) -> None:
    made = perturbed_batches(data(), perturbation(TARGETED, net, 10, 0), batch_positions=positions(SIZE, 10))
    clean = perturbed_batches(data(), perturbation(CLEAN, net, 10, 0), batch_positions=positions(SIZE, 10))
    for (stages, labels), batch in zip(stage_batches(net, clean), made, strict=True):
        activations = dict(stages)
        assert list(activations) == [PIXELS_LAYER, *net.stages]
        expected = dict(net.activations(activations[PIXELS_LAYER]))
        assert all(torch.equal(activations[name], expected[name]) for name in net.stages)
        assert torch.equal((labels + 1) % 10, batch.labels)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_the_callers_choice(training: bool) -> None:
    torch.manual_seed(0)
    net, modes = models.build("small_cnn", datasets.spec("digits")).double().train(training), []

    def look(images: torch.Tensor, labels: torch.Tensor, _names: torch.Tensor) -> Perturbed:
        modes.append(net.training)
        return Perturbed(images, labels)

    gather(feature_batches(net, perturbed_batches(data(), look, batch_positions=positions(SIZE, 12))))
    assert modes == [training] * 2 and net.training is training
