"""The methods of training as values: which one trains, and what follows from that.

What estimators, warnings and the cluster need to know of a method is asked of it here;
nowhere else are `solver` and `learning_rate` compared to find out which one trains.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import _parameters
from ._engine.epochs import lbfgs, train
from ._engine.newton import online, steps
from ._engine.newton.passes import Rows
from ._engine.rows import lay_out


@dataclass(frozen=True)
class Method:
    """A way to train."""

    unit: str  # what an entry of its curves is called
    is_stepwise: bool  # whether it may be cut after any step; scipy's loop may not
    needs_host: bool  # whether its rows must be NumPy's
    may_stop_early: bool  # whether a validation score may end it
    advice: str  # what to do if it ended before it arrived
    # (estimator, its Objective, n_samples, random_state of the start) -> settings
    settings: Callable
    # (memory of the last call, settings, theta, forgets_average, forgets_slots) -> memory
    resumed_memory: Callable
    # (problem, settings, state, data, n_epochs, validate, monitor) -> TrainingRun
    run: Callable

    def stops_early(self, estimator):
        """Say whether a validation score decides when training of the estimator ends."""
        return self.may_stop_early and estimator.early_stopping


def run_newton(problem, settings, state, data, *how):
    """Return the TrainingRun of Newton steps on rows in memory."""
    rows = Rows(lay_out(data, settings.n_first_rows), problem.loss)
    return steps.minimise(problem, settings, state, rows, *how)


def run_stream(problem, settings, state, data, n_epochs, validate, monitor):
    """Return the TrainingRun of a chunk of a stream."""
    return online.learn(problem, state, data, monitor)


# Steps of a learning rate on batches of rows.
EPOCHS = Method(
    unit="epoch",
    is_stepwise=True,
    needs_host=False,
    may_stop_early=True,
    advice="Train longer (max_iter), accept less (tol), take other steps "
    "(learning_rate_init), or scale the features.",
    settings=_parameters.epoch_settings,
    resumed_memory=train.resumed_memory,
    run=train.train,
)
# scipy's L-BFGS on all rows; its memory ends with the call.
LBFGS = Method(
    unit="iteration",
    is_stepwise=False,
    needs_host=False,
    may_stop_early=False,
    advice="Raise max_iter and max_fun, accept more (tol), or scale the features.",
    settings=_parameters.lbfgs_settings,
    resumed_memory=lambda *arguments: None,
    run=lbfgs.minimise,
)
# Without a learning rate, on rows that can be seen again.
NEWTON = Method(
    unit="step",
    is_stepwise=True,
    needs_host=True,
    may_stop_early=True,
    advice="Train longer (max_iter) or accept more (tol).",
    settings=_parameters.newton_settings,
    resumed_memory=steps.resumed_memory,
    run=run_newton,
)
# Without a learning rate, on chunks of rows that come once; there is no end to arrive at.
STREAM = Method(
    unit="chunk",
    is_stepwise=True,
    needs_host=True,
    may_stop_early=False,
    advice="",
    settings=lambda *arguments: None,
    resumed_memory=online.resumed_memory,
    run=run_stream,
)


def method_of(estimator, one_epoch=False):
    """Return the method that the estimator's parameters choose.

    It never raises: it is asked before parameters are checked, to say whether there is a
    `partial_fit`. A user who gives 'auto' a first step wants that step.

    Parameters
    ----------
    estimator : GradientClassifier
    one_epoch : bool
        Whether it is `partial_fit` that trains.
    """
    solver, rate = estimator.solver, estimator.learning_rate
    if isinstance(solver, str) and solver == "lbfgs":
        return LBFGS
    is_automatic = isinstance(rate, str) and rate == "auto"
    if is_automatic and estimator.learning_rate_init is None:
        return STREAM if one_epoch else NEWTON
    return EPOCHS
