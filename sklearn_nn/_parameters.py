"""Constructor parameters: their constraints, and the engine's settings made from them.

`Interval`, `Options` and `StrOptions` are how scikit-learn checks its own parameters. Their
module is private; it was checked with scikit-learn 1.6 to 1.9.
"""

import sys
from difflib import get_close_matches
from functools import cache, lru_cache
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

# Types of values that need neither a copy nor a second check.
IMMUTABLE = (int, float, str, bool, type(None))
# MLPClassifier's: large enough that NumPy's overhead is small.
AUTO_BATCH_SIZE = 200
# Rows of the first sample of Newton's method: steps on so few rows take almost no time.
AUTO_SAMPLE_SIZE = 1000
# 'auto' with a learning_rate_init is a constant schedule.
SYNONYMS = {"auto": "constant"}
# learning_rate_init of a named schedule if the user leaves it None.
DEFAULT_RATE = 0.05

# Constraints of the parameters that both estimators share.
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
    """Raise InvalidParameterError if a parameter that is not boolean is a bool.

    Python's bool is an int, so scikit-learn's Interval accepts `learning_rate=True` as 1.
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


def check_class_weight(estimator_class, class_weight):
    """Raise InvalidParameterError unless a dict of class weights has finite values >= 0."""
    for weight in class_weight.values():
        is_valid = isinstance(weight, Real) and 0 <= weight < np.inf
        if not is_valid or is_too_large(weight):
            raise InvalidParameterError(
                f"The 'class_weight' parameter of {estimator_class.__name__} must hold "
                f"finite numbers >= 0; got {class_weight!r}."
            )


def constructor_parameters(estimator):
    """Return (name, value) pairs, faster than `get_params`, which reads a signature."""
    return [(name, getattr(estimator, name)) for name in estimator._parameter_constraints]


@cache
def defaults_of(estimator_class) -> dict:
    """Return {name: default} of the constructor's parameters."""
    parameters = signature(estimator_class).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def is_too_large(value) -> bool:
    """Return whether a value is a whole number that no float can hold."""
    return isinstance(value, Integral) and abs(int(value)) > sys.float_info.max


@lru_cache(maxsize=1024, typed=True)
def check_value(estimator_class, name: str, value):
    """Raise InvalidParameterError if the value of a parameter is not valid.

    As scikit-learn's _validate_params, which takes longer than a stream's step of a row: so
    the values that were valid are remembered.
    """
    constraints = estimator_class._parameter_constraints[name]
    try:
        validate_parameter_constraints(
            {name: constraints}, {name: value}, caller_name=estimator_class.__name__
        )
    except InvalidParameterError as error:
        meant = names_like(value, constraints) if isinstance(value, str) else []
        if not meant:
            raise
        names = " or ".join(map(repr, meant))
        raise InvalidParameterError(f"{error} Did you mean {names}?") from None
    if is_too_large(value):
        raise InvalidParameterError(
            f"The {name!r} parameter of {estimator_class.__name__} must be at most "
            f"{sys.float_info.max}; got a whole number with {value.bit_length()} bits."
        )


def names_like(value: str, constraints: list) -> list:
    """Return at most three of the names that a parameter may have, the most similar first.

    Names are similar if they have few other letters, or one contains the other.
    """
    options = [
        option
        for constraint in constraints
        if isinstance(constraint, StrOptions)
        for option in sorted(constraint.options, key=lambda name: (len(name), name))
    ]
    value = value.strip().lower().replace(" ", "_").replace("-", "_")
    value = value.removesuffix("_score")  # scikit-learn's functions have it, scorers not
    if len(value) < 2:
        return []
    longer = [name for name in options if name.startswith(value)]
    similar = get_close_matches(value, options, n=3)
    containing = [name for name in options if value in name]
    return list(dict.fromkeys([*longer, *similar, *containing]))[:3]


def check_parameter(estimator_class, name: str, value):
    """Raise InvalidParameterError if a value, of any type, is not valid."""
    is_immutable = type(value) in IMMUTABLE
    check_one = check_value if is_immutable else check_value.__wrapped__
    check_one(estimator_class, name, value)
    if name == "class_weight" and isinstance(value, dict):
        check_class_weight(estimator_class, value)


def check_values(estimator):
    """Raise InvalidParameterError if the type or the range of a parameter is not valid."""
    for name, value in constructor_parameters(estimator):
        check_parameter(type(estimator), name, value)
    check_booleans(estimator)


def check(estimator):
    """Raise InvalidParameterError or ValueError if a parameter is not valid."""
    check_values(estimator)
    # The hooks of the class check its own parameters.
    estimator._class_settings(estimator._architecture(1, 1))


class ClassSettings(NamedTuple):
    """Settings that each class makes itself, with the defaults of a class without them."""

    penalty: Penalty
    loss: str = "log_loss"  # the first part of a key of LOSSES
    average_from: int = 0  # first step whose theta enters the average; 0: no average
    max_gradient_norm: float | None = None
    dropout: tuple = ()


def epoch_settings(estimator, own: ClassSettings, n_samples, random_state) -> EpochSettings:
    """Return the EpochSettings for `n_samples` rows.

    `random_state` is that of the start of training, which determines the masks of dropout.
    Numbers of settings become Python's: a NumPy scalar (from a grid of np.logspace, say)
    would turn float32 parameters into float64.
    """
    return EpochSettings(
        optimizer=optimizer_of(estimator),
        schedule=schedule_of(estimator),
        stopping_rule=stopping_rule_of(estimator),
        batch_size=batch_size_of(estimator, n_samples, AUTO_BATCH_SIZE),
        shuffle=estimator.shuffle,
        average_from=own.average_from,
        early_stopping=estimator.early_stopping,
        max_gradient_norm=own.max_gradient_norm,
        dropout=own.dropout,
        dropout_key=dropout.key_of(random_state) if own.dropout else 0,
    )


def lbfgs_settings(estimator, *unused) -> LBFGSSettings:
    """Return the LBFGSSettings; `unused` are arguments of `epoch_settings`."""
    return LBFGSSettings(tol_of(estimator), int(estimator.max_fun))


def newton_settings(estimator, own, n_samples, *unused) -> NewtonSettings:
    """Return the NewtonSettings for `n_samples` rows; others are not used."""
    min_sample_size = batch_size_of(estimator, n_samples, AUTO_SAMPLE_SIZE)
    rule = stopping_rule_of(estimator) if estimator.early_stopping else None
    return NewtonSettings(tol_of(estimator), min_sample_size, rule)


def tol_of(estimator):
    """Return `tol` as a number, -inf for None."""
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
    """Return whether the learning rate is a cycle, whose length is `max_iter`."""
    return isinstance(estimator.learning_rate, str) and estimator.learning_rate in CYCLES


def schedule_of(estimator):
    """Return the schedule; a number as `learning_rate` is a constant rate."""
    if not isinstance(estimator.learning_rate, str):
        return Schedule("constant", float(estimator.learning_rate))
    first = estimator.learning_rate_init
    name = SYNONYMS.get(estimator.learning_rate, estimator.learning_rate)
    first = DEFAULT_RATE if first is None else float(first)
    warmup = estimator.warmup_fraction
    warmup = CYCLES.get(name, 0.0) if warmup is None else float(warmup)
    power_t, n_epochs = float(estimator.power_t), int(estimator.max_iter)
    return Schedule(name, first, power_t, n_epochs, warmup)


def stopping_rule_of(estimator):
    """Return the stopping rule; with tol=None it never stops, as in SGDClassifier."""
    return StoppingRule(
        tol=tol_of(estimator),
        n_iter_no_change=estimator.n_iter_no_change,
        lowers_rate=estimator.learning_rate == "adaptive",
    )


def batch_size_of(estimator, n_samples, auto):
    """Return the batch size, at most n_samples; `auto` is that of 'auto'."""
    if estimator.batch_size == "full":
        return n_samples
    size = auto if estimator.batch_size == "auto" else int(estimator.batch_size)
    return min(size, n_samples)
