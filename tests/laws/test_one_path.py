"""Law 1. `fit` equals n calls of `partial_fit`, and training resumes from any model."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from law_models import (
    CONFIGURATIONS,
    LOGISTIC,
    N_EPOCHS,
    assert_same_model,
    either_seed,
    either_storage,
    fit,
    parameters_of,
)
from methods import both, every_method, textbook_logistic
from optimizers import LINEAR_SOLVERS

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.epochs.schedules import CYCLES, SCHEDULES
from sklearn_nn._engine.objective.activations import ACTIVATIONS

# Only for law 1: law 2 fails, as a row and its repetition drop different units.
DROPOUT = {
    "batches": {"dropout": 0.3, "batch_size": 16},
    "full_batch": {"dropout": [0.5], "batch_size": "full", "activation": "gelu"},
    "deep": {"hidden_layer_sizes": (9, 5), "dropout": (0.0, 0.5), "batch_size": 7},
}
PATHS = CONFIGURATIONS + [
    pytest.param(
        BackpropMLPClassifier,
        {"hidden_layer_sizes": (8,), **parameters},
        id=f"mlp-dropout-{name}",
    )
    for name, parameters in DROPOUT.items()
]

# A cycle of learning rates depends on `max_iter`: shorter calls do not add up to it.
every_length = pytest.mark.parametrize(
    ("estimator_class", "parameters"),
    [
        configuration
        for configuration in PATHS
        if configuration.values[1].get("learning_rate") not in CYCLES
    ],
)
every_cycle = pytest.mark.parametrize("name", CYCLES)
every_path = pytest.mark.parametrize(("estimator_class", "parameters"), PATHS)


@every_path
@either_seed
@either_storage
def test_fit_equals_repeated_partial_fit(estimator_class, parameters, seed, sparse, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3, sparse=sparse)
    whole = estimator_class(max_iter=N_EPOCHS, random_state=seed(), **parameters)
    fit(whole, X, y, sample_weight=weight)
    pieces = estimator_class(max_iter=N_EPOCHS, random_state=seed(), **parameters)
    for _ in range(whole.n_iter_):
        pieces.partial_fit(X, y, classes=np.unique(y), sample_weight=weight)
    assert pieces.n_iter_ == 1
    assert_same_model(whole, pieces, X, y, weight)


@every_length
@either_seed
def test_fit_equals_repeated_warm_starts(estimator_class, parameters, seed, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    whole = estimator_class(max_iter=N_EPOCHS, random_state=seed(), **parameters)
    whole.set_params(warm_start=True)
    fit(whole, X, y, sample_weight=weight)
    pieces = estimator_class(max_iter=3, random_state=seed(), **parameters)
    pieces.set_params(warm_start=True)
    fit(pieces, X, y, sample_weight=weight)
    pieces.set_params(max_iter=N_EPOCHS - 3)
    fit(pieces, X, y, sample_weight=weight)
    assert whole.n_iter_ == 3 + pieces.n_iter_
    assert_same_model(whole, pieces, X, y, weight)


@every_path
@either_seed
@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_training_resumes_from_a_copy(estimator_class, parameters, seed, copied, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    model = estimator_class(max_iter=3, random_state=seed(), warm_start=True, **parameters)
    fit(model, X, y, sample_weight=weight)
    twin = copied(model)
    for each in (model, twin):
        fit(each, X, y, sample_weight=weight)
    assert_same_model(model, twin, X, y, weight)


@both
@every_cycle
def test_a_cycle_restarts_when_training_resumes(estimator_class, name, rows):
    X, y, _ = rows()
    parameters = {"learning_rate": name, "max_iter": 3, "tol": None, "random_state": 0}
    cycles = estimator_class(warm_start=True, **parameters).fit(X, y).fit(X, y)
    pieces = estimator_class(**parameters)
    for _ in range(6):
        pieces.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(parameters_of(cycles), parameters_of(pieces))
    assert cycles.loss_curve_ == pieces.loss_curve_


@both
@every_cycle
def test_a_cycle_of_another_length_restarts_the_stopping_rule(estimator_class, name, rows):
    X, y, _ = rows()
    model = estimator_class(
        max_iter=4, tol=10, n_iter_no_change=5, random_state=0, learning_rate=name
    )
    model.set_params(warm_start=True)
    fit(model, X, y)
    assert fit(model.set_params(max_iter=20), X, y).n_iter_ == 6


@both
@pytest.mark.parametrize(("before", "after"), [("constant", "cosine"), ("cosine", 0.1)])
def test_change_to_or_from_a_cycle_restarts_the_stopping_rule(
    estimator_class, before, after, rows
):
    X, y, _ = rows()
    model = estimator_class(max_iter=4, tol=10, warm_start=True, random_state=0)
    fit(model.set_params(learning_rate=before), X, y)
    fit(model.set_params(learning_rate=after), X, y)
    assert model.n_iter_ == 4


@every_method
def test_early_stopping_resumes_with_the_same_split(estimator_class, standardised):
    X, y = standardised("wine")
    parameters = {"early_stopping": True, "random_state": 0, "warm_start": True}
    whole = fit(estimator_class(max_iter=6, **parameters), X, y)
    pieces = fit(estimator_class(max_iter=2, **parameters), X, y)
    fit(pieces.set_params(max_iter=4), X, y)
    np.testing.assert_array_equal(parameters_of(whole), parameters_of(pieces))
    assert whole.validation_scores_ == pieces.validation_scores_
    assert whole.loss_curve_ == pieces.loss_curve_


@both
def test_stopping_counter_continues_after_max_iter(estimator_class, rows):
    X, y, _ = rows()
    # No epoch improves by 10 nats, so training stops 5 epochs after the first.
    parameters = {"tol": 10, "n_iter_no_change": 5, "warm_start": True, "random_state": 0}
    whole = fit(estimator_class(max_iter=20, **parameters), X, y)
    assert whole.n_iter_ == 6
    pieces = fit(estimator_class(max_iter=4, **parameters), X, y)
    fit(pieces.set_params(max_iter=20), X, y)
    assert pieces.n_iter_ == 2


@both
@pytest.mark.parametrize("change", [{"tol": 9}, {"alpha": 1e-3}, {"momentum": 0.8}])
def test_stopping_counter_restarts_after_a_parameter_changes(estimator_class, change, rows):
    X, y, _ = rows()
    model = estimator_class(
        max_iter=4, tol=10, n_iter_no_change=5, warm_start=True, random_state=0
    )
    fit(model, X, y)
    fit(model.set_params(max_iter=20, **change), X, y)
    assert model.n_iter_ == 6


@both
def test_stopping_counter_restarts_after_convergence(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(tol=10, n_iter_no_change=5, warm_start=True, random_state=0)
    assert [fit(model, X, y).n_iter_ for _ in range(2)] == [6, 6]


@both
def test_changed_solver_begins_with_empty_slots(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=3, tol=None, warm_start=True, random_state=0)
    fit(model.set_params(solver="sgd"), X, y)
    begun = estimator_class(max_iter=3, tol=None, warm_start=True, random_state=0)
    fit(begun.set_params(solver="sgd"), X, y)
    fit(model.set_params(solver="adam"), X, y)
    # Adam after SGD must equal an Adam that begins with zero moments from the same
    # parameters and the same random state.
    state = begun._checkpoint.state
    fresh = copy.deepcopy(begun)
    object.__setattr__(fresh._checkpoint, "state", _without_memory(state))
    fit(fresh.set_params(solver="adam"), X, y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(fresh))


def _without_memory(state):
    """Return the training state of an optimizer that has not made a step."""
    memory = replace(state.memory, slots=(), n_slot_updates=0)
    return replace(state, memory=memory)


@both
def test_training_resumes_from_edited_coefficients(estimator_class, rows):
    X, y, _ = rows()
    # Without momentum the next epoch depends on the parameters alone.
    parameters = {"solver": "sgd", "momentum": 0, "shuffle": False, "random_state": 0}
    model = estimator_class(**parameters).partial_fit(X, y, classes=[0, 1, 2])
    first = copy.deepcopy(model)
    model.partial_fit(X, y)
    for name in ("coef_", "intercept_", "coefs_", "intercepts_"):
        if hasattr(model, name):
            setattr(model, name, copy.deepcopy(getattr(first, name)))
    model.partial_fit(X, y)
    first.partial_fit(X, y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(first))


@both
def test_training_resumes_from_coefficients_edited_in_place(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(solver="sgd", random_state=0)
    model.partial_fit(X, y, classes=[0, 1, 2])
    first = model.coef_ if hasattr(model, "coef_") else model.coefs_[0]
    first[0, 0] = 50.0
    model.partial_fit(X, y)
    first = model.coef_ if hasattr(model, "coef_") else model.coefs_[0]
    assert abs(first[0, 0] - 50.0) < 1.0


def test_edited_coefficients_restart_the_average(rows):
    X, y, _ = rows()
    model = textbook_logistic(average=True, random_state=0, learning_rate_init=1e-3)
    for _ in range(30):
        model.partial_fit(X, y, classes=[0, 1, 2])
    model.coef_ = model.coef_ + 100
    model.partial_fit(X, y)
    assert np.all(model.coef_ > 99)


@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
def test_intercepts_are_unchanged_when_no_longer_trained(solver, rows):
    X, y, _ = rows()
    model = textbook_logistic(solver=solver, random_state=0, batch_size=10)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    intercept, coef = model.intercept_, model.coef_
    model.set_params(fit_intercept=False).partial_fit(X, y)
    np.testing.assert_array_equal(model.intercept_, intercept)
    assert np.all(model.coef_ != coef)


def test_coefficients_are_not_averages_before_averaging_begins(rows):
    X, y, _ = rows()
    model = textbook_logistic(average=True, batch_size=10, random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    model.set_params(average=1000)
    before = model.partial_fit(X, y).coef_
    assert np.any(model.partial_fit(X, y).coef_ != before)


@both
@pytest.mark.parametrize("seed", range(4))
def test_resuming_after_early_stopping_never_lowers_the_score(
    estimator_class, seed, standardised
):
    X, y = standardised("wine")
    model = estimator_class(
        early_stopping=True,
        n_iter_no_change=3,
        validation_fraction=0.3,
        warm_start=True,
        learning_rate=0.3,
        batch_size=20,
        random_state=seed,
    )
    fit(model, X, y)
    best = model.best_validation_score_
    fit(model.set_params(max_iter=1), X, y)
    assert model.best_validation_score_ >= best


@every_method
def test_parameters_set_after_fit_do_not_affect_predictions(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=3, tol=None, random_state=0).fit(X, y)
    before = model.predict_proba(X)
    for name, value in {"activation": "tanh", "loss": "squared_error"}.items():
        if name in model.get_params():
            model.set_params(**{name: value})
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_predictions_use_the_activation_of_the_last_warm_start(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier((5,), max_iter=3, tol=None, warm_start=True)
    model.fit(X, y).set_params(activation="tanh").fit(X, y)
    hidden = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    expected = hidden @ model.coefs_[1] + model.intercepts_[1]
    logits = model.decision_function(X).reshape(expected.shape)
    # A few rounding errors of numbers of order 1.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_activation_name_equals_the_same_name_per_layer(activation, rows):
    X, y, _ = rows()
    parameters = {"max_iter": 3, "tol": None, "random_state": 0}
    by_name = BackpropMLPClassifier((5, 4), activation, **parameters).fit(X, y)
    by_names = BackpropMLPClassifier((5, 4), [activation] * 2, **parameters).fit(X, y)
    np.testing.assert_array_equal(parameters_of(by_name), parameters_of(by_names))
    np.testing.assert_array_equal(by_name.predict_proba(X), by_names.predict_proba(X))


def test_grid_contains_every_schedule():
    used = {parameters.get("learning_rate", "constant") for parameters in LOGISTIC.values()}
    missing = set(SCHEDULES) - used
    assert not missing, f"Add a model with {missing} to tests/laws/law_models.py."
