"""The kernel by which the experts of a stream learn equals experts.py."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.newton import experts
from sklearn_nn._engine.newton.coordinates import Coordinates
from sklearn_nn._engine.newton.records import KnownRows
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.types import Dataset

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)

# Several chunks amplify rounding errors, of which each step of an expert has some hundreds.
ROUNDING = 1e-10


class Case(NamedTuple):
    """A stream."""

    n_features: int = 6
    n_outputs: int = 1
    chunk: int = 30
    fit_intercept: bool = True
    l2: float = 1e-3
    far: float = 0.0  # means of columns, in deviations
    decades: float = 3.0  # units of columns differ by up to twice as many
    weighted: bool = False
    constant: bool = False  # whether columns are constant or equal
    drifting: bool = False
    dtype: type = np.float64
    far_rounds: float = 1.0  # digits that columns far from 0 lose


CASES = {
    "plain": Case(),
    "single rows": Case(chunk=1),
    "more rows than a batch": Case(chunk=1500, n_features=2),
    "one feature": Case(n_features=1, chunk=7),
    "many features": Case(n_features=100),
    "far from 0": Case(far=1e6, far_rounds=1e4),
    "without intercept": Case(fit_intercept=False, far=2.0),
    "without penalty": Case(l2=0.0),
    "strong penalty": Case(l2=10.0),
    "weights": Case(weighted=True),
    "constant columns": Case(constant=True),
    "drift": Case(drifting=True, chunk=200),
    "float32": Case(dtype=np.float32),
}


def data_of(case: Case) -> Dataset:
    """Return the rows of a stream of at least five chunks."""
    rng = np.random.default_rng(case.n_features + case.chunk)
    n, p = max(60, 5 * case.chunk), case.n_features
    Z = rng.normal(size=(n, p))
    k = case.n_outputs
    logits = Z @ rng.normal(size=(p, k)) / np.sqrt(p)
    y = rng.integers(2, size=(n, 1)).astype(case.dtype)
    if k > 1:
        y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    if case.constant:
        Z[:, 0], Z[:, 1], Z[:, 2] = 0.0, 5.1, Z[:, 3]
    if case.drifting:
        Z = Z * np.exp(np.linspace(0, 2, n))[:, None]
    units = 10 ** rng.uniform(-case.decades, case.decades, p)
    X = ((Z + case.far) * units).astype(case.dtype)
    weight = None
    if case.weighted:
        weight = np.where(rng.random(n) < 0.2, 0.0, 10 ** rng.uniform(-3, 3, n))
        weight = (weight / weight.mean()).astype(case.dtype)
    return Dataset(X, y, weight)


def memories_of(case: Case, data: Dataset, memory):
    """Return the StreamMemory after each chunk, and the objectives."""
    memories, objectives = [], []
    for start in range(0, data.n_samples, case.chunk):
        part = slice(start, start + case.chunk)
        weight = None if data.sample_weight is None else data.sample_weight[part]
        rows = Dataset(data.X[part], data.y[part], weight)
        penalty = Penalty(l2=case.l2)
        memory, objective = experts.learn(memory, rows, penalty, case.fit_intercept)
        memories.append(memory)
        objectives.append(objective)
    return memories, objectives


def by_reference(*arguments):
    """Return the result of `memories_of` with NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "supports_experts", lambda *unused: False)
        return memories_of(*arguments)


def assert_kernels_equal_reference(case: Case, memory):
    """Assert equality after each chunk, for each instruction set."""
    data = data_of(case)
    expected, expected_objectives = by_reference(case, data, memory)
    bound = ROUNDING * case.far_rounds
    with pytest.MonkeyPatch.context() as patch:
        for level in range(len(compiled.instruction_sets())):
            patch.setattr(compiled, "LEVEL", level)
            memories, objectives = memories_of(case, data, memory)
            np.testing.assert_allclose(objectives, expected_objectives, bound, bound)
            for ours, theirs in zip(memories, expected, strict=True):
                for name, one, other in zip(ours._fields, ours, theirs, strict=True):
                    largest = max(np.abs(other).max(), 1e-3)
                    if name == "slope":  # gradients of all rows, which nearly cancel
                        largest = theirs.n_rows.max()
                    message = f"{name}, {compiled.instruction_sets()[level]}"
                    np.testing.assert_allclose(
                        one, other, 0, bound * largest, err_msg=message
                    )


@pytest.mark.parametrize("n_outputs", [1, 3, 5])
@pytest.mark.parametrize("name", CASES)
def test_kernels_equal_experts(name, n_outputs):
    case = CASES[name]._replace(n_outputs=n_outputs)
    memory = experts.empty_memory(case.n_features, n_outputs)
    assert_kernels_equal_reference(case, memory)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_kernels_equal_experts_after_a_model_of_newton(n_outputs, fit_intercept):
    case = Case(n_outputs=n_outputs, fit_intercept=fit_intercept, decades=0.0)
    rng = np.random.default_rng(0)
    theta = rng.normal(size=7 * n_outputs)
    coordinates = Coordinates(rng.normal(size=6), np.full(6, 2.0))
    diagonal = rng.uniform(0.1, 0.2, (7, n_outputs))
    known = KnownRows(coordinates, diagonal, 500, Penalty(l2=1e-3))
    assert_kernels_equal_reference(case, experts.memory_of_model(theta, known))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_singular_hessian_takes_conjugate_gradients(n_outputs):
    case = Case(n_outputs=n_outputs, decades=0.0, l2=0.0)
    memory = experts.empty_memory(6, n_outputs)
    memory.n_rows[:] = memory.mass[:] = 1e30  # the rows do not change units
    memory.variance[:] = 1.0
    # So large that the other terms are lost: the Cholesky factor has a pivot of 0.
    memory.precision[:, :, 2:4, 2:4] = 2.0**60
    data = data_of(case)
    rows = Dataset(data.X[:30], data.y[:30])
    arguments = case, rows, memory
    [expected], _ = by_reference(*arguments)
    [ours], _ = memories_of(*arguments)
    np.testing.assert_allclose(ours.point, expected.point, 0, ROUNDING)
    np.testing.assert_allclose(ours.point[:, 2], -ours.point[:, 3], 0, ROUNDING)


def batch_of(X=None, **changes):
    """Return a Batch of dense rows that the kernel supports."""
    X = np.ones((2, 3)) if X is None else X
    y, weight = np.zeros((2, 1)), np.ones(2)
    batch = experts.Batch(X, y, weight, 2.0, None, Penalty(l2=0.1), True, True)
    return batch._replace(**changes)


def test_the_kernel_supports_dense_rows_and_matrices_without_l1():
    memory = experts.empty_memory(3, 1)
    assert compiled.supports_experts(memory, batch_of())
    assert not compiled.supports_experts(memory, batch_of(penalty=Penalty(l1=0.1)))
    assert not compiled.supports_experts(memory, batch_of(penalty=Penalty(decay=0.1)))
    assert not compiled.supports_experts(memory, batch_of(csr_array(np.ones((2, 3)))))
    assert not compiled.supports_experts(experts.empty_memory(1000, 1), batch_of())


def test_without_kernels_no_batch_is_supported(monkeypatch):
    monkeypatch.setattr(compiled, "kernels", None)
    assert not compiled.supports_experts(experts.empty_memory(3, 1), batch_of())
