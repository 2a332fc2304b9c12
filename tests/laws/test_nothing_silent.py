"""Law 7. Nothing fails silently: divergence raises, unfinished training warns."""

from contextlib import nullcontext

import numpy as np
import pytest
from law_models import parameters_of
from methods import both, textbook_logistic
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._monitoring import convergence


@both
def test_divergence_is_an_error_that_names_epoch_and_rate(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(solver="sgd", learning_rate=1e6, alpha=1.0, random_state=0)
    with pytest.raises(ValueError, match=r"diverged in epoch \d+.*learning rate 1e\+06"):
        model.fit(X, y)


@both
def test_divergence_in_the_last_step_is_an_error(estimator_class, rows):
    X, y, _ = rows()
    # One full-batch step: the loss before it is normal, the parameters after it overflow.
    model = estimator_class(
        solver="sgd", learning_rate=1e308, max_iter=1, tol=None, random_state=0
    )
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        model.fit(1e3 * X, y)


@both
def test_divergence_leaves_a_fitted_model_unchanged(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(solver="sgd", max_iter=3, tol=None, random_state=0)
    model.fit(X, y)
    before, attributes = parameters_of(model), set(vars(model))
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate=1e6, alpha=1.0, max_iter=50).fit(X[:, :4], y)
    np.testing.assert_array_equal(parameters_of(model), before)
    assert set(vars(model)) == attributes
    assert model.n_features_in_ == X.shape[1]


@both
def test_finite_divergence_is_an_error(estimator_class, rows):
    X, y, _ = rows(n_classes=2)
    # A rate just too large for the penalty doubles the weights in each step. The loss
    # stays finite for a thousand epochs, but divergence must be found long before.
    model = estimator_class(
        solver="sgd", momentum=0, learning_rate=0.3, alpha=10.0, max_iter=500, tol=None
    )
    with pytest.raises(ValueError, match=r"diverged in epoch \d+: objective [\d.e+]+,"):
        model.set_params(random_state=0).fit(X, y)


@both
def test_finite_divergence_in_the_last_step_is_an_error(estimator_class, rows):
    X, y, _ = rows()
    # The loss is normal before the only step and above 1e10 nats after it.
    model = estimator_class(solver="sgd", max_iter=1, tol=None, random_state=0)
    model.set_params(
        learning_rate=1.0 if estimator_class is BackpropMLPClassifier else 0.05
    )
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        model.fit(1e8 * X, y)


@both
@pytest.mark.parametrize("early_stopping", [False, True])
def test_warning_at_max_iter_states_the_improvement(estimator_class, early_stopping, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=2, random_state=0, early_stopping=early_stopping)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .* improved .* tol=0.0001"):
        model.fit(X, y)


@pytest.mark.parametrize("parameters", [{}, {"solver": "adam"}, {"early_stopping": True}])
def test_training_that_makes_the_model_worse_warns(parameters):
    X, y = load_wine(return_X_y=True)  # features up to 1680: steps are far too long
    model = textbook_logistic(random_state=0, **parameters)
    with pytest.warns(ConvergenceWarning, match=r"worse than that of the first, 1\.1, and"):
        model.fit(X, y)


WORSE = "worse than that of predicting the share of each class.*StandardScaler"


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"dropout": 0.5}])
def test_a_network_worse_than_the_class_shares_says_that_features_may_need_scaling(
    parameters,
):
    X, y = load_wine(return_X_y=True)
    model = BackpropMLPClassifier(random_state=0, **parameters)
    with pytest.warns(ConvergenceWarning, match=WORSE):
        model.fit(1e3 * X, y)


@pytest.mark.parametrize("weighted", [False, True])
def test_constant_predictions_warn_unless_the_shares_are_met(weighted):
    X, y = np.zeros((40, 2)), np.repeat([0, 1], [10, 30])
    weight = np.where(y == 0, 3.0, 1.0) if weighted else None  # equal shares
    model = BackpropMLPClassifier(max_iter=1000, n_iter_no_change=50, random_state=0)
    model.fit(X, y, sample_weight=weight)  # without a warning: it meets the shares
    share = model.predict_proba(X)[0, 1]
    assert share == pytest.approx(0.5 if weighted else 0.75, abs=0.02)
    model.set_params(learning_rate=1e-6, n_iter_no_change=1, tol=0.01)
    with pytest.warns(ConvergenceWarning, match=WORSE) if not weighted else nullcontext():
        model.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("parameters", [{"dropout": 0.5}, {"early_stopping": True}])
def test_loss_of_the_model_without_dropout_is_compared_with_the_entropy(
    parameters, rows, monkeypatch
):
    compared = []

    def record(*loss_and_entropy):
        compared.append(loss_and_entropy[:2])
        return []

    monkeypatch.setattr(convergence, "worse_than_shares", record)
    X, y, _ = rows()
    weight = 1 + y % 2
    # Validation rows of its own, so that all rows of X are trained on.
    has_validation = "early_stopping" in parameters
    validation = {"X_val": X[::2], "y_val": y[::2]} if has_validation else {}
    model = BackpropMLPClassifier(random_state=0, **parameters)
    model.set_params(n_iter_no_change=5, tol=0.1)
    model.fit(X, y, sample_weight=weight, **validation)
    [(loss, entropy)] = compared
    expected = log_loss(y, model.predict_proba(X), sample_weight=weight)
    assert loss == pytest.approx(expected)
    shares = np.bincount(y, weight) / np.sum(weight)
    assert entropy == pytest.approx(-np.sum(shares * np.log(shares)))


def test_without_tol_nothing_is_compared():
    X, y = load_wine(return_X_y=True)
    BackpropMLPClassifier(max_iter=2, tol=None, random_state=0).fit(1e3 * X, y)
