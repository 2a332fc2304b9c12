"""Optimizers take the steps that their papers define."""

from math import inf, nan, sqrt

import numpy as np
import pytest
from optimizers import every_optimizer

from sklearn_nn._engine.epochs.optimizers import (
    SGD,
    Adam,
    Momentum,
    Nesterov,
    clipped,
    gradient_descent,
)
from sklearn_nn._engine.objective.penalties import Penalty

# Optimizers whose steps do not shrink with the gradient.
NORMALISED = (Adam,)

for_every_optimizer = pytest.mark.parametrize("optimizer", every_optimizer(), ids=str)


def frozen(*values, dtype=np.float64):
    """Return a read-only vector."""
    vector = np.array(values, dtype)
    vector.flags.writeable = False
    return vector


def thetas_of(optimizer, theta, gradient_of, learning_rate, n_steps, proximal=None):
    """Return theta after each of `n_steps` from zero slots; all arrays are read-only."""
    theta = frozen(*theta)
    slots = (0 * theta,) * optimizer.n_slots
    thetas = []
    for t in range(1, n_steps + 1):
        for array in (theta, *slots):
            array.flags.writeable = False
        gradient = frozen(*gradient_of(theta))
        rate = optimizer.corrected_rate(learning_rate, t)
        theta, slots = optimizer.step(theta, slots, gradient, rate, proximal)
        thetas.append(theta)
    return thetas


def two_steps(optimizer, first, second, learning_rate, proximal=None):
    """Return theta after each of two steps from 1 with these gradients."""
    gradients = iter([[first], [second]])
    thetas = thetas_of(
        optimizer, [1.0], lambda theta: next(gradients), learning_rate, 2, proximal
    )
    return [float(theta[0]) for theta in thetas]


# Two steps by hand: from 1, gradients 2 and 1, rate 1/8, so that all numbers are exact.


def test_sgd_equals_hand_calculation():
    # 1 - 2/8; 3/4 - 1/8.
    assert two_steps(SGD(), 2, 1, 0.125) == [0.75, 0.625]


def test_momentum_equals_hand_calculation():
    # v = -1/4; v = -1/8 - 1/8 = -1/4.
    assert two_steps(Momentum(0.5), 2, 1, 0.125) == [0.75, 0.5]


def test_nesterov_equals_hand_calculation():
    # v = -1/4, theta = 1 + (-1/8 - 1/4); v = -1/8 - 1/8, theta = 5/8 + (-1/8 - 1/8).
    assert two_steps(Nesterov(0.5), 2, 1, 0.125) == [0.625, 0.375]


def test_adam_equals_hand_calculation():
    # beta 1/2 and 3/4, epsilon 1. First m = 1, v = 1, rate sqrt(1/4) / (1/2) = 1, so
    # theta = 1 - 1/8 * 1/(1 + 1). Then m = 1, v = 1, rate sqrt(7/16) / (3/4).
    first, second = two_steps(Adam(0.5, 0.75, 1.0), 2, 1, 0.125)
    assert first == 1 - 1 / 16
    assert second == pytest.approx(first - sqrt(7) / 3 / 16, rel=4 * 2.3e-16)  # 4 eps


# Closed forms on x0^2 + x1^2, whose gradient is 2 x.


def double(theta):
    """Return the gradient of the sum of squares."""
    return 2 * theta


def test_gradient_descent_on_a_paraboloid_is_a_geometric_series():
    reached = thetas_of(SGD(), [-3.0, 4.0], double, 0.1, 100)[-1]
    # Each step multiplies by 1 - 2 * 0.1, with up to 3 rounding errors: 300 half eps.
    np.testing.assert_allclose(reached, np.array([-3, 4]) * 0.8**100, rtol=300 * 1.2e-16)


def test_momentum_equals_the_heavy_ball_method():
    # Polyak 1964: x_{t+1} = x_t - rate * gradient + momentum * (x_t - x_{t-1}).
    rate, momentum = 0.1, 0.7
    before = now = np.array([-3.0, 4.0])
    for reached in thetas_of(Momentum(momentum), now, double, rate, 20):
        before, now = now, now - rate * double(now) + momentum * (now - before)
        # 20 steps, each with a few rounding errors of numbers up to 4.
        np.testing.assert_allclose(reached, now, rtol=0, atol=1e-13)


def test_nesterov_equals_the_equations_of_sutskever():
    # Sutskever et al. 2013, equations 3 and 4; our theta is x + momentum * v.
    rate, momentum = 0.1, 0.7
    x, v = np.array([-3.0, 4.0]), np.zeros(2)
    for reached in thetas_of(Nesterov(momentum), x, double, rate, 20):
        v = momentum * v - rate * double(x + momentum * v)
        x = x + v
        # As above.
        np.testing.assert_allclose(reached, x + momentum * v, rtol=0, atol=1e-13)


def test_adam_without_epsilon_equals_algorithm_1():
    # Kingma and Ba 2015, algorithm 1, with the moments corrected one by one.
    beta_1, beta_2, rate = 0.9, 0.99, 0.1
    x, m, v = np.array([-3.0, 4.0]), np.zeros(2), np.zeros(2)
    steps = thetas_of(Adam(beta_1, beta_2, 0.0), x, double, rate, 20)
    for t, reached in enumerate(steps, start=1):
        g = double(x)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        x = x - rate * (m / (1 - beta_1**t)) / np.sqrt(v / (1 - beta_2**t))
        # As above.
        np.testing.assert_allclose(reached, x, rtol=0, atol=1e-13)


def test_adam_with_decay_equals_algorithm_2():
    # Loshchilov and Hutter 2019, algorithm 2, with eta = rate for its alpha and
    # lambda = rate * decay, as PyTorch's AdamW(lr=rate, weight_decay=decay).
    beta_1, beta_2, rate, decay = 0.9, 0.99, 0.1, 0.3
    optimizer, penalty = Adam(beta_1, beta_2, 0.0), Penalty(decay=decay)
    x, m, v = np.array([-3.0, 4.0]), np.zeros(2), np.zeros(2)
    reached, slots = x, (m, v)
    for t in range(1, 21):
        gradient, moved = double(reached), penalty.decayed(reached, rate)
        corrected_rate = optimizer.corrected_rate(rate, t)
        reached, slots = optimizer.step(moved, slots, gradient, corrected_rate, None)
        g = double(x)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        corrected = (m / (1 - beta_1**t)) / np.sqrt(v / (1 - beta_2**t))
        x = x - (rate * corrected + rate * decay * x)
        # As above.
        np.testing.assert_allclose(reached, x, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_first_step_of_adam_has_size_learning_rate(size):
    optimizer = Adam(0.9, 0.999, 1e-16)  # epsilon far below every gradient here
    first, _ = two_steps(optimizer, size, 0, 0.25)
    assert first == pytest.approx(0.75, rel=1e-10)  # epsilon / (sqrt(0.001) * 1e-3)


# Relations.


@pytest.mark.parametrize("optimizer", [Momentum(0.0), Nesterov(0.0)], ids=str)
def test_momentum_zero_equals_sgd(optimizer):
    start = [-3.0, 4.0]
    for with_slot, plain in zip(
        thetas_of(optimizer, start, double, 0.1, 5),
        thetas_of(SGD(), start, double, 0.1, 5),
        strict=True,
    ):
        np.testing.assert_array_equal(with_slot, plain)


@pytest.mark.parametrize(
    ("momentum", "nesterovs_momentum", "expected"),
    [
        (0, True, SGD()),
        (0.0, False, SGD()),
        (0.9, True, Nesterov(0.9)),
        (0.9, False, Momentum(0.9)),
    ],
)
def test_parameters_choose_the_optimizer(momentum, nesterovs_momentum, expected):
    assert gradient_descent(momentum, nesterovs_momentum) == expected


@for_every_optimizer
def test_gradient_zero_leaves_theta_unchanged(optimizer):
    thetas = thetas_of(optimizer, [-3.0, 0.0, 4.0], lambda theta: 0 * theta, 0.1, 3)
    assert [theta.tolist() for theta in thetas] == [[-3, 0, 4]] * 3


@for_every_optimizer
def test_minimum_of_a_paraboloid_is_reached(optimizer):
    last = thetas_of(optimizer, [-3.0, 4.0], double, 0.05, 400)[-1]
    # The slowest shrink theta by 0.9 a step, or by sqrt(0.9) with momentum: to 1e-9. Steps
    # that do not shrink with the gradient oscillate around the minimum by less than one.
    bound = 0.05 if isinstance(optimizer, NORMALISED) else 1e-6
    assert np.max(np.abs(last)) < bound, "Is it one of NORMALISED?"


@for_every_optimizer
def test_coordinates_are_independent(optimizer):
    together = thetas_of(optimizer, [-3.0, 4.0], double, 0.1, 5)[-1]
    alone = [thetas_of(optimizer, [x], double, 0.1, 5)[-1][0] for x in (-3.0, 4.0)]
    np.testing.assert_array_equal(together, alone)


@for_every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("proximal", [None, Penalty(l1=0.1).proximal])
def test_shape_and_dtype_are_preserved(optimizer, dtype, proximal):
    theta = frozen(1, -2, 3, dtype=dtype)
    slots = (frozen(0, 0, 0, dtype=dtype),) * optimizer.n_slots
    rate = optimizer.corrected_rate(0.1, 1)
    theta, slots = optimizer.step(theta, slots, theta, rate, proximal)
    assert len(slots) == optimizer.n_slots
    for vector in (theta, *slots):
        assert (vector.shape, vector.dtype) == ((3,), dtype)


@for_every_optimizer
@pytest.mark.parametrize("proximal", [None, Penalty(l1=0.1).proximal])
def test_arguments_are_not_written_to(optimizer, proximal):
    theta, gradient = np.array([1.0, -2.0]), np.array([0.5, 4.0])
    slots = tuple(np.array([0.25, 0.125]) for _ in range(optimizer.n_slots))
    before = [array.copy() for array in (theta, gradient, *slots)]
    optimizer.step(theta, slots, gradient, 0.1, proximal)
    for array, copy in zip((theta, gradient, *slots), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# The proximal step, by hand: l1 = 1/2, from 1, gradients 2 and 1, rate 1/8.

SHRINK = Penalty(l1=0.5).proximal


def test_sgd_shrinks_by_learning_rate_times_l1():
    # 3/4 - 1/16; 11/16 - 1/8 - 1/16.
    assert two_steps(SGD(), 2, 1, 0.125, SHRINK) == [0.6875, 0.5]


def test_velocity_includes_the_proximal_step():
    # theta = 3/4 - 1/16 = 11/16, so v = -5/16; v = -5/32 - 4/32, theta = 13/32 - 2/32.
    assert two_steps(Momentum(0.5), 2, 1, 0.125, SHRINK) == [0.6875, 0.34375]


def test_nesterov_shrinks_by_the_size_of_its_gradient_step():
    # theta = 5/8 - 1.5/16 = 17/32, v = -1/4 - (3/32) / 1.5 = -5/16; then
    # v = -5/32 - 4/32 = -9/32, theta = 34/64 - 9/64 - 8/64 - 6/64.
    assert two_steps(Nesterov(0.5), 2, 1, 0.125, SHRINK) == [17 / 32, 11 / 64]


def test_adam_shrinks_by_the_step_size_of_each_coordinate():
    # As in the step by hand, rate / denominator = 1/8 / (1 + 1): 1/16 * 1/2 less.
    first, _ = two_steps(Adam(0.5, 0.75, 1.0), 2, 1, 0.125, SHRINK)
    assert first == 1 - 1 / 16 - 1 / 32


@for_every_optimizer
def test_proximal_step_reaches_exactly_zero(optimizer):
    # x^2 - x + 2 |x| has its minimum at 0.
    thetas = thetas_of(
        optimizer, [1.0], lambda theta: 2 * theta - 1, 0.05, 400, Penalty(l1=2.0).proximal
    )
    assert thetas[-1].tolist() == [0.0]


# Clipping (Pascanu, Mikolov and Bengio 2013, algorithm 1).


def test_a_long_gradient_is_scaled_to_max_norm():
    # The length is 5, so the factor is 1/2.
    assert clipped(frozen(3, -4), 2.5).tolist() == [1.5, -2]


@pytest.mark.parametrize("max_norm", [5.0, 5.5, None])
def test_a_short_gradient_is_not_clipped(max_norm):
    gradient = frozen(3, -4)
    assert clipped(gradient, max_norm).tolist() == gradient.tolist()


def test_a_gradient_of_zero_is_not_clipped():
    assert clipped(frozen(0, 0), 1e-300).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-15, 1.0, 1e30])  # 1e30^2 overflows float32
def test_clipped_gradient_has_length_max_norm_and_its_dtype(dtype, size):
    gradient = (size * np.random.RandomState(0).normal(size=1000)).astype(dtype)
    short = clipped(gradient, 0.25 * size)
    assert short.dtype == dtype
    length, rel = np.linalg.norm(short.astype(np.float64)), 4 * float(np.finfo(dtype).eps)
    assert length == pytest.approx(0.25 * size, rel=rel)
    # The direction is the same: each number is rounded twice.
    ratio = short.astype(np.float64) / gradient.astype(np.float64)
    assert ratio == pytest.approx(ratio[0], rel=rel)


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e200])
def test_a_gradient_of_non_finite_length_is_not_clipped(value):
    gradient = frozen(1, value, 2)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(clipped(gradient, 1.0), gradient)
