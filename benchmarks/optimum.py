"""The objective of logistic regression and its minimum, independent of the peers.

J(W, b) = mean log-loss + ALPHA / 2 ||W||^2 for W (1, n_features) with two classes, and
(n_classes, n_features) of one softmax with more. Labels are 0, 1, ...
"""

import json
from pathlib import Path

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import diags_array, issparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, logsumexp, softmax
from sklearn.utils import gen_batches

ALPHA = 1e-4
LARGEST_GRAM = 3000  # maximum number of features for which X.T @ D @ X is formed
# J - J* is about half of the Newton decrement; reported gaps are 1e-9 and larger.
SMALLEST_DECREMENT = 1e-12


def row_losses(logits, y):
    """Return the log-loss of each row in nats for logits (n_samples, 1 or n_classes)."""
    if logits.shape[1] == 1:
        return np.logaddexp(0, np.where(y == 1, -logits[:, 0], logits[:, 0]))
    return logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]


def objective(X, y, coef, intercept):
    """Return J in float64, block by block."""
    total = sum(
        row_losses(X[rows] @ coef.T + intercept, y[rows]).sum()
        for rows in gen_batches(X.shape[0], 20_000)
    )
    return total / X.shape[0] + ALPHA / 2 * np.sum(np.square(coef))


def derivative(X, residual, coef):
    """Return dJ/d(W, b) (n_outputs, n_features + 1) for residual = d loss / d logits."""
    by_coef = (X.T @ residual).T / X.shape[0] + ALPHA * coef
    return np.hstack([by_coef, residual.mean(axis=0)[:, None]])


def curvature(X, proba, direction):
    """Return the product of the Hessian and a direction (n_outputs, n_features + 1)."""
    change = X @ direction[:, :-1].T + direction[:, -1]
    if proba.shape[1] == 1:
        change *= proba * (1 - proba)
    else:
        change = proba * (change - np.sum(proba * change, axis=1, keepdims=True))
    return derivative(X, change, direction[:, :-1])


def approximate_inverse(X, proba):
    """Return a function that solves with the Hessian's block diagonal, output by output.

    A row has the curvature p (1 - p). With many features, only the diagonal is used.
    """
    outputs = (proba * (1 - proba)).T / X.shape[0]
    solvers = [solver_of_one(X, curvature_of_rows) for curvature_of_rows in outputs]
    return lambda theta: np.array(
        [solve(row) for solve, row in zip(solvers, theta, strict=True)]
    )


def solver_of_one(X, curvature_of_rows):
    """Return a function that solves with the Hessian's block for one output."""
    total = curvature_of_rows.sum()
    if X.shape[1] > LARGEST_GRAM:
        diagonal = np.append(X.power(2).T @ curvature_of_rows + ALPHA, total)
        return lambda row: row / diagonal
    if issparse(X):
        products = (X.T @ diags_array(curvature_of_rows) @ X).toarray()
    else:
        root = X * np.sqrt(curvature_of_rows)[:, None]
        products = root.T @ root  # half of the work for two different matrices
    mixed = (X.T @ curvature_of_rows)[:, None]
    matrix = np.block([[products, mixed], [mixed.T, np.array([[total]])]])
    matrix[np.diag_indices(X.shape[1])] += ALPHA
    factor = cho_factor(matrix)
    return lambda row: cho_solve(factor, row)


def newton_step(X, proba, gradient, accuracy):
    """Return the step to the minimum of the quadratic model, by conjugate gradients."""
    shape, size = gradient.shape, gradient.size
    solve = approximate_inverse(X, proba)
    hessian = LinearOperator(
        (size, size), lambda v: curvature(X, proba, v.reshape(shape)).ravel(), dtype=float
    )
    inverse = LinearOperator(
        (size, size), lambda v: solve(v.reshape(shape)).ravel(), dtype=float
    )
    step, _ = cg(hessian, -gradient.ravel(), rtol=accuracy, maxiter=1000, M=inverse)
    return step.reshape(shape)


def lowest_on_line(X, y, theta, step):
    """Return theta + t * step and its J for the first local minimum over t = 1, 1/2, ...

    The first t that lowers J may lead to confidently wrong predictions. Their curvature
    is nearly zero, so the next step would be far too long.
    """
    best, smallest = theta, objective(X, y, theta[:, :-1], theta[:, -1])
    start, length = smallest, 1.0
    while length > 1e-9:  # below it, rounding error decides
        trial = theta + length * step
        value = objective(X, y, trial[:, :-1], trial[:, -1])
        if value >= smallest < start:
            break
        if value < smallest:
            best, smallest = trial, value
        length /= 2
    return best, smallest


def optimum(X, y):
    """Return the smallest J that Newton's method with a line search finds."""
    n_outputs = y.max() + 1 if y.max() > 1 else 1
    target = y[:, None] if n_outputs == 1 else np.eye(n_outputs)[y]
    theta, first, value = np.zeros((n_outputs, X.shape[1] + 1)), None, np.inf
    for _ in range(200):
        logits = X @ theta[:, :-1].T + theta[:, -1]
        proba = expit(logits) if n_outputs == 1 else softmax(logits, axis=1)
        gradient = derivative(X, proba - target, theta[:, :-1])
        largest = np.abs(gradient).max()
        first = first or largest
        # Closer to the optimum, more accurate steps pay off.
        step = newton_step(X, proba, gradient, min(0.1, (largest / first) ** 0.5))
        before = value
        theta, value = lowest_on_line(X, y, theta, step)
        decrement = -np.sum(gradient * step)
        if decrement <= SMALLEST_DECREMENT * value or value == before:
            break
    return value


def cached_optimum(name, X, y, folder):
    """Return the optimum, from a file in `folder` if it was computed before.

    The file identifies data sets only by name: remove it if one changes.
    """
    file = folder and Path(folder, "optima.json")
    known = json.loads(file.read_text()) if file and file.exists() else {}
    if name not in known:
        known[name] = optimum(X, y)
        if file:
            file.write_text(json.dumps(known, indent=1))
    return known[name]
