"""Comparison of backpropagation with central differences, on a user's model and data."""

from dataclasses import dataclass, replace
from math import ceil
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from .._engine.arrays import Rows, largest_of_columns, to_numpy
from .._engine.epochs.optimizers import SGD
from .._engine.epochs.records import EpochMemory, EpochSettings
from .._engine.epochs.reference import objective_and_gradient
from .._engine.epochs.train import run_epochs
from .._engine.objective import network
from .._engine.rows import copy_of_rows
from .._engine.types import Dataset, TrainingState
from .._logistic import SGDLogisticClassifier
from .dry_run import classifier_and_rows, prepared_copy

# Balances the rounding error of a central difference, eps J / h, and its own error,
# h^2 J''' / 6.
STEP = float(np.cbrt(np.finfo(np.float64).eps))
# Rounding errors of J hide derivatives smaller than this share of J.
SMALLEST_SHARE = 0.01
# If an error is larger, shorter steps are tried: there may be a kink within the step.
NORMAL_ERROR = 1e-6
SHORTER_STEPS = (0.1, 0.01)


@dataclass(frozen=True)
class GradientCheck:
    """Result of `check_gradient`; printing it gives a report.

    Parameters
    ----------
    max_error : float
        The largest error of a parameter; below about 1e-6 it is rounding error.

    worst : str
        The parameter with this error, such as 'coefs_[0][3, 2]'.

    backpropagation : float
        Derivative with respect to this parameter, by backpropagation.

    difference : float
        The same by central differences.

    n_checked : int
        Number of parameters that were checked.

    n_parameters : int
        Number of trained parameters of the model.

    n_shortened : int
        Number of parameters for which a shorter step had a smaller error.

    errors : dict
        Error of each parameter, NaN if it was not checked. Keys and shapes are those of the
        fitted attributes: 'coef_' and 'intercept_', or 'coefs_' and 'intercepts_'.

    gradient : dict
        Derivatives by backpropagation, in the same arrays.

    differences : dict
        Derivatives by central differences, in the same arrays.
    """

    max_error: float
    worst: str
    backpropagation: float
    difference: float
    n_checked: int
    n_parameters: int
    n_shortened: int
    errors: dict
    gradient: dict
    differences: dict

    def __str__(self):
        checked = f"{self.n_checked} of {self.n_parameters} parameters"
        if self.n_checked < self.n_parameters:
            checked += ", drawn at random"
        lines = [
            f"Gradient check of {checked}",
            f"largest error       {self.max_error:.2g} at {self.worst}",
            f"backpropagation     {self.backpropagation:.12g}",
            f"central difference  {self.difference:.12g}",
        ]
        if self.n_shortened:
            lines.append(f"shorter steps for   {self.n_shortened} (a kink nearby?)")
        lines.append(
            "The gradient is right: this is rounding error."
            if self.max_error < NORMAL_ERROR
            else f"This is more than rounding error, which stays below {NORMAL_ERROR:g}."
        )
        return "\n".join(lines)

    __repr__ = __str__


def check_gradient(
    estimator: BaseEstimator,
    X: Rows,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_parameters: int = 200,
    random_state: int | np.random.RandomState | None = 0,
) -> GradientCheck:
    """Compare backpropagation with central differences, parameter by parameter.

    If a model does not learn, this tells whether its gradient is wrong. The objective is
    that of the model, on all rows of the data at once, in float64, without dropout and
    without a maximum norm of the gradient. The gradient is taken from a training step, by
    the compiled kernels if they are installed.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        Or a Pipeline or a fitted search that ends in one, whose other steps transform X. If
        it is fitted, the check uses its coefficients, else the initial ones of `fit`. It is
        not changed.

    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data; a few rows suffice.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Its labels, as for `fit`.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0, as for `fit`.

    n_parameters : int, default=200
        Number of parameters to check, >= 1; each takes two to six evaluations of the
        objective. If the model has more, they are drawn at random, equally many from each
        layer's weights and intercepts as far as possible.

    random_state : int, RandomState instance or None, default=0
        Draws the parameters to check.

    Returns
    -------
    GradientCheck
        See GradientCheck for its fields. Print it for a report.

    Raises
    ------
    ValueError
        As `fit`, for data or parameters that are not valid.
    TypeError
        If the classifier is not of this package.

    Notes
    -----
    The error of a parameter is `|g - d| / max(|g|, |d|, J / 100 * s)`. Here g is its
    derivative by backpropagation, d = (J(+h) - J(-h)) / (2h) the central difference, and J
    the objective. s is the largest absolute value, over the rows, of the feature or hidden
    unit that the parameter multiplies, and at least 1. The last term is for derivatives
    near 0, which rounding errors of J hide. The step h = cbrt(eps) / s suits small and
    large features. Errors of 1e-11 to 1e-7 are normal. A wrong gradient has errors of about
    1.

    A relu or leaky_relu may have its kink between -h and h. Then d is wrong by the share of
    such rows. So if the error is above 1e-6, h / 10 and h / 100 are tried as well, and the
    smallest error counts. At the kink itself, an input of exactly 0, no step is short
    enough: an error of up to 1 remains, although the gradient is right.

    An l1 penalty has no derivative at 0, and training uses a proximal step for it. So both
    derivatives leave it out.

    References
    ----------
    J. Nocedal and S. Wright, "Numerical Optimization", 2nd edition, 2006, section 8.1, for
    the central difference and its step.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_nn import BackpropMLPClassifier, check_gradient
    >>> X, y = load_iris(return_X_y=True)
    >>> check = check_gradient(BackpropMLPClassifier((5,), random_state=0), X, y)
    >>> check.n_checked, check.max_error < 1e-6
    (43, True)
    """
    check_count(n_parameters)
    estimator, X = classifier_and_rows(estimator, X, y, sample_weight, "check_gradient")
    prepared = prepared_copy(estimator, X, y, sample_weight, warm_start=True)
    problem, penalty = prepared.problem, prepared.problem.penalty
    problem = replace(problem, penalty=replace(penalty, l1=0.0))
    architecture, data = problem.architecture, in_float64(prepared.data)
    theta = prepared.state.theta
    if prepared.start.is_resumed:  # the fitted coefficients, which may be an average
        theta = architecture.flatten(estimator._layers())
    theta = to_numpy(theta).astype(np.float64)
    rng = check_random_state(random_state)
    chosen = chosen_parameters(architecture, n_parameters, rng)
    gradient = gradient_of_a_step(problem, theta, data)
    measured = measure(problem, theta, data, gradient, chosen)
    is_linear = isinstance(estimator, SGDLogisticClassifier)
    return report(architecture, gradient, chosen, measured, is_linear)


def check_count(n_parameters):
    """Raise TypeError or ValueError unless `n_parameters` is an integer >= 1."""
    text = f"n_parameters must be an integer >= 1; got {n_parameters!r}."
    if not isinstance(n_parameters, Integral) or isinstance(n_parameters, bool):
        raise TypeError(text)
    if n_parameters < 1:
        raise ValueError(text)


def in_float64(data):
    """Return all rows of `data` in order, in NumPy's float64."""
    data = copy_of_rows(data, slice(0, data.n_samples))
    y, weight = (None if a is None else to_numpy(a) for a in (data.y, data.sample_weight))
    X = data.X if issparse(data.X) else to_numpy(data.X)
    return Dataset(
        X.astype(np.float64),
        y.astype(np.float64) if y.dtype.kind == "f" else y,
        None if weight is None else weight.astype(np.float64),
    )


def chosen_parameters(architecture, n_parameters, rng):
    """Return the sorted indices into theta of at most `n_parameters` trained parameters.

    Each array (a layer's weights or intercepts) contributes an equal share, or all it has.
    """
    indices = np.arange(architecture.n_parameters)
    layers = architecture.layers(indices)
    arrays = [layer.weight.ravel() for layer in layers]
    if architecture.fit_intercept:
        arrays += [layer.intercept for layer in layers]
    chosen, left = [], n_parameters
    arrays.sort(key=len)  # small ones first: large ones get the rest of their shares
    for k, array in enumerate(arrays):
        share = min(len(array), ceil(left / (len(arrays) - k)))
        chosen.append(rng.choice(array, share, replace=False))
        left -= share
    return np.sort(np.concatenate(chosen))


def gradient_of_a_step(problem, theta, data):
    """Return dJ/dtheta (n_parameters,), the change of theta by a step of size 1."""
    settings = EpochSettings(SGD(), None, None, batch_size=data.n_samples)
    state = TrainingState(theta=theta, random_state=(), memory=EpochMemory(slots=()))
    with np.errstate(over="ignore"):
        new, _ = run_epochs(problem, settings, state, data, None, np.array([1.0]))
    return theta - new.theta


def sizes_of_inputs(architecture, theta, X):
    """Return the largest input that each parameter multiplies (n_parameters,), at least 1.

    The input is a feature or a hidden unit. Inputs below 1, of a saturated unit say, would
    make steps too long for the penalty.
    """
    layers = architecture.layers(theta)
    inputs = network.forward(layers, X, architecture.activations).inputs
    sizes = np.ones(architecture.n_parameters)
    for size, values in zip(architecture.layers(sizes), inputs, strict=True):
        size.weight[:] = np.maximum(largest_of_columns(values), 1.0)[:, None]
    return sizes


# An overflow gives an infinite error, which the report shows.
@np.errstate(over="ignore", invalid="ignore")
def measure(problem, theta, data, gradient, chosen):
    """Return differences, errors, and whether a shorter step was better (n_checked,)."""
    objective, _ = objective_and_gradient(problem, theta, data)
    sizes = sizes_of_inputs(problem.architecture, theta, data.X)
    measured = []
    for i in chosen:
        smallest = SMALLEST_SHARE * objective * sizes[i]
        best = None
        for k, shorter in enumerate((1.0, *SHORTER_STEPS)):
            difference = central_difference(
                problem, theta, data, i, shorter * STEP / sizes[i]
            )
            error = error_of(gradient[i], difference, smallest)
            if best is None or error < best[1]:
                best = difference, error, k > 0
            if best[1] <= NORMAL_ERROR:
                break
        measured.append(best)
    differences, errors, shortened = zip(*measured, strict=True)
    return np.array(differences), np.array(errors), np.array(shortened)


def central_difference(problem, theta, data, i, step):
    """Return (J(theta_i + h) - J(theta_i - h)) / (2h), with 2h after rounding."""
    # theta_i + h must differ from theta_i, however large it is.
    step = max(step, 2.0**10 * np.spacing(abs(theta[i])))
    above, below = theta.copy(), theta.copy()
    above[i] += step
    below[i] -= step
    higher, _ = objective_and_gradient(problem, above, data)
    lower, _ = objective_and_gradient(problem, below, data)
    return (higher - lower) / (above[i] - below[i])


def error_of(derivative, difference, smallest):
    """Return |g - d| relative to the larger one, or to `smallest` if that is larger."""
    distance = abs(derivative - difference)
    if distance == 0:  # the divisor may be 0, too
        return 0.0
    return distance / max(abs(derivative), abs(difference), smallest)


def report(architecture, gradient, chosen, measured, is_linear):
    """Return the GradientCheck, with NaN for parameters that were not checked."""
    differences, errors, shortened = measured

    def whole(values):
        vector = np.full(architecture.n_parameters, np.nan)
        vector[chosen] = values
        return attributes_of(architecture, vector, is_linear)

    # NaN, from an objective that overflows, counts as the largest error.
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    fixed = 0 if architecture.fit_intercept else sum(architecture.layer_sizes[1:])
    return GradientCheck(
        max_error=float(errors[worst]),
        worst=name_of(architecture, int(chosen[worst]), is_linear),
        backpropagation=float(gradient[chosen[worst]]),
        difference=float(differences[worst]),
        n_checked=len(chosen),
        n_parameters=architecture.n_parameters - fixed,
        n_shortened=int(np.sum(shortened)),
        errors=whole(errors),
        gradient=attributes_of(architecture, gradient, is_linear),
        differences=whole(differences),
    )


def attributes_of(architecture, vector, is_linear):
    """Return a vector in the order of theta as {name of a fitted attribute: array}."""
    layers = architecture.layers(vector)
    if is_linear:
        return {"coef_": layers[0].weight.T, "intercept_": layers[0].intercept}
    return {
        "coefs_": [layer.weight for layer in layers],
        "intercepts_": [layer.intercept for layer in layers],
    }


def name_of(architecture, i, is_linear):
    """Return the user's name of the i-th parameter of theta."""
    # Searches for i in arrays of indices.
    numbers = attributes_of(architecture, np.arange(architecture.n_parameters), is_linear)
    for attribute, arrays in numbers.items():
        for k, array in enumerate([arrays] if is_linear else arrays):
            positions = np.argwhere(array == i)
            if len(positions):
                layer = "" if is_linear else f"[{k}]"
                return f"{attribute}{layer}{positions[0].tolist()}"
    raise IndexError(f"theta has no parameter {i}.")
