"""check_gradient compares backpropagation with central differences."""

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from methods import textbook_logistic
from scipy.sparse import csr_array
from sklearn.neural_network import MLPClassifier

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, check_gradient
from sklearn_nn._checks import gradient as module
from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.objective import losses
from sklearn_nn._engine.objective.activations import ACTIVATIONS

LOSSES = sorted({name for name, _ in losses.LOSSES})
ROUNDING = 1e-6  # the bound that the docstring of check_gradient states


def perceptron(*sizes, **parameters):
    """Return a small BackpropMLPClassifier."""
    settings = {"random_state": 0, "max_iter": 5, "tol": None, **parameters}
    return BackpropMLPClassifier(sizes or (4, 3), **settings)


# Correct gradients pass.


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("activation", "loss"), list(itertools.product(sorted(ACTIVATIONS), LOSSES))
)
def test_gradient_of_mlp_is_correct(activation, loss, n_classes, fitted, rows):
    X, y, weight = rows(n_classes)
    model = perceptron(activation=activation, loss=loss, alpha=0.1)
    if fitted:
        model.fit(X, y, weight)
    assert check_gradient(model, X, y, weight).max_error < ROUNDING


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", None])
def test_gradient_of_logistic_regression_is_correct(penalty, n_classes, fitted, rows):
    X, y, weight = rows(n_classes)
    model = SGDLogisticClassifier(penalty, alpha=0.05)
    if fitted:
        model.fit(X, y, weight)
    assert check_gradient(model, X, y, weight).max_error < ROUNDING


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "lbfgs"},
        {"solver": "sgd"},
        {"solver": "adamw", "alpha": 0.1},
        {"max_gradient_norm": 1e-3},
        {"dropout": 0.5},
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}},
        {"early_stopping": True},
        {"batch_size": 7},
        {"hidden_layer_sizes": ()},
    ],
    ids=str,
)
def test_gradient_is_correct_for_every_setting(parameters, rows):
    X, y, _ = rows()
    model = perceptron().set_params(**parameters)
    assert check_gradient(model, X, y).max_error < ROUNDING
    assert check_gradient(model.fit(X, y), X, y).max_error < ROUNDING


def test_sparse_and_dense_rows_have_the_same_gradient(rows):
    X, y, _ = rows()
    dense, sparse = (check_gradient(perceptron(), Z, y) for Z in (X, csr_array(X)))
    assert sparse.max_error < ROUNDING
    for one, other in zip(dense.gradient["coefs_"], sparse.gradient["coefs_"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


def test_gradient_of_multilabel_is_correct(rows):
    X, y, weight = rows()
    indicators = np.stack([y == 0, y == 1, y < 2], axis=1).astype(int)
    assert check_gradient(perceptron(), X, indicators, weight).max_error < ROUNDING


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_gradient_is_correct_for_real_data_at_any_scale(name, scale, standardised):
    X, y = standardised(name)
    model = perceptron(20, 10)
    assert check_gradient(model, scale * X[:200], y[:200]).max_error < ROUNDING


def test_float32_data_are_checked_in_float64(rows):
    X, y, weight = rows()
    model = perceptron().fit(X.astype(np.float32), y)
    check = check_gradient(model, X.astype(np.float32), y, weight)
    assert check.max_error < ROUNDING
    assert check.gradient["coefs_"][0].dtype == np.float64


def test_gradient_at_zero_equals_the_formula(rows):
    # At w = 0 all classes have probability 1/3: dJ/dw_k = mean(x (1/3 - [y = k])).
    X, y, _ = rows()
    check = check_gradient(SGDLogisticClassifier(), X, y)
    expected = (1 / 3 - np.eye(3)[y]).T @ X / len(y)
    np.testing.assert_allclose(check.gradient["coef_"], expected, atol=1e-15)
    np.testing.assert_allclose(check.differences["coef_"], expected, atol=1e-8)
    np.testing.assert_allclose(
        check.gradient["intercept_"], np.mean(1 / 3 - np.eye(3)[y], axis=0), atol=1e-15
    )


def test_reference_gradient_is_checked_without_kernels(rows, monkeypatch):
    X, y, _ = rows()
    before = check_gradient(perceptron(), X, y)
    monkeypatch.setattr(compiled, "supports", lambda problem, settings, data: False)
    after = check_gradient(perceptron(), X, y)
    assert after.max_error < ROUNDING
    np.testing.assert_allclose(
        before.gradient["coefs_"][0], after.gradient["coefs_"][0], atol=1e-14
    )


def test_gradient_is_checked_at_the_fitted_coefficients(rows):
    # With averaging, training would resume from other coefficients.
    X, y, _ = rows()
    model = textbook_logistic(average=True, max_iter=3, tol=None).fit(X, y)
    averaged = check_gradient(model, X, y).gradient["coef_"]
    same = textbook_logistic(max_iter=1, tol=None).fit(X, y)
    same.coef_, same.intercept_ = model.coef_, model.intercept_
    np.testing.assert_allclose(averaged, check_gradient(same, X, y).gradient["coef_"])


# Wrong gradients fail.


@pytest.mark.parametrize(
    ("model", "k", "name"),
    [
        # theta: 6 x 4, 4 x 3, 3 x 3 weights, then 4, 3, 3 intercepts.
        (perceptron(), 0, "coefs_[0][0, 0]"),
        (perceptron(), 6, "coefs_[0][1, 2]"),
        (perceptron(), 24 + 5, "coefs_[1][1, 2]"),
        (perceptron(), 24 + 12 + 9 + 4 + 2, "intercepts_[1][2]"),
        # theta: 6 x 3 weights, the transpose of coef_, then 3 intercepts.
        (SGDLogisticClassifier(), 5, "coef_[2, 1]"),
        (SGDLogisticClassifier(), 18 + 1, "intercept_[1]"),
    ],
)
def test_wrong_derivative_is_reported_by_name(model, k, name, rows, monkeypatch):
    X, y, weight = rows()
    right = module.gradient_of_a_step

    def wrong(problem, theta, data):
        gradient = right(problem, theta, data)
        gradient[k] += 0.01
        return gradient

    monkeypatch.setattr(module, "gradient_of_a_step", wrong)
    check = check_gradient(model, X, y, weight)
    assert check.worst == name
    assert check.max_error > 0.01
    assert check.backpropagation - check.difference == pytest.approx(0.01, rel=1e-3)
    assert "more than rounding" in str(check)


def test_overflowing_objective_is_not_rounding_error(rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(alpha=1e308, loss="squared_error"), X, y)
    assert not check.max_error < ROUNDING


# Kinks of relu.


def near_kink(distance, rows):
    """Return (model, X, y); row 0 gives one hidden unit `distance` as its relu input."""
    X, y, _ = rows()
    model = perceptron(4).fit(X, y)
    X[0] = 0.0
    model.intercepts_[0][1] = distance
    model.coefs_[1][1] = 2.0, 0.0, 0.0
    return model, X, y


def test_step_is_shortened_if_a_kink_lies_within_it(rows):
    check = check_gradient(*near_kink(1e-6, rows))
    assert check.max_error < ROUNDING
    assert check.n_shortened >= 1
    assert "kink" in str(check)


def test_relu_input_of_exactly_zero_has_a_large_error(rows):
    check = check_gradient(*near_kink(0.0, rows))
    assert check.max_error > ROUNDING
    assert check.worst == "intercepts_[0][1]"


# No side effects.


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("model", [perceptron(), SGDLogisticClassifier()], ids=str)
def test_estimator_is_unchanged(model, fitted, rows):
    X, y, weight = rows()
    model = copy.deepcopy(model)
    if fitted:
        model.fit(X, y)
    before = pickle.dumps(model)
    check_gradient(model, X, y, weight)
    assert pickle.dumps(model) == before


# Choice of the checked parameters.


def test_all_parameters_of_a_small_model_are_checked(rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(), X, y)
    assert check.n_checked == check.n_parameters == 24 + 12 + 9 + 4 + 3 + 3
    errors = [*check.errors["coefs_"], *check.errors["intercepts_"]]
    assert not any(np.any(np.isnan(error)) for error in errors)
    assert check.max_error == max(np.max(error) for error in errors)


def test_arrays_have_the_shapes_of_the_fitted_attributes(rows):
    X, y, _ = rows()
    for model in (perceptron(), SGDLogisticClassifier()):
        check = check_gradient(model, X, y)
        model.fit(X, y)
        for found in (check.errors, check.gradient, check.differences):
            for name, arrays in found.items():
                fitted = getattr(model, name)
                fitted = fitted if isinstance(fitted, list) else [fitted]
                arrays = arrays if isinstance(arrays, list) else [arrays]
                assert [array.shape for array in arrays] == [f.shape for f in fitted]


@pytest.mark.parametrize("n_parameters", [1, 5, 20, 54, 55, 1000])
def test_n_parameters_limits_the_checked_parameters(n_parameters, rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(), X, y, n_parameters=n_parameters)
    assert check.n_checked == min(n_parameters, 55)
    arrays = [*check.errors["coefs_"], *check.errors["intercepts_"]]
    assert sum(np.sum(~np.isnan(array)) for array in arrays) == check.n_checked


def test_checked_parameters_are_spread_over_the_layers(rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(), X, y, n_parameters=30)
    counts = {
        name: [np.sum(~np.isnan(array)).item() for array in arrays]
        for name, arrays in check.errors.items()
    }
    # All 4 + 3 + 3 intercepts are checked; the other 20 are weights of three layers.
    assert counts["intercepts_"] == [4, 3, 3]
    assert sorted(counts["coefs_"]) == [6, 7, 7]


def test_random_state_determines_the_checked_parameters(rows):
    X, y, _ = rows()

    def checked(random_state):
        check = check_gradient(
            perceptron(), X, y, n_parameters=20, random_state=random_state
        )
        return np.isnan(check.errors["coefs_"][0])

    np.testing.assert_array_equal(checked(0), checked(0))
    assert np.any(checked(0) != checked(1))


def test_untrained_intercepts_are_not_checked(rows):
    X, y, _ = rows()
    check = check_gradient(SGDLogisticClassifier(fit_intercept=False), X, y)
    assert check.n_checked == check.n_parameters == 18
    assert np.all(np.isnan(check.errors["intercept_"]))


# The report.


def test_report_names_the_worst_parameter(rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(), X, y, n_parameters=20)
    text = str(check)
    assert text == repr(check)
    assert "20 of 55 parameters, drawn at random" in text
    assert check.worst in text
    assert "this is rounding" in text


def test_result_is_frozen(rows):
    X, y, _ = rows()
    check = check_gradient(perceptron(), X, y)
    with pytest.raises(dataclasses.FrozenInstanceError):
        check.max_error = 0.0


# Errors.


def test_estimator_of_another_package_is_an_error(rows):
    X, y, _ = rows()
    with pytest.raises(TypeError, match="got MLPClassifier"):
        check_gradient(MLPClassifier(), X, y)


@pytest.mark.parametrize(
    ("n_parameters", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_bad_n_parameters_is_an_error(n_parameters, error, rows):
    X, y, _ = rows()
    with pytest.raises(error, match="n_parameters must be an integer >= 1"):
        check_gradient(perceptron(), X, y, n_parameters=n_parameters)


def test_bad_estimator_parameter_is_an_error(rows):
    X, y, _ = rows()
    with pytest.raises(ValueError, match="alpha"):
        check_gradient(perceptron(alpha=-1.0), X, y)


def test_rows_for_a_fitted_model_may_lack_a_class(rows):
    X, y, _ = rows()
    for model in (perceptron(), SGDLogisticClassifier()):
        model.fit(X, y)
        assert check_gradient(model, X[y < 2], y[y < 2]).max_error < ROUNDING
