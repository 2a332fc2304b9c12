"""Training on numbers of any size raises a clear error or gives finite numbers."""

import numpy as np
import pytest
from methods import both, every_method
from optimizers import SOLVERS
from small_models import X, coefficients, plain, raises_or_gives_probabilities, small, y

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_clipping_does_not_hide_features_whose_squares_overflow(solver, scale):
    model = small(BackpropMLPClassifier, solver=solver, max_gradient_norm=1.0)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        model.fit(scale * X, y)


def test_divergence_by_a_large_weight_decay_names_alpha():
    model = small(BackpropMLPClassifier, solver="adamw", alpha=1e4, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"diverged.*rate 0.5.*try a smaller alpha"):
        model.fit(X, y)


# Divergence

DIVERGED = r"diverged in epoch \d+: .*learning rate \d.*Try a smaller learning_rate_init"


@both
@pytest.mark.parametrize("scale", [1e30, 1e200, 1e300])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_error_of_huge_features_names_epoch_and_learning_rate(
    estimator_class, scale, labels
):
    model = small(estimator_class, solver="sgd")
    with pytest.raises(ValueError, match=DIVERGED):
        model.fit(scale * X, labels)


@both
@pytest.mark.parametrize("scale", [1e200, 1e300])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_one_epoch_on_huge_features_raises_or_gives_probabilities(
    estimator_class, scale, labels
):
    # One step from zero gives finite coefficients, but their logits overflow.
    model = small(estimator_class, solver="sgd", max_iter=1, batch_size="full")
    raises_or_gives_probabilities(model, scale * X, labels)


@both
def test_huge_features_in_partial_fit_raise(estimator_class):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=DIVERGED):
        model.partial_fit(1e200 * X, y)


@pytest.mark.parametrize("scale", [1e30, 1e200, 1e300])
def test_huge_features_with_lbfgs_raise(scale):
    # Law 7: the objective exceeds 1e10 times the null loss. L-BFGS has no rate to name.
    model = small(BackpropMLPClassifier, solver="lbfgs")
    with pytest.raises(ValueError, match=r"diverged.*lbfgs.*Scale the features"):
        model.fit(scale * X, y)


@both
def test_huge_features_with_early_stopping_raise(estimator_class):
    model = small(estimator_class, solver="sgd", early_stopping=True, batch_size="full")
    with pytest.raises(ValueError, match=DIVERGED):
        model.fit(1e200 * X, y)


@every_method
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_adam_with_an_epsilon_below_float32_raises_or_gives_probabilities(estimator_class):
    # The moments of a zero column are 0, and 1e-300 is 0 in float32: 0 / 0 or rate / 0.
    model = small(estimator_class, solver="adam", epsilon=1e-300)
    if estimator_class is not BackpropMLPClassifier:
        model.set_params(penalty="l1")
    zero_column = (X * [1.0, 0.0, 1.0]).astype(np.float32)
    raises_or_gives_probabilities(model, zero_column, y)


@both
def test_error_of_a_huge_learning_rate_states_it(estimator_class):
    model = small(estimator_class, solver="sgd", learning_rate=1e150)
    with pytest.raises(ValueError, match=r"learning rate 1e\+150"):
        model.fit(X, y)


@both
def test_parameters_that_overflow_in_the_last_step_raise(estimator_class):
    # Momentum 0, one step of size 1e308 along gradients above 2: the product overflows.
    model = small(
        estimator_class,
        solver="sgd",
        learning_rate=1e308,
        momentum=0.0,
        max_iter=1,
        batch_size="full",
    )
    with pytest.raises(ValueError, match=r"diverged in epoch 1: .*1e\+308"):
        model.fit(10.0 * (y[:, None] - 0.5) * [[1.0, 2.0, 3.0]], y)


@pytest.mark.parametrize("exponent", [-1000, -100, 100, 700, 1000])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_features_of_any_size_are_learned_without_a_rate(exponent, labels):
    # Scaling by a power of two is exact, and without a penalty the optimal logits agree.
    parameters = {"penalty": None, "max_iter": 50}
    model = small(SGDLogisticClassifier, **parameters).fit(X, labels)
    scaled = small(SGDLogisticClassifier, **parameters).fit(2.0**exponent * X, labels)
    np.testing.assert_allclose(
        scaled.decision_function(2.0**exponent * X), model.decision_function(X), atol=1e-9
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e200, 1e300])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_features_of_any_size_without_a_rate_give_probabilities(scale, n_classes):
    labels = np.arange(24) % n_classes
    model = small(SGDLogisticClassifier).fit(scale * X, labels)
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(scale * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-140, 1e-30, 1e30, 1e140])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_streams_of_features_of_any_size_give_probabilities(scale, n_classes):
    labels = np.arange(24) % n_classes
    model = small(SGDLogisticClassifier)
    model.partial_fit(scale * X, labels, classes=range(n_classes))
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(scale * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e200, 1e300])
def test_streams_of_features_whose_squares_overflow_raise(scale):
    model = small(SGDLogisticClassifier).partial_fit(X, y, classes=[0, 1])
    before = plain(vars(model))
    with pytest.raises(ValueError, match="Scale the features"):
        model.partial_fit(scale * X, y)
    assert plain(vars(model)) == before


def test_edited_coefficients_whose_objective_overflows_raise_without_a_rate():
    model = small(SGDLogisticClassifier, warm_start=True).fit(X, y)
    model.coef_ = np.array([[1e308, -1e308, 1e308]])
    before = plain(vars(model))
    with pytest.raises(ValueError, match=r"Training reached (inf|nan)"):
        model.fit(100 * X, y)
    assert plain(vars(model)) == before
