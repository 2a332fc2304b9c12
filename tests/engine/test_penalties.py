"""Values, gradients and proximal steps of penalties equal their formulas."""

import numpy as np
import pytest

from sklearn_nn._engine.objective.penalties import PENALTIES, Penalty, soft_threshold

ALPHA, L1_RATIO = 0.5, 0.2
WEIGHTS = np.array([3.0, -4.0, 0.0])
# alpha/2 * 25; alpha * 7; alpha * (0.8/2 * 25 + 0.2 * 7).
BY_HAND = {"l2": 6.25, "l1": 3.5, "elasticnet": 5.7, "decay": 6.25, None: 0.0}

every_penalty = pytest.mark.parametrize("name", PENALTIES)
either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(autouse=True)
def frozen_weights():
    """Make WEIGHTS read-only."""
    WEIGHTS.flags.writeable = False


def make(name):
    """Return the named penalty with ALPHA and L1_RATIO."""
    return PENALTIES[name](ALPHA, L1_RATIO)


def test_every_penalty_has_a_value_by_hand():
    missing = set(PENALTIES) - set(BY_HAND)
    assert not missing, f"Add {missing} to BY_HAND of tests/engine/test_penalties.py."


@pytest.mark.parametrize("name", BY_HAND)
def test_value_equals_hand_calculation(name):
    # Four products and sums.
    assert make(name).value(WEIGHTS) == pytest.approx(BY_HAND[name], rel=4 * 2.3e-16)


@every_penalty
@either_dtype
def test_value_is_float64(name, dtype):
    assert np.asarray(make(name).value(WEIGHTS.astype(dtype))).dtype == np.float64


@every_penalty
@pytest.mark.parametrize("n_weights", [0, 3])
def test_penalty_of_zero_weights_is_zero(name, n_weights):
    assert make(name).value(np.zeros(n_weights)) == 0


@every_penalty
def test_penalty_of_strength_zero_is_zero(name):
    assert PENALTIES[name](0.0, L1_RATIO).value(WEIGHTS) == 0


@pytest.mark.parametrize(("l1_ratio", "name"), [(0.0, "l2"), (1.0, "l1")])
def test_elasticnet_with_l1_ratio_0_or_1_is_l2_or_l1(l1_ratio, name):
    assert PENALTIES["elasticnet"](ALPHA, l1_ratio) == PENALTIES[name](ALPHA, l1_ratio)


# The smooth part.


@every_penalty
def test_gradient_equals_finite_difference_of_the_smooth_part(name):
    penalty = make(name)
    h = 2.0**-10  # exact for a parabola, up to rounding: eps * 6 / h = 2e-12
    smooth = Penalty(l2=penalty.l2)
    expected = [
        (smooth.value(WEIGHTS + step) - smooth.value(WEIGHTS - step)) / (2 * h)
        for step in h * np.eye(3)
    ]
    gradient = penalty.add_gradient(np.zeros(3), WEIGHTS)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=4e-12)


@every_penalty
def test_gradient_is_added(name):
    gradient = np.array([1.0, 2.0, 4.0])
    gradient.flags.writeable = False
    added = make(name).add_gradient(gradient, WEIGHTS)
    np.testing.assert_array_equal(added, gradient + make(name).l2 * WEIGHTS)


@every_penalty
def test_gradient_has_the_shape_of_the_weights(name):
    assert make(name).add_gradient(np.zeros((2, 3)), np.ones((2, 3))).shape == (2, 3)


# Decay.


def test_decay_multiplies_each_weight_by_the_same_factor():
    # 1 - 1/2 * 1/2.
    assert Penalty(decay=0.5).decayed(WEIGHTS, 0.5).tolist() == [2.25, -3, 0]


@pytest.mark.parametrize("name", ["l2", "l1", "elasticnet", None])
def test_other_penalties_do_not_decay(name):
    np.testing.assert_array_equal(make(name).decayed(WEIGHTS, 0.5), WEIGHTS)


def test_decay_is_not_in_the_gradient():
    assert make("decay").add_gradient(np.zeros(3), WEIGHTS).tolist() == [0, 0, 0]


def test_decay_and_l2_of_equal_strength_have_equal_values():
    assert make("decay").value(WEIGHTS) == make("l2").value(WEIGHTS)


# The proximal step.


def test_proximal_step_moves_towards_zero_and_stops_there():
    penalty = Penalty(l1=0.5)
    weights = np.array([3.0, -4.0, 0.25, -0.25, 1.0, -1.0, 0.0])
    # |w| - 2 * 0.5, or 0; +-1 is exactly at the threshold.
    assert penalty.proximal(weights, 2.0).tolist() == [2, -3, 0, 0, 0, 0, 0]


def test_proximal_step_accepts_a_step_size_for_each_coordinate():
    steps = np.array([0.0, 2.0, 4.0])
    steps.flags.writeable = False
    moved = Penalty(l1=1.0).proximal(np.array([3.0, -3.0, 3.0]), steps)
    assert moved.tolist() == [3, -1, 0]


@either_dtype
def test_soft_threshold_equals_its_formula_in_every_bit(dtype):
    rng, edges = np.random.RandomState(0), [0, -0.0, 0.5, -0.5, 1e30, -1e30, 1e-40]
    x = np.append(rng.normal(size=1000), edges).astype(dtype)
    for threshold in (0.0, 0.5, rng.uniform(0, 1, x.shape).astype(dtype)):
        expected = np.sign(x) * np.maximum(np.abs(x) - threshold, 0)
        np.testing.assert_array_equal(soft_threshold(x, threshold), expected)
        # Values that become 0 are 0, not -0.
        assert not np.any(np.signbit(soft_threshold(x, threshold)) & (expected == 0))


@every_penalty
def test_proximal_step_of_size_zero_changes_nothing(name):
    np.testing.assert_array_equal(make(name).proximal(WEIGHTS, 0.0), WEIGHTS)


@every_penalty
@pytest.mark.parametrize("step_size", [0.1, 1.0, 20.0])
def test_proximal_step_minimises_its_definition(name, step_size):
    penalty = make(name)

    def definition(u):
        return penalty.l1 * np.abs(u) + (u - WEIGHTS) ** 2 / (2 * step_size)

    reached = definition(penalty.proximal(WEIGHTS, step_size))
    for u in np.linspace(-5, 5, 1001):
        # Rounding of numbers up to 1000.
        assert np.all(reached <= definition(u) + 1e-12)


@every_penalty
@either_dtype
def test_dtype_is_preserved(name, dtype):
    weights, penalty = WEIGHTS.astype(dtype), make(name)
    assert penalty.add_gradient(0 * weights, weights).dtype == dtype
    assert penalty.proximal(weights, 0.1).dtype == dtype
    assert penalty.decayed(weights, 0.1).dtype == dtype
