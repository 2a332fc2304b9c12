"""Bad input raises, and a fitted model survives it.

Each error message must name what was expected and what was given.
"""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from methods import every_method, textbook_logistic
from optimizers import SOLVERS
from small_models import (
    CLASSES,
    MULTILABEL,
    X,
    any_call,
    coefficients,
    every_training,
    fit,
    fit_and_partial_fit,
    learned,
    partial_fit,
    plain,
    small,
    warm_fit,
    with_entry,
    y,
)

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.objective.losses import LOSSES

PREDICTIONS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


# X and y

# The part of scikit-learn's message (1.6 to 1.9) that describes the given X.
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
@any_call
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
def test_wrong_number_of_features_raises_in_resumed_training(estimator_class, train):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3 features"):
        train(model, X[:, :2], y)


# The part of scikit-learn's message that describes the given y.
BAD_Y = {
    "another length": (y[:5], r"inconsistent numbers of samples: \[24, 5\]"),
    "continuous": (X[:, 0], "Unknown label type: continuous"),
    "NaN": (np.where(y == 1, np.nan, 0.0), "y contains NaN"),
    "absent": (None, "requires y to be passed.*is None"),
    "mixed": (np.array([1, "a"] * 12, dtype=object), "mixes strings .*'a' and 1"),
    "None": (np.array([None, 1] * 12, dtype=object), "y .*missing labels: 12 of.* row 0"),
    "NA": (pd.array(["a", pd.NA] * 12, dtype="string"), "missing labels: .* row 1"),
    "empty": (y[:0], r"inconsistent numbers of samples: \[24, 0\]|0 sample\(s\)"),
}


@every_method
@any_call
@pytest.mark.parametrize(("given_y", "message"), BAD_Y.values(), ids=list(BAD_Y.keys()))
def test_bad_y_raises(estimator_class, train, given_y, message):
    with pytest.raises(ValueError, match=message):
        train(small(estimator_class), X, given_y)


@fit_and_partial_fit
def test_several_outputs_raise_in_mlp(train):
    outputs = np.column_stack([y, 2 * y, y])
    message = r"one label per row.*0 and 1.*multiclass-multioutput.*\(24, 3\)"
    with pytest.raises(ValueError, match=message):
        train(small(BackpropMLPClassifier), X, outputs)


@fit_and_partial_fit
@pytest.mark.parametrize("outputs", [np.column_stack([y, 2 * y, y]), MULTILABEL])
def test_more_than_one_column_of_y_raises_in_logistic(train, outputs):
    message = r"should be a 1d array, got .* \(24, 3\).*BackpropMLPClassifier"
    for given in (outputs, outputs.tolist(), scipy.sparse.csr_array(outputs)):
        with pytest.raises(ValueError, match=message):
            train(small(SGDLogisticClassifier), X, given)


def test_labels_after_multilabel_raise():
    model = small(BackpropMLPClassifier).fit(X, MULTILABEL)
    with pytest.raises(ValueError, match=r"y of shape \(24,\).*expected indicators"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 2.0}])
def test_multilabel_after_labels_raises(class_weight):
    model = small(BackpropMLPClassifier, class_weight=class_weight).fit(X, y)
    with pytest.raises(ValueError, match=r"y of shape \(24, 3\).*expected one label"):
        model.partial_fit(X, MULTILABEL)


def test_multilabel_with_another_number_of_columns_raises():
    model = small(BackpropMLPClassifier).fit(X, MULTILABEL)
    with pytest.raises(ValueError, match=r"y of shape \(24, 2\).* the 3 outputs"):
        model.partial_fit(X, MULTILABEL[:, :2])


LARGE = 2**53


@every_method
@fit_and_partial_fit
def test_labels_that_only_float64_would_merge_are_different(estimator_class, train):
    # The common type of int64 and uint64, and of an integer and a float, is float64.
    classes = np.array([LARGE, LARGE + 1], dtype=np.int64)
    model = small(estimator_class).partial_fit(X, classes[y], classes=classes)
    unsigned = np.array([LARGE + 1, LARGE + 2], dtype=np.uint64)
    with pytest.raises(ValueError, match=rf"\[{LARGE + 2}\].* not among the classes"):
        model.partial_fit(X, unsigned[y])
    with pytest.raises(ValueError, match="are not those of the first call"):
        model.partial_fit(X, classes[y], classes=unsigned)
    with pytest.raises(ValueError, match=r"warm_start=True needs the same classes"):
        model.set_params(warm_start=True).fit(X, unsigned[y])
    again = small(estimator_class).partial_fit(X, classes[y], classes=classes)
    again.partial_fit(X, classes.astype(np.uint64)[y])
    np.testing.assert_array_equal(again.classes_, classes)


# Classes

TEXT = np.array(["cat", "dog"])[y]


@every_method
def test_error_of_first_partial_fit_without_classes_lists_the_labels(estimator_class):
    with pytest.raises(ValueError, match=r"needs classes.*\['cat', 'dog'\]"):
        small(estimator_class).partial_fit(X, TEXT)


@every_method
@pytest.mark.parametrize("dtype", [str, object])
def test_error_of_label_outside_classes_lists_both(estimator_class, dtype):
    message = r"labels \['dog'\].*not among the classes \['cat', 'cow'\]"
    with pytest.raises(ValueError, match=message):
        small(estimator_class).partial_fit(X, TEXT.astype(dtype), classes=["cat", "cow"])


@every_method
def test_label_outside_classes_raises_in_a_later_call(estimator_class):
    model = small(estimator_class).fit(X, y)
    with pytest.raises(ValueError, match=r"labels \[2\].*not among the classes \[0, 1\]"):
        model.partial_fit(X, y + 1)


@every_method
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float64])
def test_the_type_of_labels_may_change_in_a_later_call(estimator_class, dtype):
    models = [small(estimator_class).partial_fit(X, y, [0, 1]) for _ in range(2)]
    models[0].partial_fit(X, y)
    models[1].partial_fit(X, y.astype(dtype))
    np.testing.assert_array_equal(*map(coefficients, models))


@every_method
def test_nearly_as_many_classes_as_rows_warn_in_each_call(estimator_class):
    rows, labels = np.random.RandomState(0).randn(30, 3), np.arange(30) % 20
    model = small(estimator_class)
    for _ in range(2):
        with pytest.warns(UserWarning, match="unique classes is greater than 50%"):
            model.partial_fit(rows, labels, classes=np.arange(20))


@every_method
@pytest.mark.parametrize("dtype", [str, object])
def test_digits_as_text_are_not_the_numbers_in_classes(estimator_class, dtype):
    message = r"labels \['0', '1'\].*not among the classes \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        small(estimator_class).partial_fit(X, y.astype(str).astype(dtype), [0, 1])


@every_method
def test_error_of_other_classes_in_a_later_partial_fit_lists_both(estimator_class):
    model = small(estimator_class).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\].*first call, \[0, 1\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])


def test_multilabel_values_other_than_0_and_1_raise():
    with pytest.raises(ValueError, match=r"must hold 0 and 1; got the values \[0, 3\]"):
        small(BackpropMLPClassifier).fit(X[:4], 3 * np.eye(4, dtype=int))


@every_method
@pytest.mark.parametrize(
    ("classes", "message"),
    [([None, 1], "classes contains missing"), (["a", None], "classes contains missing")],
)
def test_missing_labels_among_classes_raise(estimator_class, classes, message):
    with pytest.raises(ValueError, match=message):
        small(estimator_class).partial_fit(X, y, classes=classes)


@every_method
def test_labels_of_several_types_among_classes_raise(estimator_class):
    classes = np.array([0, "a"], dtype=object)
    with pytest.raises(ValueError, match="classes mixes strings and other labels"):
        small(estimator_class).partial_fit(X, y, classes=classes)


@every_method
@fit_and_partial_fit
@pytest.mark.parametrize("weight", [{0: 1.0}, {1.0}, len])
def test_error_of_weights_that_are_no_numbers_names_them(estimator_class, train, weight):
    with pytest.raises(TypeError, match="sample_weight must be a number, or an array"):
        train(small(estimator_class), X, y, weight)


@every_method
def test_error_of_empty_classes_states_the_minimum(estimator_class):
    smallest = 1 if estimator_class is BackpropMLPClassifier else 2
    with pytest.raises(ValueError, match=rf"at least {smallest}\b.*\[\]"):
        small(estimator_class).partial_fit(X, y, classes=[])


@every_method
def test_error_of_warm_start_with_other_classes_lists_both(estimator_class):
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


@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
@pytest.mark.parametrize("loss", sorted({name for name, _ in LOSSES}))
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

# name: (sample_weight, what the message must contain)
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
@pytest.mark.parametrize(
    ("sample_weight", "message"), BAD_WEIGHTS.values(), ids=list(BAD_WEIGHTS.keys())
)
def test_errors_of_weights_can_be_pickled(estimator_class, sample_weight, message):
    # Or else, an error in a worker of joblib would end all workers.
    with pytest.raises(ValueError, match=message) as raised:
        small(estimator_class).fit(X, y, sample_weight)
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)


@every_method
@fit_and_partial_fit
@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300, 1e308])
def test_equal_weights_of_any_size_equal_no_weights(estimator_class, train, weight):
    # Law 2: a common factor of all weights changes nothing. 24 * 1e308 overflows.
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


@every_method
@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 0.0}, {0: 0, 1: 3}])
def test_class_weights_that_leave_one_class_raise_in_logistic(
    estimator_class, class_weight
):
    model = small(estimator_class, class_weight=class_weight)
    if isinstance(model, BackpropMLPClassifier):
        np.testing.assert_array_equal(model.fit(X, y).classes_, [0, 1])
        return
    with pytest.raises(ValueError, match="needs at least 2 classes, and there is 1"):
        model.fit(X, y)


@every_method
@pytest.mark.parametrize("by", ["sample_weight", "class_weight"])
def test_a_chunk_without_weight_changes_nothing(estimator_class, by):
    model = partial_fit(small(estimator_class), X, y)
    before = pickle.dumps(model)
    if by == "sample_weight":
        model.partial_fit(X, y, sample_weight=np.zeros(24))
    else:
        model.set_params(class_weight={0: 0.0, 1: 1.0})
        model.partial_fit(X[y == 0], y[y == 0])
        model.set_params(class_weight=None)
    assert pickle.dumps(model) == before


@every_method
def test_a_chunk_with_weights_of_another_length_is_an_error(estimator_class):
    model = partial_fit(small(estimator_class), X, y)
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(5,\)"):
        model.partial_fit(X, y, sample_weight=np.zeros(5))


def test_a_dict_of_class_weights_with_multilabel_raises():
    model = small(BackpropMLPClassifier, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
    with pytest.raises(ValueError, match=r"class_weight=.*multilabel.*Use sample_weight"):
        model.fit(X, MULTILABEL)


@every_method
def test_balanced_class_weight_in_partial_fit_raises(estimator_class):
    model = small(estimator_class, class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*partial_fit"):
        partial_fit(model, X, y)


# A failed call leaves a fitted model unchanged

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
    """Train with a class weight for an unknown label."""
    model.set_params(class_weight={7: 1.0})
    try:
        train(model, X, y)
    finally:
        model.set_params(class_weight=None)


def bad_parameter_call(train, model):
    """Train with a negative alpha."""
    alpha = model.alpha
    model.set_params(alpha=-1.0)
    try:
        train(model, X, y)
    finally:
        model.set_params(alpha=alpha)


def diverging_call(train, model):
    """Train on features that overflow, and for `fit` have another number of columns."""
    train(model, 1e200 * (X[:, :2] if train is fit else X), y)


FAILURES = [
    bad_x_call,
    bad_y_call,
    bad_weight_call,
    bad_class_weight_call,
    bad_parameter_call,
    diverging_call,
]
# A generator belongs to the user: a failed call must not advance it.
SEEDS = {"int": 0, "generator": np.random.RandomState(3)}


def fitted(estimator_class, train, seed):
    """Return a fitted model on which `train` can be called."""
    model = small(
        estimator_class,
        # Plain gradient descent diverges on overflowing features; Adam need not.
        solver="sgd",
        warm_start=train is warm_fit,
        random_state=copy.deepcopy(SEEDS[seed]),
    )
    return model.fit(X, y)


# Without a learning rate, features of any size can be learned: nothing diverges.
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
def test_failed_call_does_not_affect_later_training(
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


# Names of classes that users do not know

CALLS = {
    "unknown argument of fit": lambda model: model.fit(X, y, n_epochs=3),
    "fit without y": lambda model: model.fit(X),
    "unknown argument of partial_fit": lambda model: model.partial_fit(X, y, rate=1),
    "partial_fit without y": lambda model: model.partial_fit(X),
    "predict without X": lambda model: model.predict(),
    "unknown argument of predict_proba": lambda model: model.predict_proba(X, copy=True),
    "too many arguments": lambda model: model.decision_function(X, y),
    "get_state with an argument": lambda model: model.get_state(1),
    "set_state without one": lambda model: model.set_state(),
}


@every_method
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_errors_of_calls_name_no_internal_class(estimator_class, call):
    with pytest.raises(TypeError) as raised:
        call(small(estimator_class))
    assert not re.search("GradientClassifier|Predictor", str(raised.value))
    public = r"((SGDLogistic|BackpropMLP)Classifier\.)?"
    assert re.match(public + r"\w+\(\) ", str(raised.value))
