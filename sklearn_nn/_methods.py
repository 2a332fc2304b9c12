"""Training methods as values.

Estimators, warnings and the cluster read from a Method all that depends on it. Only
`method_of` compares `solver` and `learning_rate` to choose the method.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from . import _parameters
from ._engine.arrays import is_in_host_memory, lacks_float64
from ._engine.epochs import lbfgs, train
from ._engine.newton import stream, training
from ._engine.newton.device_rows import DeviceRows
from ._engine.newton.linear_rows import LocalRows
from ._engine.rows import lay_out
from ._engine.threads import one_blas_thread


@dataclass(frozen=True)
class Method:
    """A training method, and what depends on it."""

    unit: str  # name of an entry of its curves
    is_stepwise: bool  # whether training can resume after any step; not in scipy's loop
    # Whether its steps run on the host, so that theta is a NumPy array, and for which X of
    # another library its rows do, too.
    steps_on_host: bool
    needs_host: Callable  # X -> whether its rows must be NumPy arrays
    may_stop_early: bool  # whether a validation score may end it
    # What to do if it ended before it converged, and if the objective rose; {rate} is the
    # parameter of the learning rate.
    advice: str
    remedy: str
    unused: tuple  # parameters that have no meaning
    # (estimator, its ClassSettings, n_samples, random_state of the start) -> settings
    settings: Callable
    # (memory of the last call, settings, theta, forgets_average, forgets_slots) -> memory
    resumed_memory: Callable
    # (problem, settings, state, data, n_epochs, validate, monitor) -> TrainingRun
    run: Callable

    def ignored(self, estimator) -> list:
        """Return the parameters without meaning whose values are not the defaults."""
        defaults = _parameters.defaults_of(type(estimator))
        return [
            name
            for name in self.unused
            if getattr(estimator, name) != defaults[name]
            and not (name == "n_iter_no_change" and self.stops_early(estimator))
        ]

    def stops_early(self, estimator) -> bool:
        """Return whether a validation score decides when training ends."""
        return self.may_stop_early and estimator.early_stopping


def run_newton(problem, settings, state, data, *how):
    """Return the TrainingRun of Newton steps on rows in memory, or on a device."""
    is_on_host = isinstance(data.X, np.ndarray) or issparse(data.X)
    data = lay_out(data, settings.min_sample_size if is_on_host else data.n_samples)
    with one_blas_thread() as threads:
        rows = DeviceRows(data, problem.loss)
        if is_on_host:
            rows = LocalRows(data, problem.loss, None, threads)
        return training.train_with_newton(problem, settings, state, rows, *how)


def run_stream(problem, settings, state, data, n_epochs, validate, monitor):
    """Return the TrainingRun of a chunk of a stream."""
    with one_blas_thread():
        return stream.train_on_chunk(problem, state, data, monitor)


# Parameters that only steps with a learning rate read. Early stopping reads the last one.
WITH_A_RATE = (
    "solver",
    "momentum",
    "nesterovs_momentum",
    "average",
    "shuffle",
    "beta_1",
    "beta_2",
    "epsilon",
    "power_t",
    "warmup_fraction",
    "n_iter_no_change",
)

# Steps with a learning rate on mini-batches.
EPOCHS = Method(
    unit="epoch",
    is_stepwise=True,
    steps_on_host=False,
    needs_host=lambda X: False,
    may_stop_early=True,
    advice="Raise max_iter or tol, change {rate}, or scale the features.",
    remedy="Change {rate}, or scale the features.",
    unused=(),
    settings=_parameters.epoch_settings,
    resumed_memory=train.resumed_memory,
    run=train.train_in_epochs,
)
# scipy's L-BFGS on all rows; its memory ends with the call.
LBFGS = Method(
    unit="iteration",
    is_stepwise=False,
    steps_on_host=False,
    needs_host=lambda X: False,
    may_stop_early=False,
    advice="Raise max_iter, max_fun or tol, or scale the features.",
    remedy="Scale the features.",
    unused=(),
    settings=_parameters.lbfgs_settings,
    resumed_memory=lambda *arguments: None,
    run=lbfgs.train_with_lbfgs,
)


# A stream of fewer features is learned faster on the host: from a GPU, dozens of sums move
# there for each 1000 rows. On an H200, 100 features took 2.5 times as long as on its host
# (two classes; as long with ten), and 200 features .7 and .4 times.
LEAST_STREAM_WIDTH = 150


def trains_on_host(X) -> bool:
    """Return whether rows of another library than NumPy, without a rate, go to the host."""
    return is_in_host_memory(X) or lacks_float64(X)


def streams_on_host(X) -> bool:
    """Return whether chunks of rows like X go to the host."""
    is_narrow = len(X.shape) == 2 and X.shape[1] < LEAST_STREAM_WIDTH
    return is_narrow or trains_on_host(X)


# Without a learning rate, on rows in memory.
NEWTON = Method(
    unit="step",
    is_stepwise=True,
    steps_on_host=True,
    needs_host=trains_on_host,
    may_stop_early=True,
    advice="Raise max_iter or tol.",
    remedy="",
    unused=WITH_A_RATE,
    settings=_parameters.newton_settings,
    resumed_memory=training.resumed_memory,
    run=run_newton,
)
# Without a learning rate, on chunks of a stream, which does not converge.
STREAM = Method(
    unit="chunk",
    is_stepwise=True,
    steps_on_host=True,
    needs_host=streams_on_host,
    may_stop_early=False,
    advice="",
    remedy="",
    unused=WITH_A_RATE,
    settings=lambda *arguments: None,
    resumed_memory=stream.resumed_memory,
    run=run_stream,
)


def method_of(estimator, by_partial_fit=False) -> Method:
    """Return the method that the estimator's parameters choose.

    It must not raise, because `hasattr(estimator, "partial_fit")` calls it before
    parameters are checked. If the user sets learning_rate_init, 'auto' means 'constant'.
    `by_partial_fit` tells whether `partial_fit` trains.
    """
    solver, rate = estimator.solver, estimator.learning_rate
    if isinstance(solver, str) and solver == "lbfgs":
        return LBFGS
    is_automatic = isinstance(rate, str) and rate == "auto"
    if is_automatic and estimator.learning_rate_init is None:
        return STREAM if by_partial_fit else NEWTON
    return EPOCHS
