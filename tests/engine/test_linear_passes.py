"""One pass over the rows gives the loss and its derivatives; kernels and reference agree.

Expected values come from the formulas of linear_passes.py row by row in float64, from
finite differences, or from mpmath. Unless a test gives another reason, the bound is 100 eps
of the data's type times the largest expected value: sums over blocks of rows, with about
ten rounding errors each.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from scipy.sparse import csr_array
from storages import DENSE, csr_with_zeros, frozen

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.newton import linear_passes
from sklearn_nn._engine.newton.coordinates import Coordinates, standardised
from sklearn_nn._engine.newton.linear_rows import LocalRows
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.types import Dataset

N_EPS = 100
DTYPES = (np.float32, np.float64)
# One output is a sigmoid, several are a softmax.
N_OUTPUTS = (1, 2, 3, 5)
DAMPINGS = (0.0, 0.1, 3.0)

needs_kernels = pytest.mark.skipif(compiled.kernels is None, reason="built without kernels")
any_outputs = pytest.mark.parametrize("n_outputs", N_OUTPUTS)
either_dtype = pytest.mark.parametrize("dtype", DTYPES)
any_damping = pytest.mark.parametrize("damping", DAMPINGS)


# Ways to store the same rows.


def csr_of(X, index_type=np.int32):
    """Return X as CSR with indices of this type, in descending order in each row."""
    rows = [np.flatnonzero(row)[::-1] for row in X]
    sparse = csr_array(X.shape, dtype=X.dtype)
    sparse.indices = np.concatenate([*rows, []]).astype(index_type)
    sparse.indptr = np.cumsum([0, *map(len, rows)]).astype(index_type)
    sparse.data = np.concatenate([*(r[i] for r, i in zip(X, rows, strict=True)), []])
    sparse.data = sparse.data.astype(X.dtype)
    return sparse


SPARSE = {
    "CSR, int32": csr_of,
    "CSR, int64": lambda X: csr_of(X, np.int64),
    "CSR, zeros": csr_with_zeros,
}
STORAGES = {**DENSE, **SPARSE}


class Case(NamedTuple):
    """Rows, a point, and a direction."""

    rows: LocalRows
    coordinates: Coordinates
    point: Any  # (n_features + 1, n_outputs)
    direction: Any


def loss_of(n_outputs):
    """Return the Loss for `n_outputs`."""
    return LOSSES["log_loss", "logistic" if n_outputs == 1 else "softmax"]


def case_of(
    n_outputs=1,
    n_samples=40,
    n_features=4,
    dtype=np.float64,
    storage="C",
    weighted=True,
    is_subset=False,
):
    """Return a random Case, reproducible, with logits of order 1."""
    rng = np.random.RandomState(n_samples + 7 * n_outputs)
    n = 2 * n_samples if is_subset else n_samples
    X = (3 + rng.normal(size=(n, n_features))).astype(dtype)
    X[rng.uniform(size=X.shape) < 1 / 3] = 0
    rows = frozen(rng.permutation(n)[:n_samples]) if is_subset else None
    y = rng.randint(2, size=(n_samples, 1)).astype(dtype)
    y = rng.randint(n_outputs, size=n_samples) if n_outputs > 1 else y
    weight = rng.uniform(0.5, 2, n_samples).astype(dtype) if weighted else None
    coordinates = standardised(Dataset(X, np.zeros((n, 1))), centred=storage in DENSE)
    X = frozen(STORAGES[storage](X))
    data = Dataset(X, frozen(y), weight if weight is None else frozen(weight), rows)
    shape = n_features + 1, n_outputs
    point, direction = rng.normal(size=(2, *shape)) / np.sqrt(n_features)
    return Case(LocalRows(data, loss_of(n_outputs)), coordinates, frozen(point), direction)


def dense_rows(case):
    """Return the rows (n, n_features + 1) in coordinates, with ones for the intercept."""
    data = case.rows.data
    X = data.X if isinstance(data.X, np.ndarray) else data.X.toarray()
    X = X.astype(np.float64)
    X = X if data.rows is None else X[data.rows]
    U = (X - case.coordinates.centre) / case.coordinates.scale
    return np.hstack([U, np.ones((len(U), 1))])


def weights_of(case):
    """Return weights (n,) in float64, of mean 1."""
    data = case.rows.data
    weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    return weight.astype(np.float64) / weight.sum(dtype=np.float64)


def targets_of(case):
    """Return the targets (n, n_outputs) as 0 and 1 in float64."""
    y = case.rows.data.y
    n_outputs = case.point.shape[1]
    return y.astype(np.float64) if y.ndim == 2 else np.eye(n_outputs)[y]


def plain_proba(case):
    """Return probabilities by the textbook formula, for moderate logits."""
    logits = dense_rows(case) @ case.point
    if logits.shape[1] == 1:
        return 1 / (1 + np.exp(-logits))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def plain_loss(case):
    """Return the mean of -log p of the label."""
    p, y = plain_proba(case), targets_of(case)
    each = (-np.log(np.where(y == 1, p, 1 - p if p.shape[1] == 1 else 1.0))).sum(axis=1)
    return float(weights_of(case) @ each)


def plain_curvature(p, y, damping):
    """Return C + damping d d^T of one row, (n_outputs, n_outputs)."""
    d = p - y
    C = np.diag(p) - np.outer(p, p) if len(p) > 1 else np.array([[p[0] * (1 - p[0])]])
    return C + damping * np.outer(d, d)


def plain_product(case, proba, damping):
    """Return the sum over the rows of w u^T C (u D), row by row."""
    total, U, y = np.zeros(case.direction.shape), dense_rows(case), targets_of(case)
    for u, p, one, w in zip(U, proba, y, weights_of(case), strict=True):
        total += w * np.outer(u, plain_curvature(p, one, damping) @ (u @ case.direction))
    return total


def assert_close(computed, expected, dtype=np.float64, n_eps=N_EPS):
    """Assert equality within `n_eps` eps of the largest expected value."""
    largest = float(np.max(np.abs(expected))) or 1.0
    apart = float(np.max(np.abs(np.asarray(computed) - expected)))
    assert apart <= n_eps * np.finfo(dtype).eps * largest, f"{apart / largest:.3g}"


# Results of a pass equal the formulas, with and without kernels.

any_storage = pytest.mark.parametrize("storage", STORAGES)


@pytest.fixture
def uses_kernels(request, monkeypatch):
    """Switch the kernels off if the parameter is False."""
    if not request.param:
        monkeypatch.setattr(compiled, "supports_passes", lambda loss, data: False)


either_way = pytest.mark.parametrize(
    "uses_kernels", [pytest.param(True, marks=needs_kernels), False], indirect=True
)


@either_way
@any_outputs
@any_storage
def test_loss_is_the_mean_of_minus_log_p(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.loss, plain_loss(case))


@either_way
@any_outputs
@any_storage
def test_proba_equals_the_textbook_formula(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.proba, plain_proba(case))


@either_way
@any_outputs
@any_storage
def test_gradient_is_the_sum_of_rows_times_p_minus_y(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    delta = (plain_proba(case) - targets_of(case)) * weights_of(case)[:, None]
    assert_close(evaluation.gradient, dense_rows(case).T @ delta)


@either_way
@any_outputs
@any_storage
def test_diagonal_equals_its_formula(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    p, d = plain_proba(case), plain_proba(case) - targets_of(case)
    omega = np.maximum(p * (1 - p), d * d) * weights_of(case)[:, None]
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.diagonal, (dense_rows(case) ** 2).T @ omega)


@either_way
@any_outputs
@any_storage
def test_product_is_the_sum_over_rows(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    proba = frozen(plain_proba(case))
    for damping in DAMPINGS:
        product = case.rows.hessian_product(
            case.coordinates, proba, damping, case.direction
        )
        assert_close(product, plain_product(case, proba, damping))


@either_way
@any_outputs
def test_gradient_equals_finite_difference(uses_kernels, n_outputs):
    case, h = case_of(n_outputs), 1e-6
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    for at in np.ndindex(case.point.shape):
        step = np.zeros(case.point.shape)
        step[at] = h
        up, down = (
            case.rows.evaluate(case.coordinates, case.point + sign * step).loss
            for sign in (1, -1)
        )
        # Rounding of the loss, 1e-16 / h, and the third derivative times h^2.
        assert evaluation.gradient[at] == pytest.approx((up - down) / (2 * h), abs=1e-9)


@either_way
@any_outputs
@any_storage
def test_other_sums_are_the_same_without_the_diagonal(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage=storage)
    whole = case.rows.evaluate(case.coordinates, case.point)
    part = case.rows.evaluate(case.coordinates, case.point, needs_diagonal=False)
    assert part.loss == whole.loss
    np.testing.assert_array_equal(part.gradient, whole.gradient)
    np.testing.assert_array_equal(part.proba, whole.proba)
    if part.diagonal is not None:
        np.testing.assert_array_equal(part.diagonal, whole.diagonal)


@either_way
@any_outputs
@any_storage
@pytest.mark.parametrize("length", [0.0, 0.7, 3.0])
def test_slope_along_a_line_is_that_of_the_gradient(
    uses_kernels, n_outputs, storage, length
):
    case = case_of(n_outputs, storage=storage)
    slope = case.rows.slope_along(case.coordinates, case.point, case.direction)
    there = case.point + length * case.direction
    gradient = case.rows.evaluate(case.coordinates, there).gradient
    expected = np.sum(gradient * case.direction)
    assert abs(slope(length) - expected) <= N_EPS * 2.3e-16 * np.abs(gradient).max()


@either_way
@any_outputs
def test_product_equals_finite_difference_of_the_gradient(uses_kernels, n_outputs):
    case, h = case_of(n_outputs), 1e-5
    proba = case.rows.evaluate(case.coordinates, case.point).proba
    product = case.rows.hessian_product(case.coordinates, proba, 0.0, case.direction)
    up, down = (
        case.rows.evaluate(case.coordinates, case.point + sign * h * case.direction)
        for sign in (1, -1)
    )
    expected = (up.gradient - down.gradient) / (2 * h)
    # Rounding, 1e-16 / h, and h^2 times the third derivative of the gradient, about 1.
    np.testing.assert_allclose(product, expected, rtol=0, atol=1e-9)


@either_way
@any_outputs
@any_damping
def test_hessian_is_symmetric_and_positive_semidefinite(uses_kernels, n_outputs, damping):
    case = case_of(n_outputs)
    proba = case.rows.evaluate(case.coordinates, case.point).proba
    size = case.point.size
    H = np.array(
        [
            case.rows.hessian_product(
                case.coordinates, proba, damping, one.reshape(case.point.shape)
            ).ravel()
            for one in np.eye(size)
        ]
    )
    assert_close(H, H.T)
    assert np.linalg.eigvalsh(H).min() >= -N_EPS * 2.3e-16 * np.abs(H).max()


@either_way
@any_outputs
def test_diagonal_bounds_that_of_the_hessian(uses_kernels, n_outputs):
    case = case_of(n_outputs)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    for at in np.ndindex(case.point.shape):
        one = np.zeros(case.point.shape)
        one[at] = 1.0
        product = case.rows.hessian_product(case.coordinates, evaluation.proba, 0.0, one)
        assert product[at] <= evaluation.diagonal[at] * (1 + N_EPS * 2.3e-16)


def dense_hessian(case, proba, damping):
    """Return the matrix whose columns are products, in the order of theta."""
    one = np.eye(case.point.size).reshape((-1, *case.point.shape))
    columns = [
        case.rows.hessian_product(case.coordinates, proba, damping, direction).ravel()
        for direction in one
    ]
    return np.array(columns).T


@either_way
@any_outputs
@any_storage
@pytest.mark.parametrize("is_subset", [False, True])
def test_hessian_has_products_as_columns(uses_kernels, n_outputs, storage, is_subset):
    for damping, weighted in itertools.product(DAMPINGS, (False, True)):
        case = case_of(n_outputs, 20, 3, np.float64, storage, weighted, is_subset)
        proba = frozen(case.rows.evaluate(case.coordinates, case.point).proba)
        H = case.rows.hessian(case.coordinates, proba, damping)
        assert_close(H, dense_hessian(case, proba, damping))


@either_way
@any_outputs
@pytest.mark.parametrize("storage", ["C", "CSR, int64"])
def test_float32_hessian_has_products_as_columns(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, dtype=np.float32, storage=storage)
    proba = frozen(case.rows.evaluate(case.coordinates, case.point).proba)
    H = case.rows.hessian(case.coordinates, proba, 0.1)
    assert_close(H, dense_hessian(case, proba, 0.1), np.float32)


@either_way
@any_outputs
@any_storage
def test_blocks_are_those_of_the_hessian_without_coupling(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, 20, 3, np.float64, storage, weighted=True)
    proba = frozen(case.rows.evaluate(case.coordinates, case.point).proba)
    H = dense_hessian(case, proba, 0.1)
    blocks = case.rows.hessian_blocks(case.coordinates, proba, 0.1)
    for k in range(n_outputs):
        assert_close(blocks[k], H[k::n_outputs, k::n_outputs])


def test_a_hessian_that_is_too_large_costs_too_much():
    case = case_of(1, n_samples=3, n_features=5000)
    assert case.rows.hessian_cost(1) == np.inf


@either_way
@any_outputs
@any_storage
@pytest.mark.parametrize("is_subset", [False, True])
def test_logits_and_weighted_sums_are_products(uses_kernels, n_outputs, storage, is_subset):
    case = case_of(n_outputs, 20, 3, np.float64, storage, True, is_subset)
    U = dense_rows(case)
    assert_close(case.rows.logits(case.coordinates, case.point), U @ case.point)
    factors = np.random.RandomState(0).normal(size=(len(U), n_outputs))
    assert_close(case.rows.weighted_sum(case.coordinates, factors), U.T @ factors)


@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 1025, 2100])
@any_outputs
def test_hessian_is_the_sum_over_rows_at_block_boundaries(n_outputs, n_samples):
    case = case_of(n_outputs, n_samples, n_features=2)
    proba, y = case.rows.evaluate(case.coordinates, case.point).proba, targets_of(case)
    C = [plain_curvature(p, one, 0.1) for p, one in zip(proba, y, strict=True)]
    U = dense_rows(case)
    expected = np.einsum("n,ni,nkl,nj->ikjl", weights_of(case), U, np.array(C), U)
    H = case.rows.hessian(case.coordinates, proba, 0.1)
    assert_close(H, expected.reshape(H.shape))


# mpmath: softmax and sigmoid of exact logits, from -800 to 800.


def mpmath_row(logits, label):
    """Return loss and probabilities of one row in 50 digits; one logit means sigmoid."""
    with mpmath.workdps(50):
        z = [mpmath.mpf(float(v)) for v in logits]
        z, label = ([mpmath.mpf(0), *z], label) if len(z) == 1 else (z, label)
        e = [mpmath.exp(v) for v in z]
        total = mpmath.fsum(e)
        proba = [v / total for v in e]
        loss = -mpmath.log(proba[label])
        proba = proba[1:] if len(logits) == 1 else proba
        return float(loss), [float(p) for p in proba]


EXTREMES = (0.0, -40.0, 40.0, -800.0, 800.0)


def extreme_case(n_outputs, dtype):
    """Return rows whose logits are exact: every value of EXTREMES with every label."""
    logits = [np.roll([v, *[0.0] * (n_outputs - 1)], r) for v in EXTREMES for r in (0, -1)]
    n_labels = max(2, n_outputs)
    X = np.repeat(np.array(logits), n_labels, axis=0).astype(dtype)
    y = np.tile(np.arange(n_labels), len(logits))
    # The parameters are the identity, so that features are logits.
    point = np.vstack([np.eye(n_outputs), np.zeros(n_outputs)])
    target = y if n_outputs > 1 else y[:, None].astype(dtype)
    plain = Coordinates(np.zeros(n_outputs), np.ones(n_outputs))
    rows = LocalRows(Dataset(X, target), loss_of(n_outputs))
    expected = [mpmath_row(row, label) for row, label in zip(X, y, strict=True)]
    return Case(rows, plain, point, point), expected


@either_way
@any_outputs
@either_dtype
def test_loss_of_extreme_logits_equals_mpmath(uses_kernels, n_outputs, dtype):
    case, expected = extreme_case(n_outputs, dtype)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.loss, np.mean([loss for loss, _ in expected]), dtype)


@either_way
@any_outputs
@either_dtype
def test_proba_of_extreme_logits_equals_mpmath(uses_kernels, n_outputs, dtype):
    case, expected = extreme_case(n_outputs, dtype)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.proba, np.array([proba for _, proba in expected]), dtype)


@either_way
@any_outputs
@either_dtype
def test_evaluation_is_finite_at_extreme_logits(uses_kernels, n_outputs, dtype):
    case, _ = extreme_case(n_outputs, dtype)
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert all(np.all(np.isfinite(part)) for part in evaluation)


# Weights.


@either_way
@any_outputs
@any_storage
def test_integer_weights_equal_repeated_rows(uses_kernels, n_outputs, storage):
    case = case_of(n_outputs, storage="C" if storage in DENSE else "CSR, zeros")
    times = np.random.RandomState(0).randint(1, 5, size=40)
    data = case.rows.data
    weighted = data._replace(sample_weight=times.astype(float))
    repeated = Dataset(data.X, np.repeat(data.y, times, axis=0), rows=None)
    repeated = repeated._replace(rows=np.repeat(np.arange(40), times))
    some, others = (
        LocalRows(d, case.rows.loss).evaluate(case.coordinates, case.point)
        for d in (weighted, repeated)
    )
    assert_close(some.gradient, others.gradient)
    assert_close(some.diagonal, others.diagonal)
    assert_close(some.loss, others.loss)


@either_way
@any_outputs
@either_dtype
@pytest.mark.parametrize("storage", ["C", "Fortran", "CSR, int32"])
def test_rows_of_weight_zero_are_ignored(uses_kernels, n_outputs, dtype, storage):
    # Rows of weight 0 are removed earlier, but a tiny weight can become 0 in float32.
    case = case_of(n_outputs, dtype=dtype, storage=storage)
    data = case.rows.data
    weight = data.sample_weight.copy()
    weight[::3] = 0
    kept = np.flatnonzero(weight)
    without = Dataset(data.X, data.y[kept], weight[kept], kept)
    some, others = (
        LocalRows(d, case.rows.loss).evaluate(case.coordinates, case.point)
        for d in (data._replace(sample_weight=weight), without)
    )
    for name in ("loss", "gradient", "diagonal"):
        assert_close(getattr(some, name), getattr(others, name), dtype)
    assert np.all(np.isfinite(some.proba))


@either_way
@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_only_ratios_of_weights_matter(uses_kernels, factor):
    case = case_of()
    data = case.rows.data
    scaled = data._replace(sample_weight=factor * data.sample_weight)
    some, others = (
        LocalRows(d, case.rows.loss).evaluate(case.coordinates, case.point)
        for d in (data, scaled)
    )
    assert_close(some.loss, others.loss)
    assert_close(some.gradient, others.gradient)
    assert_close(some.diagonal, others.diagonal)


# Kernels equal the reference, with each instruction set.


def by_level(function, *arguments):
    """Return the result of `function` by name of the instruction set."""
    with pytest.MonkeyPatch.context() as patch:
        results = {}
        for level, name in enumerate(compiled.instruction_sets()):
            patch.setattr(compiled, "LEVEL", level)
            results[name] = function(*arguments)
    return results


def assert_kernels_equal_reference(case, dampings=DAMPINGS):
    """Assert that kernels equal the reference in all results of a pass."""
    loss, data, dtype = case.rows.loss, case.rows.data, case.rows.dtype
    assert compiled.supports_passes(loss, data)
    arguments = loss, data, case.coordinates, case.point
    expected = linear_passes.evaluate(*arguments)
    proba = frozen(expected[-1])
    for computed in by_level(compiled.evaluate, *arguments).values():
        for ours, reference in zip(computed, expected, strict=True):
            assert_close(ours, reference, dtype)
    for damping in dampings:
        arguments = loss, data, case.coordinates, proba, damping, case.direction
        expected = linear_passes.hessian_product(*arguments)
        for product in by_level(compiled.hessian_product, *arguments).values():
            assert_close(product, expected, dtype)
    arguments = loss, data, case.coordinates, case.point
    expected = linear_passes.logits(*arguments)
    for logits in by_level(compiled.logits, *arguments).values():
        assert_close(logits, expected, dtype)
    arguments = loss, data, case.coordinates, expected
    expected = linear_passes.weighted_sum(*arguments)
    for sums in by_level(compiled.weighted_sum, *arguments).values():
        assert_close(sums, expected, dtype)


def assert_sparse_hessian_equals_reference(case):
    """Assert that kernels equal the reference in the Hessian of sparse rows."""
    loss, data, dtype = case.rows.loss, case.rows.data, case.rows.dtype
    proba = linear_passes.evaluate(loss, data, case.coordinates, case.point)[-1]
    arguments = loss, data, case.coordinates, proba, 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "supports_passes", lambda loss, data: False)
        expected = linear_passes.hessian_blocks(*arguments)
    for matrix in by_level(linear_passes.hessian_blocks, *arguments).values():
        assert_close(matrix, expected, dtype)


@needs_kernels
@any_outputs
@either_dtype
@any_storage
def test_kernels_equal_reference_in_every_storage(n_outputs, dtype, storage):
    for weighted, is_subset in itertools.product((False, True), repeat=2):
        assert_kernels_equal_reference(
            case_of(n_outputs, 40, 4, dtype, storage, weighted, is_subset)
        )


@needs_kernels
@either_dtype
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_features", [1, 3, 20, 300])
@pytest.mark.parametrize("storage", ["C", "Fortran", "CSR, int32"])
def test_kernels_equal_reference_at_block_boundaries(n_outputs, dtype, n_features, storage):
    for n_samples in (1, 2, 7, 8, 9, 255, 256, 257, 1025):
        case = case_of(n_outputs, n_samples, n_features, dtype, storage)
        assert_kernels_equal_reference(case, dampings=(0.1,))


@needs_kernels
@either_dtype
@pytest.mark.parametrize("n_features", [4095, 5000])
def test_kernels_equal_reference_with_the_smallest_blocks(dtype, n_features):
    assert_kernels_equal_reference(case_of(1, 19, n_features, dtype))


@needs_kernels
@any_outputs
@either_dtype
def test_kernels_equal_reference_at_extreme_logits(n_outputs, dtype):
    assert_kernels_equal_reference(extreme_case(n_outputs, dtype)[0])


@needs_kernels
@either_dtype
@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.parametrize("is_subset", [False, True])
def test_sparse_hessian_equals_reference(dtype, storage, is_subset):
    for n_samples in (1, 9, 257):
        assert_sparse_hessian_equals_reference(
            case_of(1, n_samples, dtype=dtype, storage=storage, is_subset=is_subset)
        )


@needs_kernels
@pytest.mark.parametrize("n_outputs", [1, 3])
@either_dtype
def test_kernels_equal_reference_on_empty_rows(n_outputs, dtype):
    case = case_of(n_outputs, dtype=dtype)
    empty = frozen(csr_array(case.rows.data.X.shape, dtype=dtype))
    rows = LocalRows(case.rows.data._replace(X=empty), case.rows.loss)
    assert_kernels_equal_reference(case._replace(rows=rows))


@needs_kernels
@any_outputs
@pytest.mark.parametrize("storage", ["C", "CSR, int32"])
def test_centred_rows_lose_no_digits_to_an_offset(n_outputs, storage):
    # Features of 10^4 +- 1 in float32: the kernels subtract the centre first.
    rng = np.random.RandomState(0)
    X = (1e4 + rng.normal(size=(60, 3))).astype(np.float32)
    case = case_of(n_outputs, 60, 3, np.float32)
    rows = LocalRows(case.rows.data._replace(X=X), case.rows.loss)
    case = case._replace(rows=rows, coordinates=rows.standardised(centred=True))
    evaluation = case.rows.evaluate(case.coordinates, case.point)
    assert_close(evaluation.loss, plain_loss(case), np.float32)
    delta = (plain_proba(case) - targets_of(case)) * weights_of(case)[:, None]
    assert_close(evaluation.gradient, dense_rows(case).T @ delta, np.float32)


@any_outputs
@any_storage
def test_threads_get_the_same_results(n_outputs, storage):
    case = case_of(n_outputs, 3000, storage=storage)

    def once(_):
        evaluation = case.rows.evaluate(case.coordinates, case.point)
        arguments = case.coordinates, evaluation.proba, 0.1, case.direction
        return *evaluation, case.rows.hessian_product(*arguments)

    expected = once(0)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(once, range(8)):
            for ours, alone in zip(result, expected, strict=True):
                np.testing.assert_array_equal(ours, alone)


# Samples of rows.


def ordered_rows(n_samples, is_subset=False, weighted=True):
    """Return Rows whose X is the row number, from which label and weight follow."""
    n = 3 * n_samples if is_subset else n_samples
    X = np.arange(n, dtype=float)[:, None]
    rows = 3 * np.arange(n_samples) if is_subset else None
    number = X[:, 0] if rows is None else X[rows, 0]
    weight = number + 1 if weighted else None
    return LocalRows(Dataset(X, 7 * number[:, None], weight, rows), loss_of(1))


def numbers_of(rows):
    """Return the row numbers in X of these Rows."""
    X, index = rows.data.X, rows.data.rows
    return X[:, 0] if index is None else X[index, 0]


def rng():
    """Return a generator with a fixed seed."""
    return np.random.RandomState(11)


any_size = pytest.mark.parametrize(
    ("n_samples", "size"), [(10, 1), (10, 3), (10, 9), (1000, 999), (1000, 37)]
)


@any_size
def test_a_sample_has_the_given_size(n_samples, size):
    assert ordered_rows(n_samples).sample(size, rng()).n_samples == size


@pytest.mark.parametrize("size", [10, 11, 10**9])
def test_a_sample_of_all_rows_is_the_same_object(size):
    rows = ordered_rows(10)
    assert rows.sample(size, rng()) is rows


@any_size
@pytest.mark.parametrize("is_subset", [False, True])
def test_a_sample_has_one_row_of_each_part(n_samples, size, is_subset):
    sample = ordered_rows(n_samples, is_subset).sample(size, rng())
    place = numbers_of(sample) / (3 if is_subset else 1)
    parts = np.arange(size + 1) * n_samples / size
    # Parts may begin at a fraction of a row, which then belongs to two parts.
    assert np.all(place >= np.floor(parts[:-1]))
    assert np.all(place <= np.ceil(parts[1:]) - 1)


@any_size
def test_a_sample_is_in_order(n_samples, size):
    assert np.all(np.diff(numbers_of(ordered_rows(n_samples).sample(size, rng()))) >= 0)


def test_a_sample_is_the_same_for_the_same_generator():
    one, other = (ordered_rows(1000).sample(100, rng()) for _ in range(2))
    np.testing.assert_array_equal(numbers_of(one), numbers_of(other))


def test_a_sample_differs_for_another_generator():
    one, other = (
        ordered_rows(1000).sample(100, np.random.RandomState(seed)) for seed in (0, 1)
    )
    assert np.any(numbers_of(one) != numbers_of(other))


def test_every_row_can_be_in_a_sample():
    generator = rng()
    seen = [numbers_of(ordered_rows(10).sample(3, generator)) for _ in range(200)]
    assert set(np.concatenate(seen)) == set(range(10))


@pytest.mark.parametrize("is_subset", [False, True])
def test_labels_and_weights_of_a_sample_belong_to_its_rows(is_subset):
    sample = ordered_rows(1000, is_subset).sample(100, rng())
    number = numbers_of(sample)
    np.testing.assert_array_equal(sample.data.y[:, 0], 7 * number)
    np.testing.assert_array_equal(sample.data.sample_weight, number + 1)


def test_a_sample_of_rows_without_weights_has_no_weights():
    assert ordered_rows(10, weighted=False).sample(3, rng()).data.sample_weight is None


def test_a_sample_does_not_copy_rows():
    rows = ordered_rows(10)
    assert rows.sample(3, rng()).data.X is rows.data.X


def test_a_sample_of_a_sample_is_a_subset_of_it():
    sample = ordered_rows(1000).sample(100, rng())
    smaller = sample.sample(10, np.random.RandomState(1))
    assert set(numbers_of(smaller)) <= set(numbers_of(sample))


def test_a_sample_of_sorted_labels_has_all_labels():
    y = np.repeat(np.arange(4), 250)
    rows = LocalRows(Dataset(np.zeros((1000, 1)), y), loss_of(4))
    counts = np.bincount(rows.sample(20, rng()).data.y)
    assert counts.tolist() == [5] * 4


@any_storage
@any_outputs
def test_a_sample_gives_the_gradient_of_a_copy_of_its_rows(n_outputs, storage):
    case = case_of(n_outputs, 100, storage=storage)
    sample = case.rows.sample(30, rng())
    data = sample.data
    copy = LocalRows(Dataset(data.X[data.rows], data.y, data.sample_weight), sample.loss)
    some, others = (rows.evaluate(case.coordinates, case.point) for rows in (sample, copy))
    assert_close(some.gradient, others.gradient)


def test_coordinates_depend_on_the_selected_rows_alone():
    case = case_of(is_subset=True)
    data = case.rows.data
    copy = Dataset(data.X[data.rows], data.y, data.sample_weight)
    some, others = case.rows.standardised(True), standardised(copy, True)
    np.testing.assert_array_equal(some.scale, others.scale)
    np.testing.assert_array_equal(some.centre, others.centre)
