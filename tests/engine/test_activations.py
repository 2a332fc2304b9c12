"""Activations and their derivatives equal the textbook definitions."""

import mpmath
import numpy as np
import pytest

from sklearn_nn._engine.objective.activations import ACTIVATIONS

# The textbook's definitions, computed by mpmath.
EXACT = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "leaky_relu": lambda z: max(z, z * mpmath.mpf(0.01)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
}
BOUNDED = ["logistic", "tanh"]
# 0 is left out: relu has no derivative there.
POINTS = [-40.0, -2.5, -1.0, -1e-8, 1e-8, 0.3, 1.0, 2.5, 40.0]

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
exact_activations = pytest.mark.parametrize("name", EXACT)
either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def derivative(name, z):
    """Return f'(z) as backpropagation uses it."""
    activation = ACTIVATIONS[name]
    return activation.multiply_derivative(np.ones_like(z), saved(name, z))


def saved(name, z):
    """Return the value that the forward pass saves for the derivative."""
    activation = ACTIVATIONS[name]
    return z if activation.saves_input else activation.function(z)


def test_every_activation_has_an_exact_definition():
    missing = set(ACTIVATIONS) - set(EXACT)
    assert not missing, f"Add {missing} to EXACT of tests/engine/test_activations.py."


@exact_activations
@either_dtype
def test_function_is_within_4_eps_of_mpmath(name, dtype):
    z = np.array([*POINTS, 0.0, -700.0, 700.0, -800.0, 800.0], dtype)
    exact = np.array([float(EXACT[name](mpmath.mpf(float(value)))) for value in z])
    # NumPy's exp and tanh are within 2 eps, and two more operations follow. In the tail of
    # the normal distribution, the rounding error of z^2 is multiplied by z^2.
    info = np.finfo(dtype)
    n_eps = 4 * np.maximum(1, z**2) if name == "gelu" else 4
    error = np.abs(ACTIVATIONS[name].function(z).astype(float) - exact)
    tiny = float(info.tiny) if name == "gelu" else float(info.smallest_subnormal)
    assert np.all(error <= n_eps * float(info.eps) * np.abs(exact) + tiny)


@every_activation
@either_dtype
def test_extreme_inputs_do_not_overflow(name, dtype):
    z = np.array([-800.0, -40.0, 0.0, 40.0, 800.0], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.all(np.isfinite(ACTIVATIONS[name].function(z)))
        assert np.all(np.isfinite(derivative(name, z)))


@exact_activations
@either_dtype
def test_derivative_is_within_8_eps_of_mpmath(name, dtype):
    z = np.array(POINTS, dtype)
    with mpmath.workdps(60):
        exact = [float(mpmath.diff(EXACT[name], float(value))) for value in z]
    # The bound is absolute: if a is near 1, 1 - a and 1 - a^2 lose digits, but are small.
    # The error of a is 4 eps; four operations add half an eps each.
    np.testing.assert_allclose(
        derivative(name, z), exact, rtol=0, atol=8 * float(np.finfo(dtype).eps)
    )


@every_activation
def test_multiply_derivative_is_the_product_with_delta(name):
    z = np.array(POINTS)
    delta = np.linspace(-3, 3, len(z))
    activation = ACTIVATIONS[name]
    product = activation.multiply_derivative(delta, saved(name, z))
    # One more product, perhaps in another order.
    np.testing.assert_allclose(product, delta * derivative(name, z), rtol=1e-15)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_relu_and_its_derivative_are_zero_at_zero(zero):
    z = np.array([zero])
    assert ACTIVATIONS["relu"].function(z)[0] == 0
    assert derivative("relu", z)[0] == 0


def test_relu_derivative_is_exactly_zero_or_one():
    tiny = np.finfo(float).smallest_subnormal
    z = np.array([-1e300, -tiny, tiny, 1e300])
    assert derivative("relu", z).tolist() == [0, 0, 1, 1]


def test_derivatives_at_zero_equal_known_values():
    slopes = {name: derivative(name, np.zeros(1))[0] for name in ACTIVATIONS}
    assert slopes == {
        "identity": 1,
        "logistic": 0.25,
        "tanh": 1,
        "relu": 0,
        "leaky_relu": 0.01,
        "softplus": pytest.approx(0.5, rel=4e-16),  # from a rounded log(2)
        "elu": 1,
        "silu": 0.5,
        "gelu": 0.5,
    }


@pytest.mark.parametrize("name", BOUNDED)
@either_dtype
def test_saturated_derivative_is_zero(name, dtype):
    z = np.array([-700.0, 700.0], dtype)
    # logistic'(-700) is exp(-700), about 1e-304.
    np.testing.assert_allclose(derivative(name, z), 0, atol=1e-300)


@every_activation
def test_nan_propagates(name):
    assert np.isnan(ACTIVATIONS[name].function(np.array([np.nan])))


@every_activation
@either_dtype
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 3)])
def test_shape_and_dtype_are_preserved(name, dtype, shape):
    z = np.ones(shape, dtype)
    for array in (ACTIVATIONS[name].function(z), derivative(name, z)):
        assert (array.shape, array.dtype) == (shape, dtype)


@every_activation
def test_arguments_are_not_written_to(name):
    z, delta = np.array(POINTS), np.ones(len(POINTS))
    a = saved(name, z)
    before = [array.copy() for array in (z, delta, a)]
    ACTIVATIONS[name].multiply_derivative(delta, a)
    for array, copy in zip((z, delta, a), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(z, POINTS)
