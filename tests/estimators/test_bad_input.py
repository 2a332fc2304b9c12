"""Bad input: what raises, what it says, and that a fitted model survives it.

The rows are those of the project's table "Bad input". Messages are matched by what they
must name: what was expected and what came.
"""

import copy
import dataclasses
import re

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from methods import both, every_method, textbook_logistic

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.epochs import lbfgs
from sklearn_nn._engine.epochs import train as training
from sklearn_nn._engine.epochs.schedules import SCHEDULES
from sklearn_nn._engine.newton import steps
from sklearn_nn._engine.objective.activations import ACTIVATIONS

CLASSES = [SGDLogisticClassifier, BackpropMLPClassifier]
every_class = pytest.mark.parametrize("estimator_class", CLASSES)
PREDICTIONS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
X = np.random.RandomState(0).randn(24, 3)
y = np.arange(24) % 2
MULTILABEL = np.column_stack([y, 1 - y, np.arange(24) % 3 == 0]).astype(int)


def small(estimator_class, **parameters):
    """Return an estimator that trains three epochs of three batches and never warns."""
    defaults = {"max_iter": 3, "tol": None, "batch_size": 8, "random_state": 0}
    if estimator_class is BackpropMLPClassifier:
        defaults["hidden_layer_sizes"] = (4,)
    return estimator_class(**{**defaults, **parameters})


def fit(model, X, y, sample_weight=None):
    """Fit from the start."""
    return model.set_params(warm_start=False).fit(X, y, sample_weight=sample_weight)


def warm_fit(model, X, y, sample_weight=None):
    """Go on from the fitted model by `fit`."""
    return model.set_params(warm_start=True).fit(X, y, sample_weight=sample_weight)


def partial_fit(model, X, y, sample_weight=None):
    """Train one epoch, all classes known."""
    return model.partial_fit(X, y, classes=[0, 1], sample_weight=sample_weight)


every_training = pytest.mark.parametrize("train", [fit, warm_fit, partial_fit])
fit_and_partial_fit = pytest.mark.parametrize("train", [fit, partial_fit])


def plain(value):
    """Return `value` as nested built-in types that compare bit for bit."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.random.RandomState):
        return plain(value.get_state())
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(plain(item) for item in value)]
    return value


def learned(model):
    """Return all fitted public attributes, comparable bit for bit."""
    return {
        name: plain(value)
        for name, value in vars(model).items()
        if name.endswith("_") and not name.startswith("_")
    }


# X and y


def with_entry(value):
    """Return X with one entry replaced."""
    changed = X.copy()
    changed[5, 1] = value
    return changed


# What scikit-learn 1.6 to 1.9 says of such X, shortened to what came.
BAD_X = {
    "NaN": (with_entry(np.nan), "X contains NaN"),
    "infinity": (with_entry(np.inf), "X contains infinity"),
    "minus infinity": (with_entry(-np.inf), "X contains infinity"),
    "NaN in CSR": (scipy.sparse.csr_array(with_entry(np.nan)), "X contains NaN"),
    "complex": (X + 1j, "Complex data not supported"),
    "text": (np.full(X.shape, "blue"), "could not convert string to float.*blue"),
    "objects": (np.full(X.shape, "blue", object), "could not convert.*float.*blue"),
    "empty": (X[:0], r"0 sample\(s\).*\(0, 3\).*minimum of 1 is required"),
    "no feature": (X[:, :0], r"0 feature\(s\).*\(24, 0\).*minimum of 1 is required"),
    "one axis": (X[:, 0], "Expected 2D array, got 1D array"),
    "three axes": (X[None], "dim 3.* <= 2 is required|Expected .* <= 2, got 3"),
}
bad_x = pytest.mark.parametrize(
    ("given_x", "message"), BAD_X.values(), ids=list(BAD_X.keys())
)


@every_method
@fit_and_partial_fit
@bad_x
def test_bad_x_raises_in_training(estimator_class, train, given_x, message):
    labels = y[: given_x.shape[0]]
    with pytest.raises(ValueError, match=message):
        train(small(estimator_class), given_x, labels)


@every_method
@pytest.mark.parametrize("method", PREDICTIONS)
@bad_x
def test_bad_x_raises_in_prediction(estimator_class, method, given_x, message):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(given_x)


@every_method
@pytest.mark.parametrize("method", PREDICTIONS)
def test_wrong_number_of_features_raises_in_prediction(estimator_class, method):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3 features"):
        getattr(model, method)(X[:, :2])


@every_method
@pytest.mark.parametrize("train", [warm_fit, partial_fit])
def test_wrong_number_of_features_raises_when_going_on(estimator_class, train):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3 features"):
        train(model, X[:, :2], y)


# What scikit-learn says, shortened to what came.
BAD_Y = {
    "another length": (y[:5], r"inconsistent numbers of samples: \[24, 5\]"),
    "continuous": (X[:, 0], "Unknown label type: continuous"),
    "NaN": (np.where(y == 1, np.nan, 0.0), "y contains NaN"),
    "absent": (None, "requires y to be passed.*is None"),
    "empty": (y[:0], r"inconsistent numbers of samples: \[24, 0\]|0 sample\(s\)"),
}


@every_method
@fit_and_partial_fit
@pytest.mark.parametrize(("given_y", "message"), BAD_Y.values(), ids=list(BAD_Y.keys()))
def test_bad_y_raises(estimator_class, train, given_y, message):
    with pytest.raises(ValueError, match=message):
        train(small(estimator_class), X, given_y)


@fit_and_partial_fit
def test_several_outputs_raise_in_mlp(train):
    outputs = np.column_stack([y, 2 * y, y])
    message = r"one label a row.*0 and 1.*multiclass-multioutput.*\(24, 3\)"
    with pytest.raises(ValueError, match=message):
        train(small(BackpropMLPClassifier), X, outputs)


@fit_and_partial_fit
@pytest.mark.parametrize("outputs", [np.column_stack([y, 2 * y, y]), MULTILABEL])
def test_more_than_one_column_of_y_raises_in_logistic(train, outputs):
    with pytest.raises(ValueError, match=r"should be a 1d array, got .* \(24, 3\)"):
        train(small(SGDLogisticClassifier), X, outputs)


def test_labels_after_multilabel_raise():
    model = small(BackpropMLPClassifier).fit(X, MULTILABEL)
    with pytest.raises(ValueError, match=r"y of shape \(24,\).*expected indicators"):
        model.partial_fit(X, y)


def test_multilabel_after_labels_raises():
    model = small(BackpropMLPClassifier).fit(X, y)
    with pytest.raises(ValueError, match=r"y of shape \(24, 3\).*expected one label"):
        model.partial_fit(X, MULTILABEL)


def test_multilabel_with_another_number_of_columns_raises():
    model = small(BackpropMLPClassifier).fit(X, MULTILABEL)
    with pytest.raises(ValueError, match=r"y of shape \(24, 2\).* the 3 outputs"):
        model.partial_fit(X, MULTILABEL[:, :2])


# Classes

TEXT = np.array(["cat", "dog"])[y]


@every_method
def test_first_partial_fit_without_classes_lists_the_labels(estimator_class):
    with pytest.raises(ValueError, match=r"needs classes.*\['cat', 'dog'\]"):
        small(estimator_class).partial_fit(X, TEXT)


@every_method
@pytest.mark.parametrize("dtype", [str, object])
def test_label_outside_classes_lists_both(estimator_class, dtype):
    message = r"labels \['dog'\].*not among the classes \['cat', 'cow'\]"
    with pytest.raises(ValueError, match=message):
        small(estimator_class).partial_fit(X, TEXT.astype(dtype), classes=["cat", "cow"])


@every_method
def test_label_outside_classes_raises_in_a_later_call(estimator_class):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=r"labels \[2\].*not among the classes \[0, 1\]"):
        model.partial_fit(X, y + 1)


@every_method
@pytest.mark.parametrize("dtype", [str, object])
def test_a_digit_as_text_is_not_the_number(estimator_class, dtype):
    message = r"labels \['0', '1'\].*not among the classes \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        small(estimator_class).partial_fit(X, y.astype(str).astype(dtype), [0, 1])


@every_method
def test_other_classes_in_a_later_partial_fit_list_both(estimator_class):
    model = small(estimator_class).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\].*first call, \[0, 1\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])


def test_multilabel_values_other_than_0_and_1_raise():
    with pytest.raises(ValueError, match=r"must hold 0 and 1; got the values \[0, 3\]"):
        small(BackpropMLPClassifier).fit(X[:4], 3 * np.eye(4, dtype=int))


@every_method
def test_empty_classes_do_not_ask_for_more_than_needed(estimator_class):
    smallest = 1 if estimator_class is BackpropMLPClassifier else 2
    with pytest.raises(ValueError, match=rf"at least {smallest}\b.*\[\]"):
        small(estimator_class).partial_fit(X, y, classes=[])


@every_method
def test_warm_start_with_other_classes_lists_both(estimator_class):
    model = small(estimator_class, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start.*\[1, 2\].*\[0, 1\]"):
        model.fit(X, y + 1)


@every_method
def test_warm_start_with_fewer_classes_raises(estimator_class):
    model = small(estimator_class, warm_start=True).fit(X, np.arange(24) % 3)
    with pytest.raises(ValueError, match=r"warm_start.*\[0, 1\].*\[0, 1, 2\]"):
        model.fit(X, y)


@every_training
def test_one_class_raises_in_logistic(train):
    with pytest.raises(ValueError, match=r"at least 2 classes.*\[7\]|labels \[7\]"):
        train(small(SGDLogisticClassifier), X, np.full(24, 7))


def test_one_class_in_partial_fit_raises_in_logistic():
    with pytest.raises(ValueError, match=r"at least 2 classes.*\[7\]"):
        small(SGDLogisticClassifier).partial_fit(X, np.full(24, 7), classes=[7])


def test_one_class_of_positive_weight_raises_in_logistic():
    with pytest.raises(ValueError, match=r"at least 2 classes.*\[1\]"):
        small(SGDLogisticClassifier).fit(X, y, sample_weight=y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_one_class_in_mlp_gives_a_column_of_ones(solver, loss):
    # The only class has probability 1: softmax of a single logit.
    model = small(BackpropMLPClassifier, solver=solver, loss=loss)
    model.fit(X, np.full(24, "cat"))
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((24, 1)))


def test_one_class_in_mlp_is_always_predicted():
    model = small(BackpropMLPClassifier).fit(X, np.full(24, "cat"))
    np.testing.assert_array_equal(model.predict(X), np.full(24, "cat"))


def test_one_class_in_partial_fit_of_mlp_gives_a_column_of_ones():
    model = small(BackpropMLPClassifier).partial_fit(X, np.full(24, 7), classes=[7])
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((24, 1)))


# Weights

# What is wrong, and what the message must name.
BAD_WEIGHTS = {
    "one negative": (np.where(np.arange(24) == 3, -1.0, 1.0), "Negative.*sample_weight"),
    "NaN": (np.where(np.arange(24) == 3, np.nan, 1.0), "sample_weight contains NaN"),
    "infinity": (np.full(24, np.inf), "sample_weight contains infinity"),
    "all zero": (np.zeros(24), "(?i)sample weights .*zero"),
    "too short": (np.ones(5), r"sample_weight.shape == \(5,\), expected \(24,\)"),
    "two axes": (np.ones((24, 1)), "(?i)sample weights must be 1D.*"),
    "text": (np.full(24, "heavy"), "could not convert string to float.*heavy"),
    "complex": (np.full(24, 1j), "Complex data not supported"),
    "negative number": (-1.0, "Negative.*sample_weight"),
    "zero number": (0.0, "(?i)sample weights .*zero"),
    "NaN number": (np.nan, "(?i)sample.weight.*nan"),
    "infinite number": (np.inf, "(?i)sample.weight.*inf"),
}


@every_method
@fit_and_partial_fit
@pytest.mark.parametrize(
    ("sample_weight", "message"), BAD_WEIGHTS.values(), ids=list(BAD_WEIGHTS.keys())
)
def test_bad_sample_weight_raises(estimator_class, train, sample_weight, message):
    with pytest.raises(ValueError, match=message):
        train(small(estimator_class), X, y, sample_weight)


@every_method
@fit_and_partial_fit
@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300, 1e308])
def test_equal_weights_of_any_size_are_no_weights(estimator_class, train, weight):
    # Law 2: all weights times c give the same. The sum of 24 times 1e308 overflows.
    weighted = train(small(estimator_class), X, y, np.full(24, weight))
    unweighted = train(small(estimator_class), X, y)
    np.testing.assert_array_equal(weighted.predict_proba(X), unweighted.predict_proba(X))


@every_method
@fit_and_partial_fit
def test_weights_whose_product_overflows_raise(estimator_class, train):
    model = small(estimator_class, class_weight={0: 1e200, 1: 1e200})
    with pytest.raises(ValueError, match="class_weight"):
        train(model, X, y, np.full(24, 1e200))


@every_method
@fit_and_partial_fit
def test_class_weight_of_an_unknown_label_raises(estimator_class, train):
    model = small(estimator_class, class_weight={0: 1.0, 7: 2.0})
    with pytest.raises(ValueError, match=r"classes.*\[1\].*not in class_weight"):
        train(model, X, y)


@every_method
@fit_and_partial_fit
def test_negative_class_weight_raises(estimator_class, train):
    model = small(estimator_class, class_weight={0: -1.0, 1: 1.0})
    with pytest.raises(ValueError, match=r"class_weight.*>= 0; got .*-1\.0"):
        train(model, X, y)


@every_method
@fit_and_partial_fit
def test_class_weights_that_are_all_zero_raise(estimator_class, train):
    model = small(estimator_class, class_weight={0: 0.0, 1: 0.0})
    with pytest.raises(ValueError, match=r"weights are zero.*class_weight.*positive"):
        train(model, X, y)


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 2.0, 2: 1.0}, "balanced"])
def test_class_weight_with_multilabel_raises(class_weight):
    model = small(BackpropMLPClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=r"class_weight=.*multilabel.*Use sample_weight"):
        model.fit(X, MULTILABEL)


@every_method
def test_balanced_class_weight_in_partial_fit_raises(estimator_class):
    model = small(estimator_class, class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*partial_fit"):
        partial_fit(model, X, y)


# Early stopping and solvers


def labels_of(counts):
    """Return labels 0, 1, ... repeated so many times."""
    return np.repeat(np.arange(len(counts)), counts)


def early_stopping_fit(estimator_class, labels, validation_fraction):
    """Fit with early stopping on one random feature column."""
    model = small(
        estimator_class, early_stopping=True, validation_fraction=validation_fraction
    )
    return model.fit(np.random.RandomState(1).randn(len(labels), 1), labels)


COUNTS = [[18, 2], [97, 3], [9, 9], [500, 7], [50, 40, 3], [40, 11, 11], [3] * 10]
# The first fraction, 1 row in 100, is too small for each of these.
every_count = pytest.mark.parametrize("counts", COUNTS, ids=str)


@every_method
@every_count
def test_split_that_loses_a_class_names_it(estimator_class, counts):
    rare = np.flatnonzero(np.array(counts) == min(counts)).tolist()
    message = rf"validation_fraction=0\.01 .*{re.escape(str(rare))}, have {min(counts)} of"
    with pytest.raises(ValueError, match=message):
        early_stopping_fit(estimator_class, labels_of(counts), 0.01)


@every_method
@every_count
@pytest.mark.parametrize("end", ["at least", "at most"])
def test_split_works_with_the_fraction_that_the_error_states(estimator_class, counts, end):
    with pytest.raises(ValueError, match=rf"must be .*{end} 0\.\d+") as raised:
        early_stopping_fit(estimator_class, labels_of(counts), 0.01)
    fraction = float(re.search(rf"{end} (0\.\d+)", str(raised.value)).group(1))
    model = early_stopping_fit(estimator_class, labels_of(counts), fraction)
    assert len(model.validation_scores_) == 3


@every_method
def test_split_that_leaves_too_little_to_train_on_raises(estimator_class):
    with pytest.raises(ValueError, match=r"validation_fraction=0\.99 .*at most 0\.\d+"):
        early_stopping_fit(estimator_class, labels_of([50, 50]), 0.99)


@every_method
@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_early_stopping_with_a_class_of_one_row_raises(estimator_class, fraction):
    with pytest.raises(ValueError, match=r"2 rows of each class.*classes \[1\] have 1 row"):
        early_stopping_fit(estimator_class, labels_of([30, 1, 9]), fraction)


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


def test_adamw_is_unknown_to_logistic():
    with pytest.raises(ValueError, match=r"'solver' parameter .*'sgd'.*Got 'adamw'"):
        small(SGDLogisticClassifier, solver="adamw").fit(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_clipping_does_not_hide_features_whose_squares_overflow(solver, scale):
    model = small(BackpropMLPClassifier, solver=solver, max_gradient_norm=1.0)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        model.fit(scale * X, y)


def test_a_decay_of_more_than_all_names_alpha():
    model = small(BackpropMLPClassifier, solver="adamw", alpha=1e4, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"diverged.*rate 0.5.*try a smaller alpha"):
        model.fit(X, y)


@every_method
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_other_solvers_have_partial_fit(estimator_class, solver):
    assert hasattr(small(estimator_class, solver=solver), "partial_fit")


@pytest.mark.parametrize("sizes", [(5,), (4, 4), ()])
@pytest.mark.parametrize("train", [warm_fit, partial_fit])
def test_going_on_with_other_hidden_sizes_raises(train, sizes):
    model = small(BackpropMLPClassifier).fit(X, y).set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"expected .*got .*warm_start=False"):
        train(model, X, y)


# Divergence

DIVERGED = r"diverged in epoch \d+: .*learning rate \d.*Try a smaller learning_rate_init"


@both
@pytest.mark.parametrize("scale", [1e30, 1e200, 1e300])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_huge_features_raise_with_epoch_and_learning_rate(estimator_class, scale, labels):
    model = small(estimator_class, solver="sgd")
    with pytest.raises(ValueError, match=DIVERGED):
        model.fit(scale * X, labels)


@both
@pytest.mark.parametrize("scale", [1e200, 1e300])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_one_epoch_on_huge_features_raises_or_gives_probabilities(
    estimator_class, scale, labels
):
    # One step from zero leaves finite coefficients, with which the logits overflow.
    model = small(estimator_class, solver="sgd", max_iter=1, batch_size="full")
    raises_or_gives_probabilities(model, scale * X, labels)


@both
def test_huge_features_in_partial_fit_raise(estimator_class):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=DIVERGED):
        model.partial_fit(1e200 * X, y)


@pytest.mark.parametrize("scale", [1e30, 1e200, 1e300])
def test_huge_features_with_lbfgs_raise(scale):
    # Law 7: an objective above 1e10 times that of zero logits; lbfgs has no rate to name.
    model = small(BackpropMLPClassifier, solver="lbfgs")
    with pytest.raises(ValueError, match=r"diverged.*lbfgs.*Scale the features"):
        model.fit(scale * X, y)


@both
def test_huge_features_with_early_stopping_raise(estimator_class):
    model = small(estimator_class, solver="sgd", early_stopping=True, batch_size="full")
    with pytest.raises(ValueError, match=DIVERGED):
        model.fit(1e200 * X, y)


@every_method
def test_adam_with_an_epsilon_below_float32_raises_or_gives_probabilities(estimator_class):
    # A column of zeros has moments 0, and 1e-300 is 0 in float32: 0 / 0, or rate / 0.
    model = small(estimator_class, solver="adam", epsilon=1e-300)
    if estimator_class is not BackpropMLPClassifier:
        model.set_params(penalty="l1")
    zero_column = (X * [1.0, 0.0, 1.0]).astype(np.float32)
    raises_or_gives_probabilities(model, zero_column, y)


@both
def test_a_huge_learning_rate_raises_with_its_value(estimator_class):
    model = small(estimator_class, solver="sgd", learning_rate=1e150)
    with pytest.raises(ValueError, match=r"learning rate 1e\+150"):
        model.fit(X, y)


@both
def test_parameters_that_overflow_in_the_last_step_raise(estimator_class):
    # Momentum 0, one step of size 1e308 along gradients above 2: the product overflows.
    model = small(
        estimator_class,
        solver="sgd",
        learning_rate=1e308,
        momentum=0.0,
        max_iter=1,
        batch_size="full",
    )
    with pytest.raises(ValueError, match=r"diverged in epoch 1: .*1e\+308"):
        model.fit(10.0 * (y[:, None] - 0.5) * [[1.0, 2.0, 3.0]], y)


@pytest.mark.parametrize("exponent", [-1000, -100, 100, 700, 1000])
@pytest.mark.parametrize("labels", [y, np.arange(24) % 3], ids=["binary", "softmax"])
def test_features_of_any_size_are_learned_without_a_rate(exponent, labels):
    # A power of two does not round, and without a penalty the optimum has the same logits.
    parameters = {"penalty": None, "max_iter": 50}
    model = small(SGDLogisticClassifier, **parameters).fit(X, labels)
    scaled = small(SGDLogisticClassifier, **parameters).fit(2.0**exponent * X, labels)
    np.testing.assert_allclose(
        scaled.decision_function(2.0**exponent * X), model.decision_function(X), atol=1e-9
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e200, 1e300])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_features_of_any_size_without_a_rate_give_probabilities(scale, n_classes):
    labels = np.arange(24) % n_classes
    model = small(SGDLogisticClassifier).fit(scale * X, labels)
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(scale * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-140, 1e-30, 1e30, 1e140])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_streams_of_features_of_any_size_give_probabilities(scale, n_classes):
    labels = np.arange(24) % n_classes
    model = small(SGDLogisticClassifier)
    model.partial_fit(scale * X, labels, classes=range(n_classes))
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(scale * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e200, 1e300])
def test_streams_of_features_whose_squares_overflow_raise(scale):
    model = small(SGDLogisticClassifier).partial_fit(X, y, classes=[0, 1])
    before = plain(vars(model))
    with pytest.raises(ValueError, match="Scale the features"):
        model.partial_fit(scale * X, y)
    assert plain(vars(model)) == before


def test_edited_coefficients_whose_objective_overflows_raise_without_a_rate():
    model = small(SGDLogisticClassifier, warm_start=True).fit(X, y)
    model.coef_ = np.array([[1e308, -1e308, 1e308]])
    before = plain(vars(model))
    with pytest.raises(ValueError, match=r"objective is (inf|nan)"):
        model.fit(100 * X, y)
    assert plain(vars(model)) == before


# Ctrl-C


def interrupt_epoch(monkeypatch, n):
    """Make the n-th epoch from now raise what Ctrl-C does, half-way through its work."""
    run_epochs, n_begun = training.run_epochs, []

    def interrupted(*arguments):
        n_begun.append(None)
        result = run_epochs(*arguments)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(training, "run_epochs", interrupted)
    monkeypatch.setattr(training, "MOST_TOGETHER", 1)


def interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters):
    """Return a model whose fit of 10 epochs was interrupted in the fourth."""
    model = small(estimator_class, max_iter=10, **parameters)
    with monkeypatch.context() as patch:
        interrupt_epoch(patch, 4)
        with pytest.warns(UserWarning, match="interrupted.* 3 finished epochs"):
            model.fit(X, y)
    return model


@both
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_gives_the_last_finished_epoch(
    monkeypatch, estimator_class, solver, random_state
):
    parameters = {"solver": solver, "random_state": copy.deepcopy(random_state)}
    model = interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters)
    parameters = {"solver": solver, "random_state": copy.deepcopy(random_state)}
    expected = small(estimator_class, max_iter=3, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


@both
def test_interrupt_with_early_stopping_gives_the_best_finished_epoch(
    monkeypatch, estimator_class
):
    parameters = {"early_stopping": True, "validation_fraction": 0.25}
    model = interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters)
    expected = small(estimator_class, max_iter=3, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


@both
def test_training_goes_on_after_an_interrupt(monkeypatch, estimator_class):
    model = interrupted_in_epoch_4(monkeypatch, estimator_class).partial_fit(X, y)
    expected = small(estimator_class, max_iter=4).fit(X, y)
    np.testing.assert_array_equal(model.predict_log_proba(X), expected.predict_log_proba(X))


@both
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
@pytest.mark.parametrize("train", [fit, partial_fit])
def test_interrupt_in_the_first_epoch_leaves_a_new_estimator_as_it_was(
    monkeypatch, estimator_class, random_state, train
):
    model = small(estimator_class, random_state=copy.deepcopy(random_state))
    before = plain({**vars(model), "warm_start": False})
    interrupt_epoch(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X, y)
    assert plain(vars(model)) == before


@both
@every_training
def test_interrupt_in_the_first_epoch_leaves_a_fitted_model_as_it_was(
    monkeypatch, estimator_class, train
):
    model = small(estimator_class, warm_start=train is warm_fit).fit(X, y)
    before = plain(vars(model))
    interrupt_epoch(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X + 1.0, y)
    assert plain(vars(model)) == before


def interrupt_newton(monkeypatch, n):
    """Make the n-th step of Newton's method raise what Ctrl-C does, before its end."""
    step, n_begun = steps.step, []

    def interrupted(*arguments):
        n_begun.append(None)
        result = step(*arguments)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(steps, "step", interrupted)


def interrupted_in_step_4(monkeypatch, **parameters):
    """Return a model without learning rate whose fit was interrupted in the 4th step."""
    model = small(SGDLogisticClassifier, max_iter=10, **parameters)
    with monkeypatch.context() as patch:
        interrupt_newton(patch, 4)
        with pytest.warns(UserWarning, match="interrupted.* 3 finished"):
            model.fit(X, y)
    return model


@pytest.mark.parametrize(
    "parameters",
    [{}, {"penalty": "l1"}, {"early_stopping": True, "validation_fraction": 0.25}],
    ids=str,
)
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_without_a_rate_gives_the_last_finished_step(
    monkeypatch, parameters, random_state
):
    state = copy.deepcopy(random_state)
    model = interrupted_in_step_4(monkeypatch, random_state=state, **parameters)
    state = copy.deepcopy(random_state)
    expected = small(SGDLogisticClassifier, random_state=state, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


def test_training_without_a_rate_goes_on_after_an_interrupt(monkeypatch):
    model = interrupted_in_step_4(monkeypatch).set_params(max_iter=1)
    warm_fit(model, X, y)
    expected = small(SGDLogisticClassifier, max_iter=4).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_in_the_first_step_leaves_a_new_estimator_as_it_was(
    monkeypatch, random_state
):
    model = small(SGDLogisticClassifier, random_state=copy.deepcopy(random_state))
    before = plain(vars(model))
    interrupt_newton(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert plain(vars(model)) == before


@pytest.mark.parametrize("train", [fit, warm_fit])
def test_interrupt_in_the_first_step_leaves_a_fitted_model_as_it_was(monkeypatch, train):
    model = small(SGDLogisticClassifier, warm_start=train is warm_fit).fit(X, y)
    before = plain(vars(model))
    interrupt_newton(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X + 1.0, y)
    assert plain(vars(model)) == before


def interrupt_lbfgs(monkeypatch, n):
    """Make the n-th evaluation of the objective by L-BFGS raise what Ctrl-C does."""
    evaluate, n_begun = lbfgs.objective_and_gradient, []

    def interrupted(*arguments):
        n_begun.append(None)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(lbfgs, "objective_and_gradient", interrupted)


def test_interrupt_of_lbfgs_gives_the_last_finished_iteration(monkeypatch):
    model = small(BackpropMLPClassifier, solver="lbfgs", max_iter=50)
    with monkeypatch.context() as patch:
        interrupt_lbfgs(patch, 8)
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, y)
    expected = small(BackpropMLPClassifier, solver="lbfgs", max_iter=model.n_iter_)
    assert learned(model) == learned(expected.fit(X, y))


def test_interrupt_of_lbfgs_in_the_first_iteration_leaves_the_estimator(monkeypatch):
    model = small(BackpropMLPClassifier, solver="lbfgs")
    before = plain(vars(model))
    interrupt_lbfgs(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert plain(vars(model)) == before


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

# Values of wrong type and of wrong range for every parameter of both classes.
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
    "l1_ratio": NOT_A_SHARE,
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
# What only BackpropMLPClassifier refuses.
GOOD_IN_LOGISTIC = [("learning_rate", "auto"), ("learning_rate_init", None)]


@every_class
def test_every_parameter_has_bad_values(estimator_class):
    assert set(estimator_class().get_params()) - set(BAD_VALUES) == set()


def test_bad_values_belong_to_parameters():
    names = {name for each in CLASSES for name in each().get_params()}
    assert set(BAD_VALUES) == names


def is_bad(estimator_class, name, value):
    """Say whether this class refuses a value of the table."""
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
def test_values_that_only_mlp_refuses_are_good_in_logistic(name, value):
    model = small(SGDLogisticClassifier, **{name: value}).fit(X, y)
    assert np.all(np.isfinite(coefficients(model)))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("estimator_class", "name", "value"), list(bad_parameters()))
def test_bad_parameter_is_named_with_what_came(estimator_class, name, value, method):
    model = small(estimator_class, **{name: value})
    train = {"fit": model.fit, "partial_fit": model.partial_fit}[method]
    arguments = () if method == "fit" else ([0, 1],)
    with pytest.raises((ValueError, TypeError)) as raised:
        train(X, y, *arguments)
    message = str(raised.value)
    assert (name in message, repr(value) in message) == (True, True), message


@every_class
def test_unknown_solver_lists_the_known(estimator_class):
    with pytest.raises(ValueError, match=r"'solver'.*('sgd'.*'adam'|'adam'.*'sgd').*'sag'"):
        small(estimator_class, solver="sag").fit(X, y)


def test_lbfgs_is_unknown_to_logistic():
    with pytest.raises(ValueError, match=r"'solver' parameter .*'sgd'.*Got 'lbfgs'"):
        small(SGDLogisticClassifier, solver="lbfgs").fit(X, y)


@every_method
@pytest.mark.parametrize("flag", BOOLS)
def test_learning_rate_true_says_what_it_may_be(estimator_class, flag):
    message = r"'learning_rate' .*'constant'.*float in the range.*Got (np\.)?True"
    with pytest.raises(ValueError, match=message):
        small(estimator_class, learning_rate=flag).fit(X, y)


def test_hidden_layer_of_zero_units_says_what_it_may_be():
    message = r"hidden_layer_sizes must hold integers >= 1.*got \(0,\).*Use \(\)"
    with pytest.raises(ValueError, match=message):
        small(BackpropMLPClassifier, hidden_layer_sizes=(0,)).fit(X, y)


# A failed call leaves a fitted model as it was

NEW_LABEL = np.where(np.arange(24) == 0, 9, y)


def bad_x_call(train, model):
    """Train on NaN."""
    train(model, with_entry(np.nan), y)


def bad_y_call(train, model):
    """Train on labels of another length."""
    train(model, X, y[:7])


def bad_weight_call(train, model):
    """Train with negative weights."""
    train(model, X, y, -np.ones(24))


def bad_class_weight_call(train, model):
    """Train with a weight for a label that there is not."""
    model.set_params(class_weight={7: 1.0})
    try:
        train(model, X, y)
    finally:
        model.set_params(class_weight=None)


def bad_parameter_call(train, model):
    """Train with a negative penalty."""
    alpha = model.alpha
    model.set_params(alpha=-1.0)
    try:
        train(model, X, y)
    finally:
        model.set_params(alpha=alpha)


def diverging_call(train, model):
    """Train on features that overflow, with another number of columns where allowed."""
    train(model, 1e200 * (X[:, :2] if train is fit else X), y)


FAILURES = [
    bad_x_call,
    bad_y_call,
    bad_weight_call,
    bad_class_weight_call,
    bad_parameter_call,
    diverging_call,
]
# A generator is the user's own, who may use it elsewhere.
SEEDS = {"int": 0, "generator": np.random.RandomState(3)}


def fitted(estimator_class, train, seed):
    """Return a fitted model, ready for `train` to be called."""
    model = small(
        estimator_class,
        # Plain gradient descent diverges on overflowing features; Adam need not.
        solver="sgd",
        warm_start=train is warm_fit,
        random_state=copy.deepcopy(SEEDS[seed]),
    )
    return model.fit(X, y)


# Without a learning rate features of any size can be learned.
every_failure = pytest.mark.parametrize(
    ("estimator_class", "failing_call"),
    [
        pytest.param(
            estimator_class, call, id=f"{estimator_class.__name__}-{call.__name__}"
        )
        for estimator_class in (textbook_logistic, *CLASSES)
        for call in FAILURES
        if estimator_class is not SGDLogisticClassifier or call is not diverging_call
    ],
)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_training
@every_failure
@every_seed
def test_failed_call_changes_no_attribute(estimator_class, train, failing_call, seed):
    model = fitted(estimator_class, train, seed)
    before = plain(vars(model))
    with pytest.raises(ValueError, match=r"\w"):
        failing_call(train, model)
    assert plain(vars(model)) == before


@every_training
@every_failure
@every_seed
def test_training_after_a_failed_call_is_as_if_it_had_not_been(
    estimator_class, train, failing_call, seed
):
    model = fitted(estimator_class, train, seed)
    untouched = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"\w"):
        failing_call(train, model)
    assert learned(train(model, X, y)) == learned(train(untouched, X, y))


@every_method
@pytest.mark.parametrize("train", [warm_fit, partial_fit])
def test_failed_call_with_a_new_label_changes_no_attribute(estimator_class, train):
    model = fitted(estimator_class, train, "int")
    before = plain(vars(model))
    with pytest.raises(ValueError, match="9"):
        train(model, X, NEW_LABEL)
    assert plain(vars(model)) == before


@every_failure
@fit_and_partial_fit
def test_failed_first_call_leaves_the_estimator_unfitted(
    estimator_class, train, failing_call
):
    model = small(estimator_class, solver="sgd", warm_start=False)
    with pytest.raises(ValueError, match=r"\w"):
        failing_call(train, model)
    assert learned(model) == {}


@pytest.mark.parametrize(
    "failing_call", [call for call in FAILURES if call is not diverging_call]
)
def test_failed_call_of_lbfgs_changes_no_attribute(failing_call):
    model = small(BackpropMLPClassifier, solver="lbfgs").fit(X, y)
    before = plain(vars(model))
    with pytest.raises(ValueError, match=r"\w"):
        failing_call(fit, model)
    assert plain(vars(model)) == before


# Anything: an error with words, or a finite model

ORDINARY = [0.0, 1.0, -1.0, 0.5, 2.0, 100.0]
# What an X may hold; each draw uses one of these, so that most are not full of NaN.
PALETTES = [
    ORDINARY,
    [0.0, 1.0],
    [3.0],
    [*ORDINARY, 1e30, -1e30],
    [*ORDINARY, 1e300, -1e300],
    [1e-300, 5e-324, -1e-300, -0.0, 0.0],
    [*ORDINARY, 5e-324],
    [*ORDINARY, np.nan],
    [*ORDINARY, np.inf],
    [np.finfo(np.float64).max, np.finfo(np.float32).max, 65504.0],
]
DTYPES = [
    *["int8", "int16", "int32", "int64", "uint8", "bool", "float16", "float32", "float64"],
    *["longdouble", ">f4", ">f8", ">i4", "object"],
]
SPARSE = {
    name: getattr(scipy.sparse, name)
    for name in [
        *["csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "dia_array"],
        *["bsr_array", "csr_matrix", "csc_matrix"],
    ]
}
CONTAINERS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "reversed view": lambda X: X[::-1, ::-1],
    "list": lambda X: X.tolist(),
    **SPARSE,
}
# scipy's containers hold neither float16 nor objects nor a foreign byte order.
SPARSE_DTYPES = ["int8", "int32", "int64", "uint8", "bool", "float32", "float64"]
LABELS = {
    "integers": np.array([-5, 0, 7]),
    "text": np.array(["a", "bb", "ccc"]),
    "bools": np.array([False, True, True]),
    "floats": np.array([0.0, 1.0, 2.0]),
    "one class": np.array([4, 4, 4]),
}


def cast(values, dtype):
    """Return `values` in another dtype, infinite where too large for it."""
    with np.errstate(all="ignore"):  # 1e300 as float16 or int8 is what we want to try
        values = values.astype(dtype)
    # The sum of inf and -inf, by which scikit-learn looks for both, warns: its matter.
    return np.where(values == -np.inf, np.inf, values).astype(dtype)


@st.composite
def features(draw):
    """Draw an array-like of 0 to 12 rows and 0 to 3 columns."""
    # Odd sizes are rare among many that can be trained on.
    n_samples = draw(st.sampled_from([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]))
    n_features = draw(st.sampled_from([3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0]))
    palette = np.array(draw(st.sampled_from(PALETTES)))
    rng = np.random.RandomState(draw(st.integers(0, 1000)))
    values = rng.choice(palette, (n_samples, n_features))
    shape = draw(st.sampled_from(["drawn", "rows repeated", "constant column"]))
    if shape == "rows repeated":
        values[1:] = values[:1]
    if shape == "constant column":
        values[:, :1] = palette[-1]
    container = draw(st.sampled_from(list(CONTAINERS)))
    dtypes = SPARSE_DTYPES if container in SPARSE else DTYPES
    return CONTAINERS[container](cast(values, draw(st.sampled_from(dtypes))))


@st.composite
def labels_and_weights(draw, n_samples, multilabel):
    """Draw y and sample_weight for so many rows."""
    rng = np.random.RandomState(draw(st.integers(0, 1000)))
    if multilabel:
        labels = rng.randint(0, 2, (n_samples, 2))
    else:
        labels = LABELS[draw(st.sampled_from(list(LABELS)))]
        labels = labels[np.arange(n_samples) % draw(st.sampled_from([2, 3]))]
    palette = draw(st.sampled_from([None, [1.0, 2.0], [0.0, 1.0], [1e-300, 1.0, 1e300]]))
    return labels, None if palette is None else rng.choice(palette, n_samples)


COMMON = {
    "alpha": st.sampled_from([0.0, 1e-4, 1.0]),
    "learning_rate": st.sampled_from([*SCHEDULES, 0.5]),
    "warmup_fraction": st.sampled_from([None, None, 0.0, 0.99]),
    "momentum": st.sampled_from([0.0, 0.9, 1.0]),
    "batch_size": st.sampled_from([1, 3, "auto", "full"]),
    "max_iter": st.integers(1, 3),
    "early_stopping": st.sampled_from([False, False, True]),
    "validation_fraction": st.just(0.5),
    "scoring": st.sampled_from([None, "loss", "accuracy"]),
    "class_weight": st.sampled_from([None, None, "balanced"]),
    "epsilon": st.sampled_from([1e-8, 1e-300]),
    "tol": st.none(),
    "random_state": st.just(0),
}
LOGISTIC = st.builds(
    SGDLogisticClassifier,
    penalty=st.sampled_from(["l2", "l1", "elasticnet", None]),
    solver=st.sampled_from(["sgd", "adam"]),
    average=st.sampled_from([False, True, 2]),
    fit_intercept=st.booleans(),
    **{
        **COMMON,
        "learning_rate": st.sampled_from(["auto", *SCHEDULES, 1]),
        "learning_rate_init": st.sampled_from([None, None, 0.01]),
    },
)
MLP = st.builds(
    BackpropMLPClassifier,
    hidden_layer_sizes=st.sampled_from([(), (3,), (2, 2)]),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    init=st.sampled_from(["auto", "glorot", "he"]),
    dropout=st.sampled_from([0.0, 0.0, 0.5]),
    solver=st.sampled_from(["sgd", "adam", "adamw", "lbfgs"]),
    loss=st.sampled_from(["log_loss", "squared_error"]),
    max_gradient_norm=st.sampled_from([None, None, 1e-6, 1.0]),
    **COMMON,
)
CASES = settings(
    deadline=None,
    derandomize=True,
    max_examples=400,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def coefficients(model):
    """Return weights and intercepts of either class as one vector."""
    if isinstance(model, SGDLogisticClassifier):
        return np.concatenate([model.coef_.ravel(), model.intercept_])
    return np.concatenate([part.ravel() for part in model.coefs_ + model.intercepts_])


def error_of(train, model, X, y, sample_weight):
    """Return what the ValueError of training says, or None if there was none."""
    try:
        train(model, X, y, sample_weight)
    except ValueError as error:
        return str(error)
    return None


def raises_or_gives_probabilities(model, X, y, sample_weight=None, train=fit):
    """Assert that training raises ValueError with words, or gives finite numbers."""
    message = error_of(train, model, X, y, sample_weight)
    if message is not None:
        assert re.search(r"\w+( \S+){3}", message), message
        return
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(X)
    assert np.all(np.isfinite(proba))
    if np.ndim(y) == 1:
        # A float32 sum of three probabilities is off by less than 4 eps, 5e-7.
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=0, atol=5e-7)


def n_rows(X):
    """Return the number of rows of a list, array or sparse container."""
    return len(X) if isinstance(X, list) else X.shape[0]


@CASES
@given(LOGISTIC, features(), st.data())
def test_logistic_raises_or_gives_probabilities(model, X, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel=False))
    raises_or_gives_probabilities(model, X, labels, weight)


@CASES
@given(MLP, features(), st.booleans(), st.data())
def test_mlp_raises_or_gives_probabilities(model, X, multilabel, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel))
    raises_or_gives_probabilities(model, X, labels, weight)


@CASES
@given(LOGISTIC, features(), st.data())
def test_logistic_partial_fit_raises_or_gives_probabilities(model, X, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel=False))
    model.set_params(early_stopping=False, class_weight=None)

    def train(model, X, y, sample_weight):
        classes = [*np.unique(labels), labels.dtype.type(8)]  # not all come at once
        for _ in range(2):
            model.partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    raises_or_gives_probabilities(model, X, labels, weight, train)
