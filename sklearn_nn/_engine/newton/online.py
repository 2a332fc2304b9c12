"""Learning from a stream: one pass over the rows of a chunk, without a learning rate."""

from dataclasses import replace

import numpy as np

from ..epochs import divergence
from ..types import TrainingRun, empty_curves
from . import stream
from .passes import Rows


# What is not finite is found by divergence.py, not by NumPy's warnings.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def learn(problem, state, data, monitor=None):
    """Return the TrainingRun of one chunk.

    Parameters
    ----------
    problem : Problem
        Without hidden layer.
    state : TrainingState
        Of a new model or any earlier run; it is not changed.
    data : Dataset
        The chunk.
    monitor : Monitor, optional

    Raises
    ------
    ValueError
        If the coefficients are not finite.
    """
    architecture = problem.architecture
    past, curves = past_of(problem, state, data), empty_curves()
    if monitor is not None:
        monitor.epoch_begin()
    past, objective = stream.learn(past, data, problem.penalty, architecture.fit_intercept)
    divergence.check_objective(objective)
    theta = theta_of(past, state.theta.dtype)
    divergence.check_objective(np.abs(theta).max())
    state = replace(
        state,
        theta=theta,
        average=None,
        n_averaged=0,
        step=state.step + 1,
        epoch=state.epoch + 1,
        n_sampled=0,
        past=past,
        progress=state.progress._replace(best=min(state.progress.best, objective)),
    )
    curves.grow([objective])
    if monitor is not None:
        monitor.epoch_end(state, curves)
    nothing = float(np.log(max(2, architecture.layer_sizes[-1])))
    return TrainingRun(state, curves, objective, nothing, "max_iter")


def past_of(problem, state, data):
    """Return the StreamState that the chunk meets: nothing, or a model that goes on.

    A model that was trained with a learning rate says nothing of its past; it counts as
    much as one chunk.
    """
    theta, past = state.theta, state.past
    if isinstance(past, stream.StreamState):
        unchanged = np.array_equal(theta_of(past, theta.dtype), theta)
        return past if unchanged else stream.moved_to(past, theta)
    if past is None and not theta.any():
        return stream.begin(*problem.architecture.layer_sizes)
    if past is None:
        rows = Rows(data, problem.loss)
        coordinates = rows.standardised(problem.architecture.fit_intercept)
        evaluation = rows.evaluate(coordinates, coordinates.point_of(theta))
        past = coordinates, evaluation.diagonal, rows.n_samples, problem.penalty
    return stream.begin_at(theta, *past)


def theta_of(past, dtype):
    """Return what a StreamState has learned as theta (n_parameters,)."""
    weight, intercept = stream.layers(past)
    return np.concatenate([weight.reshape(-1), intercept]).astype(dtype)
