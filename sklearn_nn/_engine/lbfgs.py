"""Full-batch minimisation by scipy's L-BFGS-B, on the same objective as the epochs."""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from . import divergence
from .reference import objective_and_gradient, select
from .types import TrainingRun


class History:
    """What L-BFGS has visited: scipy owns the loop, so this is all that we see of it."""

    def __init__(self, problem, batch, state, monitor):
        self.problem, self.batch = problem, batch
        self.start, self.monitor = state, monitor
        self.latest = None  # (theta, objective) of the last evaluation
        self.theta = None  # the last iterate
        self.objectives = []  # of each iterate; the first is the start

    def evaluate(self, theta):
        """Return objective and gradient at theta in float64, scipy's only dtype."""
        with np.errstate(over="ignore", invalid="ignore"):  # `minimise` checks
            objective, gradient = objective_and_gradient(
                self.problem, theta.astype(self.start.theta.dtype), self.batch
            )
        self.latest = (theta.copy(), objective)
        if not self.objectives:
            self.take_latest()
        return objective, gradient.astype(np.float64)

    def accept(self, theta):
        """Take the latest evaluation as an iterate; scipy calls this once an iteration."""
        self.take_latest()
        if self.monitor is not None:
            self.monitor.epoch_end(self.state(), self.latest[1], None, None)

    def take_latest(self):
        """Make the last evaluation the last iterate."""
        self.theta, objective = self.latest
        self.objectives.append(objective)

    def state(self):
        """Return the TrainingState at the last iterate."""
        n_iterations, objective = len(self.objectives) - 1, self.objectives[-1]
        before = self.objectives[-2] if n_iterations else objective
        return replace(
            self.start,
            theta=self.theta.astype(self.start.theta.dtype),
            step=self.start.step + n_iterations,
            epoch=self.start.epoch + n_iterations,
            progress=self.start.progress._replace(
                best=objective, last_improvement=before - objective
            ),
        )


def minimise(problem, state, data, n_iterations, max_fun, monitor=None):
    """Run at most `n_iterations` iterations of L-BFGS.

    Parameters
    ----------
    problem : Problem
        Its `stopping_rule.tol` bounds the largest gradient component at the end.
    state : TrainingState
    data : Dataset
        All of it is one batch.
    n_iterations : int
    max_fun : int
        Most evaluations of the objective.
    monitor : Monitor, optional
        It is told when an iteration ends; scipy gives it no say.

    Returns
    -------
    TrainingRun
        Its curve holds the objective before each iteration.

    Raises
    ------
    ValueError
        If the objective or the parameters are not finite, or far beyond sense.

    References
    ----------
    R. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound
    constrained optimization", SIAM J. Sci. Comput. 16, 1995.
    """
    batch = select(data, slice(0, data.n_samples))
    history = History(problem, batch, state, monitor)
    ended_by = "interrupt"
    try:
        result = minimize(
            history.evaluate,
            state.theta.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=history.accept,
            options={
                "maxiter": n_iterations,
                "maxfun": max_fun,
                "gtol": max(problem.stopping_rule.tol, 0.0),
                # tol decides: scipy's 2e-9 would end long before a small one. The
                # value is LogisticRegression's, the noise of a float64 objective.
                "ftol": 64 * np.finfo(np.float64).eps,
            },
        )
        ended_by = end_of(result, n_iterations)
    except KeyboardInterrupt:
        if len(history.objectives) < 2:
            raise
    objectives, last = history.objectives, history.objectives[-1]
    nothing = divergence.zero_logits_loss(problem, data)
    divergence.check_epoch(history.state(), last, divergence.DIVERGED * nothing, None)
    return TrainingRun(history.state(), objectives[:-1], last, nothing, [], ended_by)


def end_of(result, n_iterations):
    """Return why scipy ended, in the words of `TrainingRun.ended_by`."""
    if result.status == 0:
        return "stopping_rule"
    if result.status == 1:
        return "max_iter" if result.nit >= n_iterations else "max_fun"
    return "stalled"
