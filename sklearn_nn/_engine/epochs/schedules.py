"""Learning-rate schedules: functions of the number of steps and epochs so far.

'cosine' and 'one_cycle' are cycles of n_epochs epochs. Let p be the position in the cycle
and w = warmup_fraction * n_epochs, both in epochs. The rate rises while p < w. Then it
falls along half a cosine, with q = (p - w) / (n_epochs - w) from 0 to 1. The position is
counted in epochs, so that it does not depend on how training is divided into calls (each
`partial_fit` is one epoch, whatever the size of its chunk). After a cycle the next begins.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# 'one_cycle' starts at 1/25 of its peak and ends at 1/10,000 of its start: div_factor and
# final_div_factor of PyTorch's OneCycleLR (fastai's fit_one_cycle also has div=25).
START_DIVISOR, END_DIVISOR = 25.0, 25.0 * 1e4


class Steps(NamedTuple):
    """The next steps, and their position in training."""

    n_steps: int
    step: int  # steps before them
    epoch: float  # epochs before them; a round of local SGD may start within an epoch
    n_batches: int  # steps per epoch


def constant(schedule, steps):
    """Return 1 for each step."""
    return np.ones(steps.n_steps)


def inverse_scaling(schedule, steps):
    """Return 1 / t**power_t, where t is the number of the step, from 1."""
    t = np.arange(steps.step + 1, steps.step + steps.n_steps + 1, dtype=np.float64)
    return 1 / t**schedule.power_t


def cosine(schedule, steps):
    """Return p' / w during warm-up, then (1 + cos(pi q)) / 2.

    p' = p + 1 / n_batches is the position after the step, so that the first rate is not 0:
    the k-th of n warm-up steps has the rate k / n.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, equation 5 with eta_min = 0, https://arxiv.org/abs/1608.03983

    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
    section 2.2, https://arxiv.org/abs/1706.02677: the linear warm-up.
    """
    position, warmup = position_in_cycle(schedule, steps), schedule.warmup
    rates = half_cosine(1.0, 0.0, progress_of_fall(schedule, position))
    rises = position < warmup
    rates[rises] = np.minimum(1.0, (position[rises] + 1 / steps.n_batches) / warmup)
    return rates


def one_cycle(schedule, steps):
    """Return half a cosine from 1/25 up to 1 during warm-up, then one down to 1/250,000.

    References
    ----------
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
    large learning rates", 2018, https://arxiv.org/abs/1708.07120. Their rates are linear.
    The cosines are fastai's (fit_one_cycle), the divisors PyTorch's (OneCycleLR), whose
    peak and end come one step earlier. Momentum is constant.
    """
    position, warmup = position_in_cycle(schedule, steps), schedule.warmup
    rates = half_cosine(1.0, 1 / END_DIVISOR, progress_of_fall(schedule, position))
    rises = position < warmup
    rates[rises] = half_cosine(1 / START_DIVISOR, 1.0, position[rises] / warmup)
    return rates


def position_in_cycle(schedule, steps):
    """Return the number of epochs (n_steps,) of the cycle before each step."""
    whole, part = np.divmod(np.arange(steps.n_steps), steps.n_batches)
    # Whole epochs are added separately: the result is the same for one call or many.
    return (steps.epoch + whole) % schedule.n_epochs + part / steps.n_batches


def progress_of_fall(schedule, position):
    """Return q (n_steps,), the share of the fall before each step; negative in warm-up."""
    return (position - schedule.warmup) / (schedule.n_epochs - schedule.warmup)


def half_cosine(start, end, share):
    """Return half a cosine from `start` at share 0 to `end` at share 1."""
    return end + 0.5 * (start - end) * (1 + np.cos(np.pi * share))


# 'adaptive' is constant; the stopping rule lowers it by Progress.rate_factor.
SCHEDULES = {
    "constant": constant,
    "invscaling": inverse_scaling,
    "adaptive": constant,
    "cosine": cosine,
    "one_cycle": one_cycle,
}

# Schedules that are cycles, and their default warm-up: none in SGDR, PyTorch's pct_start.
CYCLES = {"cosine": 0.0, "one_cycle": 0.3}


@dataclass(frozen=True)
class Schedule:
    """learning_rate_init times one of the SCHEDULES."""

    name: str  # a key of SCHEDULES
    learning_rate_init: float  # > 0, the first rate, or the peak of a cycle
    power_t: float = 0.5  # >= 0, the exponent of 'invscaling'
    n_epochs: int = 1  # length of a cycle
    warmup_fraction: float = 0.0  # in [0, 1), the part of a cycle before its peak

    @property
    def warmup(self):
        """Number of warm-up epochs of a cycle."""
        return self.warmup_fraction * self.n_epochs

    def learning_rates(self, steps, rate_factor):
        """Return the rates (n_steps,) of the next Steps, times `rate_factor`."""
        share = SCHEDULES[self.name](self, steps)
        return self.learning_rate_init * rate_factor * share
