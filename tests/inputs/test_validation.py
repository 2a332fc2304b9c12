"""Validation rows: recorded scores and losses, and early stopping by them."""

import numpy as np
import pandas as pd
import pytest
from methods import both, every_method, textbook_logistic
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier


@pytest.fixture(scope="module")
def parts():
    """Return (X, y, X_val, y_val) with three overlapping classes."""
    X, y = make_classification(
        300, 8, n_informative=4, n_classes=3, flip_y=0.2, random_state=0
    )
    return X[:200], y[:200], X[200:], y[200:]


def fitted(estimator_class, parts, **parameters):
    """Return a model trained for 5 epochs with parts = (X, y, X_val, y_val)."""
    X, y, X_val, y_val = parts
    parameters = {"max_iter": 5, "tol": None, "random_state": 0, **parameters}
    return estimator_class(**parameters).fit(X, y, X_val=X_val, y_val=y_val)


def curves_of(model):
    """Return all curves by name."""
    names = ("loss_curve_", "learning_rate_curve_", "validation_loss_curve_")
    return {name: getattr(model, name) for name in (*names, "validation_scores_")}


# Recorded scores and losses.


@every_method
def test_recorded_score_and_loss_equal_those_of_the_model(estimator_class, parts):
    model, (_, _, X_val, y_val) = fitted(estimator_class, parts), parts
    assert model.validation_scores_[-1] == model.score(X_val, y_val)
    expected = log_loss(y_val, model.predict_proba(X_val))
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)


def test_iterations_of_lbfgs_are_validated(parts):
    model = fitted(BackpropMLPClassifier, parts, solver="lbfgs")
    _, _, X_val, y_val = parts
    assert len(model.validation_scores_) == model.n_iter_ == 5
    assert model.validation_scores_[-1] == model.score(X_val, y_val)
    assert model.learning_rate_curve_ is None


@every_method
def test_curves_begin_with_those_of_a_shorter_run(estimator_class, parts):
    model = fitted(estimator_class, parts)
    for n_epochs in range(1, 5):
        shorter = fitted(estimator_class, parts, max_iter=n_epochs)
        for name, curve in curves_of(shorter).items():
            longer = curves_of(model)[name]
            np.testing.assert_array_equal(curve, longer and longer[:n_epochs], name)


@every_method
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_validation_rows_do_not_affect_training_without_early_stopping(
    estimator_class, solver, parts
):
    if solver == "lbfgs" and estimator_class is not BackpropMLPClassifier:
        solver = "adam"
    X, y, X_val, _ = parts
    validated = fitted(estimator_class, parts, solver=solver)
    plain = clone(validated).fit(X, y)
    assert plain.loss_curve_ == validated.loss_curve_
    np.testing.assert_array_equal(
        plain.decision_function(X_val), validated.decision_function(X_val)
    )


def test_scores_and_losses_use_the_weights_of_validation_rows(parts):
    X, y, X_val, y_val = parts
    weight = np.random.RandomState(0).uniform(size=len(y_val))
    model = BackpropMLPClassifier(max_iter=3, tol=None, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    score, loss = model.validation_scores_[-1], model.validation_loss_curve_[-1]
    assert score == pytest.approx(model.score(X_val, y_val, weight), rel=1e-12)
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=weight)
    assert loss == pytest.approx(expected, rel=1e-12)


def test_scores_ignore_class_weights(parts):
    model = fitted(BackpropMLPClassifier, parts, class_weight={0: 5.0})
    _, _, X_val, y_val = parts
    assert model.validation_scores_[-1] == model.score(X_val, y_val)


def test_validation_rows_of_weight_0_are_ignored(parts):
    X, y, X_val, y_val = parts
    some = np.arange(len(y_val)) % 3 > 0
    model = BackpropMLPClassifier(max_iter=3, tol=None, random_state=0)
    expected = clone(model).fit(X, y, X_val=X_val[some], y_val=y_val[some])
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=some.astype(float))
    assert curves_of(model) == curves_of(expected)


@pytest.mark.parametrize("kind", ["sparse", "frame", "strings", "float32", "memory map"])
@both
def test_validation_rows_may_be_of_any_kind(estimator_class, kind, parts, tmp_path):
    X, y, X_val, y_val = parts
    expected = fitted(estimator_class, parts)
    tolerance = 1e-9
    if kind == "sparse":
        X, X_val = csr_array(X), csr_array(X_val)
    elif kind == "frame":
        names = [f"f{i}" for i in range(X.shape[1])]
        X, X_val = pd.DataFrame(X, columns=names), pd.DataFrame(X_val, columns=names)
    elif kind == "strings":
        y, y_val = np.array(["a", "b", "c"])[y], np.array(["a", "b", "c"])[y_val]
    elif kind == "memory map":
        np.save(tmp_path / "x.npy", X_val)
        X_val = np.load(tmp_path / "x.npy", mmap_mode="r")
    else:
        X, X_val, tolerance = X.astype(np.float32), X_val.astype(np.float32), 1e-4
    model = fitted(estimator_class, (X, y, X_val, y_val))
    assert model.validation_scores_ == pytest.approx(expected.validation_scores_)
    np.testing.assert_allclose(
        model.validation_loss_curve_, expected.validation_loss_curve_, rtol=tolerance
    )


def test_validation_rows_may_be_multilabel():
    X, y = make_multilabel_classification(200, random_state=0)
    model = fitted(BackpropMLPClassifier, (X[:150], y[:150], X[150:], y[150:]))
    assert model.validation_scores_[-1] == model.score(X[150:], y[150:])


# Curves.


@every_method
def test_curves_have_an_entry_for_each_epoch(estimator_class, parts):
    model = fitted(estimator_class, parts)
    lengths = {len(curve) for curve in curves_of(model).values() if curve is not None}
    assert lengths == {model.n_iter_} == {5}


@every_method
def test_validation_curves_are_none_without_validation(estimator_class, parts):
    model = estimator_class(max_iter=2, tol=None).fit(*parts[:2])
    assert model.validation_loss_curve_ is model.validation_scores_ is None
    assert model.best_epoch_ is model.best_validation_score_ is None


@both
def test_epochs_without_validation_are_nan_in_validation_curves(estimator_class, parts):
    model = fitted(estimator_class, parts, max_iter=2)
    before = model.validation_scores_
    model.partial_fit(*parts[:2])
    assert len(model.loss_curve_) == len(model.learning_rate_curve_) == 3
    np.testing.assert_array_equal(model.validation_scores_, [*before, np.nan])
    model.set_params(warm_start=True).fit(*parts[:2], X_val=parts[2], y_val=parts[3])
    finite = np.isfinite(model.validation_loss_curve_)
    assert finite.tolist() == [True, True, False, True, True]


@both
def test_curves_continue_with_warm_start(estimator_class, parts):
    whole = fitted(estimator_class, parts)
    X, y, X_val, y_val = parts
    model = fitted(estimator_class, parts, max_iter=2, warm_start=True)
    model.set_params(max_iter=3).fit(X, y, X_val=X_val, y_val=y_val)
    assert curves_of(model) == curves_of(whole)


@both
def test_a_new_fit_begins_new_curves(estimator_class, parts):
    model = fitted(estimator_class, parts)
    model.set_params(max_iter=2).fit(*parts[:2])
    assert len(model.loss_curve_) == 2
    assert model.validation_scores_ is None


@both
def test_learning_rate_curve_has_the_rate_of_each_last_step(estimator_class, parts):
    model = fitted(
        estimator_class,
        parts,
        learning_rate="invscaling",
        learning_rate_init=0.5,
        batch_size=50,
        solver="sgd",
    )
    expected = 0.5 / np.sqrt([4, 8, 12, 16, 20])  # four steps per epoch
    np.testing.assert_allclose(model.learning_rate_curve_, expected, rtol=1e-15)


def test_epochs_computed_in_one_call_have_their_own_learning_rates():
    X, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])
    model = textbook_logistic(
        learning_rate="invscaling", batch_size="full", max_iter=50, tol=None
    ).fit(X, y)
    expected = 0.05 / np.sqrt(np.arange(1, 51))
    np.testing.assert_allclose(model.learning_rate_curve_, expected, rtol=1e-15)


def test_newton_steps_have_no_learning_rate(parts):
    assert fitted(SGDLogisticClassifier, parts).learning_rate_curve_ is None


# Early stopping with the user's rows.


@every_method
def test_the_best_epoch_is_kept(estimator_class, parts):
    X_val, y_val = parts[2:]
    model = fitted(
        estimator_class,
        parts,
        early_stopping=True,
        scoring="accuracy",
        max_iter=60,
        n_iter_no_change=4,
    )
    best = model.best_epoch_
    assert best == 1 + int(np.argmax(model.validation_scores_))
    assert model.validation_scores_[best - 1] == model.best_validation_score_
    assert model.score(X_val, y_val) == model.best_validation_score_
    assert model.loss_ == model.loss_curve_[best - 1]
    loss = log_loss(y_val, model.predict_proba(X_val))
    assert model.validation_loss_curve_[best - 1] == pytest.approx(loss, rel=1e-12)


@every_method
def test_the_kept_model_equals_that_of_a_run_to_the_best_epoch(estimator_class, parts):
    model = fitted(estimator_class, parts, early_stopping=True, max_iter=20)
    shorter = fitted(estimator_class, parts, max_iter=model.best_epoch_)
    np.testing.assert_array_equal(
        model.decision_function(parts[2]), shorter.decision_function(parts[2])
    )


@both
def test_early_stopping_with_given_rows_trains_on_all_of_x(estimator_class, parts):
    model = fitted(estimator_class, parts, early_stopping=True)
    plain = fitted(estimator_class, parts)
    assert model.loss_curve_ == plain.loss_curve_


def test_given_rows_stop_training_as_held_out_rows_do(parts):
    # Without shuffling and from zero coefficients, only the split is random.
    X, y, _, _ = parts
    model = textbook_logistic(
        early_stopping=True, shuffle=False, random_state=0, learning_rate=0.3
    ).fit(X, y)
    rng = np.random.RandomState(0)
    parts = train_test_split(np.arange(len(y)), test_size=0.1, stratify=y, random_state=rng)
    train, rest = parts
    given = clone(model).fit(X[train], y[train], X_val=X[rest], y_val=y[rest])
    assert given.validation_scores_ == model.validation_scores_
    np.testing.assert_array_equal(given.coef_, model.coef_)


@both
def test_resuming_never_ends_with_a_worse_model(estimator_class, parts):
    X, y, X_val, y_val = parts
    model = fitted(
        estimator_class,
        parts,
        early_stopping=True,
        scoring="accuracy",
        warm_start=True,
        max_iter=15,
    )
    before, epoch = model.best_validation_score_, model.best_epoch_
    model.set_params(learning_rate=5.0, solver="sgd", momentum=0.0, max_iter=2)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.best_validation_score_ >= before
    assert model.best_epoch_ == epoch or model.best_validation_score_ > before
    assert model.score(X_val, y_val) == model.best_validation_score_


# Scoring.


@pytest.mark.parametrize("early_stopping", [False, True])
def test_default_scoring_is_the_loss_for_early_stopping_and_else_accuracy(
    early_stopping, parts
):
    parameters = {"early_stopping": early_stopping, "max_iter": 20}
    default = fitted(BackpropMLPClassifier, parts, **parameters)
    name = "loss" if early_stopping else "accuracy"
    named = fitted(BackpropMLPClassifier, parts, scoring=name, **parameters)
    assert default.validation_scores_ == named.validation_scores_
    assert default.best_epoch_ == named.best_epoch_


@pytest.mark.parametrize("early_stopping", [False, True])
def test_accuracy_is_that_of_the_scorer(early_stopping, parts):
    def accuracy(estimator, X, y):
        return estimator.score(X, y)

    parameters = {"early_stopping": early_stopping, "max_iter": 20}
    named = fitted(BackpropMLPClassifier, parts, scoring="accuracy", **parameters)
    scored = fitted(BackpropMLPClassifier, parts, scoring=accuracy, **parameters)
    assert named.validation_scores_ == scored.validation_scores_


@every_method
def test_scoring_by_loss_is_minus_the_loss(estimator_class, parts):
    model = fitted(estimator_class, parts, scoring="loss", early_stopping=True)
    expected = [-loss for loss in model.validation_loss_curve_]
    assert model.validation_scores_ == expected
    assert model.best_epoch_ == 1 + int(np.argmax(expected))


@every_method
@pytest.mark.parametrize("name", ["neg_log_loss", "f1_macro", "roc_auc_ovr"])
def test_scoring_accepts_names_of_scorers(estimator_class, name, parts):
    model = fitted(estimator_class, parts, scoring=name)
    assert model.validation_scores_[-1] == get_scorer(name)(model, *parts[2:])


@every_method
def test_scoring_accepts_a_callable(estimator_class, parts):
    seen = []

    def scoring(model, X, y):
        seen.append(model)
        return accuracy_score(y, model.predict(X)) / 2

    model = fitted(estimator_class, parts, scoring=scoring)
    halves = [score / 2 for score in fitted(estimator_class, parts).validation_scores_]
    assert model.validation_scores_ == halves
    assert all(type(other) is type(model) and other is not model for other in seen)


@every_method
def test_scores_of_minus_infinity_give_no_best_epoch(estimator_class, parts):
    def worst(estimator, X, y):
        return -np.inf

    model = fitted(estimator_class, parts, early_stopping=True, scoring=worst)
    assert model.best_validation_score_ == -np.inf
    assert (model.best_epoch_, model.loss_) == (0, model.loss_curve_[-1])
    again = model.set_params(warm_start=True)
    X, y, X_val, y_val = parts
    again.fit(X, y, X_val=X_val, y_val=y_val)
    assert again.loss_ in again.loss_curve_


def test_scorers_get_weights_and_labels(parts):
    X, y, X_val, y_val = parts
    given, names = [], np.array(["low", "middle", "high"])

    def scoring(model, X, y, sample_weight=None):
        given.append((y, sample_weight))
        return 0.5

    weight = np.linspace(1, 2, len(y_val))
    BackpropMLPClassifier(max_iter=1, tol=None, scoring=scoring).fit(
        X, names[y], X_val=X_val, y_val=names[y_val], sample_weight_val=weight
    )
    np.testing.assert_array_equal(given[0][0], names[y_val])
    np.testing.assert_array_equal(given[0][1], weight)


@both
def test_scoring_applies_to_held_out_rows(estimator_class, parts):
    model = estimator_class(
        early_stopping=True, scoring="neg_log_loss", max_iter=30, random_state=0, tol=None
    ).fit(*parts[:2])
    losses = [-score for score in model.validation_scores_]
    np.testing.assert_allclose(losses, model.validation_loss_curve_, rtol=1e-10)
    assert model.best_epoch_ == 1 + int(np.argmin(losses))


# Inside a pipeline and a grid search.


def test_pipeline_transforms_the_validation_rows(parts):
    X, y, X_val, y_val = parts
    with config_context(enable_metadata_routing=True):
        model = BackpropMLPClassifier(max_iter=3, tol=None, random_state=0)
        model.set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("model", model)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
        scaled = pipeline[-1].validation_scores_
    assert scaled[-1] == pipeline.score(X_val, y_val)


def test_grid_search_passes_validation_rows_to_fit(parts):
    X, y, X_val, y_val = parts
    model = BackpropMLPClassifier(max_iter=3, tol=None, random_state=0)
    search = GridSearchCV(model, {"learning_rate": [0.01, 0.1]}, cv=2)
    search.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(search.best_estimator_.validation_scores_) == 3


# Bad input: an error says what is wrong, and a fitted model is unchanged.


def bad_rows(parts, name):
    """Return keywords of `fit` that hold bad validation rows."""
    X_val, y_val = parts[2:]
    with_nan = X_val.copy()
    with_nan[0, 0] = np.nan
    return {
        "unseen label": {"X_val": X_val, "y_val": np.where(y_val == 2, 7, y_val)},
        "fewer columns": {"X_val": X_val[:, :5], "y_val": y_val},
        "no labels": {"X_val": X_val},
        "no rows": {"y_val": y_val},
        "weights alone": {"sample_weight_val": np.ones(len(y_val))},
        "other length": {"X_val": X_val, "y_val": y_val[:-1]},
        "NaN": {"X_val": with_nan, "y_val": y_val},
        "indicators": {"X_val": X_val, "y_val": np.eye(3)[y_val].astype(int)},
        "empty": {"X_val": X_val[:0], "y_val": y_val[:0]},
        "zero weights": {"X_val": X_val, "y_val": y_val, "sample_weight_val": 0 * y_val},
        "negative weights": {
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": -1.0 - y_val,
        },
    }[name]


MESSAGES = {
    "unseen label": r"y_val has the labels \[7\], .*\[0, 1, 2\]",
    "fewer columns": "X has 5 features, but .* is expecting 8 features",
    "no labels": "y_val is missing",
    "no rows": "X_val is missing",
    "weights alone": "X_val is missing",
    "other length": "inconsistent numbers of samples",
    "NaN": "contains NaN",
    "indicators": "one label",
    "empty": "minimum of 1 is required",
    "zero weights": "weights are zero|at least one non-zero",
    "negative weights": "Negative values",
}


@pytest.mark.parametrize("name", MESSAGES)
@every_method
def test_bad_validation_rows_raise(estimator_class, name, parts):
    model = fitted(estimator_class, parts)
    before = model.decision_function(parts[2])
    with pytest.raises(ValueError, match=MESSAGES[name]):
        model.fit(*parts[:2], **bad_rows(parts, name))
    np.testing.assert_array_equal(model.decision_function(parts[2]), before)


def test_labels_of_another_kind_raise(parts):
    X, y, X_val, y_val = parts
    with pytest.raises(ValueError, match="y_val has the labels"):
        BackpropMLPClassifier().fit(X, y, X_val=X_val, y_val=y_val.astype(str))


@pytest.mark.parametrize("score", [np.nan, [0.5, 0.7]])
def test_score_that_is_not_a_number_is_an_error(score, parts):
    with pytest.raises(ValueError, match="must return a number for the validation rows"):
        fitted(BackpropMLPClassifier, parts, scoring=lambda model, X, y: score)


def test_failing_scorer_leaves_the_model_unchanged(parts):
    model = fitted(BackpropMLPClassifier, parts)
    before = model.predict_proba(parts[2])

    def scoring(model, X, y):
        raise RuntimeError("no score today")

    model.set_params(scoring=scoring)
    with pytest.raises(RuntimeError, match="no score today"):
        model.fit(*parts[:2], X_val=parts[2], y_val=parts[3])
    np.testing.assert_array_equal(model.predict_proba(parts[2]), before)


# Resuming with other rows, and interrupts.


@every_method
def test_other_validation_rows_reset_the_best_score(estimator_class, parts):
    X, y = parts[:2]
    parameters = {"early_stopping": True, "warm_start": True, "scoring": "accuracy"}
    model = fitted(estimator_class, parts, max_iter=3, **parameters)
    # No model scores as well on these rows as the best one so far did on the others.
    X_hard, y_hard = np.zeros((30, 8)), np.arange(30) % 3
    model.fit(X, y, X_val=X_hard, y_val=y_hard)
    assert model.best_validation_score_ == model.score(X_hard, y_hard)


def interrupting(at_call):
    """Return a scorer whose call number `at_call` raises KeyboardInterrupt."""
    calls = []

    def scoring(model, X, y):
        calls.append(1)
        if len(calls) == at_call:
            raise KeyboardInterrupt
        return accuracy_score(y, model.predict(X))

    return scoring


@every_method
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_interrupt_during_validation_gives_the_previous_epoch(
    estimator_class, early_stopping, solver, parts
):
    if solver == "lbfgs" and estimator_class is not BackpropMLPClassifier:
        solver = "adam"
    parameters = {"early_stopping": early_stopping, "solver": solver}
    with pytest.warns(UserWarning, match="after 2 finished epochs"):
        model = fitted(estimator_class, parts, scoring=interrupting(3), **parameters)
    expected = fitted(estimator_class, parts, max_iter=2, scoring="accuracy", **parameters)
    np.testing.assert_array_equal(
        model.predict_proba(parts[2]), expected.predict_proba(parts[2])
    )
    assert curves_of(model) == curves_of(expected)
    assert model.best_validation_score_ == expected.best_validation_score_
    assert model.best_epoch_ == expected.best_epoch_


@every_method
def test_frames_are_scored_without_a_warning(estimator_class, parts):
    X, y, X_val, y_val = parts
    names = [f"f{i}" for i in range(X.shape[1])]
    frames = pd.DataFrame(X, columns=names), y, pd.DataFrame(X_val, columns=names), y_val
    model = fitted(estimator_class, frames, scoring="neg_log_loss")
    expected = fitted(estimator_class, parts, scoring="neg_log_loss")
    assert model.validation_scores_ == expected.validation_scores_


def test_errors_name_the_validation_rows(parts):
    X, y, X_val, y_val = parts
    with pytest.raises(ValueError, match=r"In the validation rows .*contains NaN"):
        BackpropMLPClassifier().fit(X, y, X_val=np.nan * X_val, y_val=y_val)


BAD_Y_VAL = {
    "two columns": np.eye(4, 2, dtype=int),
    "no axis": 3,
    "NaN": np.full(4, np.nan),
    "too short": [0, 1, 2],
    "ragged": [[0], [1, 2], [0], [1]],
}


@both
@pytest.mark.parametrize("y_val", BAD_Y_VAL.values(), ids=list(BAD_Y_VAL))
def test_error_of_y_val_names_the_validation_rows(estimator_class, y_val, parts):
    X, y, X_val, _ = parts
    model = estimator_class(random_state=0)
    with pytest.raises(ValueError, match=r"In the validation rows \(X_val, y_val"):
        model.fit(X, y, X_val=X_val[:4], y_val=y_val)


UNSEEN_Y_VAL = {
    "mixed": ([0, "a", 1, 2], r"\['a'\]"),
    "None": ([None] * 4, r"\[None\]"),
    "text": (["0", "1", "2", "0"], r"\['0', '1', '2'\]"),
    "fractions": ([0, 1, 1.5, 2], r"\[1\.5\]"),
}


@both
@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize(("y_val", "unseen"), UNSEEN_Y_VAL.values(), ids=list(UNSEEN_Y_VAL))
def test_labels_of_other_types_in_y_val_are_unseen(
    estimator_class, kind, y_val, unseen, parts
):
    X, y, X_val, _ = parts
    model = estimator_class(random_state=0)
    y_val = np.array([*y_val, None], dtype=object)[:-1]
    with pytest.raises(ValueError, match=f"y_val has the labels {unseen}, which are not"):
        model.fit(X, y.astype(kind), X_val=X_val[:4], y_val=y_val)
    text = np.array(["a", "b", "c"], dtype=object)[y]
    with pytest.raises(ValueError, match=r"y_val has the labels .* which are not"):
        model.fit(X, text, X_val=X_val[:4], y_val=[0, 1, 2, 0])


def test_error_of_multilabel_y_val_names_the_validation_rows():
    X, Y = np.random.RandomState(0).randn(12, 3), np.eye(12, 3, dtype=int)
    for y_val in (np.zeros(12, int), 2 * Y, Y[:, :2]):
        with pytest.raises(ValueError, match="In the validation rows"):
            BackpropMLPClassifier().fit(X, Y, X_val=X, y_val=y_val)


@both
def test_a_callable_that_takes_no_weights_raises_if_there_are_some(estimator_class, parts):
    def score(model, X, y):
        return 0.0

    X, y, X_val, y_val = parts
    model = estimator_class(scoring=score, max_iter=2, tol=None)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    weight = np.arange(len(y_val))
    with pytest.raises(ValueError, match=r"must take the argument sample_weight"):
        model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
