"""Schedules give the learning rate of each step."""

from math import cos, pi, sqrt

import numpy as np
import pytest

from sklearn_nn._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule, Steps

every_schedule = pytest.mark.parametrize("name", SCHEDULES)
every_cycle = pytest.mark.parametrize("name", CYCLES)

# The first four steps at learning_rate_init 1/2 and power_t 1/2: two epochs of two steps.
# The first epoch is warm-up, so that a cycle has its peak after one epoch.
BY_HAND = {
    "constant": [0.5, 0.5, 0.5, 0.5],
    "invscaling": [0.5, 0.5 / 2**0.5, 0.5 / 3**0.5, 0.25],
    "adaptive": [0.5, 0.5, 0.5, 0.5],
    # Halfway up and the peak; then cos 0 and cos(pi/2) on the way down.
    "cosine": [0.25, 0.5, 0.5, 0.25],
    # In peaks: 1/25 and the mean of 1/25 and 1; 1 and the mean of 1 and 1/250000.
    "one_cycle": [0.02, 0.26, 0.5, 0.250001],
}


def first(n_steps, n_batches=1):
    """Return the first steps of training."""
    return Steps(n_steps, 0, 0, n_batches)


def after(n_before, n_steps, n_batches=1):
    """Return the steps after `n_before` others, which are whole epochs."""
    return Steps(n_steps, n_before, n_before // n_batches, n_batches)


def test_every_schedule_has_rates_by_hand():
    missing = set(SCHEDULES) - set(BY_HAND)
    assert not missing, f"Add {missing} to BY_HAND of tests/engine/test_schedules.py."


@pytest.mark.parametrize("name", BY_HAND)
def test_rates_equal_hand_calculation(name):
    rates = Schedule(name, 0.5, 0.5, 2, 0.5).learning_rates(first(4, 2), 1.0)
    # Three rounding errors, and those of a cosine.
    assert rates == pytest.approx(BY_HAND[name], rel=6 * 2.3e-16)


@pytest.mark.parametrize("name", ["constant", "invscaling", "adaptive", "cosine"])
def test_first_rate_without_warm_up_is_learning_rate_init(name):
    assert Schedule(name, 0.3, 0.7, 5).learning_rates(first(1), 1.0) == [0.3]


@every_schedule
@pytest.mark.parametrize("cut", [0, 1, 6])
def test_rates_resume_after_any_step(name, cut):
    schedule = Schedule(name, 0.3, 0.7, 5, 0.4)
    whole = schedule.learning_rates(first(7), 1.0)
    pieces = np.concatenate(
        [
            schedule.learning_rates(first(cut), 1.0),
            schedule.learning_rates(after(cut, 7 - cut), 1.0),
        ]
    )
    # NumPy's power may differ in the last bit between the ends of a vector and its middle.
    assert pieces == pytest.approx(whole, rel=2 * 2.3e-16)


@every_schedule
def test_rates_are_multiplied_by_rate_factor(name):
    schedule = Schedule(name, 0.5, 0.5, 9, 0.5)
    lowered = schedule.learning_rates(after(3, 5), 0.25)
    np.testing.assert_array_equal(lowered, 0.25 * schedule.learning_rates(after(3, 5), 1.0))


@pytest.mark.parametrize("name", ["constant", "invscaling", "adaptive", "cosine"])
def test_rates_never_rise_without_warm_up(name):
    rates = Schedule(name, 0.5, 0.7, 50).learning_rates(first(50), 1.0)
    assert np.all(np.diff(rates) <= 0)


@every_schedule
def test_rates_are_float64(name):
    schedule = Schedule(name, 0.5, n_epochs=7)
    assert schedule.learning_rates(after(10**9, 3), 1.0).dtype == np.float64


def test_power_zero_is_constant():
    rates = Schedule("invscaling", 0.5, 0.0).learning_rates(first(9), 1.0)
    assert rates.tolist() == [0.5] * 9


# Cycles.


def test_cosine_equals_equation_5_of_sgdr():
    # Loshchilov and Hutter 2017: eta_min + (eta_max - eta_min) (1 + cos(pi T / T_i)) / 2,
    # as PyTorch's CosineAnnealingLR(T_max=20), stepped after each of 5 epochs' 4 batches.
    rates = Schedule("cosine", 0.3, n_epochs=5).learning_rates(first(20, 4), 1.0)
    expected = [0.3 * (1 + cos(pi * k / 20)) / 2 for k in range(20)]
    assert rates == pytest.approx(expected, rel=1e-14)  # 1 + cos cancels near the end


def test_warm_up_of_cosine_is_a_line_from_zero():
    # Goyal et al. 2017: the k-th of the 8 steps of a warm-up has k / 8 of the peak.
    schedule = Schedule("cosine", 0.5, n_epochs=5, warmup_fraction=0.4)
    rates = schedule.learning_rates(first(20, 4), 1.0)
    assert rates[:8] == pytest.approx(0.5 * np.arange(1, 9) / 8, rel=4 * 2.3e-16)
    expected = [0.25 * (1 + cos(pi * k / 12)) for k in range(12)]
    assert rates[8:] == pytest.approx(expected, rel=1e-14)  # as above


def test_one_cycle_is_two_half_cosines():
    # Smith and Topin 2018 as in PyTorch: OneCycleLR(max_lr=0.5, total_steps=21,
    # pct_start=9/21), with its peak at step 9/21 * 21 - 1 = 8 and its end at step 20.
    schedule = Schedule("one_cycle", 0.5, n_epochs=5, warmup_fraction=0.4)
    rates = schedule.learning_rates(first(20, 4), 1.0)
    low, end = 0.5 / 25, 0.5 / 25 / 1e4
    up = [0.5 + (low - 0.5) * (1 + cos(pi * k / 8)) / 2 for k in range(8)]
    down = [end + (0.5 - end) * (1 + cos(pi * k / 12)) / 2 for k in range(12)]
    assert rates == pytest.approx(up + down, rel=1e-14)  # as above


def test_cosine_fall_equals_hand_calculation():
    # cos(pi/4) is the square root of 1/2.
    rates = Schedule("cosine", 1.0, n_epochs=1).learning_rates(first(4, 4), 1.0)
    expected = [1, (1 + sqrt(0.5)) / 2, 0.5, (1 - sqrt(0.5)) / 2]
    assert rates == pytest.approx(expected, rel=1e-15)


@every_cycle
@pytest.mark.parametrize("warmup", [0.0, 0.01, 0.3, 0.99])
@pytest.mark.parametrize(("n_epochs", "n_batches"), [(1, 1), (1, 7), (9, 1), (4, 5)])
def test_no_rate_of_a_cycle_is_zero_or_above_its_peak(name, warmup, n_epochs, n_batches):
    schedule = Schedule(name, 0.3, 0.5, n_epochs, warmup)
    rates = schedule.learning_rates(first(3 * n_epochs * n_batches, n_batches), 1.0)
    assert np.all(rates > 0)
    assert np.all(rates <= 0.3)


@every_cycle
@pytest.mark.parametrize("warmup", [0.0, 0.3])
@pytest.mark.parametrize("n_together", [1, 3, 5, 15])
def test_epochs_together_have_the_rates_of_epochs_one_by_one(name, warmup, n_together):
    schedule = Schedule(name, 0.3, 0.5, 5, warmup)
    one_by_one = [schedule.learning_rates(after(3 * e, 3, 3), 1.0) for e in range(15)]
    together = [
        schedule.learning_rates(after(3 * e, 3 * n_together, 3), 1.0)
        for e in range(0, 15, n_together)
    ]
    # Equal to the last bit, so that a fit of n epochs equals n calls of partial_fit.
    np.testing.assert_array_equal(np.concatenate(together), np.concatenate(one_by_one))


@every_cycle
def test_cycles_repeat(name):
    schedule = Schedule(name, 0.3, 0.5, 5, 0.3)
    cycle = schedule.learning_rates(first(15, 3), 1.0)
    np.testing.assert_array_equal(
        schedule.learning_rates(after(15, 30, 3), 1.0), np.tile(cycle, 2)
    )


@every_cycle
def test_position_in_a_cycle_does_not_depend_on_chunk_size(name):
    schedule = Schedule(name, 0.3, 0.5, 10, 0.3)
    small, large = (schedule.learning_rates(Steps(n, 0, 4, n), 1.0) for n in (3, 12))
    np.testing.assert_array_equal(small, large[::4])


@every_cycle
def test_rounds_of_an_epoch_have_the_rates_of_the_epoch(name):
    schedule = Schedule(name, 0.3, 0.5, 8, 0.3)
    rounds = [schedule.learning_rates(Steps(3, 0, 5 + r / 4, 12), 1.0) for r in range(4)]
    whole = schedule.learning_rates(Steps(12, 0, 5, 12), 1.0)
    # The position in the cycle is rounded once more.
    assert np.concatenate(rounds) == pytest.approx(whole, rel=1e-14)
