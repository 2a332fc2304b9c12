"""Constructor parameters: what they may be, and what they mean to the engine.

`Interval`, `Options` and `StrOptions` are scikit-learn's own way to check parameters; the
module is private in name, and was checked with scikit-learn 1.6 to 1.9.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

from ._engine.epochs.optimizers import SGD, Adam, stochastic_gradient_descent
from ._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule
from ._engine.stopping import StoppingRule

# MLPClassifier's: large enough that NumPy's overhead is small beside the arithmetic.
AUTO_BATCH_SIZE = 200
# Rows of the first sample of Newton's method: up to so many, all of them take no time.
AUTO_SAMPLE_SIZE = 1000
# First step of a named schedule where learning_rate_init is None.
DEFAULT_RATE = 0.05

# The parameters that both estimators share.
CONSTRAINTS = {
    "alpha": [Interval(Real, 0, None, closed="left")],
    "learning_rate": [
        StrOptions(set(SCHEDULES)),
        Interval(Real, 0, None, closed="neither"),
    ],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "warmup_fraction": [Interval(Real, 0, 1, closed="left"), None],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "batch_size": [
        StrOptions({"auto", "full"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def check_booleans(estimator):
    """Raise if a bool stands where only other types make sense.

    Python's bool is an int, so scikit-learn's Interval lets `learning_rate=True` through
    as a step of size 1.
    """
    for name, constraints in estimator._parameter_constraints.items():
        value = getattr(estimator, name)
        accepts_bool = "boolean" in constraints or "verbose" in constraints
        if isinstance(value, (bool, np.bool_)) and not accepts_bool:
            expected = ", ".join(str(constraint) for constraint in constraints)
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(estimator).__name__} must not be a "
                f"bool but one of: {expected}. Got {value!r} instead."
            )


def check_class_weight(estimator):
    """Raise unless a dict as `class_weight` holds finite numbers >= 0."""
    class_weight = estimator.class_weight
    if not isinstance(class_weight, dict):
        return
    for weight in class_weight.values():
        if not isinstance(weight, Real) or not 0 <= weight < np.inf:
            raise InvalidParameterError(
                f"The 'class_weight' parameter of {type(estimator).__name__} must hold "
                f"finite numbers >= 0; got {class_weight!r}."
            )


def optimizer_of(estimator):
    """Return the optimizer that `solver` and its parameters name.

    All numbers become Python floats here and in the other functions: a NumPy scalar (from
    a grid made by np.logspace, say) would turn float32 parameters into float64.

    L-BFGS is not a step but a loop of scipy's; it leaves no memory behind, like SGD. Of
    'adamw' the step is Adam's: what makes the difference is its penalty.
    """
    if estimator.solver == "lbfgs":
        return SGD()
    if estimator.solver in ("adam", "adamw"):
        return Adam(
            float(estimator.beta_1), float(estimator.beta_2), float(estimator.epsilon)
        )
    return stochastic_gradient_descent(
        float(estimator.momentum), estimator.nesterovs_momentum
    )


def is_automatic(estimator):
    """Say whether the estimator finds its steps itself, without a learning rate.

    A user who gives 'auto' a first step wants that step.
    """
    return estimator.learning_rate == "auto" and estimator.learning_rate_init is None


def has_cycle(estimator):
    """Say whether the learning rate follows a cycle, whose length is `max_iter`."""
    return isinstance(estimator.learning_rate, str) and estimator.learning_rate in CYCLES


def schedule_of(estimator):
    """Return the schedule; a number as `learning_rate` is a constant step of that size.

    'auto' with a first step is 'constant'; without one it takes no step of a schedule.
    """
    if not isinstance(estimator.learning_rate, str):
        return Schedule("constant", float(estimator.learning_rate))
    first = estimator.learning_rate_init
    name = "constant" if estimator.learning_rate == "auto" else estimator.learning_rate
    first = DEFAULT_RATE if first is None else float(first)
    warmup = estimator.warmup_fraction
    warmup = CYCLES.get(name, 0.0) if warmup is None else float(warmup)
    power_t, n_epochs = float(estimator.power_t), int(estimator.max_iter)
    return Schedule(name, first, power_t, n_epochs, warmup)


def stopping_rule_of(estimator):
    """Return the stopping rule; tol=None never stops, as in SGDClassifier."""
    return StoppingRule(
        tol=-np.inf if estimator.tol is None else estimator.tol,
        n_iter_no_change=estimator.n_iter_no_change,
        lowers_rate=estimator.learning_rate == "adaptive",
    )


def batch_size_of(estimator, n_samples):
    """Return the number of rows in a batch."""
    if estimator.batch_size == "full":
        return n_samples
    if estimator.batch_size == "auto":
        size = AUTO_SAMPLE_SIZE if is_automatic(estimator) else AUTO_BATCH_SIZE
        return min(size, n_samples)
    return min(int(estimator.batch_size), n_samples)
