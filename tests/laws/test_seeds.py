"""Published runs of tutorials that build the same models by hand are reproduced.

Tolerances are half a unit of the last published digit, unless a band is given.
"""

import os
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.arrays import sigmoid, softmax
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.objective.losses import LOSSES

# The textbook's gradient descent: no penalty, no momentum, no stopping rule.
PLAIN = {"penalty": None, "momentum": 0, "tol": None}


# 1. OR gate, one row at a time (a TensorFlow tutorial).

OR_X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
OR_Y = np.array([0, 1, 1, 1])
# (epoch, row): w1, w2, intercept after the step; probability before it.
OR_RUN = {
    (1, 0): (0, 0, -0.5, 0.5000),
    (1, 1): (0, 0.6225, 0.1225, 0.3775),
    (1, 2): (0.4694, 0.6225, 0.5919, 0.5306),
    (1, 3): (0.6260, 0.7791, 0.7485, 0.8434),
    (25, 0): (4.0626, 4.1792, -1.6265, 0.1925),
    (25, 1): (4.0626, 4.2515, -1.5542, 0.9278),
    (25, 2): (4.1379, 4.2515, -1.4790, 0.9247),
    (25, 3): (4.1389, 4.2525, -1.4780, 0.9990),
}


def or_gate_row_by_row():
    """Return the model after 25 epochs of partial_fit, and {(epoch, row): numbers}."""
    model = SGDLogisticClassifier(learning_rate=1.0, **PLAIN)
    numbers, proba = {}, 0.5  # the probability before training
    for epoch in range(1, 26):
        for i in range(4):
            row = OR_X[i : i + 1]
            if hasattr(model, "coef_"):
                proba = model.predict_proba(row)[0, 1]
            model.partial_fit(row, OR_Y[i : i + 1], classes=[0, 1])
            numbers[epoch, i] = (*model.coef_[0], model.intercept_[0], proba)
    return model, numbers


def test_or_gate_by_partial_fit_gives_the_published_numbers():
    _, numbers = or_gate_row_by_row()
    for place, expected in OR_RUN.items():
        np.testing.assert_allclose(numbers[place], expected, rtol=0, atol=5e-5)


def test_or_gate_by_fit_gives_the_same_numbers():
    by_rows, _ = or_gate_row_by_row()
    model = SGDLogisticClassifier(
        learning_rate=1.0, batch_size=1, shuffle=False, max_iter=25, **PLAIN
    ).fit(OR_X, OR_Y)
    np.testing.assert_array_equal(model.coef_, by_rows.coef_)
    np.testing.assert_array_equal(model.intercept_, by_rows.intercept_)


# 2. Majority of three bits (TensorFlow and Keras tutorials).

BITS = np.array([[(i >> shift) & 1 for shift in (2, 1, 0)] for i in range(8)], dtype=float)
MAJORITY = (BITS.sum(axis=1) >= 2).astype(int)


def majority_by_gradient_descent(dtype):
    """Return the model after 200 full-batch steps at learning rate 0.8."""
    model = SGDLogisticClassifier(
        learning_rate=0.8, batch_size="full", max_iter=200, **PLAIN
    )
    return model.fit(BITS.astype(dtype), MAJORITY)


def test_majority_in_float32_gives_the_published_numbers():
    model = majority_by_gradient_descent(np.float32)
    by_n_bits = np.array([0.00520364, 0.16293728, 0.87869316, 0.9963038])
    proba = model.predict_proba(BITS.astype(np.float32))[:, 1]
    expected = by_n_bits[BITS.sum(axis=1).astype(int)]
    np.testing.assert_allclose(proba, expected, rtol=0, atol=2e-7)
    np.testing.assert_allclose(model.coef_, [[3.6166463] * 3], rtol=0, atol=4e-6)
    np.testing.assert_allclose(model.intercept_, [-5.25318], rtol=0, atol=5e-6)


def test_majority_in_float64_equals_40_digit_arithmetic():
    # The same 200 steps in 40 digits. By symmetry the three weights are equal: 1, 3, 3, 1
    # rows have k = 0, 1, 2, 3 bits set, and a bit is set in k / 3 of these rows. The rate
    # of 0.8 times the mean over 8 rows is 0.1 times their sum.
    with mpmath.workdps(40):
        w, b, rate = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf("0.1")
        for _ in range(200):
            errors = [
                count * (1 / (1 + mpmath.exp(-(k * w + b))) - (k >= 2))
                for k, count in enumerate((1, 3, 3, 1))
            ]
            w -= rate * sum(k * error for k, error in enumerate(errors)) / 3
            b -= rate * sum(errors)
    model = majority_by_gradient_descent(np.float64)
    np.testing.assert_allclose(model.coef_, [[float(w)] * 3], rtol=1e-14)
    np.testing.assert_allclose(model.intercept_, [float(b)], rtol=1e-14)
    np.testing.assert_allclose(model.intercept_, [-5.253182198612], rtol=0, atol=5e-13)


MAJORITY_BANDS = np.array(
    [
        [0.004983, 0.159674, 0.159805, 0.878263, 0.159522, 0.877979, 0.878134, 0.996365],
        [0.005084, 0.163498, 0.164089, 0.882476, 0.164013, 0.882418, 0.882865, 0.996544],
    ]
)


@pytest.mark.parametrize("seed", range(5))
def test_majority_with_shuffled_rows_ends_within_the_bands(seed):
    model = SGDLogisticClassifier(
        learning_rate=0.1, batch_size=1, max_iter=200, random_state=seed, **PLAIN
    ).fit(BITS, MAJORITY)
    proba = model.predict_proba(BITS)[:, 1]
    assert np.all(proba >= MAJORITY_BANDS[0])
    assert np.all(proba <= MAJORITY_BANDS[1])
    assert 0.11741 <= model.loss_curve_[198] <= 0.11760
    assert 0.11695 <= model.loss_curve_[199] <= 0.11713


# 3. Exam scores on raw features (a Theano tutorial).


@pytest.fixture(scope="module")
def exam_scores():
    """Return scores (100, 2) and admission: exercise 2 of Andrew Ng's course."""
    path = Path(os.environ.get("SKLEARN_NN_DATA", ""), "ex2data1.txt")
    if not path.is_file():
        pytest.skip("set SKLEARN_NN_DATA to a folder with ex2data1.txt to run this")
    table = np.loadtxt(path, delimiter=",")
    return table[:, :2], table[:, 2].astype(int)


EXAM_LOSSES = """
0.69314718056 0.547295463694 0.488295709188 0.445118809496 0.41259440171 0.387389522711
0.367353248365 0.351070505109 0.337586093857 0.326237734121 0.316554335209 0.308192817261
0.300897944917 0.294476164256 0.288778154733
"""


@pytest.mark.slow
def test_exam_scores_by_gradient_descent_give_the_published_losses(exam_scores):
    model = SGDLogisticClassifier(
        learning_rate=0.001, batch_size="full", max_iter=300_000, **PLAIN
    ).fit(*exam_scores)
    expected = [float(loss) for loss in EXAM_LOSSES.split()]
    np.testing.assert_allclose(model.loss_curve_[::20_000], expected, rtol=0, atol=5e-12)
    np.testing.assert_allclose(model.intercept_, [-9.25573205], rtol=0, atol=5e-9)
    np.testing.assert_allclose(model.coef_, [[0.07960975, 0.07329322]], rtol=0, atol=5e-9)


def test_exam_scores_by_full_batches_reach_the_published_optimum(exam_scores):
    X, y = exam_scores
    mean, scale = X.mean(axis=0), X.std(axis=0)
    model = SGDLogisticClassifier(
        learning_rate=1.0, batch_size="full", max_iter=3000, penalty=None, tol=None
    ).fit((X - mean) / scale, y)
    coef = model.coef_[0] / scale
    intercept = model.intercept_[0] - coef @ mean
    np.testing.assert_allclose(intercept, -25.16133, rtol=0, atol=5e-6)
    np.testing.assert_allclose(coef, [0.20623, 0.20147], rtol=0, atol=5e-6)
    np.testing.assert_allclose(model.loss_curve_[-1], 0.203498, rtol=0, atol=5e-7)
    assert model.score((X - mean) / scale, y) == 0.89
    admitted = model.predict_proba((np.array([[45.0, 85.0]]) - mean) / scale)[0, 1]
    np.testing.assert_allclose(admitted, 0.776291, rtol=0, atol=5e-7)


def test_exam_scores_without_a_rate_reach_the_published_optimum(exam_scores):
    X, y = exam_scores  # unscaled: from 30 to 100
    model = SGDLogisticClassifier(penalty=None).fit(X, y)
    np.testing.assert_allclose(model.intercept_, [-25.16133], rtol=0, atol=5e-6)
    np.testing.assert_allclose(model.coef_, [[0.20623, 0.20147]], rtol=0, atol=5e-6)
    assert model.score(X, y) == 0.89
    admitted = model.predict_proba([[45.0, 85.0]])[0, 1]
    np.testing.assert_allclose(admitted, 0.776291, rtol=0, atol=5e-7)


@pytest.mark.slow
def test_exam_scores_one_row_at_a_time_equal_a_plain_loop(exam_scores):
    X, y = exam_scores
    order = np.random.RandomState(0).permutation(len(y))
    X, y = X[order], y[order]
    n_epochs, rate = 300, 0.0005
    w, b = np.zeros(2), 0.0
    for _ in range(n_epochs):
        for x, label in zip(X, y, strict=True):
            error = 1 / (1 + np.exp(-(x @ w + b))) - label
            w, b = w - rate * error * x, b - rate * error
    model = SGDLogisticClassifier(
        learning_rate=rate, batch_size=1, shuffle=False, max_iter=n_epochs, **PLAIN
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], w, rtol=0, atol=1e-7)
    np.testing.assert_allclose(model.intercept_, [b], rtol=0, atol=1e-7)


# 4. XOR (a NumPy tutorial).

XOR_Y = np.array([0, 1, 1, 0])


def xor_network(seed, max_iter):
    """Return a network of two logistic hidden units, for squared error and full batches."""
    return BackpropMLPClassifier(
        (2,),
        "logistic",
        solver="sgd",
        loss="squared_error",
        momentum=0,
        alpha=0,
        learning_rate=2.0,
        batch_size="full",
        max_iter=max_iter,
        tol=None,
        random_state=seed,
    )


def xor_loop(seed, n_epochs):
    """Return the outputs after gradient descent, written out in plain NumPy."""
    start = xor_network(seed, 1).set_params(learning_rate=1e-300).fit(OR_X, XOR_Y)
    (w1, w2), (b1, b2) = start.coefs_, start.intercepts_
    target = XOR_Y[:, None]
    for _ in range(n_epochs):
        hidden = 1 / (1 + np.exp(-(OR_X @ w1 + b1)))
        output = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
        delta2 = (output - target) * output * (1 - output)
        delta1 = (delta2 @ w2.T) * hidden * (1 - hidden)
        w2, b2 = w2 - 0.5 * hidden.T @ delta2, b2 - 0.5 * delta2.sum(axis=0)
        w1, b1 = w1 - 0.5 * OR_X.T @ delta1, b1 - 0.5 * delta1.sum(axis=0)
    hidden = 1 / (1 + np.exp(-(OR_X @ w1 + b1)))
    return 1 / (1 + np.exp(-(hidden @ w2 + b2)))[:, 0]


@pytest.mark.parametrize("seed", range(10))
def test_xor_equals_a_plain_loop_and_is_learned_except_for_two_seeds(seed):
    model = xor_network(seed, 4000).fit(OR_X, XOR_Y)
    outputs = model.predict_proba(OR_X)[:, 1]
    np.testing.assert_allclose(outputs, xor_loop(seed, 4000), rtol=0, atol=1e-6)
    separated = np.all((outputs > 0.5) == XOR_Y)
    assert separated == (seed not in (3, 9))


# 5. Gradients and functions (a NumPy tutorial).


def test_gradient_descent_on_a_quadratic_equals_the_closed_form():
    theta = np.array([-3.0, 4.0])
    for _ in range(100):
        theta, _ = SGD().step(theta, (), 2 * theta, 0.1, None)
    np.testing.assert_allclose(theta, np.array([-3, 4]) * 0.8**100, rtol=1e-13)


EXTREME = np.array([[0.0, 1e300, -1e300], [800.0, -800.0, 1e-300], [-40.0, 40.0, 0.0]])


def test_sigmoid_and_softmax_are_finite_for_any_finite_input():
    for function in (sigmoid, softmax):
        assert np.all(np.isfinite(function(EXTREME)))


@pytest.mark.parametrize("name", LOSSES, ids="-".join)
def test_losses_are_finite_for_any_finite_input(name):
    y = np.array([0, 1, 2])
    if name[1] == "logistic":
        y = np.eye(3)
    with np.errstate(over="ignore"):  # a sum of two losses of 1e300 nats is still finite
        values, gradient = LOSSES[name].value_and_gradient(EXTREME, y)
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"learning_rate": 1.0, "batch_size": "full", "max_iter": 3000, "tol": None}],
    ids=["newton", "full_batch"],
)
def test_or_gate_optimum_agrees_with_scipy(parameters):
    # With a penalty the OR gate has an optimum; an independent optimiser finds the same.
    def objective(theta):
        z = OR_X @ theta[:2] + theta[2]
        return np.mean(np.logaddexp(0, z) - OR_Y * z) + 0.005 * theta[:2] @ theta[:2]

    expected = minimize(objective, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
    model = SGDLogisticClassifier(alpha=0.01, **parameters).fit(OR_X, OR_Y)
    np.testing.assert_allclose([*model.coef_[0], *model.intercept_], expected, atol=1e-6)
