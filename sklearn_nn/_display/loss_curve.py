"""A plot of the training, epoch by epoch."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._data.steps import steps_of
from .._mlp_cv import BackpropMLPClassifierCV
from .pyplot import pyplot

# Inches: width, height of the losses, height of each further curve.
WIDTH, LOSS_HEIGHT, CURVE_HEIGHT = 6.4, 3.6, 1.7
# Maximum number of entries of a legend over the curves; a longer one is beside them.
MAX_INSIDE = 5
# The attributes that are drawn, if the estimator has them.
CURVES = (
    "loss_curve",
    "validation_loss_curve",
    "validation_scores",
    "learning_rate_curve",
    "best_epoch",
)
GREY = "0.4"
# Entries of the legend for what all runs have, and how it is drawn.
STYLES = {
    "training, with penalty": {"linestyle": "-"},
    "validation": {"linestyle": "--"},
    "epoch of the model": {"marker": "o", "linestyle": ""},
}


class Run(NamedTuple):
    """The curves of one training run."""

    name: str | None
    losses: dict  # name -> curve
    below: dict  # name -> curve with its own axes
    best_epoch: int | None


class LossCurveDisplay:
    """Plot of losses, validation score and learning rate over the epochs of training.

    Use `from_estimator`. Losses share one axis. The validation score, and a learning rate
    that changes, have their own axes below it, over the same epochs. (The score is not
    drawn if it is minus the validation loss.) Several runs, such as the folds of a
    BackpropMLPClassifierCV, have a colour each: their validation losses are dashed, and a
    dot marks the epoch that was kept.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,), or list of these
        Training loss of each epoch, with the penalty; here and below, NaN for an epoch
        without a value. A list has one curve for each of several runs.

    validation_loss_curve : array-like of shape (n_epochs,) or list, default=None
        Loss of the validation rows after each epoch.

    validation_scores : array-like of shape (n_epochs,) or list, default=None
        Score of the validation rows after each epoch, higher is better.

    learning_rate_curve : array-like of shape (n_epochs,) or list, default=None
        Last learning rate of each epoch.

    best_epoch : int or list, default=None
        The epoch, from 1, whose parameters the model has.

    name : str or list of str, default=None
        Name of each run in the legend.

    score_name : str, default='score'
        Name of the score.

    unit : str, default=None
        Label of the x axis; None is 'epoch' with learning rates, else 'iteration'.

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
    lines_ : dict of Line2D, or of list
        The curves by name: 'training loss', 'validation loss', 'validation score',
        'learning rate'. Of several runs, lists.

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

    Compare two runs:

    >>> slow = BackpropMLPClassifier(learning_rate=0.02, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(model, name="0.05", log_scale=True)
    >>> both = LossCurveDisplay.from_estimator(slow, name="0.02", ax=display.ax_)
    >>> [text.get_text() for text in both.ax_.get_legend().get_texts()]
    ['0.05', '0.02']
    """

    def __init__(
        self,
        *,
        loss_curve: ArrayLike | list[ArrayLike],
        validation_loss_curve: ArrayLike | list[ArrayLike] | None = None,
        validation_scores: ArrayLike | list[ArrayLike] | None = None,
        learning_rate_curve: ArrayLike | list[ArrayLike] | None = None,
        best_epoch: int | list[int] | None = None,
        name: str | list[str] | None = None,
        score_name: str = "score",
        unit: str | None = None,
        estimator_name: str | None = None,
    ):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.learning_rate_curve = learning_rate_curve
        self.best_epoch = best_epoch
        self.name = name
        self.score_name = score_name
        self.unit = unit
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        log_scale: bool = False,
        ax: Any = None,
    ) -> Self:
        """Draw the curves of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of this package, or another with `loss_curve_`, such as
            scikit-learn's MLPClassifier; or a Pipeline or a fitted search that ends in one.
            Of a BackpropMLPClassifierCV, all folds are drawn.
        name : str, default=None
            Name in the legend, to compare runs on the same axes; None is for a run alone,
            whose class is the title.
        log_scale : bool, default=False
            Whether the axis of losses is logarithmic.
        ax : matplotlib Axes, default=None
            Axes to draw only the losses on, such as `ax_` of another display; None makes a
            new figure.

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
        classifier = steps_of(estimator).classifier
        check_is_fitted(classifier)
        is_folds = isinstance(classifier, BackpropMLPClassifierCV)
        networks = classifier.estimators_ if is_folds else [classifier]
        if getattr(networks[0], "loss_curve_", None) is None:
            raise TypeError(
                "LossCurveDisplay needs a fitted estimator with loss_curve_; "
                f"{type(classifier).__name__} has none. Pass a classifier of sklearn_nn."
            )
        # MLPClassifier has only some of these.
        curves = {
            curve: [getattr(network, f"{curve}_", None) for network in networks]
            for curve in CURVES
        }
        title = type(classifier).__name__ if name is None else None
        if is_folds:
            before = "" if name is None else f"{name}, "
            name = [f"{before}fold {k}" for k in range(1, len(networks) + 1)]
        else:
            curves = {curve: value for curve, [value] in curves.items()}
        display = cls(
            **curves,
            name=name,
            score_name=score_name_of(networks[0]),
            unit=unit_of(networks[0]),
            estimator_name=title,
        )
        return display.plot(ax=ax, log_scale=log_scale)

    def plot(self, ax: Any = None, *, log_scale: bool = False) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw only the losses on; None makes a new figure.
        log_scale : bool, default=False
            Whether the axis of losses is logarithmic.

        Returns
        -------
        self : LossCurveDisplay
            The display.
        """
        runs = self._runs()
        below = None
        if ax is None:
            names = dict.fromkeys(name for run in runs for name in run.below)
            plt = pyplot("LossCurveDisplay.plot")
            self.axes_ = stacked_axes(plt, 1 + len(names))
            below = dict(zip(names, self.axes_[1:], strict=True))
        else:
            self.axes_ = [ax]
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        drawn = [draw_run(run, self.ax_, below or {}) for run in runs]
        names = dict.fromkeys(name for lines in drawn for name in lines)
        self.lines_ = {name: [lines.get(name) for lines in drawn] for name in names}
        if len(runs) == 1:
            self.lines_ = drawn[0]
        self._label(below)
        if log_scale:
            self.ax_.set_yscale("log")
        return self

    def _label(self, below):
        """Set labels, grids, scales and the legend.

        `below` are the other axes by name, or None on the user's axes.
        """
        self.ax_.set_ylabel("loss")
        for name, axes in (below or {}).items():
            is_score = name == "validation score"
            axes.set_ylabel(f"validation {self.score_name}" if is_score else name)
            if name == "learning rate":
                axes.set_yscale("log")
        for axes in self.axes_:
            axes.grid(alpha=0.3)
        if self.estimator_name is not None:
            self.ax_.set_title(self.estimator_name)
        rates = self.learning_rate_curve
        rates = rates[0] if is_list_of_curves(rates) else rates
        unit = self.unit or ("epoch" if has_numbers(rates) else "iteration")
        x_axis = self.axes_[-1].xaxis
        if x_axis.get_tick_params().get("labelbottom", True):  # no axes below share it
            self.axes_[-1].set_xlabel(unit)
        x_axis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        self.figure_.align_ylabels(self.axes_)
        lines, _ = self.ax_.get_legend_handles_labels()
        lines.sort(key=lambda line: line.get_label() in STYLES)  # stable: runs first
        is_long = below is not None and len(lines) > MAX_INSIDE
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if is_long else {}
        self.ax_.legend(handles=lines, **beside)

    def _runs(self):
        """Return the list of Run."""
        fields = [self.name, *(getattr(self, curve) for curve in CURVES)]
        if not is_list_of_curves(self.loss_curve):
            return [run_of(*fields)]
        n_runs = len(self.loss_curve)
        if self.name is None:
            fields[0] = [f"run {k}" for k in range(1, n_runs + 1)]
        each = [[None] * n_runs if values is None else values for values in fields]
        return [run_of(*run) for run in zip(*each, strict=True)]


def is_list_of_curves(curves):
    """Return whether these are curves of several runs, not values of epochs."""
    return curves is not None and len(curves) > 0 and np.ndim(curves[0]) > 0


def run_of(name, losses, validation_losses, scores, rates, best_epoch):
    """Return the Run with these curves, without those that say nothing."""
    drawn, below = {"training loss": losses}, {}
    if has_numbers(validation_losses):
        drawn["validation loss"] = validation_losses
    if has_numbers(scores) and not is_minus(scores, validation_losses):
        below["validation score"] = scores
    if has_numbers(rates) and np.nanmin(rates) < np.nanmax(rates):
        below["learning rate"] = rates
    return Run(name, drawn, below, best_epoch)


def has_numbers(curve):
    """Return whether the curve has at least one value that is not NaN."""
    return curve is not None and not np.all(np.isnan(np.asarray(curve, dtype=float)))


def is_minus(scores, losses):
    """Return whether scores are minus the losses, as with scoring='loss'."""
    if losses is None:
        return False
    return np.array_equal(np.negative(scores), np.asarray(losses), equal_nan=True)


def score_name_of(estimator):
    """Return the name of an estimator's `scoring`."""
    scoring = getattr(estimator, "scoring", "score")
    if scoring is None:  # minus the loss, which is not drawn, or accuracy
        return "accuracy"
    if isinstance(scoring, str):
        return scoring
    function = getattr(scoring, "_score_func", scoring)  # of make_scorer
    return getattr(function, "__name__", "score")


def unit_of(estimator):
    """Return 'epoch' for MLPClassifier's, None if learning rates tell the unit."""
    if hasattr(estimator, "learning_rate_curve_"):
        return None
    return "epoch" if getattr(estimator, "solver", None) in ("sgd", "adam") else None


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


def draw_run(run, axes, below):
    """Draw a run, its losses on `axes`; return its Line2D by name.

    `below` are the axes of other curves by name. A run with a name has one colour; without
    a name, each loss has its own.
    """
    lines, colour = {}, None
    for name, curve in run.losses.items():
        label = name if run.name is None else run.name
        is_second = run.name is not None and len(lines) > 0
        line = draw_curve(axes, curve, None if is_second else label, colour)
        lines[name] = line
        if run.name is not None:
            colour = line.get_color()
        if is_second:
            line.set_linestyle("--")
            explain_once(axes, "training, with penalty")
            explain_once(axes, "validation")
    first, *_, last = [*lines.values()] * 2
    for name, curve in run.below.items():
        if name in below:
            of = last if name == "validation score" else first
            lines[name] = draw_curve(below[name], curve, None, of.get_color())
    if run.best_epoch is not None:
        mark_best_epoch(run, lines, [axes, *below.values()])
    return lines


def draw_curve(axes, curve, label, colour):
    """Return the Line2D of a curve; a value between NaN becomes a point.

    No colour is the next one of the axes.
    """
    curve = np.asarray(curve, dtype=float)
    has_value = np.concatenate([[False], ~np.isnan(curve), [False]])
    alone = has_value[1:-1] & ~has_value[:-2] & ~has_value[2:]
    epochs = np.arange(1, len(curve) + 1)
    [line] = axes.plot(epochs, curve, label=label, color=colour)
    if alone.any():
        line.set(marker="o", markevery=alone.tolist())
    return line


def mark_best_epoch(run, lines, all_axes):
    """Mark the epoch whose parameters the model has: by a line, or a dot on each curve."""
    if run.name is None:
        for k, axes in enumerate(all_axes):
            label = f"model of epoch {run.best_epoch} kept" if k == 0 else None
            axes.axvline(run.best_epoch, color=GREY, linestyle=":", label=label, zorder=1)
        return
    for name, line in lines.items():
        if name == "learning rate":
            continue
        value = line.get_ydata()[run.best_epoch - 1]
        line.axes.plot(run.best_epoch, value, "o", color=line.get_color())
    explain_once(all_axes[0], "epoch of the model")


def explain_once(axes, style):
    """Add an entry of STYLES to the legend, unless there is one."""
    if style not in [line.get_label() for line in axes.lines]:
        axes.plot([], [], color=GREY, label=style, **STYLES[style])
