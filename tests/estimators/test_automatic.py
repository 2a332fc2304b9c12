"""learning_rate='auto' reaches the optimum for any rows, or says why it does not.

Warnings are errors here, so training warns only if the test says so.
"""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array, issparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_nn import SGDLogisticClassifier

# Relative gap to the optimum: ten times the default tol, for float32 and difficult rows.
GAP = 1e-3

PENALTIES = ("l2", "l1", "elasticnet", None)
any_penalty = pytest.mark.parametrize("penalty", PENALTIES)
penalised = pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])


def plain_rows(n_classes=2, n_samples=100, n_features=4, seed=0):
    """Return (X, y) with overlapping classes."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_samples, n_features))
    score = X[:, 0] + 0.5 * X[:, -1] + rng.logistic(size=n_samples)
    return X, np.digitize(score, np.linspace(-0.7, 0.7, n_classes + 1)[1:-1])


def model_of(penalty="l2", **parameters):
    """Return a model with this penalty and a seed."""
    return SGDLogisticClassifier(penalty, random_state=0, **parameters)


def weights_of(model, y, sample_weight):
    """Return sample weights times class weights, (n_samples,), scaled to mean 1."""
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    weight = np.asarray(weight, np.float64) / np.max(weight)
    if isinstance(model.class_weight, dict):
        weight = weight * [model.class_weight[label] for label in y]
    elif model.class_weight == "balanced":
        weight = weight / np.array([weight[y == label].sum() for label in y])
    return weight / weight.mean()


def strengths(model):
    """Return the strengths (l2, l1) of a model's penalty."""
    ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio, None: None}[model.penalty]
    return (0.0, 0.0) if ratio is None else (model.alpha * (1 - ratio), model.alpha * ratio)


def loss_and_delta(logits, one_hot):
    """Return the loss -log p of each row, and p - y, from the logits of a softmax.

    A single column of logits is that of the second class; the first has logit 0.
    """
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
        loss, delta = loss_and_delta(logits, one_hot)
        return loss, delta[:, 1:]
    logits = logits - logits.max(axis=1, keepdims=True)
    log_proba = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -np.sum(one_hot * log_proba, axis=1), np.exp(log_proba) - one_hot


class PlainObjective:
    """The objective J of a model on its rows in plain NumPy, for standardised features."""

    def __init__(self, model, X, y, sample_weight=None):
        X = (X.toarray() if issparse(X) else X).astype(np.float64)
        self.weight = weights_of(model, y, sample_weight)
        self.one_hot = (np.asarray(y)[:, None] == model.classes_).astype(float)
        self.centre = X.mean(axis=0) if model.fit_intercept else np.zeros(X.shape[1])
        largest = np.abs(X - self.centre).max(axis=0)
        largest[largest == 0] = 1.0
        self.scale = largest * ((X - self.centre) / largest).std(axis=0)
        constant = self.scale <= 1e-12 * np.abs(X).max(axis=0)
        # Any positive scale is valid; below this one, squares of 1 / scale overflow.
        self.scale = np.maximum(np.where(constant, largest, self.scale), 1e-140)
        # A column whose values differ by rounding only counts as constant.
        centred = np.where(constant & model.fit_intercept, 0.0, X - self.centre)
        self.U = centred / self.scale
        self.l2, self.l1 = strengths(model)
        self.fit_intercept = model.fit_intercept

    def value(self, V, c):
        """Return J and the gradients of its smooth part in V (p, k) and c (k,)."""
        W = V / self.scale[:, None]
        loss, delta = loss_and_delta(self.U @ V + c, self.one_hot)
        delta = delta * self.weight[:, None] / len(self.U)
        slope = self.U.T @ delta
        if self.l2:
            slope = slope + self.l2 * W / self.scale[:, None]
        total = float(self.weight @ loss) / len(self.U)
        if self.l2:  # if it is 0, the squares may overflow
            total += 0.5 * self.l2 * np.sum(W * W)
        total += self.l1 * np.sum(np.abs(W))
        return total, slope, delta.sum(axis=0)

    def value_of(self, model):
        """Return J at the model's coefficients."""
        W = model.coef_.T.astype(np.float64)
        return self.value(
            W * self.scale[:, None], model.intercept_.astype(np.float64) + self.centre @ W
        )[0]

    def best(self, n_outputs):
        """Return the minimum of J by L-BFGS-B, with V a difference of two parts >= 0."""
        p, k = self.U.shape[1], n_outputs
        l1 = np.repeat(self.l1 / self.scale, k)

        def split(x):
            return (x[: p * k] - x[p * k : 2 * p * k]).reshape((p, k)), x[2 * p * k :]

        def value(x):
            total, by_V, by_c = self.value(*split(x))
            s = by_V.ravel()
            return total, np.concatenate([s + l1, l1 - s, by_c])

        last = (None, None) if self.fit_intercept else (0, 0)
        bounds = [(0, None)] * (2 * p * k) + [last] * k
        options = {"gtol": 1e-9, "ftol": 1e-10, "maxiter": 1000}
        start = np.zeros(2 * p * k + k)
        found = minimize(value, start, jac=True, bounds=bounds, options=options)
        # If both parts are positive, their l1 penalty exceeds that of V: evaluate J of V.
        return self.value(*split(found.x))[0]


def assert_optimal(model, X, y, sample_weight=None, gap=GAP):
    """Assert that the coefficients are finite and J is near its minimum."""
    assert np.all(np.isfinite(model.coef_))
    assert np.all(np.isfinite(model.intercept_))
    plain = PlainObjective(model, X, y, sample_weight)
    best = plain.best(len(model.intercept_))
    assert plain.value_of(model) <= best * (1 + gap) + 1e-12


def assert_separable(model, X, y, **keywords):
    """Assert that training warns of separable classes; coefficients stay finite."""
    with pytest.warns(ConvergenceWarning, match="The classes are separable"):
        model.fit(X, y, **keywords)
    assert np.all(np.isfinite(model.coef_))
    assert np.all(np.isfinite(model.intercept_))


# Columns.


def with_column(X, column):
    """Return X with one more column."""
    return np.column_stack([X, np.broadcast_to(column, len(X))])


def odd_columns(name, n_classes):
    """Return (X, y) with columns of the kind `name`."""
    X, y = plain_rows(n_classes)
    noise = np.random.RandomState(9).normal(size=len(X))
    if name.startswith("constant"):
        return with_column(X, float(name.split()[1])), y
    if name.startswith("size"):
        X[:, 0] *= float(name.split()[1])
        return X, y
    columns = {
        "nearly constant": with_column(X, 1e6 + 1e-3 * noise),
        "one digit apart": with_column(X, np.nextafter(0.1, noise)),
        "equal": np.hstack([X, X]),
        "opposite": np.hstack([X, -X]),
        "almost equal": np.hstack([X, X + 1e-9 * noise[:, None]]),
        "sum of others": with_column(X, X.sum(axis=1)),
        "all sizes": X * 10.0 ** np.array([-12, -4, 4, 12]),
        "offsets": X + 10.0 ** np.array([1, 3, 5, 7]),
        "only constants": np.ones_like(X),
        "zeros": 0 * X,
        "one column": X[:, :1],
        "one column of zeros": 0 * X[:, :1],
        "skewed": np.exp(3 * X),
        "heavy tails": X**5,
        "binary": (X > 0).astype(float),
        "non-zero once": np.hstack([X, np.eye(len(X))[:, :30]]),
        "zero once": np.hstack([X, 1 - np.eye(len(X))[:, :3]]),
    }
    return columns[name], y


COLUMNS = (
    "constant 0",
    "constant 1",
    "constant 0.1",
    "constant 1e12",
    "constant 1e-12",
    "size 1e-12",
    "size 1e12",
    "size 1e-100",
    "size 1e-140",
    "size 1e-200",
    "size 1e200",
    "nearly constant",
    "one digit apart",
    "equal",
    "opposite",
    "almost equal",
    "sum of others",
    "all sizes",
    "offsets",
    "only constants",
    "zeros",
    "one column",
    "one column of zeros",
    "skewed",
    "heavy tails",
    "binary",
    "non-zero once",
    "zero once",
)


def has_no_optimum(name, penalty):
    """Say whether an unpenalised coefficient, which only one row needs, grows forever."""
    return name in ("non-zero once", "zero once") and penalty is None


# Three classes take longer to check: fewer combinations.
CASES = [*((2, penalty) for penalty in PENALTIES), (3, "l2"), (3, "elasticnet")]
any_case = pytest.mark.parametrize(("n_classes", "penalty"), CASES)


@any_case
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_any_kind_reach_the_optimum(name, n_classes, penalty):
    X, y = odd_columns(name, n_classes)
    # J has no minimum then; a larger gap to the value that L-BFGS reaches is allowed.
    gap = 1e-2 if has_no_optimum(name, penalty) else GAP
    assert_optimal(model_of(penalty).fit(X, y), X, y, gap=gap)


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_any_kind_reach_the_optimum_without_intercept(name, penalty):
    X, y = odd_columns(name, 2)
    assert_optimal(model_of(penalty, fit_intercept=False).fit(X, y), X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize(
    "name", ["constant 0", "size 1e-12", "size 1e12", "equal", "zeros", "non-zero once"]
)
def test_sparse_columns_of_any_kind_reach_the_optimum(name, n_classes, penalty):
    X, y = odd_columns(name, n_classes)
    X = csr_array(np.where(np.abs(X) < 0.3 * np.abs(X).max(axis=0), 0, X))
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@pytest.mark.parametrize("size", [1e-320, 1e300])
@penalised
def test_numbers_near_the_limits_of_float64_give_finite_coefficients(size, penalty):
    X, y = plain_rows()
    X[:, 0] *= size / np.abs(X[:, 0]).max()
    assert np.all(np.isfinite(model_of(penalty).fit(X, y).coef_))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_whose_differences_overflow_are_an_error(dtype):
    X, y = plain_rows()
    X[:, 0] = np.where(X[:, 0] > -1, 1, -1) * np.finfo(dtype).max
    with pytest.raises(ValueError, match="Scale the features"):
        model_of().fit(X.astype(dtype), y)


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e-12, 1e12, 1e38])
@penalised
def test_float32_columns_of_any_size_reach_the_optimum(size, penalty):
    X, y = plain_rows()
    X[:, 0] *= size / np.abs(X[:, 0]).max()
    X = X.astype(np.float32)
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@any_penalty
@pytest.mark.parametrize("offset", [10.0, 1e3])
def test_float32_with_an_offset_reaches_the_optimum(offset, n_classes, penalty):
    X, y = plain_rows(n_classes)
    X = (X + offset).astype(np.float32)
    assert_optimal(model_of(penalty).fit(X, y), X, y)


# Rows.


@any_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_one_huge_row_reaches_the_optimum(size, n_classes, penalty):
    X, y = plain_rows(n_classes)
    X[7] *= size
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@any_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_of_1e12_reaches_the_optimum_or_warns(n_classes, penalty):
    X, y = plain_rows(n_classes)
    X[7] *= 1e12
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = model_of(penalty).fit(X, y)
    if not caught:
        assert_optimal(model, X, y)


@any_penalty
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_one_huge_mislabelled_row_reaches_the_optimum(size, penalty):
    X, y = plain_rows()
    X[7], y[7] = size * np.sign(X[7]), 1 - y[np.argmax(X[:, 0])]
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@penalised
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_samples", [10, 40])
def test_more_features_than_rows_reach_the_optimum(n_samples, n_classes, penalty):
    X, y = plain_rows(n_classes, n_samples, 60)
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@penalised
def test_two_rows_reach_the_optimum(penalty):
    X, y = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([0, 1])
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@penalised
def test_two_equal_rows_of_different_classes_have_probability_one_half(penalty):
    X, y = np.ones((2, 3)), np.array([0, 1])
    proba = model_of(penalty).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(proba, 0.5, rtol=1e-6)


@penalised
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_one_row_of_each_class_reaches_the_optimum(n_classes, penalty):
    X = np.random.RandomState(0).normal(size=(n_classes, 3))
    y = np.arange(n_classes)
    assert_optimal(model_of(penalty).fit(X, y), X, y)


@any_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
def test_empty_rows_and_columns_of_sparse_data_reach_the_optimum(n_classes, penalty):
    X, y = plain_rows(n_classes)
    X[:5] = X[:, 2] = 0
    X[np.abs(X) < 0.5] = 0
    assert_optimal(model_of(penalty).fit(csr_array(X), y), X, y)


@any_penalty
def test_a_single_row_of_a_class_reaches_the_optimum(penalty):
    X, y = plain_rows()
    X[0], y[:] = 0.0, 0
    y[0] = 1
    assert_optimal(model_of(penalty).fit(X, y), X, y)


# Separable rows.


@any_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("sparse", [False, True])
def test_separable_rows_with_alpha_zero_have_no_optimum(n_classes, sparse, penalty):
    X = np.random.RandomState(0).normal(size=(60, 3))
    y = np.argmax(X, axis=1) if n_classes == 3 else (X[:, 0] > 0).astype(int)
    X[np.arange(60), y if n_classes == 3 else 0] += 0.1 if n_classes == 3 else 0.0
    assert_separable(model_of(penalty, alpha=0.0), csr_array(X) if sparse else X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_more_features_than_rows_without_a_penalty_have_no_optimum(n_classes):
    assert_separable(model_of(None), *plain_rows(n_classes, 20, 60))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_one_row_of_each_class_without_a_penalty_has_no_optimum(n_classes):
    X = np.random.RandomState(0).normal(size=(n_classes, 5))
    assert_separable(model_of(None), X, np.arange(n_classes))


def test_separable_rows_are_all_predicted_correctly():
    X = np.random.RandomState(0).normal(size=(60, 3))
    y, model = (X[:, 0] > 0).astype(int), model_of(None)
    assert_separable(model, X, y)
    assert model.score(X, y) == 1.0


@penalised
@pytest.mark.parametrize("alpha", [1e-2, 1e-4, 1e-8])
def test_separable_rows_with_a_penalty_reach_the_optimum(alpha, penalty):
    X = np.random.RandomState(0).normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    assert_optimal(model_of(penalty, alpha=alpha).fit(X, y), X, y)


def test_warning_at_max_iter_states_the_gap():
    X, y = plain_rows()
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1 was .*estimated relative gap"):
        model_of(max_iter=1).fit(X, y)


# Weights.


@any_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("factor", [1e-300, 1e-12, 1e12, 1e300])
def test_only_ratios_of_sample_weights_matter(factor, n_classes, penalty):
    X, y = plain_rows(n_classes)
    weight = np.random.RandomState(1).uniform(0.5, 2, 100)
    model = model_of(penalty)
    expected = model.fit(X, y, weight).coef_
    np.testing.assert_allclose(
        model.fit(X, y, factor * weight).coef_, expected, rtol=1e-6, atol=1e-8
    )


@any_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tiny", [0.0, 1e-3, 1e-12, 1e-42, 1e-60])
def test_tiny_weights_of_some_rows_reach_the_optimum(tiny, dtype, n_classes, penalty):
    X, y = plain_rows(n_classes)
    X = X.astype(dtype)
    weight = np.ones(100)
    weight[::4] = tiny
    model = model_of(penalty).fit(X, y, weight)
    assert_optimal(model, X, y, weight)


@penalised
@pytest.mark.parametrize("huge", [1e2, 1e4])
def test_a_huge_weight_of_one_row_reaches_the_optimum(huge, penalty):
    X, y = plain_rows()
    weight = np.ones(100)
    weight[3] = huge
    assert_optimal(model_of(penalty).fit(X, y, weight), X, y, weight)


@penalised
@pytest.mark.parametrize("class_weight", [{0: 0, 1: 1, 2: 1}, {0: 1e-6, 1: 1, 2: 1e3}])
def test_class_weights_reach_the_optimum(class_weight, penalty):
    X, y = plain_rows(3)
    model = model_of(penalty, class_weight=class_weight).fit(X, y)
    assert np.all(np.isfinite(model.coef_))
    # The optimal intercept of a class of weight 0 is minus infinity; a finite one comes
    # within any gap of the minimum.
    plain = PlainObjective(model, X, y)
    best = plain.best(3)
    assert plain.value_of(model) <= best * (1 + GAP) + 1e-12


@penalised
def test_balanced_classes_reach_the_optimum(penalty):
    X, y = plain_rows(3)
    model = model_of(penalty, class_weight="balanced").fit(X, y)
    assert_optimal(model, X, y)


@penalised
def test_class_weights_that_leave_one_class_raise(penalty):
    X, y = plain_rows()
    by_class = model_of(penalty, class_weight={0: 0, 1: 1})
    message = "needs at least 2 classes, and there is 1 class: \\[1\\]"
    with pytest.raises(ValueError, match=message):
        by_class.fit(X, y)
    with pytest.raises(ValueError, match=message):
        model_of(penalty).fit(X, y, sample_weight=y)


@pytest.mark.parametrize("weight", [1e-2, 1e-4, 1e-6, 1e-9])
def test_a_mislabelled_row_of_small_weight_makes_classes_overlap(weight):
    # x = -1.5 lies among rows of the other class: a warning of separable rows is wrong.
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20), -1.5]
    X, y = x[:, None], np.r_[np.zeros(20), np.ones(21)]
    sample_weight = np.r_[np.ones(40), weight]
    model = model_of(None).fit(X, y, sample_weight)
    assert_optimal(model, X, y, sample_weight)


# Strength of the penalty.


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.0, 1e-30, 1e-12, 1.0, 1e3, 1e6, 1e12])
def test_any_alpha_reaches_the_optimum(alpha, n_classes, penalty):
    X, y = plain_rows(n_classes)
    assert_optimal(model_of(penalty, alpha=alpha).fit(X, y), X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_a_strong_l1_penalty_predicts_class_frequencies(n_classes, penalty):
    X, y = plain_rows(n_classes)
    model = model_of(penalty, alpha=1e6).fit(X, y)
    assert not model.coef_.any()
    frequencies = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], frequencies, rtol=1e-5)


# Many rows: training begins on a sample of them and still ends near the optimum.


@any_case
@pytest.mark.parametrize("name", ["plain", "all sizes", "skewed", "rare", "equal"])
def test_many_rows_reach_the_optimum(name, n_classes, penalty):
    X, y = plain_rows(n_classes, 3000)
    rare = np.random.RandomState(3).uniform(size=X.shape) < 1e-3
    X = {
        "plain": X,
        "all sizes": X * 10.0 ** np.array([-12, -4, 4, 12]),
        "skewed": np.exp(2 * X),
        "rare": np.hstack([X, rare]),
        "equal": np.hstack([X, X]),
    }[name]
    assert_optimal(model_of(penalty).fit(X, y), X, y)
