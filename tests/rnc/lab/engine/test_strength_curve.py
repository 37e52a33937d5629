"""A measure_strength_curve is the single attacks at its strengths, on the same images with the same seed."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rnc import metrics
from rnc.attacks.from_condition import perturbation
from rnc.conditions import CLEAN, Condition
from rnc.lab.attack import AttackRequest
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.measured_attack_frames import record_trajectory
from rnc.lab.engine.strength_curve import measure_strength_curve
from rnc.lab.network_and_images import Source
from rnc.lab.strength_curve import NEAREST_CLEAN, Axis, StrengthCurveRequest, StrengthCurveResult
from rnc.vocabulary import ConditionKind, Norm, Split
from tests.rnc.lab.networks import untrained
from tests.rnc.lab.samples import SOURCE

ATTACK = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 4)
OTHER = replace(SOURCE, sha256="cd" * 32)
NEXT = Condition.from_slug("pgd-l2-1-4-next")
CASES = [
    StrengthCurveRequest((SOURCE,), ATTACK, Axis.EPSILON, (0.0, 0.05, 0.2), seed=3, layers=True),
    StrengthCurveRequest((SOURCE,), NEXT, Axis.EPSILON, (0.0, 0.5, 1.0)),
    StrengthCurveRequest((SOURCE,), ATTACK, Axis.STEPS, (0.0, 1.0, 5.0)),
    StrengthCurveRequest((SOURCE,), ATTACK, Axis.STEP_SIZE, (0.01, 0.1)),
    StrengthCurveRequest((SOURCE,), Condition.from_slug("apgd-linf-0.1-4"), Axis.STEPS, (2.0, 4.0)),
    StrengthCurveRequest((SOURCE,), Condition.from_slug("gaussian-linf-0.1"), Axis.EPSILON, (0.1, 0.3)),
]


def run(
    load: Callable[[Source], AttackInputs], request: StrengthCurveRequest, stop_after: int | None = None
) -> StrengthCurveResult:
    seen: list[int] = []

    def stopped() -> bool:
        seen.append(1)
        return stop_after is not None and len(seen) >= stop_after

    return measure_strength_curve(map(load, request.sources), request, lambda *_: None, stopped)


def values(found: StrengthCurveResult, source: int, strength: float, layer: str = "features") -> dict[str, float]:
    points = found.points
    rows = points[(points["source"] == source) & (points["strength"] == strength) & (points["layer"] == layer)]
    assert not rows["metric"].duplicated().any()
    return dict(zip(rows["metric"], rows["value"], strict=True))


@pytest.mark.parametrize("request_", CASES, ids=lambda r: f"{r.over}-{r.condition.slug}")
def test_every_strength_is_the_single_attack(inputs: AttackInputs, request_: StrengthCurveRequest) -> None:
    found = run(lambda _source: inputs, request_)
    assert not found.stopped and found.conditions == [request_.at(value).slug for value in request_.values]
    for value in request_.values:
        condition, got = request_.at(value), values(found, 0, value)
        made = perturbation(condition, inputs.logits_fn, 10, request_.seed)(
            inputs.images, inputs.labels, inputs.indices
        )
        with torch.no_grad():
            clean, moved = inputs.model.features(inputs.images), inputs.model.features(made.images)
        expected = metrics.measure(moved, made.labels, inputs.model.weight, inputs.model.bias, 10)
        means = [metrics.class_means([(h, y)], 10) for h, y in ((clean, inputs.labels), (moved, made.labels))]
        expected |= {
            str(name): number for name, number in metrics.compare_class_means(*means).averages_over_classes().items()
        }
        success = got.pop("success")
        assert got.pop("without_gradient") == 0
        by_clean = got.pop(NEAREST_CLEAN, None)
        nearest = (metrics.nearest_centre(moved, means[0]) == made.labels).double().mean()
        assert by_clean == (pytest.approx(float(nearest)) if request_.layers else None)
        assert got == pytest.approx(expected, rel=1e-7, abs=1e-7)
        if condition is CLEAN:
            assert got["angle"] == 0
            continue
        single = record_trajectory(
            inputs, AttackRequest(SOURCE, condition, 40, request_.seed, layers=True), lambda *_: None, lambda: False
        )
        assert success == pytest.approx(single.frames["success"].iloc[-1])
        if request_.layers:
            rows = single.layers[single.layers["shown"] == "perturbed"]
            for layer, of_stage in rows.groupby("layer"):
                alone = dict(zip(of_stage["metric"], of_stage["value"], strict=True))
                of_sweep = values(found, 0, value, str(layer))
                of_sweep["ncc_accuracy"] = of_sweep.get(NEAREST_CLEAN, of_sweep["ncc_accuracy"])
                assert {name: of_sweep[name] for name in alone} == pytest.approx(alone, rel=1e-9)


def test_layers_are_left_out_where_they_were_not_asked_for(inputs: AttackInputs) -> None:
    assert set(run(lambda _source: inputs, CASES[1]).points["layer"]) == {"features"}


def test_two_networks_are_attacked_on_the_same_images_with_the_same_seed(
    inputs: AttackInputs, honest: AttackInputs
) -> None:
    other = replace(honest, images=inputs.images.float(), labels=inputs.labels, indices=inputs.indices)
    by_source = {SOURCE.sha256: inputs, OTHER.sha256: other}
    found = run(lambda source: by_source[source.sha256], replace(CASES[0], sources=(SOURCE, OTHER)))
    for number, alone in enumerate((inputs, other)):
        single = run(lambda _source, alone=alone: alone, CASES[0])
        for value in CASES[0].values:
            assert values(found, number, value) == values(single, 0, value)


def test_a_network_against_itself_is_the_same_twice(inputs: AttackInputs) -> None:
    found = run(lambda _source: inputs, replace(CASES[0], sources=(SOURCE, SOURCE)))
    for value in CASES[0].values:
        assert values(found, 0, value) == values(found, 1, value)


def test_networks_with_other_images_are_not_compared(inputs: AttackInputs) -> None:
    by_source = {SOURCE.sha256: inputs, OTHER.sha256: untrained(30)}
    with pytest.raises(ValueError, match="different images"):
        run(lambda source: by_source[source.sha256], replace(CASES[0], sources=(SOURCE, OTHER)))


@pytest.mark.parametrize(("stop_after", "finished"), [(1, 1), (2, 1), (6, 2), (7, 2), (8, 2)])
def test_stopped_it_has_the_strengths_that_were_finished(inputs: AttackInputs, stop_after: int, finished: int) -> None:
    """Clean images take one round, the others five each: a start and four steps."""
    request = replace(CASES[0], layers=False)
    found = run(lambda _source: inputs, request, stop_after)
    assert found.stopped and sorted(set(found.points["strength"])) == list(request.values[:finished])
    whole = run(lambda _source: inputs, request)
    for value in request.values[:finished]:
        assert values(found, 0, value) == values(whole, 0, value)


def test_rounds_are_counted_over_all_strengths_and_networks(inputs: AttackInputs) -> None:
    seen: list[tuple] = []
    request = replace(CASES[0], sources=(SOURCE, SOURCE), layers=False)
    measure_strength_curve([inputs, inputs], request, lambda *told: seen.append(told), lambda: False)
    assert [told[:2] for told in seen] == [(done, 22) for done in range(23)]


def test_train_and_test_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="same images"):
        replace(CASES[0], sources=(SOURCE, replace(OTHER, split=Split.TRAIN)))


def test_images_that_an_attack_cannot_move_are_counted_at_every_strength(inputs: AttackInputs) -> None:
    """A network so sure of its decisions that the cross entropy and its gradient are 0 in float32; of the margin they are not."""
    sure = copy.deepcopy(inputs.model).float()
    with torch.no_grad():
        sure.classifier.weight *= 1e6
    confident = replace(inputs, model=sure, images=inputs.images.float())
    right = float((sure(confident.images).argmax(1) == inputs.labels).float().mean())
    for objective, moved in (("", False), ("-margin", True)):
        short = Condition.from_slug(f"pgd-linf-0.0000001-1{objective}")
        found = run(lambda _source: confident, StrengthCurveRequest((SOURCE,), short, Axis.STEPS, (1.0, 3.0)))
        for strength in (1.0, 3.0):
            share = values(found, 0, strength)["without_gradient"]
            assert share == 0 if moved else 0 < share <= right
