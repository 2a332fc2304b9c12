"""Weighted quantiles are those of repeated values."""

import numpy as np
import pytest

from sklearn_nn._table.quantiles import centre_and_scale, weighted_quantiles

PROBABILITIES = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("seed", range(5))
def test_integer_weights_are_repetitions(seed):
    rng = np.random.RandomState(seed)
    values, weight = rng.normal(size=30), rng.randint(1, 5, size=30)
    weighted = weighted_quantiles(values, weight.astype(float), PROBABILITIES)
    repeated = weighted_quantiles(np.repeat(values, weight), None, PROBABILITIES)
    np.testing.assert_array_equal(weighted, repeated)


def test_only_ratios_of_weights_matter():
    rng = np.random.RandomState(0)
    values, weight = rng.normal(size=30), rng.randint(1, 5, size=30) * 0.1
    expected = weighted_quantiles(values, weight, PROBABILITIES)
    for factor in (1e-8, 3.0, 1e12):
        scaled = weighted_quantiles(values, factor * weight, PROBABILITIES)
        np.testing.assert_array_equal(scaled, expected)


def test_without_weights_it_is_the_averaged_inverse_of_numpy():
    rng = np.random.RandomState(1)
    for n in (1, 2, 3, 8, 31):
        values = rng.normal(size=n)
        found = weighted_quantiles(values, None, PROBABILITIES)
        expected = np.quantile(values, PROBABILITIES, method="averaged_inverted_cdf")
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_scale_is_the_distance_of_the_quartiles():
    # Of 1 to 8, the quartiles are 2.5 and 6.5, the median 4.5.
    assert centre_and_scale(np.arange(1.0, 9.0), None) == (4.5, 4.0)


def test_scale_is_half_the_range_if_the_quartiles_are_equal():
    values = np.array([0.0] * 10 + [6.0])
    assert centre_and_scale(values, None) == (0.0, 3.0)


def test_scale_of_a_constant_and_of_no_values_is_zero():
    assert centre_and_scale(np.full(4, 7.0), None) == (7.0, 0.0)
    assert centre_and_scale(np.empty(0), None) == (0.0, 0.0)


def test_scale_of_values_near_the_largest_number_is_finite():
    most = np.finfo(float).max
    centre, scale = centre_and_scale(np.array([-most, -most, most, most]), None)
    assert np.isfinite(centre)
    assert np.isfinite(scale)
    assert scale > 0
