"""Learning from a stream: laws of the state, optimum, edge cases, changing targets."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.linear_model import SGDClassifier

from sklearn_nn._engine.newton import expert_minimum, experts
from sklearn_nn._engine.newton.coordinates import Coordinates
from sklearn_nn._engine.newton.records import KnownRows
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.types import Dataset

EPS = np.finfo(np.float64).eps
NONE = Penalty()
# Allowed difference of runs over a few dozen chunks that round differently. Newton steps
# end when little is left to gain, and conjugate gradients amplify rounding errors.
ROUNDING = 1e-9


def problem(n_samples=600, n_features=5, n_classes=2, seed=0):
    """Return X and y: y (n, 1) of 0 and 1 for two classes, class indices (n,) for more."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    logits = X @ rng.normal(size=(n_features, max(n_classes - 1, 1))) + 0.3
    if n_classes == 2:
        return X, (rng.uniform(size=logits.shape) < expit(logits)).astype(np.float64)
    logits = np.hstack([logits, np.zeros((n_samples, 1))])
    return X, np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def learned(data, chunk=100, penalty=NONE, fit_intercept=True, state=None):
    """Return the state after learning `data` in chunks, and their mean objective."""
    if state is None:
        n_outputs = data.y.shape[1] if data.y.ndim == 2 else int(data.y.max()) + 1
        state = experts.empty_memory(data.X.shape[1], n_outputs)
    objectives = []
    for start in range(0, data.n_samples, chunk):
        part = slice(start, start + chunk)
        weight = None if data.sample_weight is None else data.sample_weight[part]
        rows = Dataset(data.X[part], data.y[part], weight)
        state, objective = experts.learn(state, rows, penalty, fit_intercept)
        objectives.append(objective)
    return state, float(np.mean(objectives))


def model_of(data, **how):
    """Return weights and intercept after `learned`, as one array."""
    return np.vstack(experts.mean_model(learned(data, **how)[0]))


def objective_at(model, data, penalty=NONE):
    """Return the mean loss of a model (p + 1, k) plus the penalty."""
    loss = LOSSES["log_loss", "softmax" if data.y.ndim == 1 else "logistic"]
    values = loss.value_and_gradient(data.X @ model[:-1] + model[-1], data.y)[0]
    return float(values.mean()) + penalty.value(model[:-1].reshape(-1))


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


# Laws of the state.


@pytest.mark.parametrize("sparse", [False, True])
def test_learn_does_not_modify_the_given_state(sparse):
    X, y = problem()
    data = Dataset(csr_array(X) if sparse else X, y)
    state, _ = learned(data)
    before = pickle.loads(pickle.dumps(state))
    experts.learn(state, data, Penalty(l2=0.1, l1=0.01), True)
    assert_same(state, before)


def test_state_is_plain_arrays_of_float64():
    state, _ = learned(Dataset(*problem()))
    assert all(type(array) is np.ndarray for array in state)
    assert {array.dtype for array in state} == {np.dtype(np.float64)}


def test_a_pickled_state_resumes_identically():
    X, y = problem()
    state, _ = learned(Dataset(X[:300], y[:300]))
    copy, rest = pickle.loads(pickle.dumps(state)), Dataset(X[300:], y[300:])
    assert_same(learned(rest, state=state)[0], learned(rest, state=copy)[0])


def test_same_chunks_give_the_same_state():
    data = Dataset(*problem())
    assert_same(learned(data)[0], learned(data)[0])


def test_selected_rows_are_learned_as_a_copy_of_them():
    X, y = problem()
    rows = np.arange(0, len(X), 3)
    state = experts.empty_memory(X.shape[1], 1)
    indexed = experts.learn(state, Dataset(X, y[rows], rows=rows), NONE, True)
    copied = experts.learn(state, Dataset(X[rows], y[rows]), NONE, True)
    assert_same(indexed[0], copied[0])
    assert indexed[1] == copied[1]


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_integer_weights_equal_repeated_rows_within_a_chunk(fit_intercept):
    X, y = problem(200)
    weight = np.arange(200) % 4.0
    repeated = np.repeat(np.arange(200), weight.astype(int))
    how = {"chunk": 1000, "fit_intercept": fit_intercept}
    weighted, objective = learned(Dataset(X, y, weight), **how)
    expected, same = learned(Dataset(X[repeated], y[repeated]), **how)
    assert objective == pytest.approx(same, rel=100 * EPS)
    for one, other in zip(
        experts.mean_model(weighted), experts.mean_model(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


def test_rows_of_weight_zero_do_not_change_the_state():
    X, y = problem(50)
    state = experts.empty_memory(X.shape[1], 1)
    after, objective = experts.learn(state, Dataset(X, y, np.zeros(50)), NONE, True)
    assert_same(state, after)
    assert objective == 0


def test_objective_of_rows_is_computed_before_they_are_learned():
    X, y = problem()
    penalty = Penalty(l2=0.01, l1=0.02)
    state, _ = learned(Dataset(X[:300], y[:300]), penalty=penalty)
    rest = Dataset(X[300:], y[300:])
    expected = objective_at(np.vstack(experts.mean_model(state)), rest, penalty)
    assert experts.learn(state, rest, penalty, True)[1] == pytest.approx(expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_first_objective_is_the_null_loss(n_classes):
    X, y = problem(50, n_classes=n_classes)
    state = experts.empty_memory(X.shape[1], 1 if n_classes == 2 else n_classes)
    objective = experts.learn(state, Dataset(X, y), NONE, True)[1]
    assert objective == pytest.approx(np.log(n_classes))


@pytest.mark.parametrize("n_features", [5, 600])  # precision: a matrix, a diagonal
def test_sparse_rows_equal_dense_rows_without_centring(n_features):
    X, y = problem(n_features=n_features)
    X[np.random.default_rng(1).uniform(size=X.shape) < 0.7] = 0.0
    how = {"fit_intercept": False, "penalty": Penalty(l2=1e-3)}
    dense, sparse = (model_of(Dataset(A, y), **how) for A in (X, csr_array(X)))
    np.testing.assert_allclose(sparse, dense, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("penalty", [NONE, Penalty(l2=1e-2), Penalty(l2=1e-2, l1=1e-2)])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_columns_without_values_are_at_their_minimum(n_outputs, penalty):
    # 600 features: the precisions are diagonals. Later chunks have values in 100 of them.
    X, y = problem(300, 600, n_classes=max(n_outputs, 2))
    X[np.random.default_rng(1).uniform(size=X.shape) < 0.7] = 0.0
    X[100:, 100:] = 0.0
    memory = learned(Dataset(csr_array(X), y), penalty=penalty)[0]
    for expert in experts.experts_of(memory):
        ridge, l1 = expert_minimum.ridge_and_l1(expert, penalty, expert.mass.sum())
        gradient, point, others = (
            expert.slope + ridge * expert.point,
            expert.point,
            slice(100, -1),
        )
        assert np.any(point[others] != 0)
        gradient = np.where(
            point == 0, np.maximum(np.abs(gradient) - l1, 0), gradient + l1 * np.sign(point)
        )
        largest = np.abs(expert.precision * point).max()
        np.testing.assert_allclose(gradient[others], 0, atol=100 * EPS * largest)


def test_columns_without_values_are_forgotten_as_others():
    X, y = problem(40, 600)
    X[:, :300] = 0.0
    state = learned(Dataset(csr_array(X), y), chunk=20)[0]
    rows = csr_array((np.ones(1), ([0], [0])), shape=(1, 600))
    after = experts.learn(state, Dataset(rows, y[:1]), NONE, True)[0]
    keep = np.exp(-1 / experts.rows_remembered(601))[:, None]
    np.testing.assert_allclose(after.mass[:, 300:], keep * state.mass[:, 300:])
    np.testing.assert_allclose(
        after.precision[:, 300:-1], keep[..., None] * state.precision[:, 300:-1]
    )
    np.testing.assert_array_equal(after.scale[:, 1:], state.scale[:, 1:])


def test_stored_zeros_of_wide_rows_are_no_values():
    X, y = problem(200, 600)
    X[np.random.default_rng(1).uniform(size=X.shape) < 0.95] = 0.0
    stored = csr_array(np.where(X == 0, 1.0, X))
    stored.data[stored.data == 1.0] = 0.0
    assert_same(*(learned(Dataset(rows, y), 10)[0] for rows in (stored, csr_array(X))))


def test_wide_rows_without_any_value_are_learned():
    X, y = csr_array((20, 600)), np.ones((20, 1))
    weight, intercept = experts.mean_model(learned(Dataset(X, y), 10)[0])
    assert not weight.any()
    assert intercept[0] > 0.5


def test_units_of_features_do_not_matter():
    X, y = problem()
    units = 10.0 ** np.array([-9, -3, 0, 4, 9])
    scaled = model_of(Dataset(X * units, y), chunk=20)
    scaled[:-1] *= units[:, None]
    expected = model_of(Dataset(X, y), chunk=20)
    np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)


def test_origin_of_features_does_not_matter():
    X, y = problem()
    origin = np.array([1000.0, -300, 50, 0, 1])
    moved = model_of(Dataset(X + origin, y), chunk=20)
    moved[-1] += origin @ moved[:-1]
    # 1000 +- 1 leaves 13 of 16 digits, and their squares give the slope of the first rows.
    np.testing.assert_allclose(moved, model_of(Dataset(X, y), chunk=20), atol=1e-5)


# The optimum of a stationary experts.


def optimum(data, penalty):
    """Return the lowest objective, by SciPy's L-BFGS-B; l1 must be 0."""
    n_features = data.X.shape[1]
    loss = LOSSES["log_loss", "softmax" if data.y.ndim == 1 else "logistic"]
    shape = (n_features + 1, data.y.shape[1] if data.y.ndim == 2 else data.y.max() + 1)

    def value_and_gradient(theta):
        model = theta.reshape(shape)
        logits = data.X @ model[:-1] + model[-1]
        delta = loss.value_and_gradient(logits, data.y)[1] / data.n_samples
        weight = data.X.T @ delta + penalty.l2 * model[:-1]
        return objective_at(model, data, penalty), np.vstack([weight, delta.sum(0)]).ravel()

    how = {"ftol": 1e-14, "gtol": 1e-8, "maxiter": 2000}
    start = np.zeros(shape).ravel()
    return minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=how).fun


@pytest.mark.parametrize("alpha", [1e-4, 1e-1])
@pytest.mark.parametrize("chunk", [50, 5000])
def test_one_pass_over_a_stationary_stream_ends_near_the_optimum(chunk, alpha):
    data, penalty = Dataset(*problem(10_000, 8)), Penalty(l2=alpha)
    lowest = optimum(data, penalty)
    model = model_of(data, chunk=chunk, penalty=penalty)
    assert objective_at(model, data, penalty) <= lowest * (1 + 1e-4)


def test_softmax_ends_near_its_optimum():
    data, penalty = Dataset(*problem(10_000, 5, n_classes=3)), Penalty(l2=1e-3)
    lowest = optimum(data, penalty)
    model = model_of(data, chunk=200, penalty=penalty)
    # The Hessian's blocks between outputs are not stored, which loses some curvature.
    assert objective_at(model, data, penalty) <= lowest * (1 + 1e-3)


@pytest.mark.parametrize("sparse", [False, True])
def test_l1_gives_exact_zeros(sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 10))
    y = (rng.uniform(size=(3000, 1)) < expit(2 * X[:, :1])).astype(np.float64)
    data = Dataset(csr_array(X) if sparse else X, y)
    weight = model_of(data, penalty=Penalty(l1=0.05))[:-1, 0]
    assert weight[0] > 0.5
    assert np.all(weight[1:] == 0)


def test_strong_l1_makes_all_weights_zero():
    data = Dataset(*problem())
    assert np.all(model_of(data, penalty=Penalty(l1=10.0))[:-1] == 0)


# Edge cases: nothing may overflow, and warnings are errors.


def edge(name):
    """Return a Dataset that is hard to learn."""
    X, y = problem(300, 12)
    if name == "scales":
        X = X * 10.0 ** np.linspace(-12, 12, 12)
    elif name == "constant columns":
        X[:, 3], X[:, 4], X[:, 5] = 0.0, 5.1, X[:, 6]
    elif name == "outlier":
        X[150, 2] = 1e12
    elif name == "far from zero":
        X = X + 1e6
    elif name == "separable":
        y = (X[:, :1] > 0).astype(np.float64)
    elif name == "one class":
        y = np.ones_like(y)
    elif name == "sorted by class":
        order = np.argsort(y[:, 0])
        X, y = X[order], y[order]
    return Dataset(X, y)


EDGES = [
    "scales",
    "constant columns",
    "outlier",
    "far from zero",
    "separable",
    "one class",
    "sorted by class",
]


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("chunk", [1, 25, 300])
def test_state_is_finite_on_hard_rows(name, sparse, chunk):
    data = edge(name)
    if sparse:
        data = data._replace(X=csr_array(data.X))
    if chunk == 1:
        data = Dataset(data.X[140:200], data.y[140:200])
    state, objective = learned(data, chunk)
    assert np.isfinite(objective)
    assert all(np.isfinite(array).all() for array in (*state, *experts.mean_model(state)))


@pytest.mark.parametrize("name", EDGES)
def test_model_is_finite_on_hard_rows_of_many_features(name):
    data = edge(name)
    wide = np.hstack([data.X] * 40)  # 480 features: the precision is a diagonal
    state, objective = learned(data._replace(X=wide), 50)
    assert state.precision.shape[1:] == (481, 1)
    assert np.isfinite(objective)
    assert np.isfinite(np.vstack(experts.mean_model(state))).all()


@pytest.mark.parametrize("penalty", [Penalty(l2=1e-4), Penalty(l1=1e-3)])
@pytest.mark.parametrize("sparse", [False, True])
def test_state_is_finite_with_penalties_on_any_scale(penalty, sparse):
    data = edge("scales")
    X = csr_array(data.X) if sparse else data.X
    state, objective = learned(data._replace(X=X), 25, penalty)
    assert np.isfinite(objective)
    assert all(np.isfinite(array).all() for array in (*state, *experts.mean_model(state)))
    # At the optimum, the penalty's gradient equals the loss's, which is below the mean of
    # |x|. The factor is 2 because experts that forget are optimal for later rows.
    weight, size = (
        np.abs(experts.mean_model(state)[0][:, 0]),
        2 * np.abs(data.X).mean(axis=0),
    )
    assert np.all(weight <= size / penalty.l2 if penalty.l2 else weight[size < 1e-3] == 0)


def test_chunks_may_alternate_between_sparse_and_dense():
    X, y = problem(2000, seed=3)
    X = X + 2.0
    state = None
    for start, kind in enumerate([csr_array, np.asarray, csr_array]):
        part = slice(500 * start, 500 * (start + 1))
        state, _ = learned(Dataset(kind(X[part]), y[part]), state=state)
    rest = Dataset(X[1500:], y[1500:])
    mixed = objective_at(np.vstack(experts.mean_model(state)), rest)
    all_dense = objective_at(model_of(Dataset(X[:1500], y[:1500])), rest)
    assert mixed == pytest.approx(all_dense, rel=0.02)


def test_intercept_stays_at_zero_if_it_is_not_fitted():
    X, y = problem()
    model = model_of(Dataset(X + 1.0, y), fit_intercept=False)
    assert model[-1, 0] == 0
    assert np.all(model[:-1] != 0)


def test_float32_rows_are_learned_in_float64():
    X, y = problem()
    X = X.astype(np.float32)
    single = model_of(Dataset(X, y.astype(np.float32)))
    np.testing.assert_array_equal(single, model_of(Dataset(X.astype(np.float64), y)))


# Resuming from a model that another method fitted.


def fitted_elsewhere(data, penalty):
    """Return weight, intercept and the Hessian's diagonal after many passes."""
    state = None
    for _ in range(5):
        state, _ = learned(data, 1000, penalty, state=state)
    weight, intercept = experts.mean_model(state)
    proba = expit(data.X @ weight + intercept)
    rows = np.hstack([data.X, np.ones((len(data.X), 1))])
    diagonal = (rows**2).T @ (proba * (1 - proba)) / len(rows)
    return weight, intercept, diagonal


def begin_at(weight, intercept, diagonal, n_rows, penalty=NONE):
    """Return the state that begins at a given model, in the user's units."""
    units = Coordinates(np.zeros(len(weight)), np.ones(len(weight)))
    theta = np.concatenate([weight.reshape(-1), intercept])
    return experts.memory_of_model(theta, KnownRows(units, diagonal, n_rows, penalty))


@pytest.mark.parametrize("n_features", [5, 400])
def test_stream_begins_at_the_given_model(n_features):
    rng = np.random.default_rng(0)
    weight, intercept = rng.normal(size=(n_features, 1)), np.array([0.5])
    diagonal = np.full((n_features + 1, 1), 0.2)
    state = begin_at(weight, intercept, diagonal, 1000)
    np.testing.assert_allclose(experts.mean_model(state)[0], weight, rtol=10 * EPS)
    np.testing.assert_allclose(experts.mean_model(state)[1], intercept, rtol=10 * EPS)


def test_few_more_rows_change_a_model_of_many_rows_little():
    X, y = problem(5000)
    penalty = Penalty(l2=0.05)
    weight, intercept, diagonal = fitted_elsewhere(Dataset(X, y), penalty)
    more = Dataset(*problem(50))  # rows of the same kind
    state = begin_at(weight, intercept, diagonal, 5000, penalty)
    after = np.vstack(experts.mean_model(experts.learn(state, more, penalty, True)[0]))
    before = np.vstack([weight, intercept])
    # 50 of 5050 rows. Their own optimum is about sqrt(6 / 50 / 0.2) away.
    assert 0 < np.max(np.abs(after - before)) < 0.05
    fresh = np.vstack(
        experts.mean_model(
            experts.learn(experts.empty_memory(5, 1), more, penalty, True)[0]
        )
    )
    assert np.max(np.abs(fresh - before)) > 0.05


def test_zero_weights_of_a_given_model_stay_zero():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 6))
    y = (rng.uniform(size=(4000, 1)) < expit(2 * X[:, :1])).astype(np.float64)
    penalty = Penalty(l1=0.05)
    given = fitted_elsewhere(Dataset(X[:3000], y[:3000]), penalty)
    state = begin_at(*given, 3000, penalty)
    after = model_of(Dataset(X[3000:], y[3000:]), state=state, penalty=penalty)
    assert np.all(after[1:-1] == 0)
    assert after[0, 0] == pytest.approx(given[0][0, 0], abs=0.05)


def test_given_intercept_is_unchanged_without_fit_intercept():
    X, y = problem()
    state = begin_at(np.zeros((5, 1)), np.array([0.7]), np.full((6, 1), 0.1), 10)
    assert model_of(Dataset(X, y), state=state, fit_intercept=False)[-1, 0] == 0.7


# Changing targets.


def moving_rows(n_samples=6000, n_features=8):
    """Return features of very different scales, and labels whose weights rotate once."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n_samples, n_features))
    angle = np.linspace(0, 2 * np.pi, n_samples)[:, None]
    first, second = rng.normal(size=(2, n_features))
    logits = np.sum(Z * (np.cos(angle) * first + np.sin(angle) * second), axis=1)
    y = (rng.uniform(size=n_samples) < expit(logits)).astype(np.float64)
    return Z * 10 ** rng.uniform(-1.5, 1.5, n_features), y[:, None]


def sgd_loss(X, y, eta0, chunk):
    """Return the mean loss of SGDClassifier, each chunk evaluated before it is learned."""
    model = SGDClassifier(
        loss="log_loss", alpha=1e-6, learning_rate="constant", eta0=eta0, shuffle=False
    )
    total = chunk * np.log(2)
    model.partial_fit(X[:chunk], y[:chunk, 0], classes=[0, 1])
    for start in range(chunk, len(X), chunk):
        part = slice(start, start + chunk)
        logits = X[part] @ model.coef_.T + model.intercept_
        loss = LOSSES["log_loss", "logistic"]
        total += loss.value_and_gradient(logits, y[part])[0].sum()
        model.partial_fit(X[part], y[part, 0])
    return total / len(X)


def test_rotating_weights_are_predicted_better_than_by_tuned_sgd():
    X, y = moving_rows()
    best = min(sgd_loss(X, y, eta0, 50) for eta0 in (1e-4, 1e-3, 1e-2, 1e-1, 1.0))
    assert learned(Dataset(X, y), 50)[1] < 0.95 * best


def test_rows_before_a_change_are_forgotten():
    X, y = problem(4000)
    state, _ = learned(Dataset(X, y))
    changed = Dataset(X, 1 - y)
    after = objective_at(model_of(changed, state=state), changed)
    # The experts that forget remember 600 and 180 of the 4000 rows.
    assert after < 1.03 * objective_at(model_of(changed), changed)
