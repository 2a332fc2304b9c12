"""Learning-rate schedules: number of the update step -> learning rate."""

from dataclasses import dataclass

import numpy as np


def constant(step, n_steps, power_t):
    """Return 1 for each of the `n_steps` updates after update `step`."""
    return np.ones(n_steps)


def inverse_scaling(step, n_steps, power_t):
    """Return 1 / t**power_t, t the number of the update, from 1."""
    return 1 / np.arange(step + 1, step + n_steps + 1, dtype=np.float64) ** power_t


# 'adaptive' is constant between the moments at which the stopping rule lowers it.
SCHEDULES = {
    "constant": constant,
    "invscaling": inverse_scaling,
    "adaptive": constant,
}


@dataclass(frozen=True)
class Schedule:
    """learning_rate_init times the named decay.

    Parameters
    ----------
    name : a key of SCHEDULES
    learning_rate_init : float > 0
    power_t : float >= 0, the exponent of 'invscaling'
    """

    name: str
    learning_rate_init: float
    power_t: float = 0.5

    def learning_rates(self, step, n_steps, rate_factor):
        """Return the rates (n_steps,) of the `n_steps` updates after update `step`."""
        decay = SCHEDULES[self.name](step, n_steps, self.power_t)
        return self.learning_rate_init * rate_factor * decay
