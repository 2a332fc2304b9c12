"""A plot of the training, epoch by epoch."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .pyplot import pyplot

# Inches: width, height of the losses, height of each further curve.
WIDTH, LOSS_HEIGHT, CURVE_HEIGHT = 6.4, 3.6, 1.7


class LossCurveDisplay:
    """Plot of losses, validation score and learning rate over the epochs of training.

    Use `from_estimator`. Losses share one axis. The validation score, and a learning rate
    that changes, have their own axes below it, over the same epochs.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Training loss of each epoch; here and below, NaN for an epoch without a value.

    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Loss of the validation rows after each epoch.

    validation_scores : array-like of shape (n_epochs,), default=None
        Score of the validation rows after each epoch, higher is better.

    learning_rate_curve : array-like of shape (n_epochs,), default=None
        Last learning rate of each epoch.

    best_epoch : int, default=None
        The epoch, from 1, whose parameters the model has.

    estimator_name : str, default=None
        Title of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the losses.
    axes_ : list of Axes
        All axes; the first one has the losses.
    figure_ : matplotlib Figure
        The figure with the axes.
    lines_ : dict of Line2D
        The curves by name: 'training loss', 'validation loss', 'validation score',
        'learning rate'.

    See Also
    --------
    LearningRateDisplay : Plot of losses over learning rates, before training.
    WeightsDisplay : Plot of the weights.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_nn import BackpropMLPClassifier, LossCurveDisplay
    >>> X, y = make_moons(noise=0.1, random_state=0)
    >>> model = BackpropMLPClassifier(learning_rate=0.05, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.ax_.get_ylabel()
    'loss'
    """

    def __init__(
        self,
        *,
        loss_curve: ArrayLike,
        validation_loss_curve: ArrayLike | None = None,
        validation_scores: ArrayLike | None = None,
        learning_rate_curve: ArrayLike | None = None,
        best_epoch: int | None = None,
        estimator_name: str | None = None,
    ):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.learning_rate_curve = learning_rate_curve
        self.best_epoch = best_epoch
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, *, ax=None) -> Self:
        """Draw the curves of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of this package, or another with `loss_curve_`, such as
            scikit-learn's MLPClassifier.
        ax : matplotlib Axes, default=None
            Axes to draw only the losses on; None makes a new figure.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `loss_curve_`.
        """
        check_is_fitted(estimator)
        if getattr(estimator, "loss_curve_", None) is None:
            raise TypeError(
                "LossCurveDisplay needs a fitted estimator with loss_curve_; "
                f"{type(estimator).__name__} has none. Pass a classifier of sklearn_nn "
                "(for a pipeline, its last step, pipeline[-1]; for "
                "BackpropMLPClassifierCV, one of its estimators_)."
            )
        # MLPClassifier has only some of these.
        curves = {
            name: getattr(estimator, f"{name}_", None)
            for name in (
                "validation_loss_curve",
                "validation_scores",
                "learning_rate_curve",
                "best_epoch",
            )
        }
        display = cls(
            loss_curve=estimator.loss_curve_,
            estimator_name=type(estimator).__name__,
            **curves,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw only the losses on; None makes a new figure.

        Returns
        -------
        self : LossCurveDisplay
            The display.
        """
        rows = [{"training loss": self.loss_curve}]
        if has_numbers(self.validation_loss_curve):
            rows[0]["validation loss"] = self.validation_loss_curve
        if ax is None:
            rows += [{name: curve} for name, curve in self._curves_below().items()]
            self.axes_ = stacked_axes(pyplot("LossCurveDisplay.plot"), len(rows))
        else:
            self.axes_ = [ax]
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_ = {}
        for axes, curves in zip(self.axes_, rows, strict=True):
            for name, curve in curves.items():
                self.lines_[name] = draw_curve(axes, curve, name)
            axes.set_ylabel("loss" if axes is self.ax_ else name)
            axes.grid(alpha=0.3)
        if "learning rate" in self.lines_:
            self.axes_[-1].set_yscale("log")
        self.ax_.set_title(self.estimator_name or "")
        self.axes_[-1].set_xlabel(self._unit())
        locator = self.axes_[-1].xaxis.get_major_locator()
        locator.set_params(integer=True, min_n_ticks=1)
        self.figure_.align_ylabels(self.axes_)
        self._mark_best_epoch()
        self.ax_.legend()
        return self

    def _curves_below(self):
        """Return the curves with their own axes, by name."""
        below = {}
        if has_numbers(self.validation_scores):
            below["validation score"] = self.validation_scores
        rates = self.learning_rate_curve
        if has_numbers(rates) and np.nanmin(rates) < np.nanmax(rates):
            below["learning rate"] = rates
        return below

    def _unit(self):
        """Return the label of the x axis: 'epoch' if there are learning rates."""
        return "epoch" if has_numbers(self.learning_rate_curve) else "iteration"

    def _mark_best_epoch(self):
        """Draw a vertical line at the epoch whose parameters the model has."""
        if self.best_epoch is None:
            return
        for axes in self.axes_:
            label = f"model of epoch {self.best_epoch} kept" if axes is self.ax_ else None
            axes.axvline(self.best_epoch, color="0.4", linestyle=":", label=label, zorder=1)


def has_numbers(curve):
    """Return whether the curve has at least one value that is not NaN."""
    return curve is not None and not np.all(np.isnan(np.asarray(curve, dtype=float)))


def stacked_axes(plt, n_rows):
    """Return the axes of a new figure from top to bottom; the first one is the tallest."""
    heights = [LOSS_HEIGHT] + [CURVE_HEIGHT] * (n_rows - 1)
    _, axes = plt.subplots(
        n_rows,
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        figsize=(WIDTH, sum(heights)),
        layout="constrained",
    )
    return list(axes[:, 0])


def draw_curve(axes, curve, name):
    """Return the Line2D of a curve; a value between NaN becomes a point."""
    curve = np.asarray(curve, dtype=float)
    has_value = np.concatenate([[False], ~np.isnan(curve), [False]])
    alone = has_value[1:-1] & ~has_value[:-2] & ~has_value[2:]
    epochs = np.arange(1, len(curve) + 1)
    colour = "C1" if name.startswith("validation") else "C0"
    [line] = axes.plot(epochs, curve, label=name, color=colour)
    if alone.any():
        line.set(marker="o", markevery=alone.tolist())
    return line
