"""Law 3. A network without hidden layer is logistic regression."""

import numpy as np
import pytest
from law_models import either_storage
from methods import textbook_logistic
from optimizers import LINEAR_SOLVERS

from sklearn_nn import BackpropMLPClassifier


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@either_storage
def test_no_hidden_layer_is_logistic_regression(
    n_classes, solver, batch_size, sparse, rows, monkeypatch
):
    X, y, weight = rows(n_classes=n_classes, sparse=sparse)
    monkeypatch.setattr(  # start from zeros, without drawing random numbers
        BackpropMLPClassifier,
        "_initial_theta",
        lambda self, architecture, rng, dtype: np.zeros(architecture.n_parameters, dtype),
    )
    parameters = {"solver": solver, "batch_size": batch_size, "learning_rate_init": 0.01}
    parameters |= {"max_iter": 6, "tol": None, "random_state": 5, "alpha": 0.01}
    logistic = textbook_logistic(**parameters).fit(X, y, sample_weight=weight)
    network = BackpropMLPClassifier((), **parameters).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(network.coefs_[0], logistic.coef_.T)
    np.testing.assert_array_equal(network.intercepts_[0], logistic.intercept_)
    assert network.loss_curve_ == logistic.loss_curve_
    np.testing.assert_allclose(
        network.predict_proba(X), logistic.predict_proba(X), rtol=1e-12
    )
