"""Schedules give the learning rate of each step."""

import numpy as np
import pytest

from sklearn_nn._engine.schedules import SCHEDULES, Schedule

every_schedule = pytest.mark.parametrize("name", SCHEDULES)

# At learning_rate_init 1/2 and power_t 1/2, the first four steps.
BY_HAND = {
    "constant": [0.5, 0.5, 0.5, 0.5],
    "invscaling": [0.5, 0.5 / 2**0.5, 0.5 / 3**0.5, 0.25],
    "adaptive": [0.5, 0.5, 0.5, 0.5],
}


def test_every_schedule_has_its_rates_here():
    assert set(BY_HAND) == set(SCHEDULES)


@every_schedule
def test_rates_are_those_by_hand(name):
    rates = Schedule(name, 0.5, 0.5).learning_rates(0, 4, 1.0)
    assert rates == pytest.approx(BY_HAND[name], rel=3 * 2.3e-16)  # three roundings


@every_schedule
def test_first_rate_is_learning_rate_init(name):
    assert Schedule(name, 0.3, 0.7).learning_rates(0, 1, 1.0) == [0.3]


@every_schedule
@pytest.mark.parametrize("cut", [0, 1, 6])
def test_rates_go_on_where_they_were_cut(name, cut):
    schedule = Schedule(name, 0.3, 0.7)
    whole = schedule.learning_rates(0, 7, 1.0)
    pieces = np.concatenate(
        [schedule.learning_rates(0, cut, 1.0), schedule.learning_rates(cut, 7 - cut, 1.0)]
    )
    # NumPy's power may differ in the last bit between the ends of a vector and its middle.
    assert pieces == pytest.approx(whole, rel=2 * 2.3e-16)


@every_schedule
def test_rate_factor_multiplies(name):
    schedule = Schedule(name, 0.5, 0.5)
    lowered = schedule.learning_rates(3, 5, 0.25)
    np.testing.assert_array_equal(lowered, 0.25 * schedule.learning_rates(3, 5, 1.0))


@every_schedule
def test_rates_never_rise(name):
    rates = Schedule(name, 0.5, 0.7).learning_rates(0, 50, 1.0)
    assert np.all(np.diff(rates) <= 0)


@every_schedule
def test_rates_are_float64(name):
    assert Schedule(name, 0.5).learning_rates(10**9, 3, 1.0).dtype == np.float64


def test_power_zero_is_constant():
    assert Schedule("invscaling", 0.5, 0.0).learning_rates(0, 9, 1.0).tolist() == [0.5] * 9
