"""Without a learning rate, `fit` reaches the same optimum by any path."""

import copy
import pickle
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from law_models import (
    AUTO,
    assert_same_model,
    either_seed,
    either_storage,
    every_auto,
    fit,
    parameters_of,
)
from optimizers import PARAMETERS
from scipy.sparse import csc_matrix, csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklearn_nn import SGDLogisticClassifier


@pytest.fixture(scope="module")
def many_rows():
    """Return a function n_classes -> (X, y), 20,000 rows whose classes overlap.

    With so many rows, `fit` takes its first steps on a sample of them.
    """

    @cache
    def make(n_classes):
        rng = np.random.RandomState(0)
        U = rng.normal(size=(20_000, 10))
        U[rng.uniform(size=U.shape) < 0.3] = 0.0
        logits = U @ rng.normal(size=(10, n_classes))
        y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
        return U * 10 ** rng.uniform(-1, 1, size=10), y

    return make


@pytest.fixture(scope="module")
def few_classes():
    """Return a function n_classes -> (X, y), 3000 rows of six normal columns."""

    @cache
    def make(n_classes):
        rng = np.random.RandomState(2)
        X = rng.normal(size=(3000, 6))
        logits = X[:, :n_classes] + rng.gumbel(size=(3000, n_classes))
        return X, logits.argmax(axis=1)

    return make


def auto(**parameters):
    """Return an estimator without learning rate and with a noticeable penalty."""
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
    """Assert that two models, trained up to rounding error, have the same coefficients."""
    # Gradients are accurate to 1e-15; the penalty gives J a curvature of at least 1e-3.
    scale = np.max(np.abs(parameters_of(other)))
    np.testing.assert_allclose(
        parameters_of(model), parameters_of(other), rtol=0, atol=1e-12 * scale
    )
    active = [each.coef_ != 0 for each in (model, other)]
    np.testing.assert_array_equal(*active)


two_or_three_classes = pytest.mark.parametrize("n_classes", [2, 3])


@pytest.fixture(scope="module")
def eight_steps(many_rows):
    """Return a function (name in AUTO, n_classes) -> model after eight steps."""

    @cache
    def train(name, n_classes):
        model = auto(max_iter=8, tol=None, warm_start=True, **AUTO[name])
        return model.fit(*many_rows(n_classes))

    return train


@pytest.mark.parametrize("name", AUTO)
@two_or_three_classes
@pytest.mark.parametrize("cut", range(1, 8))
@pytest.mark.parametrize("copied", [lambda m: m, lambda m: pickle.loads(pickle.dumps(m))])
def test_auto_fit_equals_repeated_warm_starts(
    name, n_classes, cut, copied, many_rows, eight_steps
):
    X, y = many_rows(n_classes)
    whole = eight_steps(name, n_classes)
    pieces = auto(max_iter=cut, tol=None, warm_start=True, **AUTO[name]).fit(X, y)
    pieces = copied(pieces).set_params(max_iter=8 - cut).fit(X, y)
    assert (pieces.n_iter_, pieces.t_) == (8 - cut, whole.t_)
    assert pieces.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(parameters_of(pieces), parameters_of(whole), strict=True)


def test_auto_begins_on_a_sample(many_rows):
    # Otherwise the test above would not show that a sample survives a warm start.
    sizes = [
        fit(auto(max_iter=n_steps), *many_rows(2))._checkpoint.state.memory.sample_size
        for n_steps in (1, 8)
    ]
    assert sizes[0] < sizes[1] == 20_000


@either_seed
def test_auto_converges_as_with_warm_starts(seed, many_rows):
    X, y = many_rows(3)
    whole = auto(random_state=seed()).fit(X, y)
    pieces = auto(max_iter=1, random_state=seed(), warm_start=True)
    fit(pieces, X, y).set_params(max_iter=1000).fit(X, y)
    assert pieces.n_iter_ == whole.n_iter_ - 1 > 0
    np.testing.assert_array_equal(parameters_of(pieces), parameters_of(whole), strict=True)


@either_seed
def test_auto_gives_the_same_model_for_the_same_seed(seed, many_rows):
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


# The same rows in other forms, with the same optimum: (X, y, weight) -> (X, y, weight).
SAME_ROWS = {
    "order": lambda X, y, w: (X[::-1], y[::-1], w[::-1]),
    "sorted": lambda X, y, w: tuple(values[np.argsort(y)] for values in (X, y, w)),
    "csr": lambda X, y, w: (csr_array(X), y, w),
    "csc": lambda X, y, w: (csc_matrix(X), y, w),
    "fortran": lambda X, y, w: (np.asfortranarray(X), y, w),
    "scale of weights": lambda X, y, w: (X, y, w / 3e5),
    "repetitions": lambda X, y, w: (np.repeat(X, w, axis=0), np.repeat(y, w), None),
    "split weights": lambda X, y, w: (
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
def test_auto_optimum_does_not_depend_on_the_sample(name, n_classes, changes, optimum):
    X, y, weight, expected = optimum(name, n_classes)
    model = auto(tol=0, **{**AUTO[name], **changes}).fit(X, y, sample_weight=weight)
    assert_same_optimum(model, expected)


@two_or_three_classes
def test_auto_optimum_equals_that_of_logistic_regression(n_classes, optimum):
    X, y, weight, model = optimum("default", n_classes)
    other = LogisticRegression(
        C=1 / (model.alpha * weight.sum()), solver="newton-cholesky", tol=1e-12
    ).fit(X, y, sample_weight=weight)
    assert_same_optimum(model, other)


@pytest.mark.parametrize("name", AUTO)
@either_storage
def test_auto_optimum_of_few_rows_does_not_depend_on_repetition(name, sparse, rows):
    X, y, _ = rows(n_classes=2 if "class_weight" in AUTO[name] else 3)
    counts = np.random.RandomState(0).randint(0, 3, size=len(y))
    assert counts.sum() <= 100  # so few go on to rounding error
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


def test_auto_resumes_from_edited_coefficients_to_the_same_optimum(many_rows):
    X, y = many_rows(2)
    model = auto(tol=0, warm_start=True).fit(X, y)
    expected = copy.deepcopy(model)
    model.coef_ = 0.5 * model.coef_
    model.intercept_[0] = 3.0
    edited = objective_of(model, X, y)
    n_steps = len(model.loss_curve_)
    assert_same_optimum(model.fit(X, y), expected)
    # Training began at the edited coefficients, on all rows: a sum of 20,000 losses.
    np.testing.assert_allclose(model.loss_curve_[n_steps], edited, rtol=1e-12)


UNUSED_BY_AUTO = {
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


def test_every_parameter_of_an_optimizer_is_in_unused_by_auto():
    missing = set(PARAMETERS) - set(UNUSED_BY_AUTO)
    assert not missing, f"Add {missing} to UNUSED_BY_AUTO of {Path(__file__).name}."


@pytest.mark.parametrize("name", UNUSED_BY_AUTO)
def test_auto_ignores_parameters_of_gradient_steps_and_names_them(name, many_rows):
    X, y = many_rows(2)
    models = [auto().fit(X, y), auto(**{name: UNUSED_BY_AUTO[name]})]
    with pytest.warns(UserWarning, match=f"^{name}=.* has no effect") as caught:
        models[1].fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(*map(parameters_of, models))
    assert models[0].loss_curve_ == models[1].loss_curve_


def test_all_ignored_parameters_are_in_one_warning_of_each_call(many_rows):
    X, y = many_rows(2)
    search = GridSearchCV(auto(solver="adam", beta_1=0.5), {"alpha": [1e-3, 1e-2]}, cv=2)
    with pytest.warns(UserWarning, match="solver='adam', beta_1=0.5 has no") as caught:
        search.fit(X, y)
    assert len(caught) == 5
    with pytest.warns(UserWarning, match="solver='adam', beta_1=0.5 has no") as caught:
        search.estimator.partial_fit(X, y, classes=[0, 1])
    assert caught[0].filename == __file__


def test_early_stopping_uses_n_iter_no_change(many_rows):
    X, y = many_rows(2)
    # The loss falls in each step, but accuracy does not rise in each.
    parameters = {"early_stopping": True, "scoring": "accuracy", "tol": 1e-9}
    models = [auto(n_iter_no_change=n, **parameters) for n in (1, 30)]
    few, many = (fit(model, X, y).n_iter_ for model in models)  # warnings are errors
    assert few < many


def test_a_learning_rate_uses_all_parameters(many_rows):
    X, y = many_rows(2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        auto(learning_rate=0.1, max_iter=3, tol=None, **UNUSED_BY_AUTO).fit(X, y)
    assert caught == []


@pytest.mark.parametrize("rate", [1e-3, 0.1])
@either_storage
def test_learning_rate_init_under_auto_equals_that_learning_rate(rate, sparse, rows):
    X, y, weight = rows(sparse=sparse)
    given = SGDLogisticClassifier(learning_rate_init=rate, max_iter=4, random_state=0)
    number = SGDLogisticClassifier(learning_rate=rate, max_iter=4, random_state=0)
    for model in (given, number):
        fit(model, X, y, sample_weight=weight)
    assert_same_model(given, number, X, y, weight)


@pytest.mark.parametrize("name", ["learning_rate", "learning_rate_init"])
def test_each_learning_rate_gives_another_model(name, rows):
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
def test_auto_curve_has_an_entry_for_each_step(parameters, many_rows):
    model = auto(**parameters).fit(*many_rows(2))
    assert len(model.loss_curve_) == model.n_iter_ == model.t_ > 1


def test_auto_warning_at_max_iter_states_the_gap(many_rows):
    X, y = many_rows(2)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1 .* relative gap .* tol="):
        auto(max_iter=1).fit(X, y)


def test_auto_warns_if_there_is_no_optimum(rows):
    X, y, _ = rows(n_classes=2)
    X = np.where(y[:, None] == 1, np.abs(X), -np.abs(X))  # any feature separates
    with pytest.warns(ConvergenceWarning, match=r"no optimum.*Set alpha > 0"):
        SGDLogisticClassifier(penalty=None).fit(X, y)


@pytest.mark.parametrize("value", [1.0, 3.3, 1e3, 1e6])
@pytest.mark.parametrize("alpha", [0.0, 1e-6])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_sparse_column_has_no_coefficient(
    few_classes, value, alpha, n_classes, dtype
):
    # Differences of sums are rounding errors there, which could be taken for a curvature.
    X, y = few_classes(n_classes)
    X = np.hstack([X, np.full((len(X), 1), value)]).astype(dtype)
    model = auto(alpha=alpha).fit(csr_array(X), y)
    np.testing.assert_array_equal(model.coef_[:, -1], 0.0)
    exact = objective_of(auto(alpha=alpha, tol=1e-9).fit(X.astype(float), y), X, y)
    assert objective_of(model, X.astype(float), y) <= exact * (1 + model.tol)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("far", [1e3, 1e4, 1e6])
def test_a_sparse_value_far_out_hides_no_gap(few_classes, far, n_classes):
    # A column that is nearly all 7: the value far out has most of its variance.
    X, y = few_classes(n_classes)
    column = 7.0 * (np.random.RandomState(0).uniform(size=(len(X), 1)) < 0.95)
    column[5] = far
    X = np.hstack([X, column])
    exact = objective_of(auto(alpha=1e-6, tol=1e-9).fit(X, y), X, y)
    model = auto(alpha=1e-6).fit(csr_array(X), y)
    assert objective_of(model, X, y) <= exact * (1 + model.tol)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("storage", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_that_sum_to_one_need_no_penalty(storage, dtype, seed):
    # As those of OneHotEncoder. The Hessian is singular, and rounding may hide it.
    rng = np.random.RandomState(seed)
    X = np.hstack([rng.normal(size=(8000, 6)), np.eye(4)[rng.randint(4, size=8000)]])
    y = (X[:, :2] + rng.gumbel(size=(8000, 2))).argmax(axis=1)
    X = X.astype(dtype)
    model = auto(alpha=0.0).fit(storage(X), y)  # a warning would be an error
    exact = auto(alpha=0.0, tol=1e-9).fit(X[:, :-1].astype(float), y)
    least = objective_of(exact, X[:, :-1], y)
    assert objective_of(model, X.astype(float), y) <= least * (1 + model.tol)
