"""Optimizers: theta and gradient in, theta out; their state (`slots`) is explicit.

`proximal(theta, step_size)` is the penalty's proximal step, or None. Each optimizer passes
the step size by which a gradient moves each coordinate. A velocity includes the move of the
proximal step, as if it came from a gradient (an implicit subgradient of the l1 norm at the
new point); Adam's moments leave it out. So a fixed point of the iteration is an optimum of
the objective.

The number of the step is not an argument of `step`: `corrected_rate` computes what depends
on it before the step.
"""

from dataclasses import dataclass
from math import sqrt

from ..arrays import (
    as_type,
    in_one_pass,
    minus_quotient,
    moving_mean,
    namespace,
    plus_product,
    widened,
)


@dataclass(frozen=True)
class SGD:
    """theta <- theta - learning_rate * gradient (Robbins and Monro 1951)."""

    n_slots = 0

    def corrected_rate(self, learning_rate, t):
        """Return the learning rate: nothing is corrected; see `Adam.corrected_rate`."""
        return learning_rate

    def step(self, theta, slots, gradient, learning_rate, proximal):
        """Return the new theta and slots; see `Adam.step` for the arguments."""
        theta = theta - learning_rate * gradient
        return (proximal(theta, learning_rate) if proximal else theta), slots


@dataclass(frozen=True)
class Momentum:
    """v <- momentum * v - learning_rate * gradient; theta <- theta + v (Polyak 1964)."""

    momentum: float

    n_slots = 1

    def corrected_rate(self, learning_rate, t):
        """Return the learning rate: nothing is corrected; see `Adam.corrected_rate`."""
        return learning_rate

    def step(self, theta, slots, gradient, learning_rate, proximal):
        """Return the new theta and slots; see `Adam.step` for the arguments."""
        velocity = self.momentum * slots[0] - learning_rate * gradient
        moved = theta + velocity
        if proximal:
            moved = proximal(moved, learning_rate)
            velocity = moved - theta
        return moved, (velocity,)


@dataclass(frozen=True)
class Nesterov:
    """Gradient descent with Nesterov's momentum.

        v <- momentum * v - learning_rate * gradient
        theta <- theta + momentum * v - learning_rate * gradient

    Here theta is the look-ahead point, as in MLPClassifier (Sutskever, Martens, Dahl and
    Hinton 2013, equations 3 and 4, in Bengio's variables).
    """

    momentum: float

    n_slots = 1

    def corrected_rate(self, learning_rate, t):
        """Return the learning rate: nothing is corrected; see `Adam.corrected_rate`."""
        return learning_rate

    def step(self, theta, slots, gradient, learning_rate, proximal):
        """Return the new theta and slots; see `Adam.step` for the arguments."""
        descent = learning_rate * gradient
        velocity = self.momentum * slots[0] - descent
        moved = theta + (self.momentum * velocity - descent)
        if proximal:
            # A gradient moves theta by (1 + momentum) times its share of the velocity.
            gain = 1 + self.momentum
            shrunk = proximal(moved, gain * learning_rate)
            velocity = velocity + (shrunk - moved) / gain
            moved = shrunk
        return moved, (velocity,)


@dataclass(frozen=True)
class Adam:
    """Steps scaled by running moments of the gradient (Kingma and Ba 2015, algorithm 1).

    In the efficient form of their section 2: epsilon is added to the root of the
    uncorrected second moment, as in MLPClassifier.
    """

    beta_1: float
    beta_2: float
    epsilon: float

    n_slots = 2

    def corrected_rate(self, learning_rate, t):
        """Return the learning rate (float) times the correction of both moments' bias.

        `t` is the number of the step since the slots were zero, from 1.
        """
        return learning_rate * sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def step(self, theta, slots, gradient, learning_rate, proximal):
        """Return the new theta and slots.

        Parameters
        ----------
        theta, gradient : array of shape (n_parameters,)
            The arrays of theta and slots may be overwritten, except NumPy's.
        slots : tuple of n_slots arrays of shape (n_parameters,)
            Zeros before the first step.
        learning_rate : float, or array of one number in the dtype of theta
            The result of `corrected_rate`.
        proximal : callable (theta, step_size) -> theta, or None
        """
        theta, *slots = adam_step(theta, *slots, gradient, learning_rate, self)
        if proximal:
            denominator = namespace(theta).sqrt(slots[1]) + self.epsilon
            theta = proximal(theta, learning_rate / denominator)
        return theta, tuple(slots)


@in_one_pass
def adam_step(theta, first, second, gradient, rate, adam):
    """Return theta and both moments after a step by this rate, without a proximal step.

    All arrays are (n_parameters,); `adam` is the Adam, and `rate` its corrected rate. Those
    of theta and moments may be overwritten.
    """
    first = moving_mean(first, gradient, adam.beta_1)
    second = adam.beta_2 * second
    second = plus_product(second, 1 - adam.beta_2, gradient, gradient)
    denominator = namespace(theta).sqrt(second) + adam.epsilon
    return minus_quotient(theta, rate * first, denominator), first, second


def clipped(gradient, max_norm):
    """Return the gradient, scaled down to the norm `max_norm` if its norm is larger.

    A gradient whose norm is not finite stays unchanged: scaling it to 0 would hide
    divergence from the checks. None as `max_norm` is no clipping.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013, algorithm 1, https://arxiv.org/abs/1211.5063
    """
    if max_norm is None:
        return gradient
    # In the widest float: no square of a float32 overflows, and the sum loses few digits.
    xp, wide = namespace(gradient), widened(gradient)
    norm = xp.sqrt(wide @ wide)
    # Computed on the device: reading a number would make the host wait for it.
    is_longer = (norm > max_norm) & xp.isfinite(norm)
    limit = xp.full_like(norm, max_norm)
    return gradient * as_type(limit / xp.where(is_longer, norm, limit), gradient.dtype)


def gradient_descent(momentum, nesterovs_momentum):
    """Return gradient descent: plain, with momentum, or with Nesterov's momentum."""
    if momentum == 0:
        return SGD()
    return Nesterov(momentum) if nesterovs_momentum else Momentum(momentum)


# By `solver`. Arguments are named as the constructor parameters that they come from.
OPTIMIZERS = {"sgd": gradient_descent, "adam": Adam, "adamw": Adam}

# Solvers whose l2 penalty is a weight decay, applied beside the step.
WITH_DECAY = {"adamw"}
