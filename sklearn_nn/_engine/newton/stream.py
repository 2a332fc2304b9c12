"""Training on a stream: each chunk of rows is learned once, without a learning rate.

experts.py has the mathematics.
"""

from dataclasses import replace

import numpy as np

from .. import loop
from ..epochs import divergence
from ..objective.problem import Problem
from ..rows import lay_out
from ..types import Dataset, TrainingRun, TrainingState
from . import experts
from .device_rows import DeviceRows
from .linear_rows import LocalRows
from .records import KnownRows, NewtonMemory


def train_on_chunk(
    problem: Problem, state: TrainingState, data: Dataset, monitor=None
) -> TrainingRun:
    """Learn one chunk with a model without hidden layer; see `loop.run`.

    The state's memory is a StreamMemory, a NewtonMemory if the stream resumes from a model
    of Newton's method, or None. ValueError is raised if coefficients are not finite.
    """
    return loop.run(StreamTraining(problem, data), state, 1, None, monitor)


def resumed_memory(memory, *unused):
    """Return the memory to resume with: a stream's, or that of Newton's method.

    `unused` are arguments that `epochs.train.resumed_memory` needs.
    """
    return memory if isinstance(memory, (experts.StreamMemory, NewtonMemory)) else None


class StreamTraining:
    """One chunk of a stream as one epoch, as the Training that `loop.run` drives."""

    stopping_rule, early_stopping = None, False

    def __init__(self, problem, data):
        self.problem, self.data = problem, data
        self.null_loss = problem.null_loss

    def begin(self, state):
        """Do nothing: `advance` needs only the state."""

    def reason_to_end(self, state):
        """Return None: each chunk is learned."""
        return

    def advance(self, state, n_most):
        """Return the Advance of learning the chunk."""
        memory = memory_for(self.problem, state, self.data)
        fit_intercept = self.problem.architecture.fit_intercept
        memory, objective = experts.learn(
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

    def complete_state(self, state):
        """Return the state, which is complete."""
        return state

    def finish(self, state, curves):
        """Return the chunk's objective, and None for the gap, which is not known."""
        return curves.objectives[-1], None


def memory_for(problem, state, data):
    """Return the StreamMemory before the chunk: empty, or of the model that it resumes.

    A model that was trained with a learning rate has no memory of its rows; it counts as
    much as one chunk.
    """
    theta, memory = state.theta, state.memory
    if isinstance(memory, experts.StreamMemory):
        unchanged = np.array_equal(theta_of(memory, theta.dtype), theta)
        return memory if unchanged else experts.with_theta(memory, theta)
    known = None if memory is None else memory.known_rows
    if known is None and not theta.any():
        return experts.empty_memory(*problem.architecture.layer_sizes)
    if known is None:
        # In C order, so that sums do not depend on the storage of X.
        rows_of = LocalRows if isinstance(data.y, np.ndarray) else DeviceRows
        rows = rows_of(lay_out(data, data.n_samples), problem.loss)
        coordinates = rows.standardised(problem.architecture.fit_intercept)
        evaluation = rows.evaluate(coordinates, coordinates.point_of(theta))
        known = KnownRows(coordinates, evaluation.diagonal, rows.n_samples, problem.penalty)
    return experts.memory_of_model(theta, known)


def theta_of(memory, dtype):
    """Return the model of a StreamMemory as theta (n_parameters,)."""
    weight, intercept = experts.mean_model(memory)
    return np.concatenate([weight.reshape(-1), intercept]).astype(dtype, copy=False)
