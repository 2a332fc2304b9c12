"""When training has left sense: what counts as divergence, and what to say then."""

import numpy as np

from ..arrays import is_finite, namespace
from ..rows import copy_of_rows
from .reference import objective_and_gradient

# An objective this many times worse than knowing nothing (all logits zero) has diverged,
# even if its numbers are still finite.
DIVERGED = 1e10

# Parameters of this size are rare; only they are worth a second look at the data after the
# last step, whose objective no epoch has seen.
LARGE_PARAMETER = 100.0


def is_sound(state, objectives, limit):
    """Return whether neither `state` nor the objectives up to it show divergence."""
    # The largest of numbers with a NaN is NaN, which is not within any limit.
    return bool(np.max(objectives) <= limit) and is_finite(state.theta)


def check_epoch(state, objective, limit, learning_rate):
    """Raise ValueError if the epoch that led to `state` shows divergence.

    `learning_rate` is that of the last step, or None for L-BFGS.
    """
    if not is_sound(state, [objective], limit):
        raise ValueError(message(state, f"objective {objective:.3g}", learning_rate))


def check_objective(objective):
    """Raise ValueError if an objective of Newton's method is not finite."""
    if not np.isfinite(objective):
        raise ValueError(
            f"The objective is {objective}: X has values whose sums or squares overflow. "
            "Scale the features, for instance with StandardScaler."
        )


def check_slots(state, learning_rate):
    """Raise ValueError if the optimizer's memory is not finite."""
    if not all(is_finite(slot) for slot in state.memory.slots):
        raise ValueError(message(state, "gradients too large to square", learning_rate))


def check_end(problem, state, data, limit, learning_rate):
    """Raise ValueError if the last step shows divergence: no epoch's objective sees it."""
    check_slots(state, learning_rate)
    xp = namespace(state.theta)
    if not float(xp.max(xp.abs(state.theta))) > LARGE_PARAMETER:
        return
    everything = copy_of_rows(data, slice(0, data.n_samples))
    with np.errstate(over="ignore", invalid="ignore"):
        objective = float(objective_and_gradient(problem, state.theta, everything)[0])
    if not objective <= limit:
        raise ValueError(message(state, f"objective {objective:.3g}", learning_rate))


def message(state, what, learning_rate):
    """Return the text of the error: where, what, and what to try."""
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
