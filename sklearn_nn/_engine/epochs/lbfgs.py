"""Full-batch minimisation by scipy's L-BFGS-B, on the same objective as the epochs."""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ..arrays import alike, to_numpy
from ..types import TrainingRun, empty_curves
from . import divergence
from .reference import objective_and_gradient, select


class StoppedByMonitorError(Exception):
    """A monitor has stopped training: the way out of scipy's loop."""


class History:
    """What L-BFGS has visited: scipy owns the loop, so this is all that we see of it."""

    def __init__(self, problem, batch, state, validate, monitor):
        self.problem, self.batch, self.start = problem, batch, state
        self.validate, self.monitor = validate, monitor
        self.latest = None  # (theta, objective) of the last evaluation
        self.theta = None  # the last iterate
        self.objective = None  # there
        self.before = None  # the objective of the iterate before
        self.curves = empty_curves()
        self.iterates = False  # whether an iteration has begun and not ended

    def evaluate(self, theta):
        """Return objective and gradient at theta in float64, scipy's only dtype."""
        if not self.iterates and self.monitor is not None and self.monitor.epoch_begin():
            raise StoppedByMonitorError
        self.iterates = True
        with np.errstate(over="ignore", invalid="ignore"):  # `minimise` checks
            objective, gradient = objective_and_gradient(
                self.problem, alike(self.start.theta, theta), self.batch
            )
        objective = float(objective)
        self.latest = (theta.copy(), objective)
        if self.theta is None:
            self.theta, self.objective = self.latest
        return objective, to_numpy(gradient).astype(np.float64)

    def accept(self, theta):
        """Take the latest evaluation as an iterate; scipy calls this once an iteration."""
        theta, objective = self.latest
        validation = None
        if self.validate is not None:
            validation = self.validate(alike(self.start.theta, theta))
        self.curves.grow([self.objective], None, validation)
        self.before, self.theta, self.objective = self.objective, theta, objective
        self.iterates = False
        if self.monitor is not None and self.monitor.epoch_end(self.state(), self.curves):
            raise StoppedByMonitorError

    def state(self):
        """Return the TrainingState at the last iterate."""
        n_iterations = len(self.curves.objectives)
        improvement = self.before - self.objective if n_iterations else 0.0
        return replace(
            self.start,
            theta=alike(self.start.theta, self.theta),
            step=self.start.step + n_iterations,
            epoch=self.start.epoch + n_iterations,
            progress=self.start.progress._replace(
                best=self.objective, last_improvement=improvement
            ),
        )


def minimise(problem, state, data, n_iterations, max_fun, validate=None, monitor=None):
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
    validate : callable theta -> Validation, optional
        Called after each iteration; it has no say.
    monitor : Monitor, optional

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
    history = History(problem, batch, state, validate, monitor)
    ended_by = "interrupt"
    try:
        result = minimize(
            history.evaluate,
            to_numpy(state.theta).astype(np.float64),
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
    except StoppedByMonitorError:
        ended_by = "monitor"
    except KeyboardInterrupt:
        if not history.curves.objectives:
            raise
    state, last = history.state(), history.objective
    nothing = divergence.zero_logits_loss(problem, data)
    divergence.check_epoch(state, last, divergence.DIVERGED * nothing, None)
    return TrainingRun(state, history.curves, last, nothing, ended_by)


def end_of(result, n_iterations):
    """Return why scipy ended, in the words of `TrainingRun.ended_by`."""
    if result.status == 0:
        return "stopping_rule"
    if result.status == 1:
        return "max_iter" if result.nit >= n_iterations else "max_fun"
    return "stalled"
