"""Errors of bad constructor parameters name the parameter and its value."""

import re
from pathlib import Path

import numpy as np
import pytest
from methods import every_method
from optimizers import LINEAR_SOLVERS
from small_models import (
    CLASSES,
    X,
    coefficients,
    every_class,
    partial_fit,
    small,
    warm_fit,
    y,
)

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

# Early stopping and solvers


def labels_of(counts):
    """Return labels 0, 1, ..., each k repeated counts[k] times."""
    return np.repeat(np.arange(len(counts)), counts)


def early_stopping_fit(estimator_class, labels, validation_fraction):
    """Fit with early stopping on one random feature column."""
    model = small(
        estimator_class, early_stopping=True, validation_fraction=validation_fraction
    )
    return model.fit(np.random.RandomState(1).randn(len(labels), 1), labels)


# Rows of each class, and the classes that a validation_fraction of 0.01 cannot hold out.
RARE = [
    ([18, 2], [1]),
    ([97, 3], [1]),
    ([500, 7], [1]),
    ([50, 40, 3], [1, 2]),
    ([40, 11, 11], [1, 2]),
    ([30, 1, 9], [1, 2]),
]


@every_method
@pytest.mark.parametrize(("counts", "rare"), RARE, ids=str)
def test_classes_too_rare_to_be_held_out_are_trained_on_with_a_warning(
    estimator_class, counts, rare
):
    message = rf"The classes {re.escape(str(rare))} have too few rows to be held out"
    with pytest.warns(UserWarning, match=message) as caught:
        model = early_stopping_fit(estimator_class, labels_of(counts), 0.01)
    assert caught[0].filename == __file__
    assert len(model.classes_) == len(counts)
    assert len(model.validation_scores_) == 3


NOT_SPLITTABLE = [[9, 9], [50, 50], [3] * 10]
every_count = pytest.mark.parametrize("counts", NOT_SPLITTABLE, ids=str)


@every_method
@every_count
@pytest.mark.parametrize("end", ["from", "to"])
def test_split_works_with_the_fraction_that_the_error_states(estimator_class, counts, end):
    with pytest.raises(ValueError, match=r"from 0\.\d+ to 0\.\d+ works") as raised:
        early_stopping_fit(estimator_class, labels_of(counts), 0.01)
    fraction = float(re.search(rf"{end} (0\.\d+)", str(raised.value)).group(1))
    model = early_stopping_fit(estimator_class, labels_of(counts), fraction)
    assert len(model.validation_scores_) == 3


@every_method
def test_split_with_too_few_training_rows_raises(estimator_class):
    with pytest.raises(ValueError, match=r"validation_fraction=0\.99 .*to 0\.\d+"):
        early_stopping_fit(estimator_class, labels_of([50, 50]), 0.99)


@every_method
def test_early_stopping_with_one_row_of_each_class_raises(estimator_class):
    with pytest.raises(ValueError, match="each class has 1 row"):
        early_stopping_fit(estimator_class, labels_of([1, 1]), 0.5)


@pytest.mark.parametrize("labels", [[0], [[0, 1]]], ids=["one label", "multilabel"])
def test_early_stopping_with_one_row_raises_in_the_words_of_scikit_learn(labels):
    message = "n_samples=1 .*the resulting train set will be empty.* 1 sample"
    with pytest.raises(ValueError, match=message):
        small(BackpropMLPClassifier, early_stopping=True).fit(X[:1], labels)


def test_a_fraction_that_leaves_no_multilabel_row_to_train_on_raises():
    model = small(BackpropMLPClassifier, early_stopping=True, validation_fraction=0.99)
    with pytest.raises(ValueError, match=r"n_samples=24 and validation_fraction=0\.99"):
        model.fit(X, np.eye(24, 2, dtype=int))


def test_early_stopping_splits_multilabel_unstratified():
    rare = np.zeros((24, 2), dtype=int)
    rare[0, 0] = rare[:12, 1] = 1
    model = small(BackpropMLPClassifier, early_stopping=True).fit(X, rare)
    assert len(model.validation_scores_) == 3


@every_method
def test_early_stopping_in_partial_fit_raises(estimator_class):
    model = small(estimator_class, early_stopping=True)
    with pytest.raises(ValueError, match=r"partial_fit.*early_stopping=True"):
        partial_fit(model, X, y)


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(small(BackpropMLPClassifier, solver="lbfgs"), "partial_fit")


def test_adamw_has_partial_fit():
    assert hasattr(small(BackpropMLPClassifier, solver="adamw"), "partial_fit")


def test_logistic_refuses_adamw():
    with pytest.raises(ValueError, match=r"'solver' parameter .*'sgd'.*Got 'adamw'"):
        small(SGDLogisticClassifier, solver="adamw").fit(X, y)


@every_method
@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
def test_other_solvers_have_partial_fit(estimator_class, solver):
    assert hasattr(small(estimator_class, solver=solver), "partial_fit")


@pytest.mark.parametrize("sizes", [(5,), (4, 4), ()])
@pytest.mark.parametrize("train", [warm_fit, partial_fit])
def test_resuming_with_other_hidden_sizes_raises(train, sizes):
    model = small(BackpropMLPClassifier).fit(X, y).set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"expected .*got .*warm_start=False"):
        train(model, X, y)


# Constructor parameters

BOOLS = [True, np.True_]
NOT_POSITIVE = [0.0, -0.1, np.nan, np.inf, "0.1", None, [0.1], 1j, *BOOLS]
NEGATIVE = [-0.1, np.nan, np.inf, "0.1", None, [0.1], 1j, *BOOLS]
NOT_A_SHARE = [-0.1, 1.1, np.nan, "0.5", None, [0.5], *BOOLS]
NOT_A_COUNT = [0, -1, 1.5, np.nan, "10", None, [10], *BOOLS]
NOT_A_FLAG = [0, 1, "yes", None, [True]]
NOT_A_NAME = ["unknown", 1, [], *BOOLS]
BAD_SIZES = [(0,), (5, -1), (2.5,), (np.nan,), (None,), ("5",), ((2, 3),), [True]]
BAD_NAMES = [[1], [None], ["unknown"], {"relu"}, {"relu": 1}, [["relu"]], ["relu"] * 2]
BAD_RATES = [[1.0], [-0.1], [np.nan], [True], ["0.5"], [[0.5]], {0.5}, [0.5, 0.5], []]
BAD_CLASS_WEIGHTS = [{0: value} for value in (-1.0, np.nan, np.inf, "big", None, [1.0])]

# Values of a wrong type or range for every parameter of both classes.
BAD_VALUES = {
    "activation": [*NOT_A_NAME, None, "softmax", "RELU", *BAD_NAMES],
    "alpha": NEGATIVE,
    "average": [-1, 0.5, np.nan, "yes", None, [1]],
    "batch_size": [*NOT_A_COUNT, np.inf],
    "beta_1": [*NOT_A_SHARE, 1.0],
    "beta_2": [*NOT_A_SHARE, 1.0],
    "class_weight": [*BAD_CLASS_WEIGHTS, "heavy", 3, 0.5, [1.0, 2.0], *BOOLS],
    "dropout": [1, 1.0, -0.1, np.nan, np.inf, "0.1", None, 1j, *BOOLS, *BAD_RATES],
    "early_stopping": NOT_A_FLAG,
    "epsilon": NOT_POSITIVE,
    "fit_intercept": NOT_A_FLAG,
    "hidden_layer_sizes": [0, -3, 2.5, None, "5", *BOOLS, *BAD_SIZES],
    "init": [*NOT_A_NAME, None, "HE", "random"],
    "l1_ratio": [value for value in NOT_A_SHARE if value is not None],
    "learning_rate": [*NOT_POSITIVE, "optimal", "CONSTANT", "AUTO", "auto"],
    "learning_rate_init": NOT_POSITIVE,
    "loss": [*NOT_A_NAME, None, "hinge"],
    "max_fun": [*NOT_A_COUNT, np.inf],
    "max_gradient_norm": [v for v in NOT_POSITIVE if v is not None],
    "max_iter": [*NOT_A_COUNT, np.inf],
    "momentum": NOT_A_SHARE,
    "n_iter_no_change": [*NOT_A_COUNT, -np.inf],
    "nesterovs_momentum": NOT_A_FLAG,
    "penalty": [*NOT_A_NAME, "none", "L2"],
    "power_t": NEGATIVE,
    "random_state": [-1, 2**32, 0.5, "seed", [0], np.random.default_rng(0), *BOOLS],
    "shuffle": NOT_A_FLAG,
    "solver": [*NOT_A_NAME, None, "newton", "SGD"],
    "tol": [-1e-4, np.nan, np.inf, "1e-4", [1e-4], *BOOLS],
    "validation_fraction": [*NOT_A_SHARE, 0.0, 1.0],
    "scoring": ["nothing", 1.0, True, ["accuracy"]],
    "verbose": [-1, 0.5, "loud", None],
    "warm_start": NOT_A_FLAG,
    "warmup_fraction": [-0.1, 1.0, np.nan, np.inf, "0.1", [0.1], 1j, *BOOLS],
}
# Values that only BackpropMLPClassifier refuses.
GOOD_IN_LOGISTIC = [("learning_rate", "auto"), ("learning_rate_init", None)]


def test_every_parameter_has_bad_values():
    names = {name for each in CLASSES for name in each().get_params()}
    missing = names - set(BAD_VALUES)
    assert not missing, f"Add {missing} to BAD_VALUES of {Path(__file__).name}."
    assert set(BAD_VALUES) == names


def is_bad(estimator_class, name, value):
    """Say whether this class refuses a value of BAD_VALUES."""
    if estimator_class is BackpropMLPClassifier or not isinstance(value, str | None):
        return True
    return (name, value) not in GOOD_IN_LOGISTIC


def bad_parameters():
    """Yield each class with each bad value of each of its parameters."""
    for estimator_class in CLASSES:
        for name in estimator_class().get_params():
            values = BAD_VALUES.get(name, [])
            for value in (v for v in values if is_bad(estimator_class, name, v)):
                label = f"{estimator_class.__name__}-{name}-{type(value).__name__}-"
                shown = "" if isinstance(value, np.random.Generator) else repr(value)
                yield pytest.param(estimator_class, name, value, id=label + shown)


@pytest.mark.parametrize(("name", "value"), GOOD_IN_LOGISTIC)
def test_logistic_accepts_values_that_only_mlp_refuses(name, value):
    model = small(SGDLogisticClassifier, **{name: value}).fit(X, y)
    assert np.all(np.isfinite(coefficients(model)))


@pytest.mark.parametrize("method", ["fit", "partial_fit", "later partial_fit"])
@pytest.mark.parametrize(("estimator_class", "name", "value"), list(bad_parameters()))
def test_error_names_the_bad_parameter_and_its_value(estimator_class, name, value, method):
    model = small(estimator_class)
    if method.startswith("later"):
        model.partial_fit(X, y, [0, 1])
    model.set_params(**{name: value})
    train = model.fit if method == "fit" else model.partial_fit
    arguments = () if method == "fit" else ([0, 1],)
    with pytest.raises((ValueError, TypeError)) as raised:
        train(X, y, *arguments)
    message = str(raised.value)
    assert (name in message, repr(value) in message) == (True, True), message


@every_class
def test_error_of_an_unknown_solver_lists_the_known_ones(estimator_class):
    with pytest.raises(ValueError, match=r"'solver'.*('sgd'.*'adam'|'adam'.*'sgd').*'sag'"):
        small(estimator_class, solver="sag").fit(X, y)


def test_logistic_refuses_lbfgs():
    with pytest.raises(ValueError, match=r"'solver' parameter .*'sgd'.*Got 'lbfgs'"):
        small(SGDLogisticClassifier, solver="lbfgs").fit(X, y)


@every_method
@pytest.mark.parametrize("flag", BOOLS)
def test_error_of_learning_rate_true_states_the_allowed_values(estimator_class, flag):
    message = r"'learning_rate' .*'constant'.*float in the range.*Got (np\.)?True"
    with pytest.raises(ValueError, match=message):
        small(estimator_class, learning_rate=flag).fit(X, y)


def test_error_of_zero_hidden_units_states_the_allowed_values():
    message = r"hidden_layer_sizes must hold integers >= 1.*got \(0,\).*Use \(\)"
    with pytest.raises(ValueError, match=message):
        small(BackpropMLPClassifier, hidden_layer_sizes=(0,)).fit(X, y)


# Names that are similar to that of an option

SUGGESTED = [
    ("scoring", "acuracy", "accuracy"),
    ("scoring", "accuracy_score", "accuracy"),
    ("scoring", "f1_score", "f1"),
    ("scoring", "auc", "roc_auc"),
    ("scoring", "ROC AUC", "roc_auc"),
    ("scoring", "logloss", "neg_log_loss"),
    ("scoring", "Loss", "loss"),
    ("solver", "Adam", "adam"),
    ("learning_rate", "cos", "cosine"),
    ("learning_rate", "one-cycle", "one_cycle"),
    ("class_weight", "balance", "balanced"),
]


@every_class
@pytest.mark.parametrize(("parameter", "given", "meant"), SUGGESTED)
def test_error_of_an_unknown_name_suggests_a_similar_one(
    estimator_class, parameter, given, meant
):
    message = rf"'{parameter}' parameter .*Got '{given}' instead\. Did you mean '{meant}'"
    with pytest.raises(ValueError, match=message):
        small(estimator_class, **{parameter: given}).fit(X, y)


@every_class
def test_error_of_a_name_like_none_suggests_nothing(estimator_class):
    with pytest.raises(ValueError, match=r"Got 'xyz' instead\.$"):
        small(estimator_class, scoring="xyz").fit(X, y)


@pytest.mark.parametrize("swish", ["swish", ["swish"], ("swish",)])
def test_swish_is_silu(swish):
    silu = ["silu"] if isinstance(swish, (list, tuple)) else "silu"
    models = [
        small(BackpropMLPClassifier, activation=activation).fit(X, y)
        for activation in (swish, silu)
    ]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))


@pytest.mark.parametrize("activation", ["swish", "silu"])
def test_swish_is_silu_without_a_hidden_layer(activation):
    model = small(BackpropMLPClassifier, activation=activation, hidden_layer_sizes=())
    assert model.fit(X, y).n_layers_ == 2


# l1_ratio, which only elastic net reads


@pytest.mark.parametrize("penalty", ["l2", "l1", None])
def test_l1_ratio_may_be_none_without_elastic_net(penalty):
    models = [
        small(SGDLogisticClassifier, penalty=penalty, l1_ratio=l1_ratio).fit(X, y)
        for l1_ratio in (None, 0.15)
    ]
    np.testing.assert_array_equal(*map(coefficients, models))


def test_l1_ratio_none_with_elastic_net_raises():
    with pytest.raises(ValueError, match=r"l1_ratio must be a number in \[0, 1\].*None"):
        small(SGDLogisticClassifier, penalty="elasticnet", l1_ratio=None).fit(X, y)
