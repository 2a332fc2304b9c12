"""Compiled epochs and predictions equal the reference in every combination.

An epoch is a few steps long, for rounding grows with training. Where no other reason is
given, the bound is 100 eps of the data's type: ten steps of about ten roundings. Kernels of
every instruction set that runs here are compared. Arrays that go in cannot be written to.
"""

import copy
import itertools
from dataclasses import replace
from functools import cache
from math import copysign, exp, inf, log, log1p
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from networks import network_of, random_theta
from scipy.sparse import csr_array

from sklearn_nn._engine.epochs import compiled, optimizers, reference
from sklearn_nn._engine.epochs.optimizers import SGD, Adam, Momentum, Nesterov
from sklearn_nn._engine.epochs.prediction import OUTPUTS
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.objective import network
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES, Penalty
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import (
    Architecture,
    Dataset,
    Layer,
    Problem,
    TrainingState,
)

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)

N_EPS = 100
DTYPES = (np.float32, np.float64)
BINARY, SOFTMAX = ("log_loss", "logistic"), ("log_loss", "softmax")
EXAMPLES = {
    SGD: SGD(),
    Momentum: Momentum(0.9),
    Nesterov: Nesterov(0.8),
    Adam: Adam(0.9, 0.999, 1e-8),
}

either_dtype = pytest.mark.parametrize("dtype", DTYPES)


# Ways to store the same rows.


def frozen(array):
    """Return the array, or the CSR matrix, which can no longer be written to."""
    parts = [array] if isinstance(array, np.ndarray) else [array.data, *structure(array)]
    for part in parts:
        part.flags.writeable = False
    return array


def structure(X):
    """Return the two index arrays of a CSR matrix."""
    return X.indices, X.indptr


def every_second(X):
    """Return X as every second row and column of a larger array full of NaN."""
    larger = np.full((2 * X.shape[0], 2 * X.shape[1]), np.nan, X.dtype)
    larger[::2, ::2] = X
    return larger[::2, ::2]


def csr_of(X, index_type):
    """Return X as a CSR matrix with indices of this type."""
    sparse = csr_array(X)
    indices, indptr = (part.astype(index_type) for part in structure(sparse))
    sparse.indices, sparse.indptr = indices, indptr
    return sparse


def csr_with_duplicates(X):
    """Return X as CSR, each number as two entries of one half, the second in reverse."""
    sparse = csr_array(X)
    parts = [
        (values[order] / 2, indices[order])
        for start, stop in itertools.pairwise(sparse.indptr)
        for values, indices in [(sparse.data[start:stop], sparse.indices[start:stop])]
        for order in (slice(None), slice(None, None, -1))
    ]
    values, indices = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_array((values, indices, 2 * sparse.indptr), shape=X.shape)


def csr_apart(X):
    """Return X as CSR whose arrays are every second number of larger ones."""
    sparse = csr_array(X)
    values, indices = (
        np.repeat(part, 2) * np.tile([1, 0], len(part)).astype(part.dtype)
        for part in (sparse.data, sparse.indices)
    )
    return csr_array((values[::2], indices[::2], sparse.indptr), shape=X.shape)


def csr_with_zeros(X):
    """Return X as CSR that stores its zeros too, and has room for more at its end."""
    n, p = X.shape
    values = np.append(X.ravel(), np.full(3, np.nan, X.dtype))
    indices = np.append(np.tile(np.arange(p), n), [0, 0, 0]).astype(np.int32)
    sparse = csr_array((n, p), dtype=X.dtype)
    sparse.data, sparse.indices = values, indices
    sparse.indptr = (p * np.arange(n + 1)).astype(np.int32)
    return sparse


STORAGES = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second": every_second,
    "rows reversed": lambda X: X[::-1].copy()[::-1],
    "columns reversed": lambda X: X[:, ::-1].copy()[:, ::-1],
    "CSR, int32": lambda X: csr_of(X, np.int32),
    "CSR, int64": lambda X: csr_of(X, np.int64),
    "CSR, duplicates": csr_with_duplicates,
}
RARE_STORAGES = {"CSR, apart": csr_apart, "CSR, zeros": csr_with_zeros}


# Cases.


class Case(NamedTuple):
    """One combination; its text is what a failure shows."""

    loss: tuple = SOFTMAX
    activation: Any = "relu"  # of all hidden layers, or a tuple of one for each
    hidden: tuple = ()
    optimizer: Any = SGD()
    penalty: Any = None
    dtype: Any = np.float64
    storage: str = "C"
    batch_size: int = 3
    is_ordered: bool = True
    takes_part: bool = False  # whether only some of the rows of X do
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
    """Return the Problem of a case; its penalty moves weights by some hundredths."""
    return Problem(
        architecture=architecture_of(case),
        loss=LOSSES[case.loss],
        penalty=PENALTIES[case.penalty](0.1, 0.3),
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
    """Return random rows, of which a third of the values is 0, and random labels."""
    n, p, k = case.n_samples, case.n_features, case.n_outputs
    # Divided so that logits are of the order of 1 for any number of features.
    X = (rng.normal(size=(n, p)) / max(1, p / 8) ** 0.5).astype(case.dtype)
    X[rng.uniform(size=(n, p)) < 1 / 3] = 0
    y = rng.randint(2, size=(n, k)).astype(case.dtype)
    if case.loss[1] == "softmax":
        y = rng.randint(k, size=n)
    weight = rng.uniform(0.5, 2.0, n).astype(case.dtype) if case.is_weighted else None
    rows = None
    if case.takes_part and n > 2:
        rows = frozen(np.sort(rng.choice(n, n - 2, replace=False)))
        y, weight = y[rows], None if weight is None else weight[rows]
    X = frozen({**STORAGES, **RARE_STORAGES}[case.storage](X))
    return Dataset(X, frozen(y), weight if weight is None else frozen(weight), rows)


def state_of(problem, rng, dtype):
    """Return a state on the way, whose slots hold numbers like those of gradients.

    From slots of 0, Adam divides a coordinate whose gradients cancel by their rounding, in
    one implementation as in the other, and no bound holds (see
    `test_first_steps_of_adam_are_equal`).
    """
    theta = frozen(random_theta(problem.architecture, rng, dtype))
    # The first slot has either sign: all of one would move all weights one way, to logits
    # of 40 within seven steps, whose rounding is that of their probabilities times 40.
    signs = [rng.choice([-1.0, 1.0], theta.shape), np.ones(theta.shape)]
    slots = tuple(
        frozen((sign * rng.uniform(0.1, 0.3, theta.shape)).astype(dtype))
        for sign in signs[: problem.optimizer.n_slots]
    )
    return TrainingState(theta, slots, (), n_slot_updates=3)


def epoch_of(case):
    """Return the Epoch of a case: random numbers, always the same, none written to."""
    rng, problem = np.random.RandomState(0), problem_of(case)
    data = data_of(case, rng)
    state = state_of(problem, rng, case.dtype)
    order = frozen(rng.permutation(data.n_samples)) if case.is_ordered else None
    n_steps = -(-data.n_samples // case.batch_size)
    rates = [case.rate / (1 + i) ** 0.25 for i in range(n_steps)]
    return Epoch(problem, state, data, order, rates)


# Comparison.


def by_level(function, *arguments):
    """Yield the name of each instruction set, and what `function` returns with it."""
    with pytest.MonkeyPatch.context() as patch:
        results = []
        for level, name in enumerate(compiled.instruction_sets()):
            patch.setattr(compiled, "LEVEL", level)
            results.append((name, function(*arguments)))
    return results


def distance(expected, computed, dtype):
    """Return the largest difference in eps, relative to the largest number expected."""
    if computed.dtype != expected.dtype or computed.shape != expected.shape:
        return inf
    largest = float(np.max(np.abs(expected))) or 1.0
    apart = float(np.max(np.abs(computed - expected))) / largest
    return apart / float(np.finfo(dtype).eps) if np.isfinite(apart) else inf


def distances(expected, computed):
    """Return by name how far two results of `run_epoch` are from each other, in eps.

    A number that must be the same is infinitely far from another.
    """
    (state, objective), (other, other_objective) = expected, computed
    dtype = state.theta.dtype
    far = {"theta": distance(state.theta, other.theta, dtype)}
    for i, (slot, other_slot) in enumerate(zip(state.slots, other.slots, strict=True)):
        far[f"slots[{i}]"] = distance(slot, other_slot, dtype)
    if state.average is not None and other.average is not None:
        far["average"] = distance(state.average, other.average, dtype)
    elif state.average is not other.average:
        far["average"] = inf
    far["objective"] = distance(np.array(objective), np.array(other_objective), dtype)
    for name in ("step", "epoch", "n_slot_updates", "n_averaged", "random_state"):
        far[name] = 0.0 if getattr(state, name) == getattr(other, name) else inf
    return far


def differences(epoch, n_eps=N_EPS):
    """Return lines that tell where an epoch of the kernels is not that of the reference."""
    assert compiled.supports(epoch.problem, epoch.data)
    # BLAS may leave the flag of an invalid operation behind after finite float32 products
    # (numpy issue 24067); training ignores it too. What is not finite shows in the numbers.
    with np.errstate(under="ignore", invalid="ignore"):
        expected = reference.run_epoch(*epoch)
    return [
        f"  {level}: {name} by {far:.4g} eps"
        for level, computed in by_level(compiled.run_epoch, *epoch)
        for name, far in distances(expected, computed).items()
        if not far <= n_eps
    ]


def check(cases):
    """Fail with each case in which an epoch of the kernels is not the reference's."""
    texts, n_cases, n_failed = [], 0, 0
    for case in cases:
        n_cases += 1
        lines = differences(epoch_of(case))
        if lines:
            n_failed += 1
            texts += [str(case), *lines]
    assert n_cases
    assert not texts, f"{n_failed} of {n_cases} cases\n" + "\n".join(texts[:60])


def product(**values):
    """Yield a Case for each combination of the values given by field."""
    for combination in itertools.product(*values.values()):
        yield Case(**dict(zip(values, combination, strict=True)))


# Nothing stands on one side only.


def test_every_optimizer_is_in_the_kernels():
    classes = {
        value
        for value in vars(optimizers).values()
        if isinstance(value, type) and value.__module__ == optimizers.__name__
    }
    assert set(compiled.OPTIMIZERS) == classes


def test_every_optimizer_is_tested():
    assert list(EXAMPLES) == list(compiled.OPTIMIZERS)


def test_every_loss_is_in_the_kernels():
    assert set(compiled.LOSS_FUNCTIONS) == {
        loss.value_and_gradient for loss in LOSSES.values()
    }


def test_every_output_is_in_the_kernels():
    assert set(compiled.OUTPUT_NAMES) == set(OUTPUTS)


def test_every_activation_is_in_the_kernels():
    assert set(compiled.ACTIVATION_NAMES) == set(ACTIVATIONS)


# All combinations. Of what makes the case (loss, optimizer, penalty, network, type,
# storage) every one, each with other options; of the options every one, each with every
# storage and every way through the kernels.

OPTIONS = {
    "batch_size": (1, 3, 9),  # 7 rows: the second leaves a short last batch
    "is_ordered": (True, False),
    "takes_part": (True, False),
    "is_weighted": (True, False),
    "average_from": (0, 1, 2),
    "max_gradient_norm": (None, 0.3),  # some gradients are longer and some are not
    "fit_intercept": (True, False),
}
NETWORKS = [
    ((), "identity"),
    *itertools.product([(4,), (5, 3)], ACTIVATIONS),
]
# No hidden layer, one output: rows stay where they are, or sparse updates wait. Adam and
# more outputs: neither. A hidden layer: products of matrices.
WAYS = {
    "one logit": {"loss": BINARY, "n_outputs": 1, "penalty": "elasticnet"},
    "one logit without l1": {"loss": BINARY, "n_outputs": 1, "penalty": "l2"},
    "one logit with memory": {"loss": BINARY, "n_outputs": 1, "optimizer": Momentum(0.9)},
    "softmax": {"penalty": "l1"},
    "softmax without penalty": {},
    "hidden layer": {"hidden": (4,), "optimizer": EXAMPLES[Adam], "penalty": "elasticnet"},
}


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("optimizer", EXAMPLES.values(), ids=str)
def test_epochs_are_equal_in_every_combination(loss, optimizer):
    rng = np.random.RandomState(1)
    cases = product(
        loss=[loss],
        optimizer=[optimizer],
        penalty=PENALTIES,
        hidden=[()],
        dtype=DTYPES,
        storage=STORAGES,
    )
    check(
        case._replace(
            hidden=hidden,
            activation=activation,
            **{name: values[rng.randint(len(values))] for name, values in OPTIONS.items()},
        )
        for case in cases
        for hidden, activation in NETWORKS
    )


@pytest.mark.parametrize("way", WAYS)
def test_epochs_are_equal_with_every_option(way):
    rng = np.random.RandomState(2)
    check(
        case._replace(dtype=DTYPES[rng.randint(2)], **WAYS[way])
        for case in product(storage=STORAGES, **OPTIONS)
    )


@pytest.mark.parametrize("storage", RARE_STORAGES)
@either_dtype
def test_rare_storages_are_equal_or_not_supported(storage, dtype):
    cases = [
        Case(dtype=dtype, storage=storage, batch_size=size, hidden=hidden)
        for size, hidden in itertools.product((1, 3, 9), ((), (4,)))
    ]
    if storage == "CSR, apart":
        assert not any(is_supported(case) for case in cases)
    else:
        check(cases)


def is_supported(case):
    """Say whether the kernels take a case."""
    epoch = epoch_of(case)
    return compiled.supports(epoch.problem, epoch.data)


# Other arguments.


def with_state(epoch, **changes):
    """Return the Epoch from another state."""
    return epoch._replace(state=replace(epoch.state, **changes))


def with_data(epoch, **changes):
    """Return the Epoch on other data."""
    return epoch._replace(data=epoch.data._replace(**changes))


def apart(array):
    """Return a copy as every second row of a larger array, whose others are wrong."""
    larger = np.repeat(array, 2, axis=0)
    larger[1::2] = larger[::-1][1::2]
    return frozen(larger)[::2]


def assert_equal(epoch, n_eps=N_EPS):
    """Fail where an epoch of the kernels is not that of the reference."""
    lines = differences(epoch, n_eps)
    assert not lines, "\n" + "\n".join(lines)


def test_an_average_goes_on():
    epoch = epoch_of(Case(average_from=4))
    average = frozen(np.linspace(-1, 1, len(epoch.state.theta)))
    assert_equal(with_state(epoch, step=9, average=average, n_averaged=6))


def test_a_state_keeps_its_average_where_none_is_asked_for():
    epoch = epoch_of(Case())
    average = frozen(np.ones(len(epoch.state.theta)))
    assert_equal(with_state(epoch, average=average, n_averaged=2))


def test_a_state_without_average_has_none_before_it_begins():
    assert_equal(epoch_of(Case(average_from=50)))


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
def test_labels_need_not_lie_together(loss):
    epoch = epoch_of(Case(loss=loss))
    assert_equal(with_data(epoch, y=apart(epoch.data.y)))


@pytest.mark.parametrize("loss", [BINARY, ("squared_error", "logistic")], ids="-".join)
def test_labels_may_be_in_fortran_order(loss):
    epoch = epoch_of(Case(loss=loss))
    assert_equal(with_data(epoch, y=np.asfortranarray(epoch.data.y)))


def test_class_indices_may_be_of_another_integer_type():
    epoch = epoch_of(Case())
    assert_equal(with_data(epoch, y=epoch.data.y.astype(np.int32)))


def test_weights_need_not_lie_together():
    epoch = epoch_of(Case())
    assert_equal(with_data(epoch, sample_weight=apart(epoch.data.sample_weight)))


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_row_of_weight_0_counts_as_a_row(loss, batch_size):
    epoch = epoch_of(Case(loss=loss, batch_size=batch_size))
    weight = epoch.data.sample_weight * (np.arange(7) % 3 > 0)
    assert_equal(with_data(epoch, sample_weight=weight))


def test_rows_that_lie_apart_are_equal_or_not_supported():
    epoch = epoch_of(Case(takes_part=True))
    epoch = with_data(epoch, rows=apart(epoch.data.rows))
    if compiled.supports(epoch.problem, epoch.data):
        assert_equal(epoch)


def test_rows_may_repeat_and_be_in_any_order():
    epoch = epoch_of(Case(n_samples=6, is_weighted=False))
    assert_equal(with_data(epoch, rows=frozen(np.array([5, 0, 5, 3, 1, 1]))))


def test_order_need_not_lie_together():
    epoch = epoch_of(Case())
    assert_equal(epoch._replace(order=apart(epoch.order)))


def test_order_may_be_of_another_integer_type():
    epoch = epoch_of(Case())
    assert_equal(epoch._replace(order=epoch.order.astype(np.int32)))


@either_dtype
def test_first_steps_of_adam_are_equal(dtype):
    # From slots of 0 with the usual epsilon. Features are positive and labels all 1, so
    # that no gradient cancels: its rounding stays small beside it.
    epoch = epoch_of(
        Case(BINARY, optimizer=EXAMPLES[Adam], dtype=dtype, n_outputs=2, rate=0.05)
    )
    X, y = frozen(np.abs(epoch.data.X) + 1), frozen(np.ones_like(epoch.data.y))
    slots = tuple(frozen(np.zeros_like(slot)) for slot in epoch.state.slots)
    epoch = with_state(with_data(epoch, X=X, y=y), slots=slots, n_slot_updates=0)
    assert_equal(epoch)


# Where branches meet.


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@either_dtype
def test_epochs_from_0_are_equal(loss, dtype):
    # Logits are 0, and so is what activations are taken of, at the kink of 'relu'.
    for hidden, activation in NETWORKS:
        epoch = epoch_of(Case(loss, activation, hidden, dtype=dtype, batch_size=8))
        theta = frozen(np.zeros_like(epoch.state.theta))
        assert_equal(with_state(epoch, theta=theta))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_where_hidden_inputs_are_0(activation, dtype):
    # The first layer is 0, the second is not: what comes back meets the kink.
    epoch = epoch_of(Case(hidden=(4,), activation=activation, dtype=dtype, batch_size=8))
    layers = epoch.problem.architecture.layers(epoch.state.theta)
    first = Layer(*(np.zeros_like(part) for part in layers[0]))
    theta = epoch.problem.architecture.flatten([first, layers[1]])
    assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("size", [40.0, 800.0])
@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@either_dtype
def test_epochs_are_equal_at_extreme_logits(loss, dtype, size):
    # Row i is unit vector i, so that theta are the logits: each sure, right or wrong. The
    # rate moves them visibly beside 100 eps.
    for n_outputs in (1, 2, 3):
        case = Case(loss, dtype=dtype, n_features=5, n_samples=5, n_outputs=n_outputs)
        epoch = epoch_of(case._replace(batch_size=5, penalty="elasticnet", rate=size / 40))
        logits = size * np.array(
            [[1, -1, 0], [-1, 1, 0], [1, 1, -1], [0, 1, 0], [-1, 0, 1]]
        )
        theta = np.append(logits[:, :n_outputs], np.zeros(n_outputs)).astype(dtype)
        epoch = with_data(epoch, X=frozen(np.eye(5, dtype=dtype)))
        assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("size", [40.0, 800.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_at_extreme_hidden_inputs(activation, dtype, size):
    epoch = epoch_of(Case(activation=activation, hidden=(4,), dtype=dtype, batch_size=8))
    layers = epoch.problem.architecture.layers(epoch.state.theta)
    far = Layer(layers[0].weight, size * np.array([1, -1, 1, -1], dtype))
    theta = epoch.problem.architecture.flatten([far, layers[1]])
    assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_epochs_are_equal_on_one_row(storage, dtype):
    cases = product(loss=LOSSES, dtype=[dtype], storage=[storage], penalty=PENALTIES)
    check(
        case._replace(n_samples=1, batch_size=size, hidden=hidden, n_outputs=k)
        for case in cases
        for size, hidden, k in itertools.product((1, 2), ((), (4,)), (1, 3))
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_with_another_activation_in_each_layer(activation, dtype):
    cases = product(hidden=[(4, 5, 3)], dtype=[dtype], storage=["C"])
    check(
        case._replace(activation=(activation, other, activation))
        for case in cases
        for other in ACTIVATIONS
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [(0.5, 0.2), (0.0, 0.9), (0.3, 0.0)], ids=str)
@either_dtype
def test_epochs_are_equal_with_dropout(activation, dropout, dtype):
    cases = product(storage=STORAGES, dtype=[dtype])
    check(
        case._replace(activation=activation, hidden=(11, 9), dropout=dropout, batch_size=n)
        for case in cases
        for n in (1, 3, 9)
    )


@pytest.mark.parametrize("n_units", [1, 2, 7, 8, 9, 255, 257, 511, 513])
@pytest.mark.parametrize("step", [0, 2**33, 2**62])
def test_masks_are_equal_at_the_edges_of_chunks(n_units, step):
    # A mask that differs in one unit would move the weights by far more than rounding.
    epoch = epoch_of(Case(hidden=(n_units,), dropout=(0.5,), optimizer=SGD(), rate=1.0))
    assert_equal(with_state(epoch, step=step))


def test_rates_of_dropout_are_rounded_alike():
    for rate in (2.0**-33, 3 * 2.0**-33, 5 * 2.0**-33, 1 - 2.0**-20, 1 - 2.0**-40):
        assert_equal(epoch_of(Case(hidden=(200,), dropout=(rate,), batch_size=7)))


# Clipping and decay.


@pytest.mark.parametrize("optimizer", EXAMPLES.values(), ids=str)
@pytest.mark.parametrize("max_norm", [None, 1e-3, 0.3, 1e3])
@either_dtype
def test_all_penalties_together_are_equal_however_short_gradients_are(
    optimizer, max_norm, dtype
):
    for hidden in ((), (4,)):
        case = Case(
            hidden=hidden, optimizer=optimizer, max_gradient_norm=max_norm, dtype=dtype
        )
        epoch = epoch_of(case)
        penalty = Penalty(l2=0.1, l1=0.05, decay=0.2)
        assert_equal(epoch._replace(problem=replace(epoch.problem, penalty=penalty)))


@pytest.mark.parametrize("value", [1e-30, 1e25, 1e150])
def test_gradients_of_any_length_are_clipped_alike(value):
    dtype = np.float32 if value < 1e38 else np.float64
    # All logits are 0, so that only the gradient is of this size.
    epoch = epoch_of(Case(n_samples=3, max_gradient_norm=value, dtype=dtype))
    X = frozen(epoch.data.X * dtype(8 * value))
    epoch = with_data(with_state(epoch, theta=frozen(0 * epoch.state.theta)), X=X)
    assert_equal(epoch)


@pytest.mark.parametrize("value", [inf, 1e200], ids=["infinite", "square overflows"])
def test_a_gradient_without_finite_length_is_not_hidden(value):
    epoch = epoch_of(Case(n_samples=3, max_gradient_norm=0.1))
    X = frozen(np.where(epoch.data.X > 0, value, 0.0))
    epoch = with_data(with_state(epoch, theta=frozen(0 * epoch.state.theta)), X=X)
    plain = epoch._replace(problem=replace(epoch.problem, max_gradient_norm=None))
    with np.errstate(invalid="ignore", over="ignore"):
        expected = reference.run_epoch(*plain)[0].theta
        results = [
            reference.run_epoch(*epoch),
            *(result for _, result in by_level(compiled.run_epoch, *epoch)),
        ]
    assert not np.all(np.abs(expected) < 1e100)
    for state, _ in results:
        np.testing.assert_allclose(state.theta, expected, rtol=1e-14)


# Sizes. Products of matrices are cut into tiles and panels, whose edges are met here.

WIDTHS = (1, 7, 8, 9, 33, 100)


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("n_features", [1, 7, 16, 100, 1030])
def test_epochs_are_equal_for_every_number_of_features(loss, n_features):
    cases = product(
        loss=[loss], hidden=[(), (9,)], dtype=DTYPES, storage=("C", "Fortran", "CSR, int32")
    )
    check(
        case._replace(n_features=n_features, n_outputs=k, batch_size=size, penalty="l2")
        for case in cases
        for k, size in itertools.product((1, 2, 3, 10), (1, 5))
    )


@pytest.mark.parametrize("first", WIDTHS)
@either_dtype
def test_epochs_are_equal_for_every_width(first, dtype):
    check(
        Case(hidden=(first, second), dtype=dtype, n_outputs=k, batch_size=size)
        for second, k, size in itertools.product(WIDTHS, (1, 3, 10), (1, 5))
    )


@either_dtype
def test_epochs_are_equal_for_every_number_of_rows(dtype):
    cases = product(dtype=[dtype], hidden=[(), (9,)], storage=("C", "CSR, int32"))
    check(
        case._replace(n_samples=n, batch_size=n, n_outputs=k)
        for case in cases
        for n, k in itertools.product((*range(1, 20), 100, 257, 1030), (1, 3))
    )


@pytest.fixture(params=["the kernels' own product", "BLAS"])
def product_by(request, monkeypatch):
    """Have all products of two matrices taken in one way, whatever their size."""
    from_ = compiled.NEVER if request.param != "BLAS" else 0
    monkeypatch.setattr(compiled, "blas_from", lambda layer_sizes, n_rows: from_)


@pytest.mark.usefixtures("product_by")
@pytest.mark.parametrize("hidden", [(), (1,), (9,), (33, 8)], ids=str)
def test_epochs_are_equal_by_either_product(hidden):
    cases = product(hidden=[hidden], dtype=DTYPES, storage=("C", "Fortran", "CSR, int32"))
    check(
        case._replace(n_features=p, n_outputs=k, n_samples=n, batch_size=n)
        for case in cases
        for p, k, n in itertools.product((1, 2, 40), (1, 2, 7), (1, 2, 40))
    )


@pytest.mark.usefixtures("product_by")
@pytest.mark.parametrize("storage", ["C", "CSR, int32"])
@either_dtype
def test_epochs_are_equal_where_products_are_large(storage, dtype):
    # More than 2**23 multiplications; rows and features are more than a panel is deep.
    case = Case(hidden=(60, 150), activation="tanh", n_samples=1100, n_features=1050)
    check([case._replace(storage=storage, dtype=dtype, batch_size=1100)])


# Sparse rows of a linear model by plain gradient descent: features that do not occur wait
# for their penalty. In all steps of this section batches are of one row.


def sparse_epoch(X, y, theta, rates, penalty, fit_intercept=True):
    """Return the Epoch of a linear model with one logit on the rows of X, one a step."""
    case = Case(BINARY, n_features=X.shape[1], n_outputs=1, batch_size=1)
    problem = problem_of(case._replace(fit_intercept=fit_intercept))
    problem = replace(problem, penalty=penalty)
    data = Dataset(frozen(csr_of(X, np.int32)), frozen(y.astype(X.dtype)[:, None]))
    theta = np.array(theta, X.dtype)
    return Epoch(problem, TrainingState(frozen(theta), (), ()), data, None, list(rates))


def rare_features(n, dtype):
    """Return rows and labels; feature 0 is in all rows, 1 in some, 2 in few, 3 in none."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 4)).astype(dtype)
    X[:, 1:][rng.uniform(size=(n, 3)) > [0.1, 0.001, 0]] = 0
    return X, rng.randint(2, size=n)


def descend(epoch):
    """Return theta and the objective after plain steps on all weights, in float64."""
    l2, l1 = epoch.problem.penalty.l2, epoch.problem.penalty.l1
    *weights, intercept = epoch.state.theta.tolist()
    rows = epoch.data.X.toarray().astype(np.float64).tolist()
    labels, total = epoch.data.y[:, 0].tolist(), 0.0
    for row, label, rate in zip(rows, labels, epoch.learning_rates, strict=True):
        z = intercept
        for x, w in zip(row, weights, strict=True):
            z += x * w
            total += 0.5 * l2 * w * w + l1 * abs(w)
        e = exp(-abs(z))
        total += max(z, 0.0) - label * z + log1p(e)
        delta = (1.0 if z >= 0 else e) / (1 + e) - label
        for j, x in enumerate(row):
            w = weights[j] - rate * (delta * x + l2 * weights[j])
            weights[j] = copysign(max(abs(w) - rate * l1, 0.0), w)
        intercept -= rate * delta
    return np.array([*weights, intercept]), total / len(labels)


every_penalty = pytest.mark.parametrize(
    ("l2", "l1"), [(0.1, 0.0), (0.0, 1e-4), (0.1, 1e-4)], ids=["l2", "l1", "elasticnet"]
)


@every_penalty
@either_dtype
def test_many_sparse_steps_equal_plain_ones(l2, l1, dtype):
    # With l2 a step shrinks weights to 0.99, all of them to 1e-873: the product of these
    # factors underflows. With l1, these are more steps than wait at a time.
    n_steps = 200_000
    X, y = rare_features(n_steps, dtype)
    theta = [1.0, -1.0, 1.0, -0.5, 0.25]
    epoch = sparse_epoch(X, y, theta, [0.1] * n_steps, Penalty(l2, l1))
    theta, objective = descend(epoch)
    # Roundings add up like a random walk, to sqrt(n_steps) of them, a few eps each. (With
    # l2 only the last hundred steps count. Measured: 930 for l1 in float64, else below 40.)
    bound = 5 * n_steps**0.5 * float(np.finfo(dtype).eps)
    for level, (state, computed) in by_level(compiled.run_epoch, *epoch):
        apart = np.max(np.abs(state.theta - theta)) / np.max(np.abs(theta))
        assert apart <= bound, level
        assert computed == pytest.approx(objective, rel=bound), level


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_many_sparse_batches_equal_the_reference(l2):
    # Softmax of 3 classes, 5,001 batches of 2 rows and one of 1.
    case = Case(storage="CSR, int32", batch_size=2, n_samples=10_003, n_features=6)
    epoch = epoch_of(case._replace(rate=0.5))
    problem = replace(epoch.problem, penalty=Penalty(l2, 1e-4))
    # Roundings add up like a random walk: 5 eps times the root of the number of steps.
    assert_equal(epoch._replace(problem=problem), n_eps=5 * 5_002**0.5)


@pytest.mark.parametrize("shrinking", [0.5, 0.9, 1 - 1e-10, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("l1", [0.0, 0.01])
@either_dtype
def test_sparse_steps_of_any_length_are_equal(shrinking, l1, dtype):
    # learning_rate * l2 at 1 sets weights to 0, and above it changes their sign.
    X, y = rare_features(12, dtype)
    penalty = Penalty(shrinking / 0.5, l1)
    assert_equal(sparse_epoch(X, y, [1.0, -1.0, 1.0, -0.5, 0.25], [0.5] * 12, penalty))


@pytest.mark.parametrize("l1", [0.0, 0.01])
@either_dtype
def test_sparse_steps_of_changing_length_are_equal(l1, dtype):
    X, y = rare_features(12, dtype)
    rates = [0.1, 2.0, 0.01, 0.5, 0.5 - 1e-12, 3.0, 0.2, 0.2, 1e-9, 1.0, 0.4, 0.1]
    theta = [1.0, -1.0, 1.0, -0.5, 0.25]
    assert_equal(sparse_epoch(X, y, theta, rates, Penalty(2.0, l1)))


@pytest.mark.parametrize("l2", [0.0, 0.1])
@either_dtype
def test_sparse_steps_are_equal_where_weights_reach_0(l2, dtype):
    # Each step takes 0.05 away: features 1, 2 and 3 arrive at 0 in steps 2, 5 and 9, at
    # the last one between two rows that have the feature, and feature 2 leaves it again.
    X = np.zeros((12, 4), dtype)
    X[:, 0], X[[3, 7], 1], X[[4, 9], 2], X[[0, 11], 3] = 1, 0.01, 2, -0.01
    theta = [1.0, -0.07, 0.22, 0.43, 0.25]
    epoch = sparse_epoch(X, np.arange(12) % 2, theta, [0.5] * 12, Penalty(l2, 0.1))
    assert_equal(epoch)


def shrunk(weights, n_steps, rate, penalty):
    """Return what n steps by the penalty alone make of weights, and their |w| and w^2.

    w_t = a^t w - b (1 - a^t) / (1 - a) for w > 0, until that is 0.

    Returns
    -------
    weights : array of shape (n_weights,)
    penalty : float
        Mean of the penalty before each step.
    """
    t, a, b = np.arange(n_steps + 1)[:, None], 1 - rate * penalty.l2, rate * penalty.l1
    moved = b * (t if a == 1 else (1 - a**t) / (1 - a))
    path = np.maximum(a**t * np.abs(weights) - moved, 0)  # (n_steps + 1, n_weights)
    before = path[:-1]
    value = 0.5 * penalty.l2 * np.sum(before**2) + penalty.l1 * np.sum(before)
    return np.sign(weights) * path[-1], value / n_steps


@every_penalty
def test_weights_without_rows_shrink_by_the_closed_form(l2, l1):
    weights, penalty = np.array([3.0, -2.0, 0.125, -0.0625, 0.0]), Penalty(l2, 500 * l1)
    X, y = np.zeros((60, 5)), np.arange(60) % 2
    epoch = sparse_epoch(X, y, [*weights, 0.0], [0.5] * 60, penalty, fit_intercept=False)
    expected, value = shrunk(weights, 60, 0.5, penalty)
    for level, (state, objective) in by_level(compiled.run_epoch, *epoch):
        assert distance(expected, state.theta[:-1], np.float64) <= N_EPS, level
        # All logits are 0.
        assert objective == pytest.approx(log(2) + value, rel=N_EPS * 2.3e-16), level


@every_penalty
def test_l1_takes_weights_without_rows_to_exactly_0(l2, l1):
    X, y = np.zeros((60, 2)), np.arange(60) % 2
    epoch = sparse_epoch(X, y, [0.7, -0.7, 0.0], [0.5] * 60, Penalty(l2, 500 * l1))
    for level, (state, _) in by_level(compiled.run_epoch, *epoch):
        assert np.all(state.theta[:2] == 0) == (l1 > 0), level


# Several epochs in a call, and an epoch in several calls.


def assert_same(first, second, level, n_eps=0):
    """Two results of `run_epochs` are the same to n_eps, if 0 bit for bit."""
    (state, objectives), (other, other_objectives) = first, second
    assert len(objectives) == len(other_objectives)
    pairs = zip(objectives, other_objectives, strict=True)
    for objective, other_objective in pairs:
        result = distances((state, objective), (other, other_objective))
        far = {name: value for name, value in result.items() if value > n_eps}
        assert not far, level


def one_by_one(epoch, rates):
    """Return what `run_epochs` does, by a call for each epoch."""
    state, objectives, n_steps = epoch.state, [], len(epoch.learning_rates)
    for start in range(0, len(rates), n_steps):
        state, objective = compiled.run_epoch(
            epoch.problem, state, epoch.data, epoch.order, rates[start : start + n_steps]
        )
        objectives.append(objective)
    return state, objectives


def rates_of(epoch, n_epochs):
    """Return a learning rate for each step of some epochs, all different."""
    n = n_epochs * len(epoch.learning_rates)
    return 0.1 / np.arange(1.0, n + 1) ** 0.25


together = pytest.mark.parametrize("way", WAYS)
either_layout = pytest.mark.parametrize("storage", ["C", "every second", "CSR, int32"])
averaged_or_not = pytest.mark.parametrize("average_from", [0, 4])


@together
@either_layout
@averaged_or_not
@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_epochs_together_are_epochs_one_by_one(way, storage, average_from, batch_size):
    for dtype in DTYPES:
        case = Case(dtype=dtype, storage=storage, batch_size=batch_size)
        epoch = epoch_of(case._replace(average_from=average_from, **WAYS[way]))
        rates = rates_of(epoch, 5)
        pairs = zip(
            by_level(compiled.run_epochs, *epoch._replace(learning_rates=rates)),
            by_level(one_by_one, epoch, rates),
            strict=True,
        )
        for (level, several), (_, single) in pairs:
            assert_same(several, single, level)


@together
@either_layout
@averaged_or_not
@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_a_call_may_be_cut_anywhere(way, storage, average_from, n_steps, monkeypatch):
    for dtype in DTYPES:
        case = Case(dtype=dtype, storage=storage, average_from=average_from)
        epoch = epoch_of(case._replace(**WAYS[way]))
        epoch = epoch._replace(learning_rates=rates_of(epoch, 3))
        whole = by_level(compiled.run_epochs, *epoch)
        work = compiled.work_of_step(epoch.problem, epoch.data)
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "LONGEST_CALL", (n_steps + 0.5) * work)
            parts = by_level(compiled.run_epochs, *epoch)
        # Sparse updates that wait are settled at the end of a call, which rounds.
        waits = "CSR" in storage and not epoch.state.slots and not average_from
        for (level, expected), (_, computed) in zip(whole, parts, strict=True):
            assert_same(expected, computed, level, N_EPS if waits else 0)


@pytest.mark.parametrize("l1", [0.0, 0.01])
def test_a_call_of_single_rows_may_be_cut_anywhere(l1, monkeypatch):
    case = Case(BINARY, n_outputs=1, batch_size=1, n_features=100)
    epoch = epoch_of(case)
    epoch = epoch._replace(problem=replace(epoch.problem, penalty=Penalty(0.1, l1)))
    whole = by_level(compiled.run_epochs, *epoch)
    monkeypatch.setattr(compiled, "LONGEST_CALL", 1.0)
    parts = by_level(compiled.run_epochs, *epoch)
    for (level, expected), (_, computed) in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(computed[0].theta, expected[0].theta, level)
        # A call begins with the penalty of theta, which later steps add up on their way.
        assert_same(expected, computed, level, N_EPS)


# What goes in is not written to. C does not ask whether it may: copies are compared.


def all_arrays(epoch):
    """Return all arrays that go into an epoch."""
    X, state, data = epoch.data.X, epoch.state, epoch.data
    arrays = [X] if isinstance(X, np.ndarray) else [X.data, *structure(X)]
    arrays += [data.y, data.sample_weight, data.rows, epoch.order, epoch.learning_rates]
    return [*arrays, state.theta, *state.slots, state.average]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_nothing_given_is_changed(way, storage, batch_size):
    case = Case(storage=storage, batch_size=batch_size, takes_part=True, average_from=1)
    for average_from in (0, 1):
        epoch = epoch_of(case._replace(average_from=average_from, **WAYS[way]))
        average = frozen(np.ones(len(epoch.state.theta))) if average_from else None
        epoch = with_state(epoch, average=average, n_averaged=average_from)
        before = copy.deepcopy(all_arrays(epoch))
        by_level(compiled.run_epoch, *epoch)
        for array, copied in zip(all_arrays(epoch), before, strict=True):
            np.testing.assert_array_equal(array, copied)


def test_the_new_state_shares_no_memory_with_the_old():
    epoch = epoch_of(Case(optimizer=EXAMPLES[Adam], average_from=1))
    epoch = with_state(epoch, average=frozen(np.ones(18)), n_averaged=1)
    new, _ = compiled.run_epoch(*epoch)
    for array in (new.theta, *new.slots, new.average):
        assert not any(
            np.shares_memory(array, old)
            for old in (epoch.state.theta, *epoch.state.slots, epoch.state.average)
        )


# Predictions.

PREDICTING_NETWORKS = [
    ((5, 1), "identity"),
    ((5, 3), "identity"),
    *(((5, 9, 4, 2), activation) for activation in ACTIVATIONS),
    ((1030, 3), "identity"),
    ((5, 40, 1), "relu"),
]


def random_layers(sizes, dtype, activation="tanh"):
    """Return layers of random numbers."""
    architecture = network_of(sizes, activation)
    theta = random_theta(architecture, np.random.RandomState(0), dtype)
    return architecture.layers(theta)


def random_rows(n, p, dtype):
    """Return rows of which a third of the values is 0."""
    rng = np.random.RandomState(1)
    X = rng.normal(size=(n, p)).astype(dtype)
    X[rng.uniform(size=X.shape) < 1 / 3] = 0
    return X


def expected_output(layers, X, activations, output):
    """Return what is predicted without kernels."""
    return OUTPUTS[output](network.forward(layers, X, activations).logits)


def assert_predictions_equal(layers, X, activation, output="logits"):
    """Fail where predictions of the kernels are not those of the reference."""
    activations = (activation,) * (len(layers) - 1)
    expected = expected_output(layers, X, activations, output)
    for level, result in by_level(compiled.predict, layers, X, activations, output):
        text = f"{level}, rows {X.shape}, {activation}, {output}"
        assert distance(expected, result[0], X.dtype) <= N_EPS, text


@pytest.mark.parametrize("storage", [*STORAGES, *RARE_STORAGES])
@either_dtype
def test_logits_are_equal(storage, dtype):
    # A block has 256 rows.
    store = {**STORAGES, **RARE_STORAGES}[storage]
    for (sizes, activation), n in itertools.product(
        PREDICTING_NETWORKS, (1, 256, 257, 600)
    ):
        X = frozen(store(random_rows(n, sizes[0], dtype)))
        if compiled.supports_rows(len(sizes) - 1, X):
            layers = random_layers(sizes, dtype, activation)
            assert_predictions_equal(layers, X, activation)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
@either_dtype
def test_every_output_is_equal(output, n, dtype):
    for k in (1,) if output == "binary" else (1, 2, 3, 10):
        layers = random_layers((5, 4, k), dtype)
        for store in (np.asarray, csr_array):
            assert_predictions_equal(
                layers, store(random_rows(n, 5, dtype)), "tanh", output
            )


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("size", [0.0, 40.0, 800.0])
@either_dtype
def test_every_output_is_equal_at_extreme_logits(output, size, dtype):
    k = 1 if output == "binary" else 3
    weight = size * np.array([[1, -1, 0.5], [0, 1, 1]], dtype)[:, :k]
    X = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype)
    layers = [Layer(weight.copy(), np.zeros(k, dtype))]
    assert_predictions_equal(layers, X, "identity", output)


@pytest.mark.usefixtures("product_by")
@either_dtype
def test_logits_are_equal_by_either_product(dtype):
    layers, X = random_layers((1050, 180, 3), dtype), random_rows(300, 1050, dtype)
    assert_predictions_equal(layers, X, "tanh")


def test_weights_of_another_type_or_order_give_logits_in_that_of_the_rows():
    layers, X = random_layers((5, 9, 2), np.float64), random_rows(7, 5, np.float32)
    others = [Layer(np.asfortranarray(w), frozen(np.repeat(b, 2))[::2]) for w, b in layers]
    exact = [Layer(*(part.astype(np.float32) for part in layer)) for layer in layers]
    expected = expected_output(exact, X, ("tanh",), "logits")
    for level, (logits, _) in by_level(compiled.predict, others, X, ("tanh",), "logits"):
        assert distance(expected, logits, np.float32) <= N_EPS, level


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("sizes", [(5, 1), (5, 3), (5, 9, 2)], ids=str)
def test_prediction_changes_nothing(storage, sizes):
    X, layers = random_rows(300, 5, np.float64), random_layers(sizes, np.float64)
    X = STORAGES[storage](X)
    arrays = [X] if isinstance(X, np.ndarray) else [X.data, *structure(X)]
    arrays += [part for layer in layers for part in layer]
    before = copy.deepcopy(arrays)
    by_level(compiled.predict, layers, X, ("tanh",) * (len(layers) - 1), "logits")
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)


def finite_flags(X, sizes):
    """Return the set of what is said of X with each instruction set."""
    layers = random_layers(sizes, X.dtype)
    results = by_level(compiled.predict, layers, X, ("tanh",) * (len(layers) - 1), "logits")
    return {finite for _, (_, finite) in results}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_a_value_that_is_not_finite_is_found_anywhere(value, storage, dtype):
    for sizes, n in itertools.product([(19, 1), (19, 3), (19, 4, 2)], (1, 300)):
        for place in {(0, 0), (n - 1, 18), (n // 2, 9), (min(n, 256) - 1, 18), (n // 7, 0)}:
            X = np.ones((n, 19), dtype)
            X[place] = value
            X = STORAGES[storage](X)
            assert finite_flags(X, sizes) == {False}, (sizes, n, place)


@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_values_near_the_largest_float_are_finite(storage, dtype):
    for sizes in [(19, 1), (19, 3), (19, 4, 2)]:
        X = np.full((300, 19), np.finfo(dtype).max)
        X[::2] *= -1
        assert finite_flags(STORAGES[storage](X), sizes) == {True}, sizes


def test_what_a_sparse_matrix_has_room_for_need_not_be_finite():
    X = csr_with_zeros(np.ones((3, 5)))  # NaN behind its end
    assert finite_flags(X, (5, 3)) == {True}


# Elementary functions, read from networks so small that nothing else is computed. The
# kernels have an exp and a log1p of their own.

# Measured: 1.2 for each but `log1pexp`, which has 1.5, and `normal_cdf`, which has 3.3.
N_EPS_OF_FUNCTIONS = 4


@cache
def grid(dtype):
    """Return logits of either sign: 0, tiny ones, a fine grid, ones of full saturation."""
    tiny = [1e-20, 1e-10, 1e-5] if dtype == np.float32 else [1e-300, 1e-20, 1e-10, 1e-5]
    fine = np.concatenate([np.geomspace(1e-4, 1, 300), np.linspace(0.01, 100, 1200)])
    positive = np.concatenate([tiny, fine, [700.0, 800.0, 1e4, 1e30]])
    return frozen(np.concatenate([-positive[::-1], [0], positive]).astype(dtype))


@cache
def exact_values(function, dtype):
    """Return a function of the grid, evaluated in mpmath with 40 digits."""
    with mpmath.workdps(40):
        return [function(mpmath.mpf(float(z))) for z in grid(dtype)]


def exact_sigmoid(z):
    """Return 1 / (1 + exp(-z)) in mpmath."""
    return 1 / (1 + mpmath.exp(-z))


def exact_log1pexp(z):
    """Return log(1 + exp(z)) in mpmath."""
    return mpmath.log1p(mpmath.exp(z))


def exact_gelu(z):
    """Return z times the normal distribution function of z in mpmath."""
    return z * mpmath.ncdf(z)


def largest_error(computed, exact):
    """Return the largest relative error in eps.

    About where normal numbers end the kernels make 0 of what they should return: of what is
    below twice the smallest one nothing is asked but to be there, too.
    """
    info = np.finfo(computed.dtype)
    smallest = 2 * float(info.tiny)
    with mpmath.workdps(40):
        errors = [
            abs(mpmath.mpf(value) / expected - 1)
            for value, expected in zip(computed.tolist(), exact, strict=True)
            if abs(expected) > smallest or abs(value) > smallest
        ]
        return float(max(errors)) / float(info.eps)


def assert_accurate(results, function, dtype):
    """The values of the grid, by instruction set, are those of an mpmath function."""
    for level, computed in results:
        assert computed.dtype == dtype
        error = largest_error(computed, exact_values(function, dtype))
        assert error <= N_EPS_OF_FUNCTIONS, level


def hidden_outputs(activation, z):
    """Return the activation of each of z by the prediction of a network 1-1-1."""
    one, zero = np.ones((1, 1), z.dtype), np.zeros(1, z.dtype)
    layers = [Layer(one, zero), Layer(one, zero)]
    return [
        (level, logits[:, 0])
        for level, (logits, _) in by_level(
            compiled.predict, layers, z[:, None], (activation,), "logits"
        )
    ]


def epoch_of_logits(loss, logits, y):
    """Return the Epoch of one step on rows that all have these logits (n_outputs,).

    Its slot is minus the gradient.
    """
    n, k = len(y), len(logits)
    case = Case(loss, optimizer=Momentum(0.0), n_features=1, n_outputs=k, batch_size=n)
    theta = frozen(np.append(logits, np.zeros(k)).astype(logits.dtype))
    state = TrainingState(theta, (frozen(np.zeros_like(theta)),), ())
    data = Dataset(frozen(np.ones((n, 1), logits.dtype)), frozen(y))
    return Epoch(problem_of(case), state, data, None, [1.0])


@either_dtype
def test_logistic_units_are_accurate(dtype):
    results = hidden_outputs("logistic", grid(dtype))
    assert_accurate(results, exact_sigmoid, dtype)


@pytest.mark.parametrize(("output", "column"), [("logistic", 0), ("binary", 1)])
@either_dtype
def test_probabilities_are_accurate(output, column, dtype):
    layers = [Layer(np.ones((1, 1), dtype), np.zeros(1, dtype))]
    X = grid(dtype)[:, None]
    results = by_level(compiled.predict, layers, X, (), output)
    columns = [(level, proba[:, column]) for level, (proba, _) in results]
    assert_accurate(columns, exact_sigmoid, dtype)


@either_dtype
def test_softmax_probabilities_are_accurate(dtype):
    # Of logits 0 and z.
    layers = [Layer(np.array([[0, 1]], dtype), np.zeros(2, dtype))]
    X = grid(dtype)[:, None]
    results = by_level(compiled.predict, layers, X, (), "softmax")
    columns = [(level, proba[:, 1]) for level, (proba, _) in results]
    assert_accurate(columns, exact_sigmoid, dtype)


@either_dtype
def test_tanh_units_are_accurate(dtype):
    assert_accurate(hidden_outputs("tanh", grid(dtype)), mpmath.tanh, dtype)


@either_dtype
def test_tanh_of_tiny_numbers_is_themselves(dtype):
    # z^3 / 3 is less than half of the last digit.
    tiny = np.geomspace(2 * float(np.finfo(dtype).tiny), np.finfo(dtype).eps ** 0.5, 999)
    z = np.append(-tiny, tiny).astype(dtype)
    for level, computed in hidden_outputs("tanh", z):
        np.testing.assert_allclose(computed, z, 2 * np.finfo(dtype).eps, 0, err_msg=level)


@either_dtype
def test_softplus_units_are_accurate(dtype):
    assert_accurate(hidden_outputs("softplus", grid(dtype)), exact_log1pexp, dtype)


@either_dtype
def test_elu_units_are_accurate(dtype):
    def exact(z):
        return z if z > 0 else mpmath.expm1(z)

    assert_accurate(hidden_outputs("elu", grid(dtype)), exact, dtype)


@either_dtype
def test_silu_units_are_accurate(dtype):
    def exact(z):
        return z * exact_sigmoid(z)

    # Where exp(-|z|) is no longer a normal number the product may still be one.
    z = grid(dtype)
    for level, computed in hidden_outputs("silu", z):
        is_normal = z > 1 + np.log(np.finfo(dtype).tiny)
        expected = [exact(mpmath.mpf(float(value))) for value in z[is_normal]]
        assert largest_error(computed[is_normal], expected) <= N_EPS_OF_FUNCTIONS, level
        smallest = 1000 * np.finfo(dtype).tiny  # |z| times what has become 0
        assert np.all(np.abs(computed[~is_normal]) <= smallest), level


@either_dtype
def test_gelu_units_are_accurate(dtype):
    exact = np.array(exact_values(exact_gelu, dtype), float)
    info, z = np.finfo(dtype), grid(dtype).astype(float)
    # In the tail the rounding of z^2 counts z^2 / 2 times.
    bound = N_EPS_OF_FUNCTIONS * float(info.eps) * np.maximum(1, z**2 / 2) * np.abs(exact)
    for level, computed in hidden_outputs("gelu", grid(dtype)):
        error = np.abs(computed.astype(float) - exact)
        assert np.all(error <= bound + 100 * float(info.tiny)), level


@pytest.mark.parametrize(("activation", "at_0"), [("logistic", 0.5), ("tanh", 0.0)])
@either_dtype
def test_units_saturate_exactly(activation, at_0, dtype):
    z = np.array([0.0, 40, 88, 104, 709, 746, 1e30, np.finfo(dtype).max], dtype)
    for level, computed in hidden_outputs(activation, z):
        assert computed.tolist() == [at_0, *[1.0] * 7], level


@either_dtype
def test_relu_units_are_exact(dtype):
    z = grid(dtype)
    for level, computed in hidden_outputs("relu", z):
        np.testing.assert_array_equal(computed, np.maximum(z, 0), level)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [1, 40])
def test_units_give_nan_for_nan(activation, n):
    for level, computed in hidden_outputs(activation, np.full(n, np.nan)):
        assert np.all(np.isnan(computed)), level


@either_dtype
def test_gradient_of_binary_cross_entropy_is_accurate(dtype):
    # For label 0 it is the sigmoid of the logit.
    z = grid(dtype)
    epoch = epoch_of_logits(BINARY, z, np.zeros((1, len(z)), dtype))
    with np.errstate(over="ignore"):
        results = by_level(compiled.run_epoch, *epoch)
    gradients = [(level, -state.slots[0][len(z) :]) for level, (state, _) in results]
    assert_accurate(gradients, exact_sigmoid, dtype)


@pytest.mark.parametrize("n_rows", [1, 16])  # 16: vectors of values
@either_dtype
def test_binary_cross_entropy_is_accurate(n_rows, dtype):
    # For label 0 it is log(1 + exp(z)).
    values = {level: [] for level in compiled.instruction_sets()}
    for z in grid(dtype)[::7]:
        epoch = epoch_of_logits(BINARY, np.array([z]), np.zeros((n_rows, 1), dtype))
        for level, (_, objective) in by_level(compiled.run_epoch, *epoch):
            values[level].append(objective)
    exact = exact_values(exact_log1pexp, dtype)[::7]
    for level, computed in values.items():
        error = largest_error(np.array(computed, dtype), exact)
        assert error <= N_EPS_OF_FUNCTIONS, level


@either_dtype
def test_gradient_of_categorical_cross_entropy_is_accurate(dtype):
    # For label 0 and logits 0 and z it is the sigmoid of z, in the second place.
    values = {level: [] for level in compiled.instruction_sets()}
    for z in grid(dtype)[::7]:
        epoch = epoch_of_logits(SOFTMAX, np.array([0, z], dtype), np.zeros(1, int))
        for level, (state, _) in by_level(compiled.run_epoch, *epoch):
            values[level].append(-state.slots[0][3])
    exact = exact_values(exact_sigmoid, dtype)[::7]
    for level, computed in values.items():
        assert largest_error(np.array(computed), exact) <= N_EPS_OF_FUNCTIONS, level
