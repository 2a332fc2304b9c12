"""Elementary functions of the kernels equal mpmath."""

from functools import cache

import mpmath
import numpy as np
import pytest
from epochs_to_compare import (
    ACTIVATIONS,
    BINARY,
    SOFTMAX,
    Case,
    Epoch,
    by_level,
    either_dtype,
    problem_of,
    settings_of,
)
from storages import frozen

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.epochs.optimizers import Momentum
from sklearn_nn._engine.epochs.records import EpochMemory
from sklearn_nn._engine.types import (
    Dataset,
    Layer,
    TrainingState,
)

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)


# Networks so small that they compute an elementary function and nothing else. The kernels
# have their own exp and log1p.

# Measured: 3.3 for `normal_cdf`, 1.5 for `log1pexp`, 1.2 for each of the others.
N_EPS_OF_FUNCTIONS = 4


@cache
def grid(dtype):
    """Return logits of both signs: 0, tiny ones, a fine grid, and saturating ones."""
    tiny = [1e-20, 1e-10, 1e-5] if dtype == np.float32 else [1e-300, 1e-20, 1e-10, 1e-5]
    fine = np.concatenate([np.geomspace(1e-4, 1, 300), np.linspace(0.01, 100, 1200)])
    positive = np.concatenate([tiny, fine, [700.0, 800.0, 1e4, 1e30]])
    return frozen(np.concatenate([-positive[::-1], [0], positive]).astype(dtype))


@cache
def exact_values(function, dtype):
    """Return the values of a function on the grid, in mpmath with 40 digits."""
    with mpmath.workdps(40):
        return [function(mpmath.mpf(float(z))) for z in grid(dtype)]


def exact_sigmoid(z):
    """Return 1 / (1 + exp(-z)) in mpmath."""
    return 1 / (1 + mpmath.exp(-z))


def exact_log1pexp(z):
    """Return log(1 + exp(z)) in mpmath."""
    return mpmath.log1p(mpmath.exp(z))


def exact_gelu(z):
    """Return z times the normal distribution function of z in mpmath."""
    return z * mpmath.ncdf(z)


def largest_error(computed, exact):
    """Return the largest relative error in eps.

    Near the smallest normal number the kernels may return 0. So if the exact value is below
    twice that number, the computed one need only be below it, too.
    """
    info = np.finfo(computed.dtype)
    smallest = 2 * float(info.tiny)
    with mpmath.workdps(40):
        errors = [
            abs(mpmath.mpf(value) / expected - 1)
            for value, expected in zip(computed.tolist(), exact, strict=True)
            if abs(expected) > smallest or abs(value) > smallest
        ]
        return float(max(errors)) / float(info.eps)


def assert_accurate(results, function, dtype):
    """Assert that results on the grid, by instruction set, equal an mpmath function."""
    for level, computed in results:
        assert computed.dtype == dtype
        error = largest_error(computed, exact_values(function, dtype))
        assert error <= N_EPS_OF_FUNCTIONS, level


def hidden_outputs(activation, z):
    """Return the activation of each z, as the prediction of a 1-1-1 network."""
    one, zero = np.ones((1, 1), z.dtype), np.zeros(1, z.dtype)
    layers = [Layer(one, zero), Layer(one, zero)]
    return [
        (level, logits[:, 0])
        for level, (logits, _) in by_level(
            compiled.predict, layers, z[:, None], (activation,), "logits"
        )
    ]


def epoch_of_logits(loss, logits, y):
    """Return the Epoch of one step on rows that all have these logits (n_outputs,).

    Its slot is minus the gradient.
    """
    n, k = len(y), len(logits)
    case = Case(loss, optimizer=Momentum(0.0), n_features=1, n_outputs=k, batch_size=n)
    theta = frozen(np.append(logits, np.zeros(k)).astype(logits.dtype))
    memory = EpochMemory(slots=(frozen(np.zeros_like(theta)),))
    state = TrainingState(theta, (), memory=memory)
    data = Dataset(frozen(np.ones((n, 1), logits.dtype)), frozen(y))
    return Epoch(problem_of(case), settings_of(case), state, data, None, [1.0])


@either_dtype
def test_logistic_units_are_accurate(dtype):
    results = hidden_outputs("logistic", grid(dtype))
    assert_accurate(results, exact_sigmoid, dtype)


@pytest.mark.parametrize(("output", "column"), [("logistic", 0), ("binary", 1)])
@either_dtype
def test_probabilities_are_accurate(output, column, dtype):
    layers = [Layer(np.ones((1, 1), dtype), np.zeros(1, dtype))]
    X = grid(dtype)[:, None]
    results = by_level(compiled.predict, layers, X, (), output)
    columns = [(level, proba[:, column]) for level, (proba, _) in results]
    assert_accurate(columns, exact_sigmoid, dtype)


@either_dtype
def test_softmax_probabilities_are_accurate(dtype):
    # Of class 1, for logits 0 and z.
    layers = [Layer(np.array([[0, 1]], dtype), np.zeros(2, dtype))]
    X = grid(dtype)[:, None]
    results = by_level(compiled.predict, layers, X, (), "softmax")
    columns = [(level, proba[:, 1]) for level, (proba, _) in results]
    assert_accurate(columns, exact_sigmoid, dtype)


@either_dtype
def test_tanh_units_are_accurate(dtype):
    assert_accurate(hidden_outputs("tanh", grid(dtype)), mpmath.tanh, dtype)


@either_dtype
def test_tanh_of_tiny_z_is_z(dtype):
    # z^3 / 3 is less than half of the last digit.
    tiny = np.geomspace(2 * float(np.finfo(dtype).tiny), np.finfo(dtype).eps ** 0.5, 999)
    z = np.append(-tiny, tiny).astype(dtype)
    for level, computed in hidden_outputs("tanh", z):
        np.testing.assert_allclose(computed, z, 2 * np.finfo(dtype).eps, 0, err_msg=level)


@either_dtype
def test_softplus_units_are_accurate(dtype):
    assert_accurate(hidden_outputs("softplus", grid(dtype)), exact_log1pexp, dtype)


@either_dtype
def test_elu_units_are_accurate(dtype):
    def exact(z):
        return z if z > 0 else mpmath.expm1(z)

    assert_accurate(hidden_outputs("elu", grid(dtype)), exact, dtype)


@either_dtype
def test_silu_units_are_accurate(dtype):
    def exact(z):
        return z * exact_sigmoid(z)

    # If exp(-|z|) is no longer a normal number, the product may still be one.
    z = grid(dtype)
    for level, computed in hidden_outputs("silu", z):
        is_normal = z > 1 + np.log(np.finfo(dtype).tiny)
        expected = [exact(mpmath.mpf(float(value))) for value in z[is_normal]]
        assert largest_error(computed[is_normal], expected) <= N_EPS_OF_FUNCTIONS, level
        smallest = 1000 * np.finfo(dtype).tiny  # |z| times a number that became 0
        assert np.all(np.abs(computed[~is_normal]) <= smallest), level


@either_dtype
def test_gelu_units_are_accurate(dtype):
    exact = np.array(exact_values(exact_gelu, dtype), float)
    info, z = np.finfo(dtype), grid(dtype).astype(float)
    # In the tail, the rounding error of z^2 is multiplied by z^2 / 2.
    bound = N_EPS_OF_FUNCTIONS * float(info.eps) * np.maximum(1, z**2 / 2) * np.abs(exact)
    for level, computed in hidden_outputs("gelu", grid(dtype)):
        error = np.abs(computed.astype(float) - exact)
        assert np.all(error <= bound + 100 * float(info.tiny)), level


@pytest.mark.parametrize(("activation", "at_0"), [("logistic", 0.5), ("tanh", 0.0)])
@either_dtype
def test_units_saturate_exactly(activation, at_0, dtype):
    z = np.array([0.0, 40, 88, 104, 709, 746, 1e30, np.finfo(dtype).max], dtype)
    for level, computed in hidden_outputs(activation, z):
        assert computed.tolist() == [at_0, *[1.0] * 7], level


@either_dtype
def test_relu_units_are_exact(dtype):
    z = grid(dtype)
    for level, computed in hidden_outputs("relu", z):
        np.testing.assert_array_equal(computed, np.maximum(z, 0), level)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [1, 40])
def test_nan_propagates(activation, n):
    for level, computed in hidden_outputs(activation, np.full(n, np.nan)):
        assert np.all(np.isnan(computed)), level


@either_dtype
def test_gradient_of_binary_cross_entropy_is_accurate(dtype):
    # For label 0, it is the sigmoid of the logit.
    z = grid(dtype)
    epoch = epoch_of_logits(BINARY, z, np.zeros((1, len(z)), dtype))
    with np.errstate(over="ignore"):
        results = by_level(compiled.run_epoch, *epoch)
    gradients = [(level, -state.memory.slots[0][len(z) :]) for level, (state, _) in results]
    assert_accurate(gradients, exact_sigmoid, dtype)


@pytest.mark.parametrize("n_rows", [1, 16])  # 16: vectorised
@either_dtype
def test_binary_cross_entropy_is_accurate(n_rows, dtype):
    # For label 0, it is log(1 + exp(z)).
    values = {level: [] for level in compiled.instruction_sets()}
    for z in grid(dtype)[::7]:
        epoch = epoch_of_logits(BINARY, np.array([z]), np.zeros((n_rows, 1), dtype))
        for level, (_, objective) in by_level(compiled.run_epoch, *epoch):
            values[level].append(objective)
    exact = exact_values(exact_log1pexp, dtype)[::7]
    for level, computed in values.items():
        error = largest_error(np.array(computed, dtype), exact)
        assert error <= N_EPS_OF_FUNCTIONS, level


@either_dtype
def test_gradient_of_categorical_cross_entropy_is_accurate(dtype):
    # For label 0 and logits 0 and z, its second component is the sigmoid of z.
    values = {level: [] for level in compiled.instruction_sets()}
    for z in grid(dtype)[::7]:
        epoch = epoch_of_logits(SOFTMAX, np.array([0, z], dtype), np.zeros(1, int))
        for level, (state, _) in by_level(compiled.run_epoch, *epoch):
            values[level].append(-state.memory.slots[0][3])
    exact = exact_values(exact_sigmoid, dtype)[::7]
    for level, computed in values.items():
        assert largest_error(np.array(computed), exact) <= N_EPS_OF_FUNCTIONS, level
