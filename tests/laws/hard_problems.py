"""Generated problems of families on which solvers fail, and their optima by other code.

The optimum is found in float64 and in centred, scaled, dense coordinates, with all rows of
the Hessian, by damped Newton steps on the coordinates that are not held at 0 by l1.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csr_matrix

ALPHA, L1_RATIO = 1e-4, 0.15


class Hard(NamedTuple):
    """A problem: rows, labels, weights or None, and parameters of the estimator."""

    X: object  # ndarray or CSR
    y: np.ndarray
    sample_weight: np.ndarray | None
    parameters: dict


def outlier(rng, X, logits):
    """Return X with one huge entry on the right side of the border."""
    row = int(np.argmax(logits[:, -1]))
    X[row, 0] = np.sign(X[row, 0]) * rng.choice([1e4, 1e5, 1e6])
    return X


def sentinels(rng, X, logits):
    """Return X with a code for missing values in 0.1 % of the entries."""
    return np.where(rng.random(X.shape) < 0.001, rng.choice([-999, -99999, -999999]), X)


def pareto(rng, X, logits):
    """Return X with one column without a mean."""
    X[:, 0] = rng.pareto(0.5, size=len(X))
    return X


def cauchy(rng, X, logits):
    """Return X without variances."""
    return X * np.abs(rng.standard_cauchy(size=X.shape))


def lognormal(rng, X, logits):
    """Return X with values over six orders."""
    return X * rng.lognormal(2, 3, size=X.shape)


def far_from_zero(rng, X, logits):
    """Return X with columns of mean / deviation 1e1 to 1e7."""
    X[:, ::2] += 10.0 ** rng.integers(1, 8)
    return X


def times(rng, X, logits):
    """Return X with Unix seconds of an hour to ten years, and one-hot columns."""
    span = rng.choice([3600, 86_400, 604_800, 3e8])
    X[:, 0] = 1.7e9 + span * (X[:, 0] - X[:, 0].min()) / np.ptp(X[:, 0])
    return np.hstack([X, np.eye(4)[rng.integers(4, size=len(X))]])


def constants(rng, X, logits):
    """Return X with constant columns."""
    return np.hstack([X, np.full((len(X), 1), rng.choice([1.0, 1e6, 0.1])), 0 * X[:, :1]])


def rare(rng, X, logits):
    """Return X with few values that are not 0."""
    return X * (rng.random(X.shape) < rng.choice([0.01, 0.05, 0.2]))


def collinear(rng, X, logits):
    """Return X with repeated columns and with sums of columns."""
    total = X.sum(axis=1, keepdims=True)
    return np.hstack([X, X[:, :1], total + 1e-7 * rng.normal(size=total.shape)])


def plain(rng, X, logits):
    """Return X."""
    return X


FAMILIES = (outlier, sentinels, pareto, cauchy, lognormal, far_from_zero, times)
FAMILIES = (*FAMILIES, constants, rare, collinear, plain)
KINDS = ("dense", "CSR", "duplicates", "weights", "float32", "alpha", "classes", "rows")


def hard_problem(family, kind, penalty, seed) -> Hard:
    """Return a problem of a family; `kind` is what else is unusual about it."""
    rng = np.random.default_rng(seed)
    k = {"classes": 3 if seed % 2 else 20}.get(kind, 2)
    n = int(10 ** rng.uniform(2, 3.5)) if kind != "rows" else 20_000
    X = rng.normal(size=(n, int(rng.integers(2, 8)) if k < 20 else 3))
    logits = X @ rng.normal(size=(X.shape[1], k)) * rng.choice([0.3, 1, 3])
    y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    y[:k] = np.arange(k)  # each class occurs
    X, weight, parameters = family(rng, X, logits), None, {"penalty": penalty}
    if kind == "weights":
        weight = 10.0 ** rng.uniform(-3, 3, n)
    if kind == "float32":
        X, parameters["tol"] = X.astype(np.float32), 1e-6
    if kind == "alpha":
        parameters["alpha"] = 10.0 ** rng.integers(-12, 7)
    if kind == "CSR":
        X = csr_matrix(X)
    if kind == "duplicates":
        X = in_two_parts(X, rng.choice([0.5, 1000.0]))
    return Hard(X, y, weight, parameters)


def in_two_parts(X, part):
    """Return CSR rows that store x + part and -part in each place of x."""
    n, p = X.shape
    values = np.stack([X + part, np.full_like(X, -part)], axis=-1).ravel()
    columns = np.tile(np.repeat(np.arange(p), 2), n)
    return csr_matrix((values, columns, np.arange(0, 2 * n * p + 1, 2 * p)), shape=(n, p))


def penalties(problem: Hard):
    """Return alpha times the l2 and the l1 part of the penalty."""
    alpha, name = problem.parameters.get("alpha", ALPHA), problem.parameters["penalty"]
    l1 = {"l2": 0.0, "l1": 1.0, "elasticnet": L1_RATIO}[name]
    return alpha * (1 - l1), alpha * l1


def dense_rows(X):
    """Return X as a dense array in extended precision."""
    X = X.toarray() if hasattr(X, "toarray") else X
    return X.astype(np.longdouble)


def losses(logits, y):
    """Return the log-loss of each row in float64, and probabilities (n, n_outputs)."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
        total = np.logaddexp(logits[:, 0], logits[:, 1])
        return total - logits[np.arange(len(y)), y], np.exp(logits[:, 1:] - total[:, None])
    total = np.logaddexp.reduce(logits, axis=1)
    return total - logits[np.arange(len(y)), y], np.exp(logits - total[:, None])


def mean_weights(problem: Hard):
    """Return weights that sum to 1."""
    weight = problem.sample_weight
    weight = np.ones(len(problem.y)) if weight is None else weight
    return weight / weight.sum()


def objective_of(problem: Hard, logits, coef):
    """Return J for the logits (n, n_outputs) and coefficients of a model."""
    l2, l1 = penalties(problem)
    loss = mean_weights(problem) @ losses(logits.astype(np.float64), problem.y)[0]
    size = np.abs(coef.astype(np.longdouble))
    return float(loss + l2 / 2 * np.sum(size**2) + l1 * np.sum(size))


def optimum_of(problem: Hard, coef, intercept) -> float:
    """Return the least J that is found from zero and from this model."""
    X, weight = dense_rows(problem.X), mean_weights(problem)
    mean = weight @ X
    scale = np.sqrt(weight @ (X - mean) ** 2)
    scale = np.where(scale > 1e-13 * np.abs(mean), scale, np.inf)  # constant: no column
    rows = Rows(problem, ((X - mean) / scale).astype(np.float64), weight, scale)
    scale = np.where(np.isinf(scale), 0.0, scale)[:, None]
    point = np.vstack([scale * coef.T, intercept + mean @ coef.T]).astype(np.float64)
    return min(rows.minimum(start) for start in (point, np.zeros_like(point)))


class Rows:
    """Rows in centred and scaled coordinates, with a column of ones."""

    def __init__(self, problem, U, weight, scale):
        self.y, self.weight = problem.y, weight
        self.A = np.hstack([U, np.ones((len(U), 1))])
        l2, l1 = penalties(problem)
        self.l2 = np.append(l2 / scale.astype(np.float64) ** 2, 0.0)[:, None]
        self.l1 = np.append(l1 / scale.astype(np.float64), 0.0)[:, None]

    def evaluate(self, point):
        """Return J and the probabilities."""
        loss, proba = losses(self.A @ point, self.y)
        penalty = np.sum(self.l2 * point**2) / 2 + np.sum(self.l1 * np.abs(point))
        return float(self.weight @ loss + penalty), proba

    def slope(self, point, proba):
        """Return the gradient of the smooth part."""
        k = proba.shape[1]
        target = self.y[:, None] if k == 1 else np.eye(k)[self.y]
        return self.A.T @ (self.weight[:, None] * (proba - target)) + self.l2 * point

    def hessian(self, proba):
        """Return the Hessian of the smooth part, in the order of points."""
        width, k = self.A.shape[1], proba.shape[1]
        H = np.zeros((width, k, width, k))
        for a in range(k):
            for b in range(k):
                omega = proba[:, a] * ((a == b) - proba[:, b])
                H[:, a, :, b] = self.A.T @ (self.A * (self.weight * omega)[:, None])
        H = H.reshape(width * k, width * k)
        H[np.diag_indices(width * k)] += np.repeat(self.l2[:, 0], k)
        return H

    def minimum(self, point):
        """Return the J at which damped Newton steps end."""
        J, proba = self.evaluate(point)
        damping = 1e-8
        for _ in range(300):
            slope, H = self.slope(point, proba), self.hessian(proba)
            sign = np.where(point != 0, np.sign(point), -np.sign(slope))
            is_free = (point != 0) | (np.abs(slope) > self.l1) | (self.l1 == 0)
            found = None
            while found is None and damping < 1e12:
                move = self.move(H, slope + self.l1 * sign, is_free, damping)
                found = None if move is None else self.lower(point, move, sign, J)
                damping = max(damping / 10 if found else damping * 10, 1e-14)
            if found is None:
                break
            last, (point, J, proba) = J, found
            if last - J <= 1e-14 * J:
                break
        return J

    def move(self, H, slope, is_free, damping):
        """Return the damped Newton step of the free coordinates, or None."""
        free = np.flatnonzero(is_free)
        H = H[np.ix_(free, free)].copy()
        H[np.diag_indices_from(H)] *= 1 + damping
        H[np.diag_indices_from(H)] += 1e-18
        try:
            solved = cho_solve(cho_factor(H), slope.ravel()[free])
        except LinAlgError:
            return None
        move = np.zeros(slope.size)
        move[free] = -solved
        return move.reshape(slope.shape)

    def lower(self, point, move, sign, J):
        """Return a lower point, its J and probabilities, or None."""
        for length in 4.0 ** -np.arange(12):
            trial = point + length * move
            trial = np.where((np.sign(trial) != sign) & (self.l1 > 0), 0.0, trial)
            value, proba = self.evaluate(trial)
            if value < J:
                return trial, value, proba
        return None
