"""The learning rate range test: finds a learning rate before training."""

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._engine.arrays import Rows, Vector
from .._engine.epochs.train import draw_order, generator_of_orders, run_epochs
from .._engine.rows import batches
from .dry_run import classifier_and_rows, prepared_copy

# Weight of the past in the running mean of the losses, which covers about 10 steps.
# fastai's 0.98 covers about 50 of the 100 steps, which hides the minimum of the loss.
SMOOTHING = 0.9
# A loss has diverged above this multiple of the lowest one, as in fastai.
DIVERGED = 4.0
# The suggestion is the rate of the lowest loss divided by this, as in fastai.
DIVISOR = 10.0
# Lines of a report, without those about the lowest loss.
ROWS_OF_REPORT = 9


class RangeTest(NamedTuple):
    """Result of `learning_rate_range_test`; printing it gives a report.

    Parameters
    ----------
    learning_rates : ndarray of shape (n_steps_taken,)
        Rate of each step.
    losses : ndarray of shape (n_steps_taken,)
        Objective of each step's mini-batch before the step, in nats per sample.
    smoothed_losses : ndarray of shape (n_steps_taken,)
        Their running means.
    suggestion : float
        The learning rate to train with; NaN if the loss fell at no rate.
    """

    learning_rates: Vector
    losses: Vector
    smoothed_losses: Vector
    suggestion: float

    def __repr__(self):
        n_steps, lowest = len(self.losses), int(np.argmin(self.smoothed_losses))
        n_rows = min(n_steps, ROWS_OF_REPORT)
        shown = {*np.linspace(0, n_steps - 1, n_rows).round().astype(int), lowest}
        lines = [f"Learning rate range test of {n_steps} steps", "     rate  smoothed loss"]
        lines += [
            f"{self.learning_rates[t]:9.2g}  {self.smoothed_losses[t]:13.4g}"
            + (" lowest" if t == lowest else "")
            for t in sorted(shown)
        ]
        found = f"{self.suggestion:.2g}, a tenth of the rate of the lowest loss"
        fell = not np.isnan(self.suggestion)
        lines.append(f"suggestion: {found if fell else 'none, the loss fell at no rate'}")
        return "\n".join(lines)

    __str__ = __repr__


def learning_rate_range_test(
    estimator: BaseEstimator,
    X: Rows,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    smallest_rate: float = 1e-6,
    largest_rate: float = 10.0,
    n_steps: int = 100,
) -> RangeTest:
    """Find a learning rate by steps whose rates grow from too small to too large.

    A copy of the estimator takes `n_steps` steps on mini-batches, in the random order of
    training. Each rate is larger than the last by the same factor. The test ends early if
    the loss diverges. The estimator itself is not changed. A linear model is tested with
    its `solver`, which it uses if it has a learning rate.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        Fitted or not; or a Pipeline or a fitted search that ends in one, whose other steps
        transform X (a copy of them is fitted if the pipeline is not). The test starts from
        the initial coefficients of `fit`, or from the fitted ones with warm_start=True. All
        its parameters apply, except those of the learning rate and of early stopping.
        `solver` must not be 'lbfgs'.

    X : array-like or sparse matrix of shape (n_samples, n_features)
        Training data.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Its labels, as for `fit`.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0, as for `fit`.

    smallest_rate, largest_rate : float, default=1e-6 and 10.0
        Learning rates of the first and the last step, 0 < smallest < largest.

    n_steps : int, default=100
        Number of steps, >= 2.

    Returns
    -------
    RangeTest
        The rates, the losses and the suggestion; see RangeTest.

    Raises
    ------
    ValueError
        If the solver is 'lbfgs', a parameter is not valid, or the loss is not finite before
        the first step.
    TypeError
        If the classifier is not of this package.

    Warns
    -----
    UserWarning
        If the loss fell at no rate: the suggestion is NaN. If it was still falling at the
        largest rate.

    See Also
    --------
    LearningRateDisplay : Draws the result.

    Notes
    -----
    The test is Smith's [1]_, with geometric instead of linear growth of the rates, and
    losses instead of accuracies. As in fastai [2]_, losses are smoothed by a running mean
    with weight 0.9 of the past (fastai: 0.98), divided by 1 - 0.9^t. The suggestion is a
    tenth of the rate with the lowest smoothed loss, one of fastai's rules.

    It was measured on 36 problems (6 data sets, 6 settings of both classes), as the
    objective after 20 epochs with the suggestion, relative to the best of 25 rates. The
    ratio was 1.2 in the median, 3.2 in the 90th percentile, and 8.7 in the worst case. With
    the rate of the fastest fall of the smoothed loss it was 1.7, 8.9 and 720, and with
    fastai's 'valley' 4, 59 and 130.

    References
    ----------
    .. [1] L. Smith, "Cyclical learning rates for training neural networks", WACV 2017,
       section 3.3, https://arxiv.org/abs/1506.01186
    .. [2] J. Howard and S. Gugger, "fastai: a layered API for deep learning", Information
       11(2), 2020, https://docs.fast.ai/callback.schedule.html#lrfinder

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_nn import BackpropMLPClassifier, learning_rate_range_test
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> model = BackpropMLPClassifier(random_state=0)
    >>> found = learning_rate_range_test(model, X_train, y_train)
    >>> print(found)
    Learning rate range test of 86 steps
         rate  smoothed loss
        1e-06          2.405
        6e-06          2.436
      3.1e-05          2.439
      0.00018          2.414
      0.00093          2.368
       0.0056          2.127
        0.034          1.208
        0.089         0.8257 lowest
         0.17         0.9122
            1          6.644
    suggestion: 0.0089, a tenth of the rate of the lowest loss
    >>> model = model.set_params(learning_rate=found.suggestion, max_iter=20, tol=None)
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.96
    True
    """
    check_rates(smallest_rate, largest_rate, n_steps)
    estimator, X = classifier_and_rows(
        estimator, X, y, sample_weight, "learning_rate_range_test"
    )
    rate = float(smallest_rate)
    prepared = prepared_copy(estimator, X, y, sample_weight, learning_rate=rate)
    if not prepared.method.is_stepwise:
        raise ValueError(
            "A range test needs a solver with a learning rate; got solver='lbfgs', which "
            "has none. Set solver='adam' or 'sgd'."
        )
    steps = take_steps(prepared, np.geomspace(smallest_rate, largest_rate, n_steps))
    return RangeTest(*steps, suggestion_of(*steps))


def check_rates(smallest_rate, largest_rate, n_steps):
    """Raise TypeError or ValueError unless the rates increase and there are >= 2 steps."""
    for name, rate in (("smallest_rate", smallest_rate), ("largest_rate", largest_rate)):
        if not isinstance(rate, Real) or isinstance(rate, bool):
            raise TypeError(f"{name} must be a number; got {rate!r}.")
    if not 0 < smallest_rate < largest_rate < np.inf:
        raise ValueError(
            "The rates must be finite with 0 < smallest_rate < largest_rate; got "
            f"smallest_rate={smallest_rate!r} and largest_rate={largest_rate!r}."
        )
    if not isinstance(n_steps, Integral) or isinstance(n_steps, bool):
        raise TypeError(f"n_steps must be an integer; got {n_steps!r}.")
    if n_steps < 2:
        raise ValueError(f"n_steps must be at least 2; got {n_steps!r}.")


def take_steps(prepared, rates):
    """Take one step at each rate until the loss diverges.

    Return learning rates, losses and smoothed losses, (n_steps_taken,) each: all finite,
    and at least one.
    """
    problem, settings, state = prepared.problem, prepared.settings, prepared.state
    batches = endless_batches(settings, state, prepared.data)
    taken, mean, lowest = [], 0.0, np.inf
    for t, (rate, batch) in enumerate(zip(rates, batches, strict=False), start=1):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            state, [loss] = run_epochs(
                problem, settings, state, batch, None, np.array([rate])
            )
        if not np.isfinite(loss):
            break
        # mean_t = SMOOTHING * mean_{t-1} + (1 - SMOOTHING) * loss_t,  divided by
        # 1 - SMOOTHING^t, the sum of the weights, since mean_0 is 0.
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING**t)
        taken.append((rate, loss, smoothed))
        lowest = min(lowest, smoothed)
        # In the first tenth of the steps, rates are too small to diverge, and the mean of a
        # few mini-batches is noisy.
        if t > len(rates) // 10 and smoothed > DIVERGED * lowest:
            break
    if not taken:
        raise ValueError(
            f"The loss is {loss} before the first step, so no learning rate can be "
            "found. Scale the features, for instance with StandardScaler, or set a smaller "
            "alpha."
        )
    return np.array(taken).T


def endless_batches(settings, state, data):
    """Yield mini-batches, epoch after epoch, in the orders that training would draw."""
    rng = generator_of_orders(settings, data, state.random_state)
    while True:
        order = draw_order(settings, data, rng)
        yield from batches(data, order, settings.batch_size)


def suggestion_of(rates, losses, smoothed):
    """Return a tenth of the rate of the lowest smoothed loss, NaN if it never fell."""
    lowest = int(np.argmin(smoothed))
    if lowest == 0:
        warnings.warn(
            f"The loss fell at no learning rate from {rates[0]:.3g} to {rates[-1]:.3g}: "
            "there is no suggestion. Try smaller rates, more steps, or larger batches; a "
            "fitted model may be at its optimum already.",
            stacklevel=3,
        )
        return np.nan
    if lowest == len(rates) - 1:
        warnings.warn(
            f"The loss was still falling at the largest rate tried, {rates[-1]:.3g}: the "
            "suggestion is only a tenth of that. Raise largest_rate; and scale the "
            f"features if the first loss, {losses[0]:.3g}, is far above the loss of "
            "all-zero logits (log 2 for two classes).",
            stacklevel=3,
        )
    return float(rates[lowest]) / DIVISOR
