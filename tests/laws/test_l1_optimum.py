"""Training with an l1 penalty ends at the optimum, a fixed point of every optimizer."""

from functools import cache

import numpy as np
import pytest
from methods import textbook_logistic
from optimizers import every_optimizer

from sklearn_nn._engine.objective.penalties import Penalty

L1_STEPS = {
    "sgd": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.3},
    "polyak": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.05},
    "nesterov": {"solver": "sgd", "nesterovs_momentum": True, "learning_rate_init": 0.05},
    "adam": {"solver": "adam", "learning_rate_init": 0.003},
}


def l1_model(X, y, penalty, step, n_epochs):
    """Return (model, l1, l2): a model trained by full batches and its penalty strengths."""
    alpha, l1_ratio = 0.02, 0.6
    model = textbook_logistic(
        penalty,
        alpha=alpha,
        l1_ratio=l1_ratio,
        batch_size="full",
        max_iter=n_epochs,
        tol=None,
        **L1_STEPS[step],
    )
    l1 = alpha if penalty == "l1" else alpha * l1_ratio
    return model.fit(X, y), l1, alpha - l1


def smooth_gradient(model, X, y, l2):
    """Return the gradient of loss plus l2 at the model, by the textbook formula."""
    residual = model.predict_proba(X) - (y[:, None] == model.classes_)
    residual = residual[:, -len(model.intercept_) :]
    return residual.T @ X / len(y) + l2 * model.coef_, residual.mean(axis=0)


@pytest.mark.parametrize("step", L1_STEPS)
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
def test_l1_training_ends_at_the_optimum(step, penalty, name, standardised):
    X, y = standardised(name)
    n_epochs = {"l1": 20_000, "elasticnet": 8_000}[penalty]
    if step == "adam":
        n_epochs *= 3
    model, l1, l2 = l1_model(X, y, penalty, step, n_epochs)
    gradient, intercept_gradient = smooth_gradient(model, X, y, l2)
    # Optimality: gradient = -l1 sign(w) if w is not 0, and |gradient| <= l1 if w = 0.
    active = model.coef_ != 0
    violation = np.where(
        active, np.abs(gradient + l1 * np.sign(model.coef_)), np.abs(gradient) - l1
    )
    # Adam's step does not shrink with the gradient, so it hovers near the optimum.
    assert violation.max() < (1e-4 if step == "adam" else 1e-6) * l1
    assert np.abs(intercept_gradient).max() < 1e-4 * l1
    assert 0 < active.sum() < active.size  # some weights are exactly 0


@pytest.fixture(scope="module")
def l1_optimum(standardised):
    """Return a function name -> (model, l1, gradient) at the optimum with penalty l1."""

    @cache
    def train(name):
        X, y = standardised(name)
        model, l1, _ = l1_model(X, y, "l1", "nesterov", 20_000)
        return model, l1, smooth_gradient(model, X, y, 0.0)[0]

    return train


# Steps after which the slots of a constant gradient no longer change: 0.999^MANY < eps.
MANY = 40_000


@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
@pytest.mark.parametrize("learning_rate", [1e-3, 0.1])
@pytest.mark.parametrize("optimizer", every_optimizer(), ids=str)
def test_l1_optimum_is_a_fixed_point(optimizer, learning_rate, name, l1_optimum):
    model, l1, gradient = l1_optimum(name)
    theta, g = model.coef_.ravel(), gradient.ravel()
    # The slots to which an optimizer converges if the gradient stays the same.
    proximal, slots = Penalty(l1=l1).proximal, (0 * g,) * optimizer.n_slots
    for t in range(1, MANY):
        rate = optimizer.corrected_rate(learning_rate, t)
        _, slots = optimizer.step(theta, slots, g, rate, proximal)
    rate = optimizer.corrected_rate(learning_rate, MANY)
    moved, slots_after = optimizer.step(theta, slots, g, rate, proximal)
    # The optimum itself is known to 1e-14; Adam divides by gradients down to 2e-3.
    np.testing.assert_allclose(moved, theta, rtol=0, atol=1e-11)
    for before, after in zip(slots, slots_after, strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-11)
