"""A stream is learned where its rows are, to the experts that NumPy's rows give.

The bound is that of test_experts.py for runs that round differently.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_nn._engine import arrays
from sklearn_nn._engine.newton import experts
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.types import Dataset

ROUNDING = 1e-9
N = 400
PENALTIES = [Penalty(), Penalty(l2=1e-2), Penalty(l1=1e-2, l2=1e-3)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Let a chunk have several batches."""
    monkeypatch.setattr(experts, "BATCH_SIZE", 150)


def chunk(n_outputs, n_features=4, dtype=np.float64, weighted=True):
    """Return a Dataset in many units, with some values 0, and some of its rows."""
    rng = np.random.default_rng(n_outputs)
    Z = rng.normal(size=(N, n_features)) * (rng.uniform(size=(N, n_features)) < 0.8)
    y = np.argmax(
        Z[:, : max(n_outputs, 2)] + rng.gumbel(size=(N, max(n_outputs, 2))), axis=1
    )
    y = y.astype(dtype)[:, None] if n_outputs == 1 else y
    X = (Z * 10.0 ** rng.uniform(-2, 2, n_features) + 1).astype(dtype)
    weight = rng.uniform(0.5, 2, N).astype(dtype) if weighted else None
    rows = rng.permutation(N)[:350]
    return Dataset(X, y[rows], None if weight is None else weight[rows], rows)


def both(at, data, penalty=PENALTIES[1], fit_intercept=True):
    """Return memory and objective after two chunks on the host, and on the device."""
    there = Dataset(*(None if array is None else at(array) for array in data))
    n_outputs = 1 if data.y.ndim == 2 else int(data.y.max()) + 1
    learned = []
    for rows in (data, there):
        memory = experts.empty_memory(data.X.shape[1], n_outputs)
        for _ in range(2):
            memory, objective = experts.learn(memory, rows, penalty, fit_intercept)
        learned.append((memory, objective))
    return learned


def assert_same(there, here):
    """Assert that memories and objectives are equal to rounding, and on the host."""
    for found, expected in zip((*there[0], there[1]), (*here[0], here[1]), strict=True):
        assert isinstance(found, (float, np.ndarray))
        largest = np.max(np.abs(expected))
        assert_allclose(found, expected, rtol=0, atol=ROUNDING * largest)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_experts_equal_those_of_the_host(at, n_outputs, fit_intercept, penalty):
    here, there = both(at, chunk(n_outputs), penalty, fit_intercept)
    assert_same(there, here)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_diagonal_precisions_equal_those_of_the_host(at, n_outputs, penalty, monkeypatch):
    monkeypatch.setattr(experts, "MAX_PRECISION_NUMBERS", 0)
    here, there = both(at, chunk(n_outputs), penalty)
    assert here[0].precision.ndim == 3
    assert_same(there, here)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_rows_of_float32_are_learned_in_float64(at, n_outputs, weighted):
    here, there = both(at, chunk(n_outputs, dtype=np.float32, weighted=weighted))
    assert_same(there, here)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_nothing_with_an_element_per_row_goes_to_the_host(at, n_outputs, monkeypatch):
    data, sizes = chunk(n_outputs), []
    library = arrays.library(at(data.X))
    move = arrays.TO_HOST[library]

    def recorded(array):
        sizes.append(int(np.prod(array.shape)))
        return move(array)

    monkeypatch.setitem(arrays.TO_HOST, library, recorded)
    both(at, data)
    # Batches have 150 and 50 rows; only sums of them leave.
    assert sizes
    assert max(sizes) <= (data.X.shape[1] + 1) ** 2
