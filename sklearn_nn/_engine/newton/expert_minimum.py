"""The point to which an expert of a stream moves when it learns a batch; see experts.py.

It is the minimum of the batch's loss, of the quadratic of the rows seen before, of the
penalty and of the prior. An expert is a StreamMemory of one, on the host; the batch and its
rows Z (n, n_features + 1), in the expert's units, may be on a device.
"""

import numpy as np
from scipy.sparse import issparse

from ..arrays import moved_to, to_numpy
from . import conjugate_gradients

# An expert remembers a number of rows per coefficient; more than MAX_COEFFICIENTS count as
# that many.
MAX_COEFFICIENTS = 256
# Precision of a logit in the prior. It is larger over about PRIOR_ROWS rows at first, while
# units of features are not yet well known.
PRIOR, PRIOR_ROWS = 0.25, 50.0
# At most MAX_STEPS Newton steps per batch, until one is predicted to lower the sum over all
# rows by less than TOLERANCE nats. At most MAX_PRODUCTS Hessian products per step, until
# their later half brings less than FORCING_TERM of its decrease. The rest stays in the
# slope for the next batch.
MAX_STEPS, TOLERANCE = 10, 0.1
MAX_PRODUCTS, FORCING_TERM = 100, 0.1


def squares(X):
    """Return the squares of the elements of X, dense or CSR."""
    return X.power(2) if issparse(X) else X * X


def hessian_blocks(Z, curvature):
    """Yield Z^T diag(c) Z for each column c of the curvature (n, k), on the host."""
    for k in range(curvature.shape[1]):
        yield to_numpy((Z.T * curvature[:, k]) @ Z)


def times(precision, points):
    """Return each output's precision times its column of points (n_features + 1, k)."""
    if precision.ndim == 2:
        return precision * points
    return (precision @ points.T[:, :, None])[:, :, 0].T


def prior_of_intercept(n_rows):
    """Return the precision of the prior of an intercept after `n_rows` rows."""
    return PRIOR * (1.0 + PRIOR_ROWS / n_rows)


def ridge_and_l1(expert, penalty, mass):
    """Return the factors (n_features + 1, k) of x^2 / 2 and of |x|, for all rows.

    `mass` is the sum of that of all features.
    """
    n_rows = expert.n_rows
    prior = np.full(len(expert.point), prior_of_intercept(n_rows))
    # A logit is the sum of 1 + mass / n_rows coefficients, each times a value of about 1.
    prior[:-1] *= 1.0 + mass / n_rows
    if expert.precision.ndim == 3:  # a matrix lets the prior fade
        seen = np.append(expert.mass, n_rows)
        prior /= 1.0 + seen / min(len(seen), MAX_COEFFICIENTS)
    ridge = prior + n_rows * penalty.l2 * np.append(1 / expert.scale**2, 0.0)
    l1 = n_rows * penalty.l1 * np.append(1 / expert.scale, 0.0)
    shape = expert.point.shape
    return tuple(np.broadcast_to(column[:, None], shape) for column in (ridge, l1))


class Objective:
    """The sum of batch, seen, penalty and prior, as a function of the point."""

    def __init__(self, expert, batch, Z, mass):
        self.expert, self.batch, self.Z = expert, batch, Z
        self.ridge, self.l1 = ridge_and_l1(expert, batch.penalty, mass)
        self.weight = batch.weight[:, None]
        self.trained = np.ones((len(expert.point), 1))
        self.trained[-1] = batch.fit_intercept

    def logits(self, point):
        """Return the logits (n, k) of the rows at a point, or their change along one."""
        return self.Z @ moved_to(self.batch.y, point)

    def evaluate(self, x):
        """Return the objective, and the gradient of its smooth part."""
        expert, batch, Z = self.expert, self.batch, self.Z
        values, delta = batch.loss.value_and_gradient(self.logits(x), batch.y)
        move = x - expert.point
        pull = times(expert.precision, move)
        objective = float(batch.weight @ values) + np.sum(move * (expert.slope + pull / 2))
        objective += np.sum(x * x * self.ridge) / 2 + np.sum(self.l1 * np.abs(x))
        gradient = to_numpy(Z.T @ (self.weight * delta)) + expert.slope
        gradient = gradient + pull + self.ridge * x
        return objective, gradient * self.trained

    def goal(self, x, gradient):
        """Return the minimum of the quadratic model at x, and its decrease."""
        model = self.quadratic(x, gradient)
        how = {
            "objective": np.inf,
            "final": conjugate_gradients.NEVER_FINAL,
            "forcing_term": FORCING_TERM,
            "max_products": MAX_PRODUCTS,
        }
        if self.expert.precision.ndim == 2 or self.l1.any():
            solution = conjugate_gradients.minimise_quadratic(model, **how)
            return solution.point, solution.decrease
        solve = self.solver(x)
        if x.shape[1] == 1 and solve is not None:
            move = solve(gradient)
            return x - move, 0.5 * float(np.sum(gradient * move))
        solution = conjugate_gradients.minimise_smooth(model, solve, **how)
        return solution.point, solution.decrease

    def solver(self, x):
        """Return the solver with the Hessian's block of each output, or None."""
        proba, trained = self.batch.loss.predict_proba(self.logits(x)), self.trained
        blocks, solvers = hessian_blocks(self.Z, self.weight * proba * (1 - proba)), []
        for k, block in enumerate(blocks):
            block = block + self.expert.precision[k]
            block = (block + np.diag(self.ridge[:, k])) * trained * trained.T
            block += np.diag(1 - trained[:, 0])
            solvers.append(conjugate_gradients.solver_of(block))
        if None in solvers:
            return None
        return lambda columns: np.stack(
            [solve(column) for solve, column in zip(solvers, columns.T, strict=True)],
            axis=1,
        )

    def quadratic(self, x, gradient):
        """Return the Quadratic model at x."""
        precision, batch, Z = self.expert.precision, self.batch, self.Z
        proba = batch.loss.predict_proba(self.logits(x))

        def product(direction):
            change = batch.loss.curvature(proba, self.logits(direction))
            rows = to_numpy(Z.T @ (self.weight * change))
            seen = times(precision, direction) + self.ridge * direction
            return (rows + seen) * self.trained

        curvature = self.weight * proba * (1 - proba)
        diagonal = self.ridge + to_numpy(squares(Z).T @ curvature)
        if precision.ndim == 2:
            diagonal = diagonal + precision
        else:
            diagonal = diagonal + np.diagonal(precision, axis1=1, axis2=2).T
        l1_or_none = self.l1 if self.l1.any() else None
        return conjugate_gradients.Quadratic(x, gradient, product, diagonal, l1_or_none)


def minimum(function: Objective):
    """Return the minimum of the objective, to about TOLERANCE nats."""
    x = function.expert.point
    objective, gradient = function.evaluate(x)
    for _ in range(MAX_STEPS):
        goal, decrease = function.goal(x, gradient)
        found = line_search(function.evaluate, x, goal, objective, decrease)
        if found is None:
            break
        x, objective, gradient = found
        if decrease < TOLERANCE:
            break
    return x


def line_search(evaluate, x, goal, objective, decrease):
    """Return a lower point between x and goal, its objective and gradient, or None."""
    for length in 2.0 ** -np.arange(20):
        trial = x + length * (goal - x)
        new_objective, gradient = evaluate(trial)
        sufficient = objective - 1e-4 * length * decrease
        if new_objective <= sufficient + 1e-12 * abs(objective):
            return trial, new_objective, gradient
    return None
