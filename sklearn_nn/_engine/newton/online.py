"""Learning from a stream: one pass over the rows of a chunk, without a learning rate."""

from dataclasses import replace

import numpy as np

from .. import loop
from ..epochs import divergence
from ..rows import lay_out
from . import stream
from .passes import Rows
from .records import KnownRows, NewtonMemory


def learn(problem, state, data, monitor=None):
    """Return the TrainingRun of one chunk; see `loop.run`.

    Parameters
    ----------
    problem : Problem
        Without hidden layer.
    state : TrainingState
        With a StreamMemory or, where the stream goes on from a model of Newton's method, a
        NewtonMemory; else with None.
    data : Dataset
        The chunk.
    monitor : Monitor, optional

    Raises
    ------
    ValueError
        If the coefficients are not finite.
    """
    return loop.run(StreamTraining(problem, data), state, 1, None, monitor)


def resumed_memory(memory, *others):
    """Return the memory that a stream goes on with: its own, or that of Newton's method.

    What others there are (`epochs.train.resumed_memory` has them all) has no say.
    """
    return memory if isinstance(memory, (stream.StreamMemory, NewtonMemory)) else None


class StreamTraining:
    """A chunk of a stream, as loop.py drives it: one epoch."""

    stopping_rule, early_stopping = None, False

    def __init__(self, problem, data):
        self.problem, self.data = problem, data
        self.null_loss = problem.null_loss

    def begin(self, state):
        """Do nothing: `advance` takes the state as it comes."""

    def arrived(self, state):
        """Return None: each chunk is learned."""
        return

    def advance(self, state, n_most):
        """Return the Advance of learning the chunk."""
        memory = memory_at(self.problem, state, self.data)
        fit_intercept = self.problem.architecture.fit_intercept
        memory, objective = stream.learn(
            memory, self.data, self.problem.penalty, fit_intercept
        )
        divergence.check_objective(objective)
        theta = theta_of(memory, state.theta.dtype)
        divergence.check_objective(np.abs(theta).max())
        best = min(state.progress.best, objective)
        new = replace(
            state,
            theta=theta,
            step=state.step + 1,
            epoch=state.epoch + 1,
            memory=memory,
            progress=state.progress._replace(best=best),
        )
        return loop.Advance(new, [objective])

    def complete(self, state):
        """Return the state, which is complete."""
        return state

    def finish(self, state, curves):
        """Return the chunk's objective; how near the optimum is nobody knows."""
        return curves.objectives[-1], None


def memory_at(problem, state, data):
    """Return the StreamMemory that the chunk meets: nothing, or a model that goes on.

    A model that was trained with a learning rate says nothing of its past; it counts as
    much as one chunk.
    """
    theta, memory = state.theta, state.memory
    if isinstance(memory, stream.StreamMemory):
        unchanged = np.array_equal(theta_of(memory, theta.dtype), theta)
        return memory if unchanged else stream.moved_to(memory, theta)
    known = None if memory is None else memory.rows
    if known is None and not theta.any():
        return stream.begin(*problem.architecture.layer_sizes)
    if known is None:
        # In C order, so that sums over them are the same however the rows lie.
        rows = Rows(lay_out(data, data.n_samples), problem.loss)
        coordinates = rows.standardised(problem.architecture.fit_intercept)
        evaluation = rows.evaluate(coordinates, coordinates.point_of(theta))
        known = KnownRows(coordinates, evaluation.diagonal, rows.n_samples, problem.penalty)
    return stream.begin_at(theta, *known)


def theta_of(memory, dtype):
    """Return what a StreamMemory has learned as theta (n_parameters,)."""
    weight, intercept = stream.layers(memory)
    return np.concatenate([weight.reshape(-1), intercept]).astype(dtype)
