"""Agreement with scikit-learn's estimators, which are independent implementations."""

import warnings

import numpy as np
import pytest
from methods import textbook_logistic
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

N_EPOCHS = 20
BATCH_SIZE = 50
MLP_ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]  # all that MLPClassifier has


@pytest.fixture(scope="module")
def data(standardised):
    """Return a function kind of target -> (X, y); BATCH_SIZE divides n_samples."""

    def load(kind):
        if kind == "multilabel":
            X, y = make_multilabel_classification(n_samples=150, random_state=0)
            return StandardScaler().fit_transform(X), y
        X, y = standardised({"binary": "breast_cancer", "multiclass": "iris"}[kind])
        n_samples = len(y) // BATCH_SIZE * BATCH_SIZE
        return X[:n_samples], y[:n_samples]

    return load


def fit_quietly(model, X, y):
    """Fit without a ConvergenceWarning after only 20 epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def assert_close_arrays(ours, theirs):
    """Assert that all arrays agree to 1e-9 of their largest entries."""
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.max(np.abs(b)))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("activation", MLP_ACTIVATIONS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_network_agrees_with_mlp_classifier(kind, activation, solver, data):
    X, y = data(kind)
    parameters = {
        "hidden_layer_sizes": (20, 10),
        "activation": activation,
        "solver": solver,
        "batch_size": BATCH_SIZE,
        "shuffle": False,
        "max_iter": N_EPOCHS,
        "n_iter_no_change": N_EPOCHS + 1,
        "random_state": 0,
    }
    alpha = 0.1  # MLPClassifier divides it by the batch size; with L-BFGS, by n_samples
    ours = BackpropMLPClassifier(
        alpha=alpha / (len(y) if solver == "lbfgs" else BATCH_SIZE), **parameters
    )
    theirs = MLPClassifier(alpha=alpha, **parameters)
    fit_quietly(ours, X, y)
    fit_quietly(theirs, X, y)
    assert_close_arrays(ours.coefs_, theirs.coefs_)
    assert_close_arrays(ours.intercepts_, theirs.intercepts_)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
    if solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.out_activation_ == theirs.out_activation_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_early_stopping_by_accuracy_agrees_with_mlp_classifier(solver, data):
    # For two classes; for more, MLPClassifier's split is not stratified.
    X, y = data("binary")
    X, y = X[:500], y[:500]
    parameters = {
        "hidden_layer_sizes": (20,),
        "solver": solver,
        "batch_size": BATCH_SIZE,  # divides the 450 training rows
        "shuffle": False,
        "early_stopping": True,
        "random_state": 0,
    }
    ours = BackpropMLPClassifier(
        alpha=0.1 / BATCH_SIZE, scoring="accuracy", n_iter_no_change=11, **parameters
    )
    theirs = MLPClassifier(alpha=0.1, n_iter_no_change=10, **parameters)
    fit_quietly(ours, X, y)
    fit_quietly(theirs, X, y)
    assert ours.n_iter_ == theirs.n_iter_ > 11
    assert ours.validation_scores_ == theirs.validation_scores_
    assert ours.best_validation_score_ == theirs.best_validation_score_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert_close_arrays(ours.coefs_, theirs.coefs_)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("momentum", [0, 0.5, 1.0])
def test_momentum_agrees_with_mlp_classifier(nesterov, momentum, data):
    X, y = data("multiclass")
    parameters = {
        "solver": "sgd",
        "momentum": momentum,
        "nesterovs_momentum": nesterov,
        "batch_size": BATCH_SIZE,
        "shuffle": False,
        "max_iter": N_EPOCHS,
        "n_iter_no_change": N_EPOCHS + 1,
        "random_state": 0,
    }
    ours = fit_quietly(BackpropMLPClassifier(alpha=0, **parameters), X, y)
    theirs = fit_quietly(MLPClassifier(alpha=0, **parameters), X, y)
    assert_close_arrays(ours.coefs_, theirs.coefs_)


@pytest.mark.parametrize("activation", MLP_ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_weights_are_those_of_mlp_classifier(activation, dtype, data):
    X, y = data("multiclass")
    parameters = {"hidden_layer_sizes": (7, 5), "activation": activation, "max_iter": 1}
    # This learning rate is too small to change the initial weights.
    parameters |= {"solver": "sgd", "learning_rate_init": 1e-30, "random_state": 9}
    ours = fit_quietly(BackpropMLPClassifier(**parameters), X.astype(dtype), y)
    theirs = fit_quietly(MLPClassifier(**parameters), X.astype(dtype), y)
    for a, b in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(a, b, strict=True)


def test_adaptive_rate_agrees_with_mlp_classifier(data):
    X, y = data("multiclass")
    parameters = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.05,
        "batch_size": BATCH_SIZE,
        "shuffle": False,
        "max_iter": 2000,
        "tol": 1e-3,
        "alpha": 0,
        "random_state": 0,
    }
    # MLPClassifier waits for one epoch more than n_iter_no_change.
    ours = BackpropMLPClassifier(n_iter_no_change=6, **parameters).fit(X, y)
    theirs = MLPClassifier(n_iter_no_change=5, **parameters).fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("penalty", ["l2", None])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_batches_of_one_row_agree_with_sgd_classifier(penalty, fit_intercept, data):
    X, y = data("binary")
    ours = SGDLogisticClassifier(
        penalty,
        alpha=1e-3,
        fit_intercept=fit_intercept,
        momentum=0,
        learning_rate=0.01,
        batch_size=1,
        shuffle=False,
        max_iter=N_EPOCHS,
        tol=None,
    ).fit(X, y)
    theirs = SGDClassifier(
        loss="log_loss",
        penalty=penalty,
        alpha=1e-3,
        fit_intercept=fit_intercept,
        learning_rate="constant",
        eta0=0.01,
        shuffle=False,
        max_iter=N_EPOCHS,
        tol=None,
    ).fit(X, y)
    assert_close_arrays([ours.coef_], [theirs.coef_])
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)


@pytest.mark.parametrize("average", [True, 700])
def test_average_agrees_with_sgd_classifier(average, data):
    X, y = data("binary")
    parameters = {"shuffle": False, "max_iter": 5, "tol": None, "average": average}
    ours = SGDLogisticClassifier(
        None, momentum=0, learning_rate=0.01, batch_size=1, **parameters
    ).fit(X, y)
    theirs = SGDClassifier(
        loss="log_loss", penalty=None, learning_rate="constant", eta0=0.01, **parameters
    ).fit(X, y)
    assert_close_arrays([ours.coef_], [theirs.coef_])
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)


def objective(model, X, y, alpha):
    """Return J = mean log-loss + alpha / 2 ||W||^2 of a fitted linear classifier."""
    log_proba = model.predict_log_proba(X)
    log_loss = -np.mean(log_proba[np.arange(len(y)), np.searchsorted(model.classes_, y)])
    return log_loss + alpha / 2 * np.sum(model.coef_**2)


# Two ways to the optimum: Newton's method and full-batch gradient descent.
WAYS = {
    "newton": {"tol": None},
    "full_batch": {
        "momentum": 0.99,
        "learning_rate": 0.05,
        "batch_size": "full",
        "max_iter": 4000,
        "tol": None,
    },
}
either_way = pytest.mark.parametrize("way", WAYS)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@either_way
def test_optimum_is_that_of_logistic_regression(way, name, standardised):
    X, y = standardised(name)
    alpha = 1e-3
    ours = SGDLogisticClassifier(alpha=alpha, **WAYS[way]).fit(X, y)
    theirs = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10_000).fit(
        X, y
    )
    optimum = objective(theirs, X, y, alpha)
    assert abs(objective(ours, X, y, alpha) - optimum) < 1e-6 * optimum


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@either_way
def test_weighted_optimum_is_that_of_logistic_regression(way, name, standardised):
    X, y = standardised(name)
    weight = np.random.RandomState(0).uniform(0.5, 5, size=len(y))
    alpha = 1e-2
    ours = SGDLogisticClassifier(alpha=alpha, class_weight="balanced", **WAYS[way])
    ours.fit(X, y, sample_weight=weight)
    totals = np.array([weight[y == label].sum() for label in ours.classes_])
    raw = weight * (weight.sum() / (len(totals) * totals))[y]
    theirs = LogisticRegression(C=1 / (alpha * raw.sum()), tol=1e-10, max_iter=10_000)
    theirs.fit(X, y, sample_weight=raw)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("logistic", [SGDLogisticClassifier, textbook_logistic])
def test_default_accuracy_is_within_0_01_of_logistic_regression(
    logistic, name, seed, standardised
):
    X, y = standardised(name)
    # Warnings are errors, so a fit with defaults gives none.
    ours = logistic(random_state=seed).fit(X, y).score(X, y)
    assert ours > LogisticRegression().fit(X, y).score(X, y) - 0.01
