"""PCA is scikit-learn's up to sign, in one basis for all that is transformed; refits do not flip it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from rnc.pca_and_umap_planes import PlanePCA
from tests.examples import examples

SPREAD = np.array([5.0, 3.0, 1.0, 0.5])


def cloud(seed: int, n: int = 30, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)) * SPREAD + shift


def sklearn_plane(fitted: np.ndarray, features: np.ndarray) -> np.ndarray:
    return PCA(2, svd_solver="covariance_eigh").fit(fitted).transform(features)


@examples(50)
@given(seed=st.integers(0, 10_000), parts=st.integers(1, 4))
def test_it_is_that_of_scikit_learn_up_to_sign(seed: int, parts: int) -> None:
    epochs = [cloud(seed + k, shift=k) for k in range(parts)]
    other = cloud(seed + 100, shift=9.0)
    pca = PlanePCA(epochs)
    for features in (epochs[0], other):
        expected = sklearn_plane(np.concatenate(epochs), features)
        assert np.abs(pca.transform(features)) == pytest.approx(np.abs(expected), abs=1e-8)


def test_one_basis_keeps_differences_between_epochs() -> None:
    """The plane is affine: what is moved by a vector is moved by that vector's image, whatever the epoch."""
    pca = PlanePCA([cloud(0), cloud(1)])
    a, b = cloud(2), cloud(3)
    step = np.array([1.0, -2.0, 0.5, 0.0])
    moved_a, moved_b = (pca.transform(x + step) - pca.transform(x) for x in (a, b))
    assert moved_a == pytest.approx(np.broadcast_to(moved_b[0], moved_a.shape)) and np.abs(moved_a).max() > 0.5


def test_pooled_features_are_centred() -> None:
    parts = [cloud(0, 10), cloud(1, 40, shift=3.0)]
    plane = PlanePCA(parts).transform(np.concatenate(parts))
    assert plane.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert plane[:, 0].var() > plane[:, 1].var()


@examples(60)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.0, 0.02))
def test_a_refit_with_more_epochs_does_not_flip(seed: int, noise: float) -> None:
    """The signs follow the features, not the solver: nearly the same pool gives nearly the same plane."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(60, 4)) * np.array([9.0, 3.0, 0.3, 0.1])
    later = first + noise * rng.normal(size=first.shape)
    before, after = PlanePCA([first]).transform(first), PlanePCA([first, later]).transform(first)
    assert after == pytest.approx(before, abs=0.5)


def test_the_order_of_samples_does_not_flip() -> None:
    features = cloud(4)
    assert PlanePCA([features[::-1]]).transform(features) == pytest.approx(PlanePCA([features]).transform(features))


def test_float32_features_are_projected_in_float64() -> None:
    features = (cloud(5) + 1e4).astype(np.float32)
    assert PlanePCA([features]).transform(features).dtype == np.float64
    expected = sklearn_plane(features.astype(np.float64), features.astype(np.float64))
    assert np.abs(PlanePCA([features]).transform(features)) == pytest.approx(np.abs(expected), abs=1e-6)


def test_no_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        PlanePCA([])


def test_features_without_any_spread_lie_in_one_point() -> None:
    """A network that has died: all features are the same."""
    with np.errstate(all="ignore"):
        plane = PlanePCA([np.ones((12, 4))]).transform(np.ones((3, 4)))
    assert plane.tolist() == [[0.0, 0.0]] * 3
