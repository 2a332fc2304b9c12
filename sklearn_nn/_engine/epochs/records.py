"""Records of training in epochs: its settings, and its memory between steps."""

from dataclasses import dataclass, replace
from typing import Any

from ..arrays import as_type
from ..stopping import StoppingRule
from .schedules import Schedule


@dataclass(frozen=True)
class EpochSettings:
    """Settings of training in epochs."""

    optimizer: Any  # of optimizers.py
    schedule: Schedule
    stopping_rule: StoppingRule
    batch_size: int  # rows per step; all of them if there are fewer
    shuffle: bool = True
    average_from: int = 0  # first step whose theta enters the average; 0: no average
    early_stopping: bool = False  # whether the stopping rule judges validation scores
    max_gradient_norm: float | None = None  # maximum; None: no clipping
    dropout: tuple = ()  # rate of each hidden layer; (): no dropout
    dropout_key: int = 0  # of the masks; see dropout.py


@dataclass(frozen=True)
class EpochMemory:
    """Memory of training in epochs between steps."""

    slots: tuple  # the optimizer's state, vectors of shape (n_parameters,)
    n_slot_updates: int = 0  # steps since the slots were zero
    average: Any = None  # (n_parameters,) in float64, the mean of `n_averaged` thetas
    n_averaged: int = 0

    def averaged(self, theta):
        """Return the average if there is one, else theta."""
        return as_type(self.average, theta.dtype) if self.n_averaged else theta

    def converted(self, converter):
        """Return the memory with `converter` applied to its arrays."""
        average = None if self.average is None else converter(self.average)
        slots = tuple(converter(slot) for slot in self.slots)
        return replace(self, slots=slots, average=average)


def zero_slots(settings, theta):
    """Return the optimizer's slots before its first step."""
    return tuple(0 * theta for _ in range(settings.optimizer.n_slots))
