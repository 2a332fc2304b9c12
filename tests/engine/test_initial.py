"""Initial parameters follow the distributions of the papers that define them."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, uniform

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.objective import initial
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.initial import INITS, initial_theta
from sklearn_nn._engine.types import Architecture

SIZES = (60, 40, 30)
every_init = pytest.mark.parametrize("init", INITS)


def drawn(init, activation="tanh", sizes=SIZES, dtype=np.float64, seed=0):
    """Return layers of initial parameters."""
    names = (activation,) * (len(sizes) - 1)
    theta = initial_theta(sizes, names, np.random.RandomState(seed), dtype, init)
    return Architecture(sizes).layers(theta)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_stays_within_glorots_bound(activation):
    layer = drawn("auto", activation, (30, 20))[0]
    # Glorot and Bengio 2010, equation 16; for 'logistic' MLPClassifier has 2 in place of 6.
    bound = np.sqrt((2 if activation == "logistic" else 6) / 50)
    largest = np.max(np.abs(np.append(layer.weight, layer.intercept)))
    assert 0.98 * bound < largest <= bound  # the largest of 620 draws


def test_auto_draws_weights_then_intercepts_of_each_layer():
    rng, bounds = np.random.RandomState(0), np.sqrt([6 / 100, 6 / 70])
    for layer, bound in zip(drawn("auto"), bounds, strict=True):
        weight = rng.uniform(-bound, bound, layer.weight.size)
        np.testing.assert_array_equal(layer.weight.ravel(), weight)
        intercept = rng.uniform(-bound, bound, layer.intercept.size)
        np.testing.assert_array_equal(layer.intercept, intercept)


@every_init
def test_layers_are_drawn_in_parts(init, monkeypatch):
    expected = drawn(init)
    monkeypatch.setattr(initial, "NUMBERS_AT_ONCE", 100)
    for layer, whole in zip(drawn(init), expected, strict=True):
        np.testing.assert_array_equal(layer.weight, whole.weight)
        np.testing.assert_array_equal(layer.intercept, whole.intercept)


def test_auto_draws_each_layer_by_its_own_activation():
    rng = np.random.RandomState(0)
    theta = initial_theta((30, 20, 20, 30), ("logistic", "relu", "relu"), rng, float)
    first, second, _ = Architecture((30, 20, 20, 30)).layers(theta)
    assert np.max(np.abs(first.weight)) <= np.sqrt(2 / 50)
    assert np.max(np.abs(second.weight)) > 0.98 * np.sqrt(6 / 40)


@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_glorot_is_uniform_with_the_variance_of_equation_16(activation):
    # Also for 'logistic'. The variance 2 / (fan_in + fan_out) is equation 12.
    for layer in drawn("glorot", activation):
        bound = np.sqrt(6 / sum(layer.weight.shape))
        assert np.max(np.abs(layer.weight)) <= bound
        assert kstest(layer.weight.ravel(), uniform(-bound, 2 * bound).cdf).pvalue > 0.01
        # The variance of at least 1200 draws has a standard deviation below 3 %.
        variance = 2 / sum(layer.weight.shape)
        assert np.var(layer.weight) == pytest.approx(variance, rel=0.1)


def test_he_is_normal_with_the_variance_of_equation_10():
    for layer in drawn("he"):
        spread = np.sqrt(2 / len(layer.weight))
        assert kstest(layer.weight.ravel(), norm(0, spread).cdf).pvalue > 0.01
        # The variance of at least 1200 draws has a standard deviation below 5 %.
        assert np.var(layer.weight) == pytest.approx(spread**2, rel=0.15)


@pytest.mark.parametrize("init", ["glorot", "he"])
def test_intercepts_begin_at_0(init):
    assert all(np.all(layer.intercept == 0) for layer in drawn(init))


@every_init
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_parameters_have_the_dtype_asked_for(init, dtype):
    assert drawn(init, dtype=dtype)[0].weight.dtype == dtype


@every_init
def test_initial_parameters_depend_on_the_generator(init):
    weight = drawn(init, seed=1)[0].weight
    np.testing.assert_array_equal(weight, drawn(init, seed=1)[0].weight)
    assert np.all(weight != drawn(init, seed=2)[0].weight)


@every_init
@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_estimator_starts_from_the_drawn_parameters(init, hidden):
    X, y = np.random.RandomState(0).normal(size=(20, 3)), np.arange(20) % 2
    # Steps too short to change anything leave the initial parameters.
    parameters = {"solver": "sgd", "learning_rate_init": 1e-300, "tol": None}
    model = BackpropMLPClassifier(
        hidden, "logistic", init=init, random_state=4, max_iter=1, **parameters
    ).fit(X, y)
    layers = drawn(init, "logistic", (3, *hidden, 1), seed=4)
    for layer, coef, intercept in zip(layers, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_array_equal(coef, layer.weight)
        np.testing.assert_allclose(intercept, layer.intercept, rtol=0, atol=1e-299)


@pytest.mark.parametrize(("activation", "numerator"), [((), 6), ("logistic", 2)])
def test_activation_name_sets_the_bound_even_without_hidden_layer(activation, numerator):
    X, y = np.random.RandomState(0).normal(size=(20, 3)), np.arange(20) % 2
    model = BackpropMLPClassifier((), activation, random_state=0, max_iter=1, tol=None)
    model.set_params(solver="sgd", learning_rate_init=1e-300).fit(X, y)
    bound = np.sqrt(numerator / 4)
    expected = np.random.RandomState(0).uniform(-bound, bound, 3)
    np.testing.assert_array_equal(model.coefs_[0].ravel(), expected)
