"""Losses and their gradients equal the textbook definitions, for logits of any size."""

from math import log

import mpmath
import numpy as np
import pytest
from scipy import special

from sklearn_nn._engine.objective.losses import LOSSES, log_sigmoid, null_loss, one_hot

EXTREMES = [-700.0, -40.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 40.0, 700.0]

every_loss = pytest.mark.parametrize("key", LOSSES, ids="-".join)
either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
log_losses = pytest.mark.parametrize(
    "key", [key for key in LOSSES if key[0] == "log_loss"], ids="-".join
)
softmax_losses = pytest.mark.parametrize(
    "key", [key for key in LOSSES if key[1] == "softmax"], ids="-".join
)


def sigmoid(z):
    """Return the probability of one logit in mpmath."""
    return 1 / (1 + mpmath.exp(-z))


def softmax(z):
    """Return the probabilities of a list of logits in mpmath."""
    powers = [mpmath.exp(value) for value in z]
    return [power / mpmath.fsum(powers) for power in powers]


# The textbook formulas for a list of logits and one row of y, in mpmath with enough digits
# to evaluate them directly.
EXACT = {
    ("log_loss", "logistic"): lambda z, y: (
        -mpmath.fsum(
            mpmath.log(sigmoid(value) if label else 1 - sigmoid(value))
            for value, label in zip(z, y, strict=True)
        )
    ),
    ("log_loss", "softmax"): lambda z, y: -mpmath.log(softmax(z)[y]),
    ("squared_error", "logistic"): lambda z, y: mpmath.fsum(
        (sigmoid(value) - label) ** 2 / 2 for value, label in zip(z, y, strict=True)
    ),
    ("squared_error", "softmax"): lambda z, y: mpmath.fsum(
        (p - (k == y)) ** 2 / 2 for k, p in enumerate(softmax(z))
    ),
}

exact_losses = pytest.mark.parametrize("key", EXACT, ids="-".join)


def rows_for(key, dtype=np.float64):
    """Return logits (n, 2), all pairs of EXTREMES, and alternating labels."""
    logits = np.array([(a, b) for a in EXTREMES for b in EXTREMES], dtype)
    y = np.arange(len(logits)) % 2
    if key[1] == "logistic":
        y = np.stack([y, np.arange(len(logits)) % 3 == 0], axis=1).astype(dtype)
    return logits, y


def confident(key, logit, right):
    """Return one row with margin `logit` in favour of the right or the wrong class."""
    if key[1] == "softmax":
        return np.array([[logit / 2, -logit / 2]]), np.array([0 if right else 1])
    return np.array([[logit]]), np.array([[1.0 if right else 0.0]])


def test_every_loss_has_an_exact_definition():
    missing = set(LOSSES) - set(EXACT)
    assert not missing, f"Add {missing} to EXACT of tests/engine/test_losses.py."


def test_every_loss_has_both_output_activations():
    names = {name for name, _ in LOSSES}
    assert set(LOSSES) == {(n, output) for n in names for output in ("logistic", "softmax")}


@exact_losses
@either_dtype
def test_value_is_within_4_eps_of_mpmath(key, dtype):
    logits, y = rows_for(key, dtype)
    values, _ = LOSSES[key].value_and_gradient(logits, y)
    with mpmath.workdps(700):  # 1 - sigmoid(700) needs 304 digits
        exact = [
            float(EXACT[key]([mpmath.mpf(float(z)) for z in row], label))
            for row, label in zip(logits, y.tolist(), strict=True)
        ]
    # Relative above 1 nat, absolute below: 4 eps of exp, log and their sums.
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(values, exact, rtol=4 * eps, atol=4 * eps)


@either_dtype
def test_relative_error_of_binary_cross_entropy_is_within_4_eps(dtype):
    logits = np.array(EXTREMES, dtype)[:, None]
    y = np.ones_like(logits)
    values, _ = LOSSES["log_loss", "logistic"].value_and_gradient(logits, y)
    with mpmath.workdps(700):
        exact = [float(mpmath.log1p(mpmath.exp(-float(z)))) for z in logits[:, 0]]
    info = np.finfo(dtype)
    np.testing.assert_allclose(
        values, exact, rtol=4 * float(info.eps), atol=float(info.smallest_subnormal)
    )


@exact_losses
@either_dtype
def test_gradient_is_within_8_eps_of_the_derivative_in_mpmath(key, dtype):
    logits, y = rows_for(key, dtype)
    _, gradient = LOSSES[key].value_and_gradient(logits, y)
    with mpmath.workdps(350):
        for row, label, computed in zip(logits, y.tolist(), gradient, strict=True):
            z = [mpmath.mpf(float(value)) for value in row]
            exact = [
                mpmath.diff(lambda a, b, label=label: EXACT[key]([a, b], label), z, n)
                for n in ((1, 0), (0, 1))
            ]
            # Absolute, like the error of p - y: each of up to 3 factors below 1 is within
            # 2 eps, and exp(log p) adds p |log p| < 1/e eps.
            np.testing.assert_allclose(
                computed,
                [float(g) for g in exact],
                rtol=0,
                atol=8 * float(np.finfo(dtype).eps),
            )


# Values known by hand.


@exact_losses
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_null_loss_is_the_loss_of_zero_logits(key, n_outputs):
    if key[1] == "softmax" and n_outputs == 1:
        return  # a single class, see below
    y = 0 if key[1] == "softmax" else [1] * n_outputs
    expected = float(EXACT[key]([mpmath.mpf(0)] * n_outputs, y))
    # Three rounding errors.
    rel = 3 * float(np.finfo(float).eps)
    assert null_loss(LOSSES[key], n_outputs) == pytest.approx(expected, rel=rel)


def test_null_loss_equals_hand_calculation():
    assert null_loss(LOSSES["log_loss", "softmax"], 3) == pytest.approx(log(3))
    assert null_loss(LOSSES["squared_error", "softmax"], 3) == pytest.approx(1 / 3)


@softmax_losses
def test_null_loss_of_a_single_class_is_one_nat(key):
    assert null_loss(LOSSES[key], 1) == 1.0


@log_losses
@pytest.mark.parametrize("logit", [40.0, 700.0, 1e5])
def test_confident_error_costs_the_logit(key, logit):
    values, _ = LOSSES[key].value_and_gradient(*confident(key, logit, right=False))
    assert values.tolist() == [logit]  # log(1 + exp(-40)) is below eps


@log_losses
def test_confident_error_in_float32_costs_the_logit(key):
    logits, y = confident(key, 700.0, right=False)
    y = y.astype(np.float32) if key[1] == "logistic" else y
    values, _ = LOSSES[key].value_and_gradient(logits.astype(np.float32), y)
    assert values.tolist() == [700.0]


@log_losses
def test_gradient_of_a_confident_error_has_size_one(key):
    _, gradient = LOSSES[key].value_and_gradient(*confident(key, 700.0, right=False))
    assert np.all(np.abs(gradient) == 1)


@every_loss
def test_perfect_prediction_has_loss_zero(key):
    values, gradient = LOSSES[key].value_and_gradient(*confident(key, 800.0, right=True))
    assert values.tolist() == [0.0]
    assert np.all(gradient == 0)


@every_loss
def test_right_answer_of_40_nats_has_loss_below_eps(key):
    values, _ = LOSSES[key].value_and_gradient(*confident(key, 40.0, right=True))
    assert 0 <= values[0] < np.finfo(float).eps


@every_loss
def test_value_is_never_negative(key):
    values, _ = LOSSES[key].value_and_gradient(*rows_for(key))
    assert np.all(values >= 0)


# Laws.


@softmax_losses
@pytest.mark.parametrize("shift", [-512.0, 512.0])
def test_softmax_loss_is_invariant_to_a_shift_of_logits(key, shift):
    logits = np.array([[0.25, -1.0, 3.0], [0.0, 0.0, 0.0]])  # exact after the shift
    y = np.array([1, 2])
    for shifted, plain in zip(
        LOSSES[key].value_and_gradient(logits + shift, y),
        LOSSES[key].value_and_gradient(logits, y),
        strict=True,
    ):
        np.testing.assert_array_equal(shifted, plain)


@softmax_losses
def test_softmax_gradient_sums_to_zero(key):
    _, gradient = LOSSES[key].value_and_gradient(*rows_for(key))
    # Each entry has an error of 8 eps (above).
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=16 * np.finfo(float).eps)


def test_softmax_of_zero_and_z_is_the_sigmoid_of_z():
    z = np.array(EXTREMES)[:, None]
    y = np.arange(len(z)) % 2
    by_softmax, _ = LOSSES["log_loss", "softmax"].value_and_gradient(
        np.concatenate([0 * z, z], axis=1), y
    )
    by_sigmoid, _ = LOSSES["log_loss", "logistic"].value_and_gradient(z, 1.0 * y[:, None])
    eps = np.finfo(float).eps  # 4 eps each
    np.testing.assert_allclose(by_softmax, by_sigmoid, rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("name", sorted({name for name, _ in LOSSES}))
def test_loss_of_several_outputs_is_the_sum_of_their_losses(name):
    loss = LOSSES[name, "logistic"]
    logits, y = rows_for((name, "logistic"))
    together, gradient = loss.value_and_gradient(logits, y)
    parts = [loss.value_and_gradient(logits[:, [k]], y[:, [k]]) for k in range(2)]
    np.testing.assert_array_equal(together, parts[0][0] + parts[1][0])
    np.testing.assert_array_equal(gradient, np.hstack([part[1] for part in parts]))


@every_loss
@pytest.mark.parametrize("n_samples", [0, 1])
def test_zero_or_one_row_has_the_usual_shapes(key, n_samples):
    logits, y = rows_for(key)
    values, gradient = LOSSES[key].value_and_gradient(logits[:n_samples], y[:n_samples])
    assert values.shape == (n_samples,)
    assert gradient.shape == (n_samples, 2)


@every_loss
@either_dtype
def test_dtype_is_preserved(key, dtype):
    loss, (logits, y) = LOSSES[key], rows_for(key, dtype)
    arrays = [*loss.value_and_gradient(logits, y), loss.predict_proba(logits)]
    assert {array.dtype for array in [*arrays, loss.predict_log_proba(logits)]} == {
        np.dtype(dtype)
    }


@every_loss
def test_arguments_are_not_written_to(key):
    logits, y = rows_for(key)
    before = logits.copy(), y.copy()
    LOSSES[key].value_and_gradient(logits, y)
    LOSSES[key].predict_proba(logits)
    LOSSES[key].predict_log_proba(logits)
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(y, before[1])


# Probabilities.


@every_loss
def test_log_proba_is_the_logarithm_of_proba(key):
    logits = np.random.RandomState(0).uniform(-20, 20, size=(50, 3))
    log_of_proba = np.log(LOSSES[key].predict_proba(logits))
    # proba has a relative error of up to 40 eps (rounding before exp): absolute after log.
    np.testing.assert_allclose(
        LOSSES[key].predict_log_proba(logits),
        log_of_proba,
        rtol=8 * np.finfo(float).eps,
        atol=50 * np.finfo(float).eps,
    )


@every_loss
def test_log_proba_is_finite_if_proba_is_zero(key):
    logits = np.array([[-1e5, 1e5]])
    assert LOSSES[key].predict_proba(logits)[0, 0] == 0
    assert -2.1e5 < LOSSES[key].predict_log_proba(logits)[0, 0] < -9e4


@every_loss
def test_proba_is_between_zero_and_one(key):
    proba = LOSSES[key].predict_proba(rows_for(key)[0])
    assert np.all((proba >= 0) & (proba <= 1))


def test_log_sigmoid_equals_scipys():
    z = np.array(EXTREMES)
    # 4 eps here and 4 eps in scipy.
    np.testing.assert_allclose(log_sigmoid(z), special.log_expit(z), rtol=2e-15)


def test_one_hot_has_a_one_in_the_column_of_the_class():
    rows = one_hot(np.array([2, 0]), np.zeros((2, 3), np.float32))
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert rows.dtype == np.float32
