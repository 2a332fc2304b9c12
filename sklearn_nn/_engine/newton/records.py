"""Records of Newton's method: its settings, and its memory between steps."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import Matrix, Vector
from ..objective.penalties import Penalty
from ..stopping import StoppingRule
from .coordinates import Coordinates


@dataclass(frozen=True)
class NewtonSettings:
    """Settings of Newton's method."""

    tol: float  # relative gap (J - J*) / J to end at; <= 0: end at rounding error
    min_sample_size: int  # rows of the first sample, at least
    stopping_rule: StoppingRule | None = None  # of validation scores, for early stopping


class KnownRows(NamedTuple):
    """Summary of the rows behind a model, with which a stream can resume."""

    coordinates: Coordinates  # in which the rows are standardised
    diagonal: Matrix  # (n_features + 1, n_outputs), bounds that of the loss's Hessian
    n_rows: int
    penalty: Penalty  # with which the model was fitted


@dataclass(frozen=True)
class NewtonMemory:
    """Memory of Newton's method between steps."""

    sample_size: int = 0  # of the last step, on which training resumes; 0: no step yet
    n_hessian_rows: int = 0  # rows of its Hessian
    damping: float = 0.1
    predicted_decrease: float = np.inf  # of the last step
    n_passes: float = 0.0  # over all rows, of all steps
    is_preconditioned: bool = False  # whether steps have a preconditioner
    known_rows: KnownRows | None = None  # of the last complete state; None before

    def averaged(self, theta: Vector) -> Vector:
        """Return theta: Newton steps are not averaged."""
        return theta
