"""A proven gap is never smaller than the gap, whatever step the dual point comes from."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import rel_entr

from sklearn_nn._engine.newton import dual, steps
from sklearn_nn._engine.newton.certificate import certificate_of
from sklearn_nn._engine.newton.linear_rows import LocalRows
from sklearn_nn._engine.newton.model import ModelMinimum, evaluate_at
from sklearn_nn._engine.newton.records import NewtonSettings
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.types import Architecture, Dataset

PENALTIES = {
    "l2": Penalty(l2=0.01),
    "weak l2": Penalty(l2=1e-7),
    "l1": Penalty(l1=0.02),
    "elastic net": Penalty(l2=0.01, l1=0.01),
}
any_seed = pytest.mark.parametrize("seed", range(8))
any_outputs = pytest.mark.parametrize("n_outputs", [1, 3])
any_penalty = pytest.mark.parametrize("penalty", PENALTIES)
either_intercept = pytest.mark.parametrize("fit_intercept", [True, False])


def newton_of(seed, n_outputs, penalty, fit_intercept=True, is_sparse=False):
    """Return the NewtonProblem of random rows, of which one is far out."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(80, 4)) * 10 ** rng.uniform(-1, 1, 4)
    X[0] *= 10.0 ** rng.randint(0, 3)
    logits = X @ rng.normal(size=(4, n_outputs))
    if n_outputs == 1:
        y = (logits + rng.logistic(size=logits.shape) > 0).astype(float)
    else:
        y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    weight = rng.uniform(0.1, 2, 80)
    data = Dataset(csr_matrix(X) if is_sparse else X, y, weight / weight.mean())
    loss = LOSSES["log_loss", "logistic" if n_outputs == 1 else "softmax"]
    architecture = Architecture((4, n_outputs), fit_intercept=fit_intercept)
    problem = Problem(architecture, loss, PENALTIES[penalty])
    settings, state = NewtonSettings(0.0, 1000), np.random.RandomState(0).get_state()
    return steps.newton_problem_of(problem, settings, LocalRows(data, loss), state)


def optimum_of(newton):
    """Return the least J that L-BFGS finds, with x = positive - negative part."""
    shape = newton.l2.shape
    l1 = np.zeros(shape) if newton.l1 is None else newton.l1

    def value(parts):
        positive, negative = parts.reshape((2, *shape))
        point = positive - negative
        evaluation = newton.rows.evaluate(newton.coordinates, point)
        slope = newton.project(evaluation.gradient) + newton.l2 * point
        J = evaluation.loss + np.sum(newton.l2 * point**2) / 2
        J += np.sum(l1 * (positive + negative))
        return J, np.stack([slope + l1, l1 - slope]).ravel()

    start = np.zeros(2 * newton.l2.size)
    options = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-12}
    bounds = [(0, None)] * len(start)
    return minimize(value, start, jac=True, bounds=bounds, options=options).fun


@any_seed
@any_outputs
@any_penalty
@either_intercept
def test_no_step_proves_less_than_the_gap(seed, n_outputs, penalty, fit_intercept):
    newton = newton_of(seed, n_outputs, penalty, fit_intercept)
    best, rng = optimum_of(newton), np.random.RandomState(seed)
    n_proven = 0
    for size in (0.0, 0.01, 0.1, 1.0, 10.0):
        theta = rng.normal(size=newton.l2.size) * size
        if not fit_intercept:
            theta[-n_outputs:] = 0
        evaluated = evaluate_at(newton, newton.rows, theta)
        for length in (0.0, 0.1, 1.0):
            goal = evaluated.point + length * rng.normal(size=newton.l2.shape)
            certificate = certificate_of(newton, evaluated, ModelMinimum(goal, 0.0))
            assert certificate.proven >= evaluated.objective - best - 1e-9 * best
            n_proven += np.isfinite(certificate.proven)
    # Not all: far from the optimum, intercepts cannot make the mean of w (a - y) 0.
    assert n_proven > 3


@pytest.mark.parametrize("penalty", [Penalty(l2=1e-4), Penalty(l1=1e-4)])
def test_a_penalty_that_underflows_proves_nothing(penalty):
    newton = newton_of(0, 1, "l2")
    strengths = newton.l2 > 0
    strengths[0] = False  # as if 1 / scale^2 were 0
    l1 = np.where(strengths, 1e-4, 0.0)
    l2, l1 = (0 * l1, l1) if penalty.l1 else (l1, None)
    newton = replace(newton, l2=l2, l1=l1)
    evaluated = evaluate_at(newton, newton.rows, np.zeros(newton.l2.size))
    certificate = certificate_of(newton, evaluated, ModelMinimum(evaluated.point, 0.0))
    assert certificate.proven == np.inf


@any_seed
@any_outputs
@pytest.mark.parametrize("is_sparse", [False, True])
def test_residual_and_divergence_are_the_formulas(seed, n_outputs, is_sparse):
    newton = newton_of(seed, n_outputs, "l2", is_sparse=is_sparse)
    rng = np.random.RandomState(seed)
    evaluated = evaluate_at(newton, newton.rows, 0.01 * rng.normal(size=newton.l2.size))
    move = 0.3 * rng.normal(size=newton.l2.shape)
    arguments = newton.coordinates, evaluated.evaluation.proba, move, False
    found, data = newton.rows.dual(*arguments), newton.rows.data
    X = data.X.toarray() if is_sparse else data.X
    U = (X - newton.coordinates.centre) / newton.coordinates.scale
    U = np.hstack([U, np.ones((len(U), 1))])
    p, y, change = evaluated.evaluation.proba, data.y, U @ move
    if n_outputs == 1:
        p, y = np.hstack([1 - p, p]), np.hstack([1 - y, y])
        change = np.hstack([np.zeros_like(change), change])
    else:
        y = np.eye(n_outputs)[y]
    a = p * (1 + change - np.sum(p * change, axis=1, keepdims=True))
    a = np.maximum(a, 0) / np.maximum(a, 0).sum(axis=1, keepdims=True)
    weight = data.sample_weight / data.sample_weight.sum()
    assert found.divergence == pytest.approx(weight @ rel_entr(a, p).sum(axis=1), rel=1e-9)
    error = (a - y)[:, -n_outputs:]
    np.testing.assert_allclose(found.residual, U.T @ (weight[:, None] * error), atol=1e-12)


@any_seed
@any_outputs
def test_intercepts_have_no_residual(seed, n_outputs):
    newton = newton_of(seed, n_outputs, "l2")
    rng = np.random.RandomState(seed)
    evaluated = evaluate_at(newton, newton.rows, 0.01 * rng.normal(size=newton.l2.size))
    move = 0.3 * rng.normal(size=newton.l2.shape)
    arguments = newton.coordinates, evaluated.evaluation.proba, move, True
    assert np.max(np.abs(newton.rows.dual(*arguments).residual[-1])) <= 1e-12


def test_divergence_is_that_of_small_and_of_large_changes():
    e = np.array([0.0, 1e-8, -1e-4, 0.019, -0.019, 0.5, 3.0, -0.9])
    expected = np.where(np.abs(e) < 1e-6, e * e / 2, (1 + e) * np.log1p(e) - e)
    np.testing.assert_allclose(dual.divergence(e), expected, rtol=1e-7, atol=1e-16)
    small = e[np.abs(e) < 0.02]
    np.testing.assert_allclose(dual.divergence(small), expected[: len(small)], rtol=1e-7)
    assert dual.divergence(np.array([-1.0, 0.5]))[0] == 1.0
