"""Full-batch training by scipy's L-BFGS-B."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from ..arrays import alike, to_numpy
from ..loop import QUIET, Advance, Recorder
from ..objective.problem import Problem
from ..rows import copy_of_rows
from ..stopping import EndedBy
from ..types import Dataset, TrainingRun, TrainingState
from . import divergence
from .reference import objective_and_gradient


@dataclass(frozen=True)
class LBFGSSettings:
    """Settings of L-BFGS."""

    tol: float  # largest gradient component to end at; <= 0: no such end
    max_fun: int  # maximum number of evaluations of the objective


class StoppedByMonitorError(Exception):
    """Raised to leave scipy's loop when a monitor stops training."""


class Iterates:
    """The objective for scipy's loop, and the record of its iterations."""

    def __init__(self, problem, batch, recorder):
        self.problem, self.batch, self.recorder = problem, batch, recorder
        self.start = recorder.state
        self.latest = None  # (theta, objective) of the last evaluation
        self.objective = None  # at the start of the present iteration
        self.is_inside = False  # whether an iteration has begun and not ended

    def evaluate(self, theta):
        """Return objective and gradient at theta, in float64, scipy's only dtype."""
        if not self.is_inside and self.recorder.begin_epoch():
            raise StoppedByMonitorError
        self.is_inside = True
        theta = alike(self.start.theta, theta.copy())  # scipy changes its own array
        with np.errstate(**QUIET):  # train_with_lbfgs checks for divergence
            objective, gradient = objective_and_gradient(self.problem, theta, self.batch)
        self.latest = (theta, float(objective))
        if self.objective is None:
            self.objective = self.latest[1]
        return self.latest[1], to_numpy(gradient).astype(np.float64)

    def accept(self, theta):
        """Record the latest evaluation as an iteration; scipy calls this after each."""
        theta, objective = self.latest
        validation, state = self.recorder.validation(theta), self.recorder.state
        state = replace(
            state,
            theta=theta,
            step=state.step + 1,
            epoch=state.epoch + 1,
            progress=state.progress._replace(
                best=objective, last_improvement=self.objective - objective
            ),
        )
        advance, self.objective = Advance(state, [self.objective]), objective
        self.is_inside = False
        if self.recorder.end_epoch(advance, validation):
            raise StoppedByMonitorError


def train_with_lbfgs(
    problem: Problem,
    settings: LBFGSSettings,
    state: TrainingState,
    data: Dataset,
    n_iterations: int,
    validate=None,
    monitor=None,
) -> TrainingRun:
    """Train with at most `n_iterations` iterations of L-BFGS.

    All rows are one batch. `validate` is called after each iteration, but does not end
    training. The curve holds the objective before each iteration. ValueError is raised if
    training diverges.

    References
    ----------
    R. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound
    constrained optimization", SIAM J. Sci. Comput. 16, 1995.
    """
    batch = copy_of_rows(data, slice(0, data.n_samples))
    recorder = Recorder(state, validate, monitor)
    iterates, ended_by = Iterates(problem, batch, recorder), EndedBy.INTERRUPT
    try:
        result = minimize(
            iterates.evaluate,
            to_numpy(state.theta).astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=iterates.accept,
            options={
                "maxiter": n_iterations,
                "maxfun": settings.max_fun,
                "gtol": max(settings.tol, 0.0),
                # tol decides: scipy's default of 2e-9 would end before a small tol. The
                # value is LogisticRegression's: the rounding error of the objective.
                "ftol": 64 * np.finfo(np.float64).eps,
            },
        )
        ended_by = end_of(result, n_iterations)
    except StoppedByMonitorError:
        ended_by = EndedBy.MONITOR
    except KeyboardInterrupt:
        if recorder.n_epochs == 0:
            raise
    state = recorder.state
    recorder.curves.cut(recorder.n_epochs)
    if recorder.n_epochs == 0:  # the first point is the best one found
        best = iterates.objective
        progress = state.progress._replace(best=best, last_improvement=0.0)
        state = replace(state, progress=progress)
    last = state.progress.best
    null_loss = problem.null_loss
    divergence.check_epoch(state, last, divergence.DIVERGED * null_loss, None)
    return TrainingRun(state, recorder.curves, last, null_loss, ended_by)


def end_of(result, n_iterations):
    """Return why scipy ended."""
    if result.status == 0:
        return EndedBy.CONVERGED
    if result.status == 1:
        return EndedBy.MAX_ITER if result.nit >= n_iterations else EndedBy.MAX_FUN
    return EndedBy.STALLED
