"""Divergence: how it is detected, and the error that reports it."""

import numpy as np

from ..arrays import is_finite, namespace
from ..rows import copy_of_rows
from .reference import objective_and_gradient

# Training has diverged if the objective exceeds the null loss by this factor, even if all
# numbers are finite.
DIVERGED = 1e10

# No epoch computes the objective after the last step. It is computed only if a parameter is
# larger than this, which is rare.
LARGE_PARAMETER = 100.0


def is_sound(state, objectives, limit) -> bool:
    """Return whether the objectives are within `limit`, and the parameters finite."""
    # The maximum of numbers with a NaN is NaN, which is not within any limit.
    return bool(np.max(objectives) <= limit) and is_finite(state.theta)


def check_epoch(state, objective, limit, learning_rate):
    """Raise ValueError if the epoch before `state` diverged.

    `learning_rate` is that of its last step, or None for L-BFGS.
    """
    if not is_sound(state, [objective], limit):
        raise ValueError(message(state, f"objective {objective:.3g}", learning_rate))


def check_objective(objective):
    """Raise ValueError if a number of training without a learning rate is not finite."""
    if not np.isfinite(objective):
        raise ValueError(
            f"Training reached {objective}: X has values whose sums or squares overflow. "
            "Scale the features, for instance with StandardScaler."
        )


def check_slots(state, learning_rate):
    """Raise ValueError if the optimizer's slots are not finite."""
    if not all(is_finite(slot) for slot in state.memory.slots):
        raise ValueError(message(state, "gradients too large to square", learning_rate))


def check_end(problem, state, data, limit, learning_rate):
    """Raise ValueError if the last step diverged, which no epoch's objective shows."""
    check_slots(state, learning_rate)
    xp = namespace(state.theta)
    if not float(xp.max(xp.abs(state.theta))) > LARGE_PARAMETER:
        return
    all_rows = copy_of_rows(data, slice(0, data.n_samples))
    with np.errstate(over="ignore", invalid="ignore"):
        objective = float(objective_and_gradient(problem, state.theta, all_rows)[0])
    if not objective <= limit:
        raise ValueError(message(state, f"objective {objective:.3g}", learning_rate))


def message(state, what, learning_rate):
    """Return the error message: in which epoch, what happened, what to try."""
    if learning_rate is None:
        return (
            f"Training diverged in iteration {state.epoch} of lbfgs: {what}. Scale the "
            "features, for instance with StandardScaler, or try a larger alpha."
        )
    return (
        f"Training diverged in epoch {state.epoch}: {what}, learning rate "
        f"{learning_rate:.3g}. Try a smaller learning_rate_init (or number for "
        "learning_rate), or scale the features, for instance with StandardScaler; if "
        "learning_rate * alpha is near 1 or more, try a smaller alpha."
    )
