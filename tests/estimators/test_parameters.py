"""Constructor parameters become objects of the engine."""

from inspect import signature
from math import inf, nan

import numpy as np
import pytest
from optimizers import LINEAR_SOLVERS
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, _parameters
from sklearn_nn._engine.epochs.optimizers import SGD, Adam, Momentum, Nesterov
from sklearn_nn._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule, Steps
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._methods import EPOCHS, NEWTON, method_of

both = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, BackpropMLPClassifier]
)


def class_settings_of(model):
    """Return the ClassSettings of a model with one feature and one output."""
    return model._class_settings(model._architecture(1, 1))


@both
def test_every_parameter_is_constrained(estimator_class):
    assert set(estimator_class._parameter_constraints) == set(
        signature(estimator_class).parameters
    )


@both
def test_both_classes_have_the_shared_parameters(estimator_class):
    assert set(_parameters.CONSTRAINTS) <= set(signature(estimator_class).parameters)


@both
def test_defaults_are_allowed(estimator_class):
    assert _parameters.check(estimator_class()) is None  # raises if one is not


# Optimizer.


@both
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"solver": "sgd"}, Nesterov(0.9)),
        ({"solver": "sgd", "nesterovs_momentum": False}, Momentum(0.9)),
        ({"solver": "sgd", "momentum": 0.0}, SGD()),
        ({"solver": "sgd", "momentum": 0}, SGD()),
        ({"solver": "adam"}, Adam(0.9, 0.999, 1e-8)),
        (
            {"solver": "adam", "beta_1": 0.5, "beta_2": 0.25, "epsilon": 1.0},
            Adam(0.5, 0.25, 1.0),
        ),
    ],
    ids=str,
)
def test_solver_selects_the_optimizer(estimator_class, parameters, expected):
    assert _parameters.optimizer_of(estimator_class(**parameters)) == expected


def test_adamw_is_adam_with_decoupled_weight_decay():
    model = BackpropMLPClassifier(solver="adamw", alpha=0.5, beta_1=0.75)
    assert _parameters.optimizer_of(model) == Adam(0.75, 0.999, 1e-8)
    assert class_settings_of(model).penalty == Penalty(decay=0.5)


@pytest.mark.parametrize("solver", [*LINEAR_SOLVERS, "lbfgs"])
def test_other_solvers_have_an_l2_penalty(solver):
    objective = class_settings_of(BackpropMLPClassifier(solver=solver, alpha=0.5))
    assert objective.penalty == Penalty(l2=0.5)


@pytest.mark.parametrize("max_norm", [0.5, np.float32(0.5), 1])
def test_max_gradient_norm_becomes_a_python_float(max_norm):
    model = BackpropMLPClassifier(max_gradient_norm=max_norm)
    found = class_settings_of(model).max_gradient_norm
    assert (type(found), found) == (float, max_norm)


@both
def test_gradients_are_not_clipped_by_default(estimator_class):
    assert class_settings_of(estimator_class()).max_gradient_norm is None


def test_lbfgs_stores_no_memory(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier((3,), solver="lbfgs", max_iter=3, tol=None)
    assert model.fit(X, y)._checkpoint.state.memory is None


# Schedule.


@both
@pytest.mark.parametrize("name", SCHEDULES)
def test_named_schedule_begins_at_learning_rate_init(estimator_class, name):
    model = estimator_class(learning_rate=name, learning_rate_init=0.25, power_t=0.75)
    warmup = CYCLES.get(name, 0.0)
    assert _parameters.schedule_of(model) == Schedule(
        name, 0.25, 0.75, model.max_iter, warmup
    )


@both
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 0.25, np.float32(0.25)], ids=repr)
def test_warm_up_lasts_warmup_fraction_of_max_iter(estimator_class, name, warmup):
    model = estimator_class(learning_rate=name, warmup_fraction=warmup, max_iter=8)
    assert _parameters.schedule_of(model).warmup == 8 * warmup


def test_one_cycle_warms_up_for_3_tenths_by_default():
    model = BackpropMLPClassifier(learning_rate="one_cycle", max_iter=10)
    assert _parameters.schedule_of(model).warmup == 3
    assert _parameters.schedule_of(model.set_params(learning_rate="cosine")).warmup == 0


@both
@pytest.mark.parametrize("number", [0.25, np.float32(0.25)], ids=repr)
def test_number_is_a_constant_learning_rate(estimator_class, number):
    model = estimator_class(learning_rate=number, learning_rate_init=7.0)
    rates = _parameters.schedule_of(model).learning_rates(Steps(3, 0, 0, 1), 1.0)
    assert rates.tolist() == [0.25] * 3


@both
@pytest.mark.parametrize("name", [0.25, *SCHEDULES])
def test_learning_rates_are_float64_for_any_type_of_number(estimator_class, name):
    model = estimator_class(
        learning_rate=name, learning_rate_init=np.float32(0.25), power_t=np.int64(1)
    )
    rates = _parameters.schedule_of(model).learning_rates(Steps(2, 0, 0, 1), 1.0)
    assert rates.dtype == np.float64


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_of_logistic_begins_at_0_05_by_default(name):
    model = SGDLogisticClassifier(learning_rate=name, power_t=0.75)
    warmup = CYCLES.get(name, 0.0)
    assert _parameters.schedule_of(model) == Schedule(name, 0.05, 0.75, 1000, warmup)


@pytest.mark.parametrize("first", [0.25, np.float32(0.25), 1], ids=repr)
def test_auto_with_learning_rate_init_is_constant(first):
    model = SGDLogisticClassifier(learning_rate="auto", learning_rate_init=first)
    rates = _parameters.schedule_of(model).learning_rates(Steps(3, 0, 0, 1), 1.0)
    assert (rates.tolist(), rates.dtype) == ([first] * 3, np.float64)


# Without a learning rate.


@pytest.mark.parametrize("parameters", [{}, {"learning_rate": "auto"}], ids=str)
def test_logistic_without_learning_rate_trains_by_newton(parameters):
    assert method_of(SGDLogisticClassifier(**parameters)) is NEWTON


@pytest.mark.parametrize(
    "parameters",
    [
        {"learning_rate_init": 0.1},
        {"learning_rate": "auto", "learning_rate_init": 0.1},
        {"learning_rate": 0.1},
        {"learning_rate": np.float64(0.1)},
        *({"learning_rate": name} for name in SCHEDULES),
    ],
    ids=str,
)
def test_any_learning_rate_trains_by_epochs(parameters):
    assert method_of(SGDLogisticClassifier(**parameters)) is EPOCHS


def test_network_always_has_a_learning_rate():
    assert method_of(BackpropMLPClassifier()) is EPOCHS


def test_network_refuses_auto():
    with pytest.raises(InvalidParameterError, match=r"'learning_rate' .* Got 'auto'"):
        _parameters.check(BackpropMLPClassifier(learning_rate="auto"))


def test_network_needs_learning_rate_init():
    with pytest.raises(InvalidParameterError, match=r"'learning_rate_init' .* Got None"):
        _parameters.check(BackpropMLPClassifier(learning_rate_init=None))


@pytest.mark.parametrize("learning_rate", ["auto", 0.1, *SCHEDULES])
@pytest.mark.parametrize("first", [None, 0.1])
def test_logistic_accepts_all_combinations_of_learning_rates(learning_rate, first):
    model = SGDLogisticClassifier(learning_rate=learning_rate, learning_rate_init=first)
    assert _parameters.check(model) is None  # raises if not allowed


# Stopping rule.


@both
def test_stopping_rule_has_tol_and_patience(estimator_class):
    model = estimator_class(tol=0.5, n_iter_no_change=3)
    assert _parameters.stopping_rule_of(model) == StoppingRule(0.5, 3)


@both
def test_tol_none_never_stops(estimator_class):
    rule = _parameters.stopping_rule_of(estimator_class(tol=None))
    assert rule.tol == -inf


@both
@pytest.mark.parametrize("learning_rate", ["auto", 0.1, *SCHEDULES])
def test_only_adaptive_lowers_the_rate(estimator_class, learning_rate):
    rule = _parameters.stopping_rule_of(estimator_class(learning_rate=learning_rate))
    assert rule.lowers_rate == (learning_rate == "adaptive")


# Batch size.


@both
@pytest.mark.parametrize(
    ("batch_size", "n_samples", "expected"),
    [
        ("auto", 1, 1),
        ("auto", 199, 199),
        ("auto", 201, 200),
        ("auto", 2001, 200),
        ("full", 1, 1),
        ("full", 10_000, 10_000),
        (1, 10, 1),
        (np.int64(3), 10, 3),
        (10, 10, 10),
        (11, 10, 10),
    ],
)
def test_batch_size_is_at_most_n_samples(estimator_class, batch_size, n_samples, expected):
    model = estimator_class(batch_size=batch_size, learning_rate_init=0.05)
    settings = method_of(model).settings(model, class_settings_of(model), n_samples, None)
    assert settings.batch_size == expected


@pytest.mark.parametrize(
    ("batch_size", "n_samples", "expected"),
    [
        ("auto", 1, 1),
        ("auto", 201, 201),
        ("auto", 999, 999),
        ("auto", 1001, 1000),
        ("full", 10_000, 10_000),
        (np.int64(3), 10, 3),
        (11, 10, 10),
    ],
)
def test_first_sample_has_at_most_n_samples_rows(batch_size, n_samples, expected):
    model = SGDLogisticClassifier(batch_size=batch_size)
    settings = method_of(model).settings(model, class_settings_of(model), n_samples, None)
    assert settings.min_sample_size == expected


@pytest.mark.parametrize(
    "parameters",
    [{"learning_rate": 0.1}, {"learning_rate_init": 0.1}, {"learning_rate": "adaptive"}],
    ids=str,
)
def test_batches_have_200_rows_with_any_learning_rate(parameters):
    model = SGDLogisticClassifier(**parameters)
    settings = method_of(model).settings(model, class_settings_of(model), 10_000, None)
    assert settings.batch_size == 200


# Checks.

NOT_BOOLEAN = [
    (estimator_class, name)
    for estimator_class in (SGDLogisticClassifier, BackpropMLPClassifier)
    for name, constraints in estimator_class._parameter_constraints.items()
    if not {"boolean", "verbose"} & {c for c in constraints if isinstance(c, str)}
]


@pytest.mark.parametrize(("estimator_class", "name"), NOT_BOOLEAN)
@pytest.mark.parametrize("flag", [True, np.False_], ids=repr)
def test_bool_instead_of_a_number_is_an_error(estimator_class, name, flag):
    with pytest.raises(InvalidParameterError, match=f"'{name}' .* must not be a bool"):
        _parameters.check_booleans(estimator_class(**{name: flag}))


@both
@pytest.mark.parametrize("flag", [True, False, np.True_], ids=repr)
def test_flag_may_be_a_bool(estimator_class, flag):
    _parameters.check_booleans(estimator_class(shuffle=flag, verbose=flag))


@both
@pytest.mark.parametrize("weight", [-1, nan, inf, "2", None, 1j, 10**400], ids=str)
def test_class_weight_must_be_finite_and_not_negative(estimator_class, weight):
    with pytest.raises(InvalidParameterError, match=r"'class_weight' .* finite numbers"):
        _parameters.check_values(estimator_class(class_weight={0: 1, 1: weight}))


@both
@pytest.mark.parametrize("class_weight", [None, "balanced", {}, {0: 0, "a": 2.5}], ids=str)
def test_valid_class_weight_is_accepted(estimator_class, class_weight):
    _parameters.check_values(estimator_class(class_weight=class_weight))


@both
@pytest.mark.parametrize("name", ["alpha", "max_iter", "batch_size", "tol"])
def test_a_number_that_no_float_can_hold_is_an_error(estimator_class, name):
    with pytest.raises(InvalidParameterError, match=f"'{name}' .* must be at most"):
        _parameters.check_values(estimator_class(**{name: 10**400}))
