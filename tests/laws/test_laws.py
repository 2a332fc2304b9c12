"""The laws that both estimators keep, over many configurations."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from methods import both, every_method, textbook_logistic
from networks import random_theta
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.epochs.optimizers import SGD, Adam, Momentum, Nesterov
from sklearn_nn._engine.epochs.reference import objective_and_gradient, run_epoch
from sklearn_nn._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule
from sklearn_nn._engine.epochs.train import zero_slots
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES, Penalty
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, Problem, TrainingState

# The grid of law 1: everything that has memory, alone and together.
LOGISTIC = {
    "nesterov": {},
    "plain": {"momentum": 0, "batch_size": 1},
    "polyak": {"nesterovs_momentum": False, "batch_size": 16},
    "adam": {"solver": "adam", "batch_size": 16},
    "adam_l1": {"solver": "adam", "penalty": "l1", "alpha": 0.01, "batch_size": 16},
    "momentum_elasticnet": {"penalty": "elasticnet", "alpha": 0.01, "batch_size": 7},
    "average": {"average": True, "batch_size": 16},
    "average_later": {"average": 12, "batch_size": 16, "solver": "adam"},
    "invscaling": {"learning_rate": "invscaling", "batch_size": 16},
    "adaptive": {"learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 2},
    "cosine": {"learning_rate": "cosine", "batch_size": 16, "warmup_fraction": 0.2},
    "one_cycle": {"learning_rate": "one_cycle", "shuffle": False, "batch_size": 16},
    "number": {"learning_rate": 0.02, "batch_size": 16},
    "full_batch": {"batch_size": "full"},
    "no_shuffle": {"shuffle": False, "batch_size": 16},
    "no_intercept": {"fit_intercept": False, "penalty": None, "batch_size": 16},
    "class_weight": {"class_weight": {0: 2.0, 1: 1.0}, "batch_size": 16},
}
MLP = {
    "default": {},
    "adam_batches": {"batch_size": 16, "activation": "tanh"},
    "sgd": {"solver": "sgd", "batch_size": 16, "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "adam",
        "learning_rate": "adaptive",
        "tol": 0.02,
        "n_iter_no_change": 2,
        "learning_rate_init": 0.01,
    },
    "deep": {"hidden_layer_sizes": (5, 4, 3), "activation": "logistic", "batch_size": 9},
    "mixed": {"hidden_layer_sizes": (5, 4), "activation": ["gelu", "elu"], "batch_size": 9},
    "squared": {"loss": "squared_error", "batch_size": 16, "solver": "sgd"},
    "linear": {"hidden_layer_sizes": (), "batch_size": 16},
    "adamw": {"solver": "adamw", "alpha": 0.1, "batch_size": 16},
    "clipped_sgd": {"solver": "sgd", "max_gradient_norm": 0.3, "batch_size": 16},
    "clipped_adamw": {"solver": "adamw", "max_gradient_norm": 0.3, "batch_size": 16},
    "cosine": {"learning_rate": "cosine", "shuffle": False},
    "one_cycle": {"learning_rate": "one_cycle", "batch_size": 16},
    "he": {"init": "he", "batch_size": 16},
}
CONFIGURATIONS = [
    pytest.param(textbook_logistic, parameters, id=f"logistic-{name}")
    for name, parameters in LOGISTIC.items()
] + [
    pytest.param(
        BackpropMLPClassifier, {"hidden_layer_sizes": (8,), **parameters}, id=f"mlp-{name}"
    )
    for name, parameters in MLP.items()
]
# Only of law 1: of a row and its repetition other units are dropped.
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
every_configuration = pytest.mark.parametrize(
    ("estimator_class", "parameters"), CONFIGURATIONS
)
# A cycle of learning rates is as long as `max_iter`, which then is more than a length.
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
# Without a learning rate.
AUTO = {
    "default": {},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "elasticnet": {"penalty": "elasticnet", "alpha": 0.01},
    "no_intercept": {"fit_intercept": False},
    "class_weight": {"class_weight": {0: 2.0, 1: 1.0, 2: 3.0}},
}
every_auto = pytest.mark.parametrize("parameters", AUTO.values(), ids=AUTO)
either_method = pytest.mark.parametrize(
    ("estimator_class", "parameters"),
    [
        *CONFIGURATIONS,
        *(
            pytest.param(SGDLogisticClassifier, parameters, id=f"auto-{name}")
            for name, parameters in AUTO.items()
        ),
    ],
)
either_seed = pytest.mark.parametrize(
    "seed", [lambda: 3, lambda: np.random.RandomState(3)], ids=["int", "RandomState"]
)
either_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])

N_EPOCHS = 8


def parameters_of(model):
    """Return all fitted parameters of a model as one vector."""
    if hasattr(model, "coef_"):
        return np.concatenate([model.coef_.ravel(), model.intercept_])
    return np.concatenate([p.ravel() for p in model.coefs_ + model.intercepts_])


def fit(model, *args, **kwargs):
    """Fit without the warning that a few epochs are not enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


def assert_same_model(a, b, X, y, weight):
    """Two models are the same now and after one more epoch, to the last bit."""
    for _ in range(2):
        np.testing.assert_array_equal(parameters_of(a), parameters_of(b), strict=True)
        assert a.loss_curve_ == b.loss_curve_
        assert a.best_loss_ == b.best_loss_
        assert a.t_ == b.t_
        a.partial_fit(X, y, sample_weight=weight)
        b.partial_fit(X, y, sample_weight=weight)


# Law 1. One path.


@every_path
@either_seed
@either_storage
def test_fit_is_partial_fits(estimator_class, parameters, seed, sparse, rows):
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
def test_fit_is_warm_starts(estimator_class, parameters, seed, rows):
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
def test_fit_goes_on_from_a_copy(estimator_class, parameters, seed, copied, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    model = estimator_class(max_iter=3, random_state=seed(), warm_start=True, **parameters)
    fit(model, X, y, sample_weight=weight)
    twin = copied(model)
    for each in (model, twin):
        fit(each, X, y, sample_weight=weight)
    assert_same_model(model, twin, X, y, weight)


@both
@every_cycle
def test_a_cycle_begins_anew_when_training_goes_on(estimator_class, name, rows):
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
def test_training_goes_on_with_a_cycle_or_without(estimator_class, before, after, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=4, tol=10, warm_start=True, random_state=0)
    fit(model.set_params(learning_rate=before), X, y)
    fit(model.set_params(learning_rate=after), X, y)
    assert model.n_iter_ == 4


@every_method
def test_early_stopping_goes_on_over_the_same_split(estimator_class, standardised):
    X, y = standardised("wine")
    parameters = {"early_stopping": True, "random_state": 0, "warm_start": True}
    whole = fit(estimator_class(max_iter=6, **parameters), X, y)
    pieces = fit(estimator_class(max_iter=2, **parameters), X, y)
    fit(pieces.set_params(max_iter=4), X, y)
    np.testing.assert_array_equal(parameters_of(whole), parameters_of(pieces))
    assert whole.validation_scores_ == pieces.validation_scores_
    assert whole.loss_curve_ == pieces.loss_curve_


@both
def test_stopping_counter_goes_on_after_max_iter(estimator_class, rows):
    X, y, _ = rows()
    # No epoch improves by 10 nats, so the rule stops after the first epoch plus 5.
    parameters = {"tol": 10, "n_iter_no_change": 5, "warm_start": True, "random_state": 0}
    whole = fit(estimator_class(max_iter=20, **parameters), X, y)
    assert whole.n_iter_ == 6
    pieces = fit(estimator_class(max_iter=4, **parameters), X, y)
    fit(pieces.set_params(max_iter=20), X, y)
    assert pieces.n_iter_ == 2


@both
@pytest.mark.parametrize("change", [{"tol": 9}, {"alpha": 1e-3}, {"momentum": 0.8}])
def test_stopping_counter_restarts_when_a_parameter_changed(estimator_class, change, rows):
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
def test_changed_solver_restarts_its_memory(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=3, tol=None, warm_start=True, random_state=0)
    fit(model.set_params(solver="sgd"), X, y)
    begun = estimator_class(max_iter=3, tol=None, warm_start=True, random_state=0)
    fit(begun.set_params(solver="sgd"), X, y)
    fit(model.set_params(solver="adam"), X, y)
    # Adam from zero moments, from the same parameters and the same position in the
    # stream of random numbers, must do the same as Adam that never knew of SGD.
    state = begun._checkpoint.state
    fresh = copy.deepcopy(begun)
    object.__setattr__(fresh._checkpoint, "state", _without_memory(state))
    fit(fresh.set_params(solver="adam"), X, y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(fresh))


def _without_memory(state):
    """Return a training state whose optimizer has never made a step."""
    return replace(state, slots=(), n_slot_updates=0)


@both
def test_edited_coefficients_are_where_training_goes_on(estimator_class, rows):
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
def test_edited_in_place_is_edited(estimator_class, rows):
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


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_intercepts_stay_when_they_are_no_longer_trained(solver, rows):
    X, y, _ = rows()
    model = textbook_logistic(solver=solver, random_state=0, batch_size=10)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    intercept, coef = model.intercept_, model.coef_
    model.set_params(fit_intercept=False).partial_fit(X, y)
    np.testing.assert_array_equal(model.intercept_, intercept)
    assert np.all(model.coef_ != coef)


def test_later_average_shows_the_parameters_until_it_begins(rows):
    X, y, _ = rows()
    model = textbook_logistic(average=True, batch_size=10, random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    model.set_params(average=1000)
    before = model.partial_fit(X, y).coef_
    assert np.any(model.partial_fit(X, y).coef_ != before)


@both
@pytest.mark.parametrize("seed", range(4))
def test_going_on_after_early_stopping_never_shows_worse(
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
def test_parameters_set_after_fit_wait_for_the_next_fit(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(max_iter=3, tol=None, random_state=0).fit(X, y)
    before = model.predict_proba(X)
    for name, value in {"activation": "tanh", "loss": "squared_error"}.items():
        if name in model.get_params():
            model.set_params(**{name: value})
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_another_activation_of_a_warm_start_is_that_of_predictions(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier((5,), max_iter=3, tol=None, warm_start=True)
    model.fit(X, y).set_params(activation="tanh").fit(X, y)
    hidden = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    expected = hidden @ model.coefs_[1] + model.intercepts_[1]
    logits = model.decision_function(X).reshape(expected.shape)
    # A few roundings of numbers of order 1.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_name_for_each_hidden_layer_may_be_the_same(activation, rows):
    X, y, _ = rows()
    parameters = {"max_iter": 3, "tol": None, "random_state": 0}
    by_name = BackpropMLPClassifier((5, 4), activation, **parameters).fit(X, y)
    by_names = BackpropMLPClassifier((5, 4), [activation] * 2, **parameters).fit(X, y)
    np.testing.assert_array_equal(parameters_of(by_name), parameters_of(by_names))
    np.testing.assert_array_equal(by_name.predict_proba(X), by_names.predict_proba(X))


# Law 2. A weight is a repetition.


@every_configuration
def test_integer_weights_are_repetitions_in_full_batches(estimator_class, parameters, rows):
    X, y, _ = rows(n_classes=2 if "class_weight" in parameters else 3)
    counts = np.random.RandomState(0).randint(0, 4, size=len(y))
    parameters = {**parameters, "batch_size": "full", "tol": None, "max_iter": 20}
    weighted = estimator_class(random_state=0, **parameters)
    fit(weighted, X, y, sample_weight=counts)
    repeated = estimator_class(random_state=0, **parameters)
    fit(repeated, np.repeat(X, counts, axis=0), np.repeat(y, counts))
    # Rounding of sums in another order, over 20 steps that may enlarge it.
    scale = np.max(np.abs(parameters_of(repeated)))
    np.testing.assert_allclose(
        parameters_of(weighted), parameters_of(repeated), rtol=0, atol=1e-11 * scale
    )


@either_method
@either_storage
def test_weight_zero_is_absence(estimator_class, parameters, sparse, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3, sparse=sparse)
    absent = np.random.RandomState(0).uniform(size=len(y)) < 0.3
    weight[absent] = 0
    model = estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters)
    fit(model, X, y, sample_weight=weight)
    without = estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters)
    fit(without, X[np.flatnonzero(~absent)], y[~absent], sample_weight=weight[~absent])
    np.testing.assert_array_equal(parameters_of(model), parameters_of(without))
    assert model.t_ == without.t_


@every_method
def test_weight_zero_is_absence_from_early_stopping_too(estimator_class, standardised):
    X, y = standardised("wine")
    weight = np.ones(len(y))
    weight[::3] = 0
    parameters = {"early_stopping": True, "max_iter": 5, "tol": None, "random_state": 0}
    model = estimator_class(**parameters).fit(X, y, sample_weight=weight)
    without = estimator_class(**parameters).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(parameters_of(model), parameters_of(without))
    assert model.validation_scores_ == without.validation_scores_


@either_method
def test_only_ratios_of_weights_matter(estimator_class, parameters, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    models = [
        fit(
            estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters),
            X,
            y,
            sample_weight=scale * weight,
        )
        for scale in (1, 4096.0)  # a power of two: no rounding at all
    ]
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
def test_weights_of_one_are_no_weights(estimator_class, rows):
    X, y, _ = rows()
    models = [estimator_class(max_iter=5, tol=None, random_state=0) for _ in range(2)]
    models[0].fit(X, y)
    models[1].fit(X, y, sample_weight=np.full(len(y), 7.0))
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
def test_class_weight_is_sample_weight(estimator_class, rows):
    X, y, weight = rows()
    by_class = {0: 1.0, 1: 3.0, 2: 0.5}
    one = estimator_class(max_iter=5, tol=None, random_state=0, class_weight=by_class)
    other = estimator_class(max_iter=5, tol=None, random_state=0)
    one.fit(X, y, sample_weight=weight)
    other.fit(X, y, sample_weight=weight * np.array([by_class[label] for label in y]))
    np.testing.assert_array_equal(parameters_of(one), parameters_of(other))


@both
def test_balanced_gives_each_class_the_same_total_weight(estimator_class, rows):
    X, y, weight = rows()
    weight[y == 0] *= 9
    totals = np.bincount(y, weight)
    balanced = {k: weight.sum() / (3 * totals[k]) for k in range(3)}
    models = [
        estimator_class(max_iter=5, tol=None, random_state=0, class_weight=class_weight)
        for class_weight in ("balanced", balanced)
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
    # The weights may differ in their last digit.
    np.testing.assert_allclose(*map(parameters_of, models), rtol=1e-12)


@both
def test_partial_fit_scales_by_the_mean_of_all_weights_seen(estimator_class, rows):
    X, y, _ = rows()
    # Chunks of weight 1 and 3: the second has the mean 2, so it counts 3 / 2.
    parameters = {"solver": "sgd", "momentum": 0, "shuffle": False, "batch_size": "full"}
    model = estimator_class(random_state=0, alpha=0, learning_rate_init=0.1, **parameters)
    model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.ones(len(y)))
    faster = copy.deepcopy(model).set_params(learning_rate_init=0.15)
    model.partial_fit(X, y, sample_weight=np.full(len(y), 3.0))
    faster.partial_fit(X, y)
    np.testing.assert_allclose(parameters_of(model), parameters_of(faster), rtol=1e-12)


# Law 3. No hidden layer = logistic regression.


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@either_storage
def test_no_hidden_layer_is_logistic_regression(
    n_classes, solver, batch_size, sparse, rows, monkeypatch
):
    X, y, weight = rows(n_classes=n_classes, sparse=sparse)
    monkeypatch.setattr(  # the same start, and no random numbers drawn for it
        BackpropMLPClassifier,
        "_initial_theta",
        lambda self, architecture, rng, dtype: np.zeros(architecture.n_parameters, dtype),
    )
    parameters = {"solver": solver, "batch_size": batch_size, "learning_rate_init": 0.01}
    parameters |= {"max_iter": 6, "tol": None, "random_state": 5, "alpha": 0.01}
    logistic = textbook_logistic(**parameters).fit(X, y, sample_weight=weight)
    network = BackpropMLPClassifier((), **parameters).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(network.coefs_[0], logistic.coef_.T)
    np.testing.assert_array_equal(network.intercepts_[0], logistic.intercept_)
    assert network.loss_curve_ == logistic.loss_curve_
    np.testing.assert_allclose(
        network.predict_proba(X), logistic.predict_proba(X), rtol=1e-12
    )


# Law 4. Storage does not matter.


def _memory_map(X, tmp_path):
    """Return X as a read-only memory map."""
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def _frame(X, tmp_path):
    """Return X as a pandas data frame."""
    import pandas as pd

    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def _polars(X, tmp_path):
    """Return X as a polars data frame."""
    import polars as pl

    return pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])])


DENSE = {
    "fortran": lambda X, tmp_path: np.asfortranarray(X),
    "strided": lambda X, tmp_path: np.repeat(X, 2, axis=1)[:, ::2],
    "big_endian": lambda X, tmp_path: X.astype(">f8"),
    "list": lambda X, tmp_path: X.tolist(),
    "memmap": _memory_map,
    "pandas": _frame,
    "polars": _polars,
}
SPARSE = {
    "csr_array": csr_array,
    "csr_matrix": csr_matrix,
    "csc_matrix": csc_matrix,
    "coo_array": coo_array,
    "int64": lambda X: _with_long_indices(csr_array(X)),
}


def _with_long_indices(X):
    """Return a CSR array with int64 indices."""
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


@every_method
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("storage", DENSE)
def test_dense_storage_does_not_matter(
    estimator_class, batch_size, shuffle, storage, rows, tmp_path
):
    X, y, weight = rows()
    parameters = {"batch_size": batch_size, "shuffle": shuffle, "random_state": 0}
    model = estimator_class(max_iter=4, tol=None, **parameters)
    plain = clone(model).fit(X, y, sample_weight=weight)
    model.fit(DENSE[storage](X, tmp_path), y, sample_weight=weight)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain))


@both
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("storage", SPARSE)
def test_sparse_storage_does_not_matter(estimator_class, batch_size, storage, rows):
    X, y, weight = rows()
    model = estimator_class(max_iter=4, tol=None, batch_size=batch_size, random_state=0)
    plain = clone(model).fit(X, y, sample_weight=weight)
    model.fit(SPARSE[storage](X), y, sample_weight=weight)
    # 4 epochs of at most 70 steps, each with some roundings.
    scale = np.max(np.abs(parameters_of(plain)))
    np.testing.assert_allclose(
        parameters_of(model), parameters_of(plain), rtol=0, atol=1e-12 * scale
    )
    np.testing.assert_allclose(
        model.predict_proba(SPARSE[storage](X)), plain.predict_proba(X), atol=1e-12
    )


@every_method
@either_storage
def test_float32_is_computed_in_float32(estimator_class, sparse, rows):
    X, y, weight = rows(sparse=sparse)
    model = estimator_class(max_iter=4, tol=None, random_state=0)
    model.fit(X.astype(np.float32), y, sample_weight=weight)
    assert parameters_of(model).dtype == np.float32
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    model.partial_fit(X, y)
    assert parameters_of(model).dtype == np.float32


NUMPY_FLOATS = {
    "alpha": 1e-3,
    "momentum": 0.8,
    "beta_1": 0.8,
    "beta_2": 0.99,
    "epsilon": 1e-7,
    "learning_rate": 0.01,
    "learning_rate_init": 0.01,
    "power_t": 0.3,
}


@every_method
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NUMPY_FLOATS)
def test_numpy_floats_as_parameters_keep_float32(estimator_class, solver, name, rows):
    X, y, _ = rows()
    model = estimator_class(solver=solver, max_iter=4, tol=None, random_state=0)
    model.set_params(**{name: np.float64(NUMPY_FLOATS[name])}).fit(X.astype(np.float32), y)
    plain = clone(model).set_params(**{name: NUMPY_FLOATS[name]})
    plain.fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain), strict=True)
    assert parameters_of(model).dtype == np.float32


def test_average_in_float32_is_that_in_float64(rows):
    X, y, _ = rows()
    parameters = {"average": True, "batch_size": 1, "learning_rate": 0.05, "momentum": 0}
    models = [
        textbook_logistic(max_iter=150, tol=None, random_state=0, **parameters).fit(
            X.astype(dtype), y
        )
        for dtype in (np.float32, np.float64)
    ]
    # 10,000 steps: a float32 mean would be off by many roundings; X itself by one.
    scale = np.max(np.abs(parameters_of(models[1])))
    np.testing.assert_allclose(
        *map(parameters_of, models), rtol=0, atol=20 * np.finfo(np.float32).eps * scale
    )


def test_intercept_gradient_of_many_float32_rows_keeps_its_digits():
    rng = np.random.RandomState(0)
    n_samples = 200_000
    y = rng.randint(0, 3, size=n_samples)
    X = np.zeros((n_samples, 1), dtype=np.float32)
    model = textbook_logistic(
        momentum=0, learning_rate=1.0, batch_size="full", max_iter=1, tol=None
    ).fit(X, y)
    # At zero logits the step is the class frequency minus 1/3.
    expected = np.bincount(y) / n_samples - 1 / 3
    np.testing.assert_allclose(model.intercept_, expected, rtol=0, atol=1e-7)


@every_method
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.bool_, np.float16])
def test_other_dtypes_are_computed_in_float64(estimator_class, dtype, rows):
    X, y, _ = rows()
    X = (X > 0.5).astype(dtype)
    model = estimator_class(max_iter=4, tol=None, random_state=0).fit(X, y)
    plain = clone(model).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain), strict=True)


@every_method
def test_int64_labels_or_strings_give_the_same_model(estimator_class, rows):
    X, y, _ = rows()
    names = np.array(["ant", "bee", "cat"])
    model = estimator_class(max_iter=4, tol=None, random_state=0)
    by_number, by_name = clone(model).fit(X, y), clone(model).fit(X, names[y])
    np.testing.assert_array_equal(parameters_of(by_number), parameters_of(by_name))
    np.testing.assert_array_equal(names[by_number.predict(X)], by_name.predict(X))


# Law 5. The gradient is the gradient.


def random_problem(loss, activation, depth, penalty, fit_intercept=True):
    """Return a Problem with `depth` hidden layers and a batch of 6 weighted rows.

    `activation` is a name, or one for each hidden layer.
    """
    rng = np.random.RandomState(11)
    n_outputs = 3
    sizes = (4, *(5, 3, 4)[:depth], n_outputs)
    if isinstance(activation, str):
        activation = (activation,) * depth
    architecture = Architecture(sizes, activation, fit_intercept)
    problem = Problem(
        architecture=architecture,
        loss=LOSSES[loss],
        penalty=PENALTIES[penalty](0.1, 0.15),
        optimizer=SGD(),
        schedule=Schedule("constant", 0.1),
        stopping_rule=StoppingRule(1e-4, 10),
        batch_size=6,
    )
    y = rng.randint(0, n_outputs, size=6)
    if loss[1] == "logistic":
        y = rng.randint(0, 2, size=(6, n_outputs)).astype(float)
    batch = Dataset(rng.normal(size=(6, 4)), y, rng.uniform(0.5, 2, size=6))
    return problem, random_theta(architecture, rng, np.float64) * 2, batch


def central_differences(function, theta, h):
    """Return the gradient of `function` (theta -> float) at theta, numerically."""
    gradient = np.empty_like(theta)
    for j in range(len(theta)):
        step = np.zeros_like(theta)
        step[j] = h
        gradient[j] = (function(theta + step) - function(theta - step)) / (2 * h)
    return gradient


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("penalty", ["l2", None])
@either_storage
def test_gradient_equals_central_differences(loss, activation, depth, penalty, sparse):
    problem, theta, batch = random_problem(loss, activation, depth, penalty)
    if sparse:
        batch = batch._replace(X=csr_array(batch.X))
    _, gradient = objective_and_gradient(problem, theta, batch)
    numeric = central_differences(
        lambda theta: objective_and_gradient(problem, theta, batch)[0], theta, h=1e-5
    )
    # The differences' own error: h^2 times a third derivative, plus eps / h = 2e-11.
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-8)
    assert np.max(np.abs(gradient)) > 1e-3


@pytest.mark.parametrize("first", ACTIVATIONS)
@pytest.mark.parametrize("second", ACTIVATIONS)
def test_gradient_of_mixed_layers_equals_central_differences(first, second):
    names = (first, second, "tanh")
    problem, theta, batch = random_problem(("log_loss", "softmax"), names, 3, "l2")
    _, gradient = objective_and_gradient(problem, theta, batch)
    numeric = central_differences(
        lambda theta: objective_and_gradient(problem, theta, batch)[0], theta, h=3e-6
    )
    # As above; a shorter step, because identities let the third derivative be 100.
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-8)


def test_gradient_of_a_fixed_intercept_is_zero():
    problem, theta, batch = random_problem(
        ("log_loss", "softmax"), "tanh", 1, "l2", fit_intercept=False
    )
    _, gradient = objective_and_gradient(problem, theta, batch)
    n_weights = problem.architecture.n_weights
    assert np.all(gradient[n_weights:] == 0)
    assert np.all(gradient[:n_weights] != 0)


# Decay.


def test_adamw_without_decay_is_adam(rows):
    X, y, weight = rows()
    models = [
        BackpropMLPClassifier(solver=solver, alpha=0, max_iter=4, tol=None, random_state=0)
        for solver in ("adam", "adamw")
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
    assert_same_model(*models, X, y, weight)


def one_epoch(problem, theta, data):
    """Return theta after an epoch of constant rates, from slots of 0."""
    slots = zero_slots(problem, theta)
    steps = -(-data.n_samples // problem.batch_size)
    state = TrainingState(theta, slots, ())
    return run_epoch(problem, state, data, None, [0.1] * steps)[0].theta


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_decay_beside_plain_gradient_descent_is_l2(batch_size):
    problem, theta, data = random_problem(("log_loss", "softmax"), "tanh", 2, "l2")
    l2 = replace(problem, batch_size=batch_size)
    decay = replace(l2, penalty=PENALTIES["decay"](l2.penalty.l2, 0.0))
    expected, computed = (one_epoch(each, theta, data) for each in (l2, decay))
    # Six steps of a few roundings.
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("optimizer", [SGD(), Adam(0.9, 0.999, 1e-8)], ids=str)
def test_decay_takes_its_part_of_weights_and_not_of_intercepts(optimizer):
    problem, theta, data = random_problem(("log_loss", "softmax"), "tanh", 1, None)
    plain = replace(problem, optimizer=optimizer, batch_size=data.n_samples)
    decay = replace(plain, penalty=PENALTIES["decay"](0.5, 0.0))
    taken = one_epoch(plain, theta, data) - one_epoch(decay, theta, data)
    n = problem.architecture.n_weights
    # One step of 0.1.
    np.testing.assert_allclose(taken[:n], 0.1 * 0.5 * theta[:n], rtol=0, atol=1e-15)
    assert np.all(taken[n:] == 0)


# Clipping.


@pytest.mark.parametrize("part", [0.1, 0.9, 2.0])
def test_the_whole_gradient_with_its_penalty_is_clipped(part):
    problem, theta, data = random_problem(("log_loss", "softmax"), "tanh", 2, "l2")
    _, gradient = objective_and_gradient(problem, theta, data)
    length = np.linalg.norm(gradient)
    clipping = replace(problem, batch_size=data.n_samples, max_gradient_norm=part * length)
    # One step of 0.1, along the gradient of all parameters.
    expected = theta - 0.1 * min(part, 1) * gradient
    reached = one_epoch(clipping, theta, data)
    np.testing.assert_allclose(reached, expected, rtol=0, atol=1e-15)


def test_the_decay_of_adamw_is_not_clipped(rows):
    X, y, _ = rows()
    # A gradient of no length leaves the decay alone: 1 - 0.1 * 0.5 in each of 3 epochs.
    model = BackpropMLPClassifier(
        solver="adamw", alpha=0.5, learning_rate=0.1, max_gradient_norm=1e-300, epsilon=1.0
    )
    model.set_params(max_iter=3, tol=None, batch_size="full", random_state=0).fit(X, y)
    architecture, rng = model._checkpoint.architecture, np.random.RandomState(0)
    first = architecture.layers(model._initial_theta(architecture, rng, np.float64))
    for coef, intercept, layer in zip(model.coefs_, model.intercepts_, first, strict=True):
        np.testing.assert_allclose(coef, 0.95**3 * layer.weight, rtol=1e-15)
        np.testing.assert_array_equal(intercept, layer.intercept)


# The fixed point under l1 is the optimum.

L1_STEPS = {
    "sgd": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.3},
    "polyak": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.05},
    "nesterov": {"solver": "sgd", "nesterovs_momentum": True, "learning_rate_init": 0.05},
    "adam": {"solver": "adam", "learning_rate_init": 0.003},
}


def l1_model(X, y, penalty, step, n_epochs):
    """Return a model trained by full batches, and the strengths (l1, l2) of its penalty."""
    alpha, l1_ratio = 0.02, 0.6
    model = textbook_logistic(
        penalty,
        alpha=alpha,
        l1_ratio=l1_ratio,
        batch_size="full",
        max_iter=n_epochs,
        tol=None,
        **L1_STEPS[step],
    )
    l1 = alpha if penalty == "l1" else alpha * l1_ratio
    return model.fit(X, y), l1, alpha - l1


def smooth_gradient(model, X, y, l2):
    """Return the gradient of loss plus l2 at the model, by the textbook's formula."""
    residual = model.predict_proba(X) - (y[:, None] == model.classes_)
    residual = residual[:, -len(model.intercept_) :]
    return residual.T @ X / len(y) + l2 * model.coef_, residual.mean(axis=0)


@pytest.mark.parametrize("step", L1_STEPS)
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
def test_l1_training_ends_at_the_optimum(step, penalty, name, standardised):
    X, y = standardised(name)
    n_epochs = {"l1": 20_000, "elasticnet": 8_000}[penalty]
    if step == "adam":
        n_epochs *= 3
    model, l1, l2 = l1_model(X, y, penalty, step, n_epochs)
    gradient, intercept_gradient = smooth_gradient(model, X, y, l2)
    # Optimality: gradient = -l1 sign(w) where w is not 0, and at most l1 where it is.
    active = model.coef_ != 0
    violation = np.where(
        active, np.abs(gradient + l1 * np.sign(model.coef_)), np.abs(gradient) - l1
    )
    # Adam's step does not shrink with the gradient, so that it hovers near the optimum.
    assert violation.max() < (1e-4 if step == "adam" else 1e-6) * l1
    assert np.abs(intercept_gradient).max() < 1e-4 * l1
    assert 0 < active.sum() < active.size  # some weights are exactly 0


@pytest.fixture(scope="module")
def l1_optimum(standardised):
    """Return a function name -> (model, l1, gradient) at the optimum under l1."""

    @cache
    def train(name):
        X, y = standardised(name)
        model, l1, _ = l1_model(X, y, "l1", "nesterov", 20_000)
        return model, l1, smooth_gradient(model, X, y, 0.0)[0]

    return train


@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
@pytest.mark.parametrize("learning_rate", [1e-3, 0.1])
@pytest.mark.parametrize(
    "optimizer",
    [SGD(), Momentum(0.9), Nesterov(0.9), Adam(0.9, 0.999, 1e-8)],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_l1_optimum_is_a_fixed_point(optimizer, learning_rate, name, l1_optimum):
    model, l1, gradient = l1_optimum(name)
    theta, g = model.coef_.ravel(), gradient.ravel()
    # The memory of an optimizer that has seen this gradient for ever.
    slots = [(), (0 * g,), (g, g * g)][optimizer.n_slots]
    moved, slots_after = optimizer.step(
        theta, slots, g, learning_rate, 10**6, Penalty(l1=l1).proximal
    )
    # The optimum itself is known to 1e-14; Adam divides by gradients down to 2e-3.
    np.testing.assert_allclose(moved, theta, rtol=0, atol=1e-11)
    for before, after in zip(slots, slots_after, strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-11)


# Law 6. Same seed, same model; predictions change nothing.


@either_method
@either_seed
def test_same_seed_same_model(estimator_class, parameters, seed, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    models = [
        fit(
            estimator_class(max_iter=4, random_state=seed(), **parameters),
            X,
            y,
            sample_weight=weight,
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*map(parameters_of, models))


@both
def test_shared_generator_moves_on(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(
        max_iter=3, tol=None, batch_size=16, random_state=np.random.RandomState(0)
    )
    first = parameters_of(model.fit(X, y))
    second = parameters_of(model.fit(X, y))
    assert np.any(first != second)


@both
def test_models_without_seed_differ_in_threads_too(estimator_class, rows):
    X, y, _ = rows()

    def train(_):
        model = estimator_class(max_iter=20, tol=None, batch_size=5)
        return parameters_of(model.fit(X, y))

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(train, range(4)))
    assert len({tuple(result) for result in results}) == 4


@every_method
def test_global_seed_repeats_models_without_seed(estimator_class, rows):
    X, y, _ = rows()
    models = []
    for _ in range(2):
        np.random.seed(3)
        models.append(estimator_class(max_iter=3, tol=None, batch_size=5).fit(X, y))
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_from_eight_threads_are_the_same(estimator_class, method, rows):
    X, y, _ = rows(n_samples=700)
    model = estimator_class(max_iter=3, tol=None, random_state=0).fit(X, y)
    before = pickle.dumps(model)
    predict = getattr(model, method)
    expected = predict(X)
    with ThreadPoolExecutor(8) as threads:
        for result in threads.map(lambda _: predict(X), range(80)):
            np.testing.assert_array_equal(result, expected)
    assert pickle.dumps(model) == before


# Law 7. Nothing silent.


@both
def test_divergence_is_an_error_that_names_epoch_and_rate(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(solver="sgd", learning_rate=1e6, alpha=1.0, random_state=0)
    with pytest.raises(ValueError, match=r"diverged in epoch \d+.*learning rate 1e\+06"):
        model.fit(X, y)


@both
def test_divergence_in_the_last_step_is_an_error(estimator_class, rows):
    X, y, _ = rows()
    # One full-batch step: the loss before it is fine, the parameters after it are not.
    model = estimator_class(
        solver="sgd", learning_rate=1e308, max_iter=1, tol=None, random_state=0
    )
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        model.fit(1e3 * X, y)


@both
def test_divergence_leaves_a_fitted_model_as_it_was(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(solver="sgd", max_iter=3, tol=None, random_state=0)
    model.fit(X, y)
    before, attributes = parameters_of(model), set(vars(model))
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate=1e6, alpha=1.0, max_iter=50).fit(X[:, :4], y)
    np.testing.assert_array_equal(parameters_of(model), before)
    assert set(vars(model)) == attributes
    assert model.n_features_in_ == X.shape[1]


@both
def test_finite_divergence_is_an_error(estimator_class, rows):
    X, y, _ = rows(n_classes=2)
    # A rate just too large for the penalty doubles the weights in each step: the loss
    # stays finite for a thousand epochs and must be caught long before.
    model = estimator_class(
        solver="sgd", momentum=0, learning_rate=0.3, alpha=10.0, max_iter=500, tol=None
    )
    with pytest.raises(ValueError, match=r"diverged in epoch \d+: objective [\d.e+]+,"):
        model.set_params(random_state=0).fit(X, y)


@both
def test_finite_divergence_in_the_last_step_is_an_error(estimator_class, rows):
    X, y, _ = rows()
    # The loss before the only step is fine; after it, it would be beyond 1e10 nats.
    model = estimator_class(solver="sgd", max_iter=1, tol=None, random_state=0)
    model.set_params(
        learning_rate=1.0 if estimator_class is BackpropMLPClassifier else 0.05
    )
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        model.fit(1e8 * X, y)


@both
@pytest.mark.parametrize("early_stopping", [False, True])
def test_running_out_of_epochs_warns_with_the_improvement(
    estimator_class, early_stopping, rows
):
    X, y, _ = rows()
    model = estimator_class(max_iter=2, random_state=0, early_stopping=early_stopping)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .* improved .* tol=0.0001"):
        model.fit(X, y)


@pytest.mark.parametrize("parameters", [{}, {"solver": "adam"}, {"early_stopping": True}])
def test_training_that_makes_the_model_worse_warns(parameters):
    X, y = load_wine(return_X_y=True)  # features up to 1680: the steps are far too long
    model = textbook_logistic(random_state=0, **parameters)
    with pytest.warns(ConvergenceWarning, match=r"worse than the first's, 1\.1, and"):
        model.fit(X, y)


# Without a learning rate: the optimum, whatever the way to it. The rows are so many that
# the first steps are taken on a sample of them.


@pytest.fixture(scope="module")
def many_rows():
    """Return a function n_classes -> (X, y), 20,000 rows whose classes overlap."""

    @cache
    def make(n_classes):
        rng = np.random.RandomState(0)
        U = rng.normal(size=(20_000, 10))
        U[rng.uniform(size=U.shape) < 0.3] = 0.0
        logits = U @ rng.normal(size=(10, n_classes))
        y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
        return U * 10 ** rng.uniform(-1, 1, size=10), y

    return make


def auto(**parameters):
    """Return an estimator without learning rate, whose penalty matters."""
    return SGDLogisticClassifier(**{"alpha": 1e-3, "random_state": 0, **parameters})


def objective_of(model, X, y):
    """Return J of the fitted coefficients, by the formula in the class docstring."""
    logits = X @ model.coef_.T + model.intercept_
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros((len(y), 1)), logits])
    loss = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(y)), y]
    weight = None if model.class_weight is None else [model.class_weight[k] for k in y]
    l1 = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio}[model.penalty]
    penalty = (1 - l1) / 2 * np.sum(model.coef_**2) + l1 * np.sum(np.abs(model.coef_))
    return np.average(loss, weights=weight) + model.alpha * penalty


def assert_same_optimum(model, other):
    """Two models that were trained until rounding ended it have the same coefficients."""
    # Gradients are known to some roundings, 1e-15; the penalty bends J by 1e-3 or more.
    scale = np.max(np.abs(parameters_of(other)))
    np.testing.assert_allclose(
        parameters_of(model), parameters_of(other), rtol=0, atol=1e-12 * scale
    )
    active = [each.coef_ != 0 for each in (model, other)]
    np.testing.assert_array_equal(*active)


two_or_three_classes = pytest.mark.parametrize("n_classes", [2, 3])


@pytest.fixture(scope="module")
def eight_steps(many_rows):
    """Return a function (name in AUTO, n_classes) -> model that took eight steps."""

    @cache
    def train(name, n_classes):
        model = auto(max_iter=8, tol=None, warm_start=True, **AUTO[name])
        return model.fit(*many_rows(n_classes))

    return train


@pytest.mark.parametrize("name", AUTO)
@two_or_three_classes
@pytest.mark.parametrize("cut", range(1, 8))
@pytest.mark.parametrize("copied", [lambda m: m, lambda m: pickle.loads(pickle.dumps(m))])
def test_auto_fit_is_warm_starts(name, n_classes, cut, copied, many_rows, eight_steps):
    X, y = many_rows(n_classes)
    whole = eight_steps(name, n_classes)
    pieces = auto(max_iter=cut, tol=None, warm_start=True, **AUTO[name]).fit(X, y)
    pieces = copied(pieces).set_params(max_iter=8 - cut).fit(X, y)
    assert (pieces.n_iter_, pieces.t_) == (8 - cut, whole.t_)
    assert pieces.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(parameters_of(pieces), parameters_of(whole), strict=True)


def test_auto_steps_on_a_sample_first(many_rows):
    # So that the test above has something to find.
    sizes = [
        fit(auto(max_iter=n_steps), *many_rows(2))._checkpoint.state.n_sampled
        for n_steps in (1, 2, 8)
    ]
    assert sizes[0] == sizes[1] < sizes[2] == 20_000


@either_seed
def test_auto_ends_where_warm_starts_end(seed, many_rows):
    X, y = many_rows(3)
    whole = auto(random_state=seed()).fit(X, y)
    pieces = auto(max_iter=2, random_state=seed(), warm_start=True)
    fit(pieces, X, y).set_params(max_iter=1000).fit(X, y)
    assert pieces.n_iter_ == whole.n_iter_ - 2 > 0
    np.testing.assert_array_equal(parameters_of(pieces), parameters_of(whole), strict=True)


@either_seed
def test_auto_with_one_seed_is_one_model(seed, many_rows):
    X, y = many_rows(2)
    models = [fit(auto(max_iter=2, random_state=seed()), X, y) for _ in range(2)]
    np.testing.assert_array_equal(*map(parameters_of, models))
    other = fit(auto(max_iter=2, random_state=4), X, y)  # other rows in the sample
    assert np.all(parameters_of(other) != parameters_of(models[0]))


@every_auto
@two_or_three_classes
@pytest.mark.parametrize("seed", range(3))
def test_auto_ends_within_tol_of_the_optimum(parameters, n_classes, seed, many_rows):
    X, y = many_rows(n_classes)
    model = auto(**parameters, random_state=seed).fit(X, y)
    best = objective_of(auto(**parameters, tol=0).fit(X, y), X, y)
    assert 0 <= objective_of(model, X, y) - best <= model.tol * best


# What must not move the optimum: (X, y, weight) -> the same rows in another form.
SAME_ROWS = {
    "order": lambda X, y, w: (X[::-1], y[::-1], w[::-1]),
    "sorted": lambda X, y, w: tuple(values[np.argsort(y)] for values in (X, y, w)),
    "csr": lambda X, y, w: (csr_array(X), y, w),
    "csc": lambda X, y, w: (csc_matrix(X), y, w),
    "fortran": lambda X, y, w: (np.asfortranarray(X), y, w),
    "scale of weights": lambda X, y, w: (X, y, w / 3e5),
    "repetitions": lambda X, y, w: (np.repeat(X, w, axis=0), np.repeat(y, w), None),
    "in parts": lambda X, y, w: (
        np.vstack([X, X]),
        np.append(y, y),
        np.append(w / 4, w * 3 / 4),
    ),
}


@pytest.fixture(scope="module")
def optimum(many_rows):
    """Return a function (name in AUTO, n_classes) -> (X, y, weight, model)."""

    @cache
    def train(name, n_classes):
        X, y = many_rows(n_classes)
        weight = np.random.RandomState(0).randint(0, 4, size=len(y))
        return X, y, weight, auto(tol=0, **AUTO[name]).fit(X, y, sample_weight=weight)

    return train


@pytest.mark.parametrize("name", AUTO)
@two_or_three_classes
@pytest.mark.parametrize("form", SAME_ROWS)
def test_auto_optimum_does_not_depend_on_the_form_of_rows(name, n_classes, form, optimum):
    X, y, weight, expected = optimum(name, n_classes)
    X, y, weight = SAME_ROWS[form](X, y, weight)
    model = auto(tol=0, **AUTO[name]).fit(X, y, sample_weight=weight)
    assert_same_optimum(model, expected)


@pytest.mark.parametrize("name", AUTO)
@two_or_three_classes
@pytest.mark.parametrize("changes", [{"random_state": 4}, {"batch_size": 100}], ids=str)
def test_auto_optimum_does_not_depend_on_samples(name, n_classes, changes, optimum):
    X, y, weight, expected = optimum(name, n_classes)
    model = auto(tol=0, **{**AUTO[name], **changes}).fit(X, y, sample_weight=weight)
    assert_same_optimum(model, expected)


@two_or_three_classes
def test_auto_optimum_is_that_of_logistic_regression(n_classes, optimum):
    X, y, weight, model = optimum("default", n_classes)
    other = LogisticRegression(
        C=1 / (model.alpha * weight.sum()), solver="newton-cholesky", tol=1e-12
    ).fit(X, y, sample_weight=weight)
    assert_same_optimum(model, other)


@pytest.mark.parametrize("name", AUTO)
@either_storage
def test_auto_optimum_of_few_rows_does_not_depend_on_repetition(name, sparse, rows):
    X, y, _ = rows(n_classes=2 if "class_weight" in AUTO[name] else 3)
    counts = np.random.RandomState(0).randint(0, 4, size=len(y))
    stored = csr_array(X) if sparse else X
    weighted = auto(**AUTO[name]).fit(stored, y, sample_weight=counts)
    repeated = auto(**AUTO[name]).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert_same_optimum(weighted, repeated)


def test_auto_balanced_gives_each_class_the_same_total_weight(rows):
    X, y, weight = rows()
    weight[y == 0] *= 9
    totals = np.bincount(y, weight)
    balanced = {k: weight.sum() / (3 * totals[k]) for k in range(3)}
    models = [
        auto(class_weight=class_weight).fit(X, y, sample_weight=weight)
        for class_weight in ("balanced", balanced)
    ]
    assert_same_optimum(*models)


def test_auto_goes_on_from_edited_coefficients_to_the_same_optimum(many_rows):
    X, y = many_rows(2)
    model = auto(tol=0, warm_start=True).fit(X, y)
    expected = copy.deepcopy(model)
    model.coef_ = 0.5 * model.coef_
    model.intercept_[0] = 3.0
    edited = objective_of(model, X, y)
    n_steps = len(model.loss_curve_)
    assert_same_optimum(model.fit(X, y), expected)
    # It began where the edit had left it, with all rows: sums of 20,000 losses.
    np.testing.assert_allclose(model.loss_curve_[n_steps], edited, rtol=1e-12)


NOT_OF_AUTO = {
    "solver": "adam",
    "momentum": 0.0,
    "nesterovs_momentum": False,
    "power_t": 1.0,
    "warmup_fraction": 0.5,
    "beta_1": 0.1,
    "beta_2": 0.1,
    "epsilon": 1.0,
    "shuffle": False,
    "n_iter_no_change": 1,
}


@pytest.mark.parametrize("name", NOT_OF_AUTO)
def test_parameters_of_steps_along_gradients_are_not_those_of_auto(name, many_rows):
    X, y = many_rows(2)
    models = [auto().fit(X, y), auto(**{name: NOT_OF_AUTO[name]}).fit(X, y)]
    np.testing.assert_array_equal(*map(parameters_of, models))
    assert models[0].loss_curve_ == models[1].loss_curve_


@pytest.mark.parametrize("rate", [1e-3, 0.1])
@either_storage
def test_first_step_under_auto_is_a_learning_rate(rate, sparse, rows):
    X, y, weight = rows(sparse=sparse)
    given = SGDLogisticClassifier(learning_rate_init=rate, max_iter=4, random_state=0)
    number = SGDLogisticClassifier(learning_rate=rate, max_iter=4, random_state=0)
    for model in (given, number):
        fit(model, X, y, sample_weight=weight)
    assert_same_model(given, number, X, y, weight)


@pytest.mark.parametrize("name", ["learning_rate", "learning_rate_init"])
def test_each_learning_rate_is_another_model(name, rows):
    X, y, _ = rows()
    models = [
        fit(
            SGDLogisticClassifier(max_iter=4, random_state=0).set_params(**{name: rate}),
            X,
            y,
        )
        for rate in ("auto" if name == "learning_rate" else None, 1e-3, 0.01, 0.1)
    ]
    assert len({tuple(parameters_of(model)) for model in models}) == 4


@every_auto
def test_auto_curve_has_an_entry_a_step(parameters, many_rows):
    model = auto(**parameters).fit(*many_rows(2))
    assert len(model.loss_curve_) == model.n_iter_ == model.t_ > 1


def test_auto_that_runs_out_of_steps_warns_with_the_gap(many_rows):
    X, y = many_rows(2)
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=1 .* above its optimum, .* tol="
    ):
        auto(max_iter=1).fit(X, y)


def test_auto_without_optimum_warns(rows):
    X, y, _ = rows(n_classes=2)
    X = np.where(y[:, None] == 1, np.abs(X), -np.abs(X))  # told apart by any feature
    with pytest.warns(ConvergenceWarning, match=r"no optimum.*Set alpha > 0"):
        SGDLogisticClassifier(penalty=None).fit(X, y)


def test_schedules_are_all_in_the_grid():
    used = {parameters.get("learning_rate", "constant") for parameters in LOGISTIC.values()}
    assert set(SCHEDULES) <= used
