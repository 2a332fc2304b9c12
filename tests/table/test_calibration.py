"""Temperature of least log-loss, and out-of-fold predictions that do not flatter."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from sklearn_nn._folds.calibration import (
    PRIOR,
    best_temperature,
    class_logits,
    log_proba_of,
    mean_log_proba,
    row_losses,
)


def test_one_output_is_the_log_odds_of_two_classes():
    z = np.array([[-3.0], [0.0], [700.0]])
    log_proba = log_proba_of(class_logits(z, 2))
    np.testing.assert_allclose(np.exp(log_proba[:, 1]), expit(z[:, 0]), rtol=1e-12)
    assert log_proba[2, 0] == -700


def test_probabilities_are_a_softmax_of_scaled_logits():
    logits = np.random.RandomState(0).normal(size=(5, 3)).astype(np.float32)
    expected = log_softmax(logits.astype(float) / 2.5, axis=1)
    np.testing.assert_allclose(log_proba_of(logits, 2.5), expected, rtol=1e-12)


def labelled(true_temperature, n=20_000):
    """Return logits that are too large by this factor, and labels."""
    rng = np.random.RandomState(0)
    logits = rng.normal(size=(n, 3)) * 2
    labels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    return logits * true_temperature, labels


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_temperature_of_many_rows_is_the_true_one(true_temperature):
    logits, labels = labelled(true_temperature)
    found = best_temperature(logits, labels, np.ones(len(labels)))
    assert found == pytest.approx(true_temperature, rel=0.03)


def test_temperature_has_the_least_penalised_loss():
    logits, labels = labelled(1.0, n=30)
    weight = np.random.RandomState(0).uniform(0.5, 2, size=30)
    found = best_temperature(logits, labels, weight)

    def objective(temperature):
        losses = row_losses(logits, labels, temperature)
        prior = np.log(temperature) ** 2 / (2 * PRIOR**2)
        return np.sum(weight * losses) + prior

    grid = np.geomspace(0.1, 10, 2001)
    best = grid[np.argmin([objective(t) for t in grid])]
    assert found == pytest.approx(best, rel=0.01)


def test_few_rows_have_a_temperature_near_one():
    logits = np.array([[5.0, 0.0], [0.0, 5.0]])
    assert 0.5 < best_temperature(logits, np.array([0, 1]), np.ones(2)) < 1
    assert 1 < best_temperature(logits, np.array([1, 0]), np.ones(2)) < 4


def test_integer_weights_are_repetitions():
    logits, labels = labelled(2.0, n=50)
    weight = np.random.RandomState(0).randint(1, 4, size=50)
    weighted = best_temperature(logits, labels, weight)
    rows = np.repeat(np.arange(50), weight)
    repeated = best_temperature(logits[rows], labels[rows], np.ones(len(rows)))
    assert weighted == pytest.approx(repeated, rel=1e-6)


def test_mean_is_that_of_probabilities():
    rng = np.random.RandomState(0)
    logs = [log_softmax(rng.normal(size=(4, 3)), axis=1) for _ in range(5)]
    expected = np.mean([np.exp(log) for log in logs], axis=0)
    np.testing.assert_allclose(np.exp(mean_log_proba(logs)), expected, rtol=1e-12)
