"""Constructor parameters: what they may be, and what they mean to the engine.

`Interval`, `Options` and `StrOptions` are scikit-learn's own way to check parameters; the
module is private in name, and was checked with scikit-learn 1.6 to 1.9.
"""

from functools import cache
from inspect import signature
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from ._engine.epochs.lbfgs import LBFGSSettings
from ._engine.epochs.optimizers import OPTIMIZERS
from ._engine.epochs.records import EpochSettings
from ._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule
from ._engine.newton.records import NewtonSettings
from ._engine.objective import dropout
from ._engine.objective.penalties import Penalty
from ._engine.stopping import StoppingRule

# MLPClassifier's: large enough that NumPy's overhead is small beside the arithmetic.
AUTO_BATCH_SIZE = 200
# Rows of the first sample of Newton's method: up to so many, all of them take no time.
AUTO_SAMPLE_SIZE = 1000
# What else schedules are called.
OTHER_NAMES = {"auto": "constant"}
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
        if not isinstance(value, (bool, np.bool_)):
            continue
        if "boolean" not in constraints and "verbose" not in constraints:
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


def constructor_parameters(estimator):
    """Return (name, value) of each; `get_params` reads a signature, which takes long."""
    return [(name, getattr(estimator, name)) for name in estimator._parameter_constraints]


def check(estimator):
    """Raise InvalidParameterError or ValueError for a parameter that makes no sense."""
    # As scikit-learn's _validate_params does, but get_params would read a signature.
    validate_parameter_constraints(
        estimator._parameter_constraints,
        dict(constructor_parameters(estimator)),
        caller_name=type(estimator).__name__,
    )
    check_booleans(estimator)
    check_class_weight(estimator)
    # What is particular to a class it checks itself, where it makes something of it.
    estimator._architecture(1, 1)
    estimator._objective()


class Objective(NamedTuple):
    """What is particular to a class in the objective and in the steps that lower it."""

    penalty: Penalty
    loss: str = "log_loss"  # the first part of a key of LOSSES
    average_from: int = 0  # first step whose parameters are averaged; 0: none
    max_gradient_norm: float | None = None
    dropout: tuple = ()


def epoch_settings(estimator, objective, n_samples, random_state):
    """Return the EpochSettings for so many rows.

    `random_state` is that from which a model begins, of which the masks of dropout are a
    function. All numbers become Python's here and in the other functions: a NumPy scalar
    (from a grid made by np.logspace, say) would turn float32 parameters into float64.
    """
    rates = objective.dropout
    return EpochSettings(
        optimizer=optimizer_of(estimator),
        schedule=schedule_of(estimator),
        stopping_rule=stopping_rule_of(estimator),
        batch_size=batch_size_of(estimator, n_samples, AUTO_BATCH_SIZE),
        shuffle=estimator.shuffle,
        average_from=objective.average_from,
        early_stopping=estimator.early_stopping,
        max_gradient_norm=objective.max_gradient_norm,
        dropout=rates,
        dropout_key=dropout.key_of(random_state) if rates else 0,
    )


def lbfgs_settings(estimator, objective, n_samples, random_state):
    """Return the LBFGSSettings; the other arguments have no say."""
    return LBFGSSettings(tol_of(estimator), int(estimator.max_fun))


def newton_settings(estimator, objective, n_samples, random_state):
    """Return the NewtonSettings for so many rows; other arguments have no say."""
    n_first_rows = batch_size_of(estimator, n_samples, AUTO_SAMPLE_SIZE)
    rule = stopping_rule_of(estimator) if estimator.early_stopping else None
    return NewtonSettings(tol_of(estimator), n_first_rows, rule)


def tol_of(estimator):
    """Return `tol` as a number; None is so low that nothing is within it."""
    return -np.inf if estimator.tol is None else float(estimator.tol)


def optimizer_of(estimator):
    """Return the optimizer that `solver` names, with its constructor parameters."""
    optimizer = OPTIMIZERS[estimator.solver]
    names = argument_names(optimizer)
    return optimizer(**{name: float(getattr(estimator, name)) for name in names})


@cache
def argument_names(function):
    """Return the names of the arguments; cached, because reading a signature is slow."""
    return tuple(signature(function).parameters)


def has_cycle(estimator):
    """Say whether the learning rate follows a cycle, whose length is `max_iter`."""
    return isinstance(estimator.learning_rate, str) and estimator.learning_rate in CYCLES


def schedule_of(estimator):
    """Return the schedule; a number as `learning_rate` is a constant step of that size.

    'auto' is a schedule only where it has a first step.
    """
    if not isinstance(estimator.learning_rate, str):
        return Schedule("constant", float(estimator.learning_rate))
    first = estimator.learning_rate_init
    name = OTHER_NAMES.get(estimator.learning_rate, estimator.learning_rate)
    first = DEFAULT_RATE if first is None else float(first)
    warmup = estimator.warmup_fraction
    warmup = CYCLES.get(name, 0.0) if warmup is None else float(warmup)
    power_t, n_epochs = float(estimator.power_t), int(estimator.max_iter)
    return Schedule(name, first, power_t, n_epochs, warmup)


def stopping_rule_of(estimator):
    """Return the stopping rule; tol=None never stops, as in SGDClassifier."""
    return StoppingRule(
        tol=tol_of(estimator),
        n_iter_no_change=estimator.n_iter_no_change,
        lowers_rate=estimator.learning_rate == "adaptive",
    )


def batch_size_of(estimator, n_samples, auto):
    """Return the number of rows in a batch, at most `auto` for 'auto'."""
    if estimator.batch_size == "full":
        return n_samples
    size = auto if estimator.batch_size == "auto" else int(estimator.batch_size)
    return min(size, n_samples)
