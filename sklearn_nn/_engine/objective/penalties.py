"""Penalties on the weights: l2 by its gradient or by decay, l1 by a proximal step."""

from dataclasses import dataclass

from ..arrays import namespace, widened


@dataclass(frozen=True)
class Penalty:
    """(l2 + decay) / 2 * ||w||^2 + l1 * ||w||_1.

    Every penalty of the package is one of these, with its strength `alpha` inside. `decay`
    is an l2 that the optimizer does not see: no moment scales or remembers it.
    """

    l2: float = 0.0
    l1: float = 0.0
    decay: float = 0.0

    def value(self, weights):
        """Return the penalty of `weights` (n_weights,), a number on their device."""
        xp, value = namespace(weights), 0.0
        if self.l2 or self.decay:
            value += 0.5 * (self.l2 + self.decay) * widened(weights @ weights)
        if self.l1:
            value += self.l1 * widened(xp.sum(xp.abs(weights)))
        return value

    def add_gradient(self, gradient, weight):
        """Return `gradient` plus that of the smooth part, l2 * w; shapes as `weight`."""
        return gradient + self.l2 * weight if self.l2 else gradient

    def decayed(self, weights, learning_rate):
        """Return weights (n_weights,) that have gone the part learning_rate * decay to 0.

        References
        ----------
        I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
        algorithm 2, https://arxiv.org/abs/1711.05101. Their lambda, which only the
        schedule multiplies, is `decay` times the peak of the learning rate: so PyTorch
        has it.
        """
        return weights * (1 - learning_rate * self.decay)

    def proximal(self, weights, step_size):
        """Return argmin_u l1 * ||u||_1 + ||u - w||^2 / (2 * step_size), by coordinate.

        Soft thresholding: w moves towards 0 by step_size * l1 and stops there. A step
        along a subgradient would never reach 0 exactly.

        Parameters
        ----------
        weights : array of shape (n_weights,)
        step_size : float or array of shape (n_weights,)
            The step that the gradient was multiplied with.

        References
        ----------
        N. Parikh and S. Boyd, "Proximal Algorithms", 2014, section 6.5.2.
        """
        xp = namespace(weights)
        excess = xp.abs(weights) - step_size * self.l1
        return xp.sign(weights) * xp.maximum(excess, xp.zeros_like(excess))


PENALTIES = {
    "l2": lambda alpha, l1_ratio: Penalty(l2=alpha),
    "l1": lambda alpha, l1_ratio: Penalty(l1=alpha),
    "elasticnet": lambda alpha, l1_ratio: Penalty(
        l2=alpha * (1 - l1_ratio), l1=alpha * l1_ratio
    ),
    "decay": lambda alpha, l1_ratio: Penalty(decay=alpha),
    None: lambda alpha, l1_ratio: Penalty(),
}
