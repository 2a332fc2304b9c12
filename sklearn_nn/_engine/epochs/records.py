"""The records of training in epochs: how steps are taken, and what they leave behind."""

from dataclasses import dataclass, replace
from typing import Any

from ..arrays import as_type


@dataclass(frozen=True)
class EpochSettings:
    """How training in epochs takes its steps: fixed while it runs."""

    optimizer: Any  # of optimizers.py
    schedule: Any  # schedules.Schedule
    stopping_rule: Any  # stopping.StoppingRule
    batch_size: int  # rows a step; more than there are means all
    shuffle: bool = True
    average_from: int = 0  # first step whose theta is averaged; 0 = no averaging
    early_stopping: bool = False  # whether the validation score decides, not the objective
    max_gradient_norm: float | None = None  # longer gradients are clipped; None: none are
    dropout: tuple = ()  # part of each hidden layer's units left out of a step; () = none
    dropout_key: int = 0  # of the masks; see dropout.py


@dataclass(frozen=True)
class EpochMemory:
    """What training in epochs remembers from step to step."""

    slots: tuple  # the optimizer's memory, vectors of shape (n_parameters,)
    n_slot_updates: int = 0  # steps since the slots began at zero
    average: Any = None  # (n_parameters,) in float64, mean of `n_averaged` thetas
    n_averaged: int = 0

    def averaged(self, theta):
        """Return the average once it has begun, before that theta."""
        return as_type(self.average, theta.dtype) if self.n_averaged else theta

    def converted(self, converter):
        """Return the memory with `converter` applied to its arrays."""
        average = None if self.average is None else converter(self.average)
        slots = tuple(converter(slot) for slot in self.slots)
        return replace(self, slots=slots, average=average)


def zero_slots(settings, theta):
    """Return the optimizer's memory before its first step."""
    return tuple(0 * theta for _ in range(settings.optimizer.n_slots))
