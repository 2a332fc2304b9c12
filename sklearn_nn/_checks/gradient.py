"""Backpropagation beside central differences, on a user's own model and data."""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from .._engine.arrays import to_numpy
from .._engine.epochs.optimizers import SGD
from .._engine.epochs.records import EpochMemory, EpochSettings
from .._engine.epochs.reference import objective_and_gradient
from .._engine.epochs.train import run_epochs
from .._engine.objective import network
from .._engine.rows import copy_of_rows
from .._engine.types import Dataset, TrainingState
from .._logistic import SGDLogisticClassifier
from .dry_run import prepared_copy

# Where the rounding error of a central difference, eps J / h, meets its own, h^2 J''' / 6.
STEP = float(np.cbrt(np.finfo(np.float64).eps))
# Derivatives smaller than this share of J are lost in the rounding of J.
SMALLEST_SHARE = 0.01
# Where an error is larger, the step is shortened: it may have a kink within it.
NORMAL_ERROR = 1e-6
SHORTER_STEPS = (0.1, 0.01)


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found; printing it gives a report.

    Parameters
    ----------
    max_error : float
        The largest error of a parameter; below about 1e-6 it is rounding.

    worst : str
        The parameter with this error, such as 'coefs_[0][3, 2]'.

    backpropagation : float
        Derivative of the objective with respect to it by backpropagation.

    difference : float
        The same by central differences.

    n_checked : int
        Parameters that were checked.

    n_parameters : int
        Parameters that the model has.

    n_shortened : int
        Parameters whose error came below that of the first step by a shorter one.

    errors : dict
        Error of each parameter, NaN where it was not checked, in arrays of the shapes of
        the fitted attributes and under their names: 'coef_' and 'intercept_', or 'coefs_'
        and 'intercepts_'.

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
            "The gradient is right: this is rounding."
            if self.max_error < NORMAL_ERROR
            else f"This is more than rounding, which stays below {NORMAL_ERROR:g}."
        )
        return "\n".join(lines)

    __repr__ = __str__


def check_gradient(
    estimator, X, y, sample_weight=None, *, n_parameters=200, random_state=0
):
    """Compare backpropagation with central differences, parameter by parameter.

    Where a model does not learn, this says whether its gradient is at fault. The objective
    is that of the model's own parameters and data, on all rows at once, in float64; the
    gradient is read from a step as training takes it, in the compiled kernels where there
    are any.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        Fitted, then its coefficients are used, or not, then those that `fit` would begin
        with. It stays as it is.

    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data; few rows do.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Its labels, as for `fit`.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0, as for `fit`.

    n_parameters : int, default=200
        How many parameters to check, >= 1, as each takes two evaluations of the objective.
        Where the model has more they are drawn at random, as many from each layer's
        weights and intercepts as these hold or as is fair.

    random_state : int, RandomState instance or None, default=0
        Draws them.

    Returns
    -------
    GradientCheck
        With `max_error`, `worst`, the two derivatives there (`backpropagation` and
        `difference`), and all of them in arrays shaped like the coefficients: `errors`,
        `gradient`, `differences`. Print it for a report.

    Raises
    ------
    ValueError
        As `fit`, for data or parameters that are not valid.
    TypeError
        If the estimator is not of this package.

    Notes
    -----
    The error of a parameter is `|g - d| / max(|g|, |d|, J / 100 * s)`, where g is its
    derivative by backpropagation, d = (J(+h) - J(-h)) / (2h) the central difference, J the
    objective, and s the largest size of what the parameter is multiplied with, its feature
    or hidden unit over the rows, and at least 1. The last term is there for
    derivatives near 0, which rounding of J hides; h = cbrt(eps) / s, so that large features
    are checked as well as small ones. Errors of 1e-11 to 1e-7 are normal. A wrong gradient
    has errors of about 1.

    Between -h and h a relu or leaky_relu may have its kink; then d is wrong by the share of
    the rows for which it has. So where the error is above 1e-6, h / 10 and h / 100 are
    tried as well, and the smallest error counts. At a kink itself, an input of exactly 0,
    no step is short enough: an error of up to 1 remains that is no mistake.

    An l1 penalty has no derivative at 0, and training takes it by a proximal step: it is
    left out on both sides.

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
    prepared = prepared_copy(
        estimator, X, y, sample_weight, "check_gradient", warm_start=True
    )
    problem, penalty = prepared.problem, prepared.problem.penalty
    problem = replace(problem, penalty=replace(penalty, l1=0.0))
    architecture, data = problem.architecture, in_float64(prepared.data)
    theta = prepared.state.theta
    if prepared.start.goes_on:  # what the user sees, not an average's origin
        theta = architecture.flatten(estimator._layers())
    theta = to_numpy(theta).astype(np.float64)
    rng = check_random_state(random_state)
    chosen = chosen_parameters(architecture, n_parameters, rng)
    gradient = gradient_of_a_step(problem, theta, data)
    measured = measure(problem, theta, data, gradient, chosen)
    is_linear = isinstance(estimator, SGDLogisticClassifier)
    return report(architecture, gradient, chosen, measured, is_linear)


def check_count(n_parameters):
    """Raise unless there is at least one parameter to check."""
    text = f"n_parameters must be an integer >= 1; got {n_parameters!r}."
    if not isinstance(n_parameters, Integral) or isinstance(n_parameters, bool):
        raise TypeError(text)
    if n_parameters < 1:
        raise ValueError(text)


def in_float64(data):
    """Return all rows of `data` in order, their numbers in NumPy's float64."""
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

    Each array (a layer's weights or intercepts) gives all it has, or an equal share.
    """
    indices = np.arange(architecture.n_parameters)
    layers = architecture.layers(indices)
    arrays = [layer.weight.ravel() for layer in layers]
    if architecture.fit_intercept:
        arrays += [layer.intercept for layer in layers]
    chosen, left = [], n_parameters
    arrays.sort(key=len)  # small ones first: what they leave is for the others
    for k, array in enumerate(arrays):
        share = min(len(array), -(-left // (len(arrays) - k)))  # rounded up
        chosen.append(rng.choice(array, share, replace=False))
        left -= share
    return np.sort(np.concatenate(chosen))


def gradient_of_a_step(problem, theta, data):
    """Return dJ/dtheta (n_parameters,), by which a step of size 1 changes theta."""
    settings = EpochSettings(SGD(), None, None, batch_size=data.n_samples)
    state = TrainingState(theta=theta, random_state=(), memory=EpochMemory(slots=()))
    with np.errstate(over="ignore"):
        new, _ = run_epochs(problem, settings, state, data, None, np.array([1.0]))
    return theta - new.theta


def sizes_of_inputs(architecture, theta, X):
    """Return what each parameter is multiplied with at most, (n_parameters,), at least 1.

    That is the largest size of its feature or hidden unit over the rows. Below 1, for a
    saturated unit say, a step that makes up for it would be far too long for the penalty.
    """
    layers = architecture.layers(theta)
    inputs = network.forward(layers, X, architecture.activations).inputs
    sizes = np.ones(architecture.n_parameters)
    for size, values in zip(architecture.layers(sizes), inputs, strict=True):
        size.weight[:] = np.maximum(largest_of_columns(values), 1.0)[:, None]
    return sizes


def largest_of_columns(values):
    """Return the largest absolute value of each column, dense or CSR."""
    if not issparse(values):
        return np.max(np.abs(values), axis=0)
    largest = np.zeros(values.shape[1])
    np.maximum.at(largest, values.indices, np.abs(values.data))
    return largest


# What overflows is an error of infinity, which the report shows.
@np.errstate(over="ignore", invalid="ignore")
def measure(problem, theta, data, gradient, chosen):
    """Return differences, errors and whether a shorter step was better.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_parameters,)
    data : Dataset
    gradient : ndarray of shape (n_parameters,)
    chosen : ndarray of int, of shape (n_checked,)

    Returns
    -------
    differences, errors : ndarray of shape (n_checked,)
    shortened : ndarray of bool, of shape (n_checked,)
    """
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
    """Return (J(theta_i + h) - J(theta_i - h)) / (2h), with the 2h that rounding leaves."""
    # So that theta_i + h is another number however large theta_i is.
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
    if distance == 0:  # then all may be 0
        return 0.0
    return distance / max(abs(derivative), abs(difference), smallest)


def report(architecture, gradient, chosen, measured, is_linear):
    """Return the GradientCheck; NaN in its arrays is what was not checked."""
    differences, errors, shortened = measured

    def whole(values):
        vector = np.full(architecture.n_parameters, np.nan)
        vector[chosen] = values
        return attributes_of(architecture, vector, is_linear)

    # NaN, of an objective that overflows, is the worst there is.
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
    """Return a vector like theta as the arrays of the fitted attributes, by name."""
    layers = architecture.layers(vector)
    if is_linear:
        return {"coef_": layers[0].weight.T, "intercept_": layers[0].intercept}
    return {
        "coefs_": [layer.weight for layer in layers],
        "intercepts_": [layer.intercept for layer in layers],
    }


def name_of(architecture, i, is_linear):
    """Return what a user calls the i-th parameter of theta."""
    # Where i stands in the arrays is found by looking for it in them.
    numbers = attributes_of(architecture, np.arange(architecture.n_parameters), is_linear)
    for attribute, arrays in numbers.items():
        for k, array in enumerate([arrays] if is_linear else arrays):
            places = np.argwhere(array == i)
            if len(places):
                layer = "" if is_linear else f"[{k}]"
                return f"{attribute}{layer}{places[0].tolist()}"
    raise IndexError(f"theta has no parameter {i}.")
