"""Checkpoints: the part of a fitted model from which training resumes."""

import copy
from dataclasses import dataclass, replace

import numpy as np

from .._data.labels import Encoding
from .._data.sample_weights import WeightScale
from .._engine.arrays import Vector, are_equal, are_together, moved_to
from .._engine.epochs.records import EpochMemory
from .._engine.stopping import EndedBy
from .._engine.types import Architecture, Progress, TrainingState
from .._parameters import IMMUTABLE, constructor_parameters, has_cycle

# Parameters that do not change the path of training, only its length and what is printed.
# (But a cycle of learning rates has the length `max_iter`.)
NOT_THE_PATH = ("max_iter", "verbose")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next call needs and that is not in fitted attributes."""

    state: TrainingState
    model_theta: Vector  # (n_parameters,), that the fitted attributes were set to
    parameters: dict  # of the constructor in the last call; see `path_parameters`
    ended_by: str  # value of the last call's EndedBy; after partial_fit that of MAX_ITER
    weight_scale: WeightScale  # of all rows seen
    start_random_state: tuple  # at the start, for validation splits and masks of dropout
    encoding: Encoding
    architecture: Architecture

    def moved_to(self, like) -> "Checkpoint":
        """Return the checkpoint with its arrays in the library, on the device of `like`."""
        if are_together(like, self.state.theta):
            return self
        return self.__sklearn_array_api_convert__(lambda array: moved_to(like, array))

    def __sklearn_array_api_convert__(self, converter):
        """Return the checkpoint with its arrays converted.

        For `sklearn.utils._array_api.move_estimator_to` of scikit-learn 1.9.
        """
        state, best = self.state, self.state.progress.best_theta
        memory = state.memory
        if isinstance(memory, EpochMemory):  # other memories stay on the host
            memory = memory.converted(converter)
        state = replace(
            state,
            theta=converter(state.theta),
            memory=memory,
            progress=state.progress._replace(
                best_theta=None if best is None else converter(best)
            ),
        )
        return replace(self, state=state, model_theta=converter(self.model_theta))

    def after_split(self, random_state) -> "Checkpoint":
        """Return the checkpoint with the `random_state` after the split.

        Only at the start of training. Later calls repeat the first split, and the
        generator of orders continues.
        """
        if self.state.epoch:
            return self
        return replace(self, state=replace(self.state, random_state=random_state))


def first_checkpoint(theta, random_state, parameters, encoding, architecture) -> Checkpoint:
    """Return the checkpoint of a new model with initial parameters `theta`."""
    return Checkpoint(
        state=TrainingState(theta=theta, random_state=random_state),
        model_theta=theta,
        parameters=parameters,
        ended_by=EndedBy.MAX_ITER.value,
        weight_scale=WeightScale(),
        start_random_state=random_state,
        encoding=encoding,
        architecture=architecture,
    )


def path_parameters(estimator) -> dict:
    """Return copies of the constructor parameters that determine the path of training."""
    not_the_path = ("verbose",) if has_cycle(estimator) else NOT_THE_PATH
    return {
        name: value
        # Generators and scorers are compared by identity, so they are not copied. Copies
        # take a large part of the time of a tiny fit.
        if type(value) in IMMUTABLE
        or isinstance(value, np.random.RandomState)
        or callable(value)
        else copy.deepcopy(value)
        for name, value in constructor_parameters(estimator)
        if name not in not_the_path
    }


def changed_parameters(before: dict, now: dict) -> set:
    """Return the names of the parameters that have changed or are new."""
    if before is now:  # of a new model
        return set()
    return {
        name
        for name, value in now.items()
        if name not in before or not are_same(value, before[name])
    }


def are_same(one, other):
    """Return whether two values of a parameter are equal."""
    if one is other:
        return True
    if isinstance(one, str) or isinstance(other, str):
        # NumPy 2.0 cannot compare a string with a number.
        return isinstance(one, str) and isinstance(other, str) and one == other
    return np.array_equal(one, other)


def resumed_state(
    checkpoint: Checkpoint, method, settings, theta: Vector, parameters: dict
) -> TrainingState:
    """Return the state from which the call starts or resumes.

    Method, settings and parameters (`path_parameters`) are those of the call. The memory is
    empty if another method trained before (a stream keeps Newton's). `theta`
    (n_parameters,) are the parameters in the fitted attributes; if the user has edited
    them, training resumes there.
    """
    state, progress = checkpoint.state, checkpoint.state.progress
    changed = changed_parameters(checkpoint.parameters, parameters)
    is_edited = not are_equal(theta, checkpoint.model_theta)
    keeps_counters = checkpoint.ended_by == EndedBy.MAX_ITER.value and not changed
    # After the end of early stopping, or with other parameters, training resumes from the
    # best theta.
    is_best = progress.best_theta is not None and not keeps_counters
    if not is_edited:
        theta = progress.best_theta if is_best else state.theta
    if is_edited or not keeps_counters:
        progress = Progress(rate_factor=resumed_rate_factor(checkpoint, changed))
    forgets_average = is_edited or is_best or "average" in changed
    # Old gradients in the slots must not move intercepts that are no longer trained.
    forgets_slots = not changed.isdisjoint({"solver", "fit_intercept"})
    memory = method.resumed_memory(
        state.memory, settings, theta, forgets_average, forgets_slots
    )
    return replace(state, theta=theta, progress=progress, memory=memory)


def resumed_rate_factor(checkpoint, changed):
    """Return the factor of 'adaptive': 1 after its end, or with another rate or solver."""
    if checkpoint.ended_by == EndedBy.CONVERGED.value:
        return 1.0
    if not changed.isdisjoint({"solver", "learning_rate", "learning_rate_init"}):
        return 1.0
    return checkpoint.state.progress.rate_factor
