"""What a fitted model keeps, so that training can go on where it stopped."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._data.labels import Encoding
from .._data.sample_weights import WeightScale
from .._engine.arrays import are_equal, are_together, moved_to
from .._engine.epochs.records import EpochMemory
from .._engine.stopping import EndedBy
from .._engine.types import Architecture, Progress, TrainingState
from .._parameters import constructor_parameters, has_cycle

# Parameters that only say how long to train and what to print: the path stays the same.
# But `max_iter` is the length of a cycle of learning rates.
NOT_THE_PATH = ("max_iter", "verbose")
# Types of which a copy is the same; to ask for one takes as long as much of a tiny fit.
UNCHANGEABLE = (int, float, str, bool, type(None))


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next call needs and that fitted attributes do not show."""

    state: TrainingState
    shown_theta: Any  # (n_parameters,), what was last made attributes
    parameters: dict  # of the constructor at the last call; see `path_parameters`
    ended_by: str  # value of the last call's EndedBy; MAX_ITER's after partial_fit
    weight_scale: WeightScale  # of all rows seen
    split_random_state: tuple  # from which each validation split is drawn
    encoding: Encoding
    architecture: Architecture

    def moved_to(self, like):
        """Return the checkpoint with its arrays in the library of `like`, on its device."""
        if are_together(like, self.state.theta):
            return self
        return self.__sklearn_array_api_convert__(lambda array: moved_to(like, array))

    def __sklearn_array_api_convert__(self, converter):
        """Return the checkpoint with its arrays converted, as scikit-learn asks for.

        By `sklearn.utils._array_api.move_estimator_to` (1.9).
        """
        state, best = self.state, self.state.progress.best_theta
        memory = state.memory
        if isinstance(memory, EpochMemory):  # others stay on the host
            memory = memory.converted(converter)
        state = replace(
            state,
            theta=converter(state.theta),
            memory=memory,
            progress=state.progress._replace(
                best_theta=None if best is None else converter(best)
            ),
        )
        return replace(self, state=state, shown_theta=converter(self.shown_theta))

    def after_split(self, random_state):
        """Return the checkpoint with `random_state`, which the split has led to.

        Only when training begins: later splits are the first one again, and the order
        of rows goes on from where it was.
        """
        if self.state.epoch:
            return self
        return replace(self, state=replace(self.state, random_state=random_state))


def first_checkpoint(theta, random_state, parameters, encoding, architecture):
    """Return the checkpoint of a model that has not been trained: all begins at `theta`."""
    return Checkpoint(
        state=TrainingState(theta=theta, random_state=random_state),
        shown_theta=theta,
        parameters=parameters,
        ended_by=EndedBy.MAX_ITER.value,
        weight_scale=WeightScale(),
        split_random_state=random_state,
        encoding=encoding,
        architecture=architecture,
    )


def path_parameters(estimator):
    """Return the parameters that decide which path training takes, as copies."""
    not_the_path = ("verbose",) if has_cycle(estimator) else NOT_THE_PATH
    return {
        name: value
        # A copied generator or scorer would no longer be the same, which is its identity.
        if type(value) in UNCHANGEABLE
        or isinstance(value, np.random.RandomState)
        or callable(value)
        else copy.deepcopy(value)
        for name, value in constructor_parameters(estimator)
        if name not in not_the_path
    }


def changed_parameters(before, now):
    """Return the names of the parameters that are not what they were, or were not there."""
    if before is now:  # a model that begins
        return set()
    return {
        name
        for name, value in now.items()
        if name not in before or not are_same(value, before[name])
    }


def are_same(one, other):
    """Say whether two values of a parameter mean the same."""
    if one is other:
        return True
    if isinstance(one, str) or isinstance(other, str):
        # NumPy 2.0 fails to compare a string with a number.
        return isinstance(one, str) and isinstance(other, str) and one == other
    return np.array_equal(one, other)


def resumed_state(checkpoint, method, settings, theta, parameters):
    """Return the state from which the next call goes on (or the first begins).

    Parameters
    ----------
    checkpoint : Checkpoint
    method : Method
        Of the coming call. Where another one has trained so far, its memory begins anew.
    settings : EpochSettings, NewtonSettings or LBFGSSettings
        Of the coming call.
    theta : array of shape (n_parameters,)
        What the fitted attributes hold now; if a user has edited them, training goes on
        from there.
    parameters : dict
        `path_parameters` of the coming call.
    """
    state, progress = checkpoint.state, checkpoint.state.progress
    changed = changed_parameters(checkpoint.parameters, parameters)
    is_edited = not are_equal(theta, checkpoint.shown_theta)
    counters_go_on = checkpoint.ended_by == EndedBy.MAX_ITER.value and not changed
    # Early stopping has shown its best parameters, and that search is over.
    is_best = progress.best_theta is not None and not counters_go_on
    if not is_edited:
        theta = progress.best_theta if is_best else state.theta
    if is_edited or not counters_go_on:
        progress = Progress(rate_factor=resumed_rate_factor(checkpoint, changed))
    forgets_average = is_edited or is_best or "average" in changed
    # Intercepts that are no longer trained must not be moved by old gradients.
    forgets_slots = not changed.isdisjoint({"solver", "fit_intercept"})
    memory = method.resumed_memory(
        state.memory, settings, theta, forgets_average, forgets_slots
    )
    return replace(state, theta=theta, progress=progress, memory=memory)


def resumed_rate_factor(checkpoint, changed):
    """Return the factor of 'adaptive': kept unless at its end, or the rate is another."""
    if checkpoint.ended_by == EndedBy.STOPPING_RULE.value:
        return 1.0
    if not changed.isdisjoint({"solver", "learning_rate", "learning_rate_init"}):
        return 1.0
    return checkpoint.state.progress.rate_factor
