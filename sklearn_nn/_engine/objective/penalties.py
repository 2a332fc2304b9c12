"""Penalties on the weights: l2 in the gradient or as decay, l1 by a proximal step."""

from dataclasses import dataclass

from ..arrays import Vector, namespace, plus_multiple, positive_part, widened


@dataclass(frozen=True)
class Penalty:
    """(l2 + decay) / 2 * ||w||^2 + l1 * ||w||_1.

    Every penalty of the package has this form, with its strength `alpha` inside. `decay` is
    an l2 penalty outside the gradient: the optimizer's moments do not scale it.
    """

    l2: float = 0.0
    l1: float = 0.0
    decay: float = 0.0

    def value(self, weights: Vector):
        """Return the penalty of `weights` (n_weights,), a number on their device."""
        xp, value = namespace(weights), 0.0
        if self.l2 or self.decay:
            value = 0.5 * (self.l2 + self.decay) * widened(weights @ weights)
        if self.l1:
            value = value + self.l1 * widened(xp.sum(xp.abs(weights)))
        return value

    def add_gradient(self, gradient, weight):
        """Return `gradient` plus l2 * weight, that of the smooth part."""
        return plus_multiple(gradient, self.l2, weight) if self.l2 else gradient

    def decayed(self, weights, learning_rate):
        """Return weights (n_weights,) times 1 - learning_rate * decay.

        References
        ----------
        I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
        algorithm 2, https://arxiv.org/abs/1711.05101. In the paper, only the schedule
        multiplies lambda. Here, as in PyTorch, the learning rate multiplies `decay`: lambda
        is `decay` times the peak of the rate.
        """
        return weights * (1 - learning_rate * self.decay)

    def proximal(self, weights, step_size):
        """Return argmin_u l1 * ||u||_1 + ||u - w||^2 / (2 * step_size), by coordinate.

        Soft thresholding: w moves towards 0 by step_size * l1, and stops at 0. A step along
        a subgradient would never reach 0 exactly.

        Parameters
        ----------
        weights : array of shape (n_weights,)
        step_size : float or array of shape (n_weights,)
            By which the gradient was multiplied.

        References
        ----------
        N. Parikh and S. Boyd, "Proximal Algorithms", 2014, section 6.5.2.
        """
        return soft_threshold(weights, step_size * self.l1)


def soft_threshold(x, threshold):
    """Return x moved towards 0 by `threshold`, stopping at 0."""
    # Without sign(x): that of array-api-compat for CuPy reads a number of the device.
    return positive_part(x - threshold) - positive_part(-x - threshold)


PENALTIES = {
    "l2": lambda alpha, l1_ratio: Penalty(l2=alpha),
    "l1": lambda alpha, l1_ratio: Penalty(l1=alpha),
    "elasticnet": lambda alpha, l1_ratio: Penalty(
        l2=alpha * (1 - l1_ratio), l1=alpha * l1_ratio
    ),
    "decay": lambda alpha, l1_ratio: Penalty(decay=alpha),
    None: lambda alpha, l1_ratio: Penalty(),
}
