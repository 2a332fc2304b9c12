"""A plot of the learning rate range test."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._checks.learning_rate import learning_rate_range_test
from .._data.steps import steps_of
from .._engine.arrays import Rows
from .pyplot import pyplot

# Space above the falling part of the smoothed curve, as a share of its height.
SPACE_ABOVE = 0.25


class LearningRateDisplay:
    """Plot of the losses of a range test over its learning rates, and of its suggestion.

    Use `from_estimator`. Good rates are left of the minimum, where the loss still falls. To
    the right of it, steps are too long.

    Parameters
    ----------
    learning_rates : array-like of shape (n_steps,)
        Rate of each step, increasing.

    losses : array-like of shape (n_steps,)
        Loss of each step's mini-batch before the step.

    smoothed_losses : array-like of shape (n_steps,)
        Running means of the losses.

    suggestion : float, default=None
        The rate to mark; None or NaN for no mark.

    estimator_name : str, default=None
        Title of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the curves.
    figure_ : matplotlib Figure
        The figure with the axes.
    lines_ : dict of Line2D
        The lines by name: 'loss', 'smoothed loss', 'suggestion'.

    See Also
    --------
    learning_rate_range_test : The test, and the rule of the suggestion.
    LossCurveDisplay : Plot of the training.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_nn import BackpropMLPClassifier, LearningRateDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = BackpropMLPClassifier(random_state=0)
    >>> display = LearningRateDisplay.from_estimator(model, X / 16, y)
    >>> 0.001 < display.suggestion < 0.1
    True
    """

    def __init__(
        self,
        *,
        learning_rates: ArrayLike,
        losses: ArrayLike,
        smoothed_losses: ArrayLike,
        suggestion: float | None = None,
        estimator_name: str | None = None,
    ):
        self.learning_rates = learning_rates
        self.losses = losses
        self.smoothed_losses = smoothed_losses
        self.suggestion = suggestion
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        smallest_rate: float = 1e-6,
        largest_rate: float = 10.0,
        n_steps: int = 100,
        ax=None,
    ) -> Self:
        """Run `learning_rate_range_test` and draw it.

        Parameters
        ----------
        estimator : SGDLogisticClassifier or BackpropMLPClassifier
            Fitted or not; or a Pipeline or a fitted search that ends in one. It is not
            changed.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Its labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0.
        smallest_rate, largest_rate : float, default=1e-6 and 10.0
            Learning rates of the first and the last step.
        n_steps : int, default=100
            Number of steps, >= 2.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : LearningRateDisplay
            The display, drawn.
        """
        found = learning_rate_range_test(
            estimator,
            X,
            y,
            sample_weight,
            smallest_rate=smallest_rate,
            largest_rate=largest_rate,
            n_steps=n_steps,
        )
        name = type(steps_of(estimator).classifier).__name__
        return cls(**found._asdict(), estimator_name=name).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : LearningRateDisplay
            The display.
        """
        if ax is None:
            plt = pyplot("LearningRateDisplay.plot")
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        rates, self.lines_ = self.learning_rates, {}
        [self.lines_["loss"]] = ax.plot(
            rates, self.losses, color="C0", alpha=0.35, label="loss of a batch"
        )
        [self.lines_["smoothed loss"]] = ax.plot(
            rates, self.smoothed_losses, color="C0", label="smoothed"
        )
        if self.suggestion is not None and np.isfinite(self.suggestion):
            self.lines_["suggestion"] = ax.axvline(
                self.suggestion,
                color="C1",
                linestyle="--",
                label=f"suggestion: {self.suggestion:.2g}",
            )
        ax.set_xscale("log")
        ax.set_ylim(*limits(self.losses, self.smoothed_losses))
        ax.set(xlabel="learning rate", ylabel="loss", title=self.estimator_name or "")
        ax.grid(alpha=0.3)
        ax.legend(frameon=False)
        return self


def limits(losses, smoothed_losses):
    """Return the range of losses to show, without the part that diverges."""
    until_lowest = smoothed_losses[: np.argmin(smoothed_losses) + 1]
    lowest, highest = np.min(losses), np.max(until_lowest)
    room = SPACE_ABOVE * (highest - lowest) or SPACE_ABOVE
    return lowest - room / 2, highest + room
