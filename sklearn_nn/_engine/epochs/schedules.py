"""Learning-rate schedules: place of an update in training -> learning rate.

'cosine' and 'one_cycle' are cycles of a known length of n_epochs. With p the place in the
cycle and w = warmup_fraction * n_epochs, both in epochs, they rise while p < w and then
fall along half a cosine with q = (p - w) / (n_epochs - w) from 0 to 1. The place is
counted in epochs, so that it does not depend on how training is cut into calls (each
`partial_fit` is an epoch, whatever its chunk); after a cycle the next begins.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# 'one_cycle' begins at 1/25 of its peak and ends at 1/10,000 of where it began: PyTorch's
# div_factor and final_div_factor of OneCycleLR (fastai's fit_one_cycle has div=25 too).
BEGIN_DIVISOR, END_DIVISOR = 25.0, 25.0 * 1e4


class Steps(NamedTuple):
    """The coming updates: where they stand in training."""

    n_steps: int
    step: int  # updates before them
    epoch: float  # passes over the data before them; a round may begin within one
    n_batches: int  # updates of a pass


def constant(schedule, steps):
    """Return 1 for each update."""
    return np.ones(steps.n_steps)


def inverse_scaling(schedule, steps):
    """Return 1 / t**power_t, t the number of the update, from 1."""
    t = np.arange(steps.step + 1, steps.step + steps.n_steps + 1, dtype=np.float64)
    return 1 / t**schedule.power_t


def cosine(schedule, steps):
    """Return p' / w while it rises, then (1 + cos(pi q)) / 2.

    p' = p + 1 / n_batches is the place after the update, so that the first rate is not 0:
    the k-th of n updates has k / n, from 1.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, equation 5 with eta_min = 0, https://arxiv.org/abs/1608.03983

    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
    section 2.2, https://arxiv.org/abs/1706.02677: the linear rise.
    """
    place, warmup = place_in_cycle(schedule, steps), schedule.warmup
    rates = half_cosine(1.0, 0.0, fall(schedule, place))
    rises = place < warmup
    rates[rises] = np.minimum(1.0, (place[rises] + 1 / steps.n_batches) / warmup)
    return rates


def one_cycle(schedule, steps):
    """Return half a cosine from 1/25 up to 1 over p / w, then one down to 1/250,000.

    References
    ----------
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
    large learning rates", 2018, https://arxiv.org/abs/1708.07120. They rise and fall along
    lines; the cosines and the divisors are those of fastai's fit_one_cycle and PyTorch's
    OneCycleLR, whose peak and end come one update earlier. Momentum stays as it is.
    """
    place, warmup = place_in_cycle(schedule, steps), schedule.warmup
    rates = half_cosine(1.0, 1 / END_DIVISOR, fall(schedule, place))
    rises = place < warmup
    rates[rises] = half_cosine(1 / BEGIN_DIVISOR, 1.0, place[rises] / warmup)
    return rates


def place_in_cycle(schedule, steps):
    """Return how many epochs (n_steps,) of the cycle are over before each update."""
    whole, part = np.divmod(np.arange(steps.n_steps), steps.n_batches)
    # Whole epochs apart: the same number whether epochs come in one call or in many.
    return (steps.epoch + whole) % schedule.n_epochs + part / steps.n_batches


def fall(schedule, place):
    """Return q, the share (n_steps,) of the fall that is over; negative before it."""
    return (place - schedule.warmup) / (schedule.n_epochs - schedule.warmup)


def half_cosine(start, end, share):
    """Return what leads from `start` at share 0 to `end` at share 1, level at both."""
    return end + 0.5 * (start - end) * (1 + np.cos(np.pi * share))


# 'adaptive' is constant between the moments at which the stopping rule lowers it.
SCHEDULES = {
    "constant": constant,
    "invscaling": inverse_scaling,
    "adaptive": constant,
    "cosine": cosine,
    "one_cycle": one_cycle,
}

# Those that last n_epochs, and their usual warm-up: none in SGDR, PyTorch's pct_start.
CYCLES = {"cosine": 0.0, "one_cycle": 0.3}


@dataclass(frozen=True)
class Schedule:
    """learning_rate_init times the named function.

    Parameters
    ----------
    name : a key of SCHEDULES
    learning_rate_init : float > 0
        The first rate; of a cycle its peak.
    power_t : float >= 0, the exponent of 'invscaling'
    n_epochs : int >= 1, the length of a cycle
    warmup_fraction : float in [0, 1), the part of a cycle in which the rate rises
    """

    name: str
    learning_rate_init: float
    power_t: float = 0.5
    n_epochs: int = 1
    warmup_fraction: float = 0.0

    @property
    def warmup(self):
        """Epochs in which the rate of a cycle rises."""
        return self.warmup_fraction * self.n_epochs

    def learning_rates(self, steps, rate_factor):
        """Return the rates (n_steps,) of the coming Steps, times `rate_factor`."""
        share = SCHEDULES[self.name](self, steps)
        return self.learning_rate_init * rate_factor * share
