"""Cases of one epoch, and the comparison of kernels with the reference on them."""

import itertools
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pytest
from networks import network_of, random_theta
from optimizers import every_optimizer
from scipy.sparse import csr_array
from storages import DENSE, csr_with_zeros, frozen

from sklearn_nn._engine.epochs import compiled, reference
from sklearn_nn._engine.epochs.optimizers import SGD, Adam, Momentum
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.objective import activations, losses
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState

N_EPS = 100
DTYPES = (np.float32, np.float64)
BINARY, SOFTMAX = ("log_loss", "logistic"), ("log_loss", "softmax")
ADAM = Adam(0.9, 0.999, 1e-8)
if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)

# The entries of the registries that have kernels. test_kernels_equal_reference.py fails if
# one has none.
ACTIVATIONS = [n for n in activations.ACTIVATIONS if n in compiled.kernels.ACTIVATIONS]
LOSSES = [
    key
    for key, loss in losses.LOSSES.items()
    if compiled.loss_name(loss) in compiled.kernels.LOSSES
]
OPTIMIZERS = [
    optimizer
    for optimizer in every_optimizer()
    if compiled.optimizer_name(optimizer) in compiled.kernels.OPTIMIZERS
]

either_dtype = pytest.mark.parametrize("dtype", DTYPES)


# Ways to store the same rows.


def structure(X):
    """Return the two index arrays of a CSR matrix."""
    return X.indices, X.indptr


def csr_of(X, index_type):
    """Return X as a CSR matrix with indices of this type."""
    sparse = csr_array(X)
    indices, indptr = (part.astype(index_type) for part in structure(sparse))
    sparse.indices, sparse.indptr = indices, indptr
    return sparse


def csr_with_duplicates(X):
    """Return X as CSR with two halves of each value, the second halves in reverse."""
    sparse = csr_array(X)
    parts = [
        (values[order] / 2, indices[order])
        for start, stop in itertools.pairwise(sparse.indptr)
        for values, indices in [(sparse.data[start:stop], sparse.indices[start:stop])]
        for order in (slice(None), slice(None, None, -1))
    ]
    values, indices = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_array((values, indices, 2 * sparse.indptr), shape=X.shape)


def csr_strided(X):
    """Return X as CSR whose data and indices are strided."""
    sparse = csr_array(X)
    values, indices = (
        np.repeat(part, 2) * np.tile([1, 0], len(part)).astype(part.dtype)
        for part in (sparse.data, sparse.indices)
    )
    return csr_array((values[::2], indices[::2], sparse.indptr), shape=X.shape)


STORAGES = {
    **DENSE,
    "CSR, int32": lambda X: csr_of(X, np.int32),
    "CSR, int64": lambda X: csr_of(X, np.int64),
    "CSR, duplicates": csr_with_duplicates,
}
RARE_STORAGES = {"CSR, strided": csr_strided, "CSR, zeros": csr_with_zeros}


# Cases.


class Case(NamedTuple):
    """One combination of options, shown if it fails."""

    loss: tuple = SOFTMAX
    activation: Any = "relu"  # one name for all hidden layers, or a tuple of names
    hidden: tuple = ()
    optimizer: Any = SGD()
    penalty: Any = None
    dtype: Any = np.float64
    storage: str = "C"
    batch_size: int = 3
    is_ordered: bool = True
    is_subset: bool = False  # whether only some rows of X are used
    is_weighted: bool = True
    average_from: int = 0
    max_gradient_norm: float | None = None
    fit_intercept: bool = True
    n_samples: int = 7
    n_features: int = 5
    n_outputs: int = 3
    rate: float = 0.1
    dropout: tuple = ()


class Epoch(NamedTuple):
    """The arguments of `run_epoch`."""

    problem: Problem
    settings: EpochSettings
    state: TrainingState
    data: Dataset
    order: Any
    learning_rates: Any


def architecture_of(case):
    """Return the Architecture of a case."""
    sizes = (case.n_features, *case.hidden, case.n_outputs)
    if isinstance(case.activation, str):
        return network_of(sizes, case.activation, case.fit_intercept)
    return Architecture(sizes, case.activation, case.fit_intercept)


def problem_of(case):
    """Return the Problem of a case; its penalty changes weights by some hundredths."""
    return Problem(
        architecture=architecture_of(case),
        loss=losses.LOSSES[case.loss],
        penalty=PENALTIES[case.penalty](0.1, 0.3),
    )


def settings_of(case):
    """Return the EpochSettings of a case."""
    return EpochSettings(
        optimizer=case.optimizer,
        schedule=Schedule("constant", case.rate),
        stopping_rule=StoppingRule(0.0, inf),
        batch_size=case.batch_size,
        average_from=case.average_from,
        max_gradient_norm=case.max_gradient_norm,
        dropout=case.dropout,
        dropout_key=2**100 + 12345,
    )


def data_of(case, rng):
    """Return random labels, and random rows in which a third of the values is 0."""
    n, p, k = case.n_samples, case.n_features, case.n_outputs
    # Scaled so that logits are of order 1 for any number of features.
    X = (rng.normal(size=(n, p)) / max(1, p / 8) ** 0.5).astype(case.dtype)
    X[rng.uniform(size=(n, p)) < 1 / 3] = 0
    y = rng.randint(2, size=(n, k)).astype(case.dtype)
    if case.loss[1] == "softmax":
        y = rng.randint(k, size=n)
    weight = rng.uniform(0.5, 2.0, n).astype(case.dtype) if case.is_weighted else None
    rows = None
    if case.is_subset and n > 2:
        rows = frozen(np.sort(rng.choice(n, n - 2, replace=False)))
        y, weight = y[rows], None if weight is None else weight[rows]
    X = frozen({**STORAGES, **RARE_STORAGES}[case.storage](X))
    return Dataset(X, frozen(y), weight if weight is None else frozen(weight), rows)


def state_of(case, rng):
    """Return a state in mid-training, with slots as large as gradients.

    No bound holds from zero slots: if the gradients of a coordinate cancel, Adam divides
    their rounding error by its own size (see `test_first_steps_of_adam_are_equal`).
    """
    theta = frozen(random_theta(architecture_of(case), rng, case.dtype))
    # The first slot has random signs. Equal signs would move all weights the same way, to
    # logits of 40 within seven steps, which enlarge rounding errors 40 times.
    signs = [rng.choice([-1.0, 1.0], theta.shape), np.ones(theta.shape)]
    slots = tuple(
        frozen((sign * rng.uniform(0.1, 0.3, theta.shape)).astype(case.dtype))
        for sign in signs[: case.optimizer.n_slots]
    )
    return TrainingState(theta, (), memory=EpochMemory(slots, n_slot_updates=3))


def epoch_of(case):
    """Return the Epoch of a case, with reproducible random numbers, all read-only."""
    rng = np.random.RandomState(0)
    data = data_of(case, rng)
    state = state_of(case, rng)
    order = frozen(rng.permutation(data.n_samples)) if case.is_ordered else None
    n_steps = -(-data.n_samples // case.batch_size)
    rates = [case.rate / (1 + i) ** 0.25 for i in range(n_steps)]
    return Epoch(problem_of(case), settings_of(case), state, data, order, rates)


# Comparison.


def by_level(function, *arguments):
    """Return the name of each instruction set, and the result of `function` with it."""
    with pytest.MonkeyPatch.context() as patch:
        results = []
        for level, name in enumerate(compiled.instruction_sets()):
            patch.setattr(compiled, "LEVEL", level)
            results.append((name, function(*arguments)))
    return results


def distance(expected, computed, dtype):
    """Return the largest difference in eps, relative to the largest expected value."""
    if computed.dtype != expected.dtype or computed.shape != expected.shape:
        return inf
    largest = float(np.max(np.abs(expected))) or 1.0
    apart = float(np.max(np.abs(computed - expected))) / largest
    return apart / float(np.finfo(dtype).eps) if np.isfinite(apart) else inf


def distances(expected, computed):
    """Return the distances of two results of `run_epoch` in eps, by field.

    A field that must be equal has distance 0 or infinity.
    """
    (state, objective), (other, other_objective) = expected, computed
    memory, other_memory, dtype = state.memory, other.memory, state.theta.dtype
    far = {"theta": distance(state.theta, other.theta, dtype)}
    slots = zip(memory.slots, other_memory.slots, strict=True)
    for i, (slot, other_slot) in enumerate(slots):
        far[f"slots[{i}]"] = distance(slot, other_slot, dtype)
    average, other_average = memory.average, other_memory.average
    if average is not None and other_average is not None:
        far["average"] = distance(average, other_average, dtype)
    elif average is not other_average:
        far["average"] = inf
    far["objective"] = distance(np.array(objective), np.array(other_objective), dtype)
    for name in ("step", "epoch", "random_state"):
        far[name] = 0.0 if getattr(state, name) == getattr(other, name) else inf
    for name in ("n_slot_updates", "n_averaged"):
        is_same = getattr(memory, name) == getattr(other_memory, name)
        far[name] = 0.0 if is_same else inf
    return far


def differences(epoch, n_eps=N_EPS):
    """Return a line for each field in which kernels and reference differ on an epoch."""
    assert compiled.supports(epoch.problem, epoch.settings, epoch.data)
    # After finite float32 products, BLAS may leave the flag of an invalid operation set
    # (numpy issue 24067). Training ignores it too; the comparison finds non-finite values.
    with np.errstate(under="ignore", invalid="ignore"):
        expected = reference.run_epoch(*epoch)
    assert np.all(np.isfinite(expected[0].theta)), (
        "The reference is not finite: `state_of` gives the first slot either sign."
    )
    return [
        f"  {level}: {name} by {far:.4g} eps"
        for level, computed in by_level(compiled.run_epoch, *epoch)
        for name, far in distances(expected, computed).items()
        if not far <= n_eps
    ]


# The paths through the kernels. No hidden layer and one output: rows are not copied, or
# sparse updates are lazy. Adam or more outputs: neither. A hidden layer: matrix products.
PATHS = {
    "one logit": {"loss": BINARY, "n_outputs": 1, "penalty": "elasticnet"},
    "one logit without l1": {"loss": BINARY, "n_outputs": 1, "penalty": "l2"},
    "one logit with momentum": {"loss": BINARY, "n_outputs": 1, "optimizer": Momentum(0.9)},
    "softmax": {"penalty": "l1"},
    "softmax without penalty": {},
    "hidden layer": {"hidden": (4,), "optimizer": ADAM, "penalty": "elasticnet"},
}


def with_state(epoch, **changes):
    """Return the Epoch with changes to its state."""
    return epoch._replace(state=replace(epoch.state, **changes))


def with_memory(epoch, **changes):
    """Return the Epoch with changes to its state's memory."""
    return with_state(epoch, memory=replace(epoch.state.memory, **changes))


def assert_equal(epoch, n_eps=N_EPS):
    """Assert that kernels and reference agree on an epoch."""
    lines = differences(epoch, n_eps)
    assert not lines, "\n" + "\n".join(lines)
