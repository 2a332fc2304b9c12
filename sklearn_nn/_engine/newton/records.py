"""The records of Newton's method: when it ends, and what its steps leave behind."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..objective.penalties import Penalty
from .coordinates import Coordinates


@dataclass(frozen=True)
class NewtonSettings:
    """How Newton's method runs."""

    tol: float  # relative gap (J - J*) / J* to end at; 0 and less: as rounding allows
    n_first_rows: int  # of the first sample, at least
    stopping_rule: Any = None  # of validation scores; None without early stopping


class KnownRows(NamedTuple):
    """What a stream that goes on from a model needs to know of the rows behind it."""

    coordinates: Coordinates  # in which they are standardised
    diagonal: Any  # (n_features + 1, n_outputs), of the mean loss's Hessian there
    n_rows: int
    penalty: Penalty  # with which the model was fitted


@dataclass(frozen=True)
class NewtonMemory:
    """What Newton's method remembers from step to step."""

    n_sampled: int = 0  # rows of the sample of the next step; 0: none taken yet
    n_curvature: int = 0  # rows of its Hessian
    damping: float = 0.1  # what is added to it
    promised: float = np.inf  # decrease that was promised for the last step
    rows: KnownRows | None = None  # None before the first step

    def averaged(self, theta):
        """Return theta: steps are not averaged."""
        return theta
