"""The first step on wide data: L-BFGS comes near the optimum; Newton steps prove it."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_nn import SGDLogisticClassifier
from sklearn_nn._engine.newton import quasi_newton


def wide_rows(n_classes=2, n_samples=1500, n_features=200, dtype=np.float64, seed=0):
    """Return standardised features, and labels that depend on them and on noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    W = rng.normal(size=(n_features, n_classes)) / np.sqrt(n_features) * 2
    return X.astype(dtype), np.argmax(X @ W + rng.gumbel(size=(n_samples, n_classes)), 1)


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("n_steps", [2, 3, 10])
def test_the_gap_of_a_geometric_sequence_is_exact(factor, n_steps):
    objectives = (0.3 + factor ** np.arange(n_steps + 1)).tolist()
    gap = quasi_newton.estimated_gap(objectives)
    assert gap == pytest.approx(objectives[-1] - 0.3, rel=1e-9)


def test_without_progress_the_gap_is_zero():
    assert quasi_newton.estimated_gap([1.0, 0.5, 0.5]) == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("storage", [np.array, csr_array])
def test_wide_rows_need_few_steps_after_it(dtype, n_classes, storage, monkeypatch):
    X, y = wide_rows(n_classes, dtype=dtype)
    model = SGDLogisticClassifier(random_state=0).fit(storage(X), y)
    assert model.n_iter_ <= 4
    assert 0 <= model.gap_ <= 1e-4
    assert model.loss_curve_[0] == pytest.approx(np.log(n_classes), rel=1e-6)
    # Newton steps alone have the same optimum.
    monkeypatch.setattr(quasi_newton, "is_cheap", lambda *unused: True)
    alone = SGDLogisticClassifier(random_state=0).fit(storage(X), y)
    assert alone.n_iter_ > model.n_iter_
    assert alone.loss_ == pytest.approx(model.loss_, rel=2e-4)


@pytest.mark.parametrize("alpha", [1e3, 1e8, 1e15])
def test_an_optimum_at_zero_coefficients_is_found(alpha):
    X, _ = wide_rows()
    y = np.arange(len(X)) % 2  # the best intercept is 0
    model = SGDLogisticClassifier(alpha=alpha, random_state=0).fit(X, y)
    assert np.abs(model.coef_).max() <= 1 / alpha
    # J* >= log 2 - |g|^2 / (2 alpha), where g is the gradient at 0.
    gradient = (0.5 - y) @ X / len(X)
    lowest = np.log(2) - gradient @ gradient / (2 * alpha)
    assert lowest - 1e-12 <= model.loss_ <= np.log(2) + 1e-12
    assert model.gap_ <= 1e-4


def test_steps_from_a_fitted_model_are_newton_steps(monkeypatch):
    X, y = wide_rows()
    model = SGDLogisticClassifier(warm_start=True, random_state=0).fit(X, y)

    def unexpected(*unused):
        raise AssertionError("L-BFGS would forget where the model is")

    monkeypatch.setattr(quasi_newton, "minimize", unexpected)
    assert model.set_params(alpha=2e-4).fit(X, y).gap_ <= 1e-4
