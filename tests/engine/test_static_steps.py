"""Steps on static buffers give the epoch of reference.py, in every array library."""

from dataclasses import replace

import numpy as np
import pytest
from devices import DEVICES, arrays_at
from networks import network_of, random_theta
from optimizers import every_optimizer
from small_problems import make_problem, make_settings

from sklearn_nn._engine import one_pass
from sklearn_nn._engine.arrays import are_together, namespace, to_numpy
from sklearn_nn._engine.epochs import reference, static_steps
from sklearn_nn._engine.epochs.optimizers import Adam
from sklearn_nn._engine.epochs.records import EpochMemory
from sklearn_nn._engine.epochs.static_steps import StaticSteps
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES, Penalty
from sklearn_nn._engine.types import Dataset, TrainingState

N, P, SIZES = 7, 5, (5, 4, 3)
SOFTMAX, ADAM = ("log_loss", "softmax"), Adam(0.9, 0.999, 1e-8)
ELASTIC_NET = PENALTIES["elasticnet"](0.1, 0.5)
either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(params=["numpy", *DEVICES])
def at(request):
    """Return a function ndarray -> array of NumPy, or of another library on a device."""
    return np.asarray if request.param == "numpy" else arrays_at(request.param)


def data_of(at, loss, dtype, is_weighted=True, is_subset=False):
    """Return random rows of `at`."""
    rng = np.random.RandomState(0)
    n = N + 2 if is_subset else N
    X, weight = rng.normal(size=(n, P)).astype(dtype), rng.uniform(0.5, 2, N).astype(dtype)
    y = rng.randint(2, size=(N, 3)).astype(dtype)
    if loss[1] == "softmax":
        y = rng.randint(3, size=N)
    rows = at(np.array([8, 1, 0, 4, 3, 2, 6])) if is_subset else None
    return Dataset(at(X), at(y), at(weight) if is_weighted else None, rows)


def state_of(at, architecture, optimizer, dtype):
    """Return a state in mid-training, with slots as large as gradients."""
    rng = np.random.RandomState(1)
    theta = random_theta(architecture, rng, dtype)
    slots = [rng.uniform(0.1, 0.3, theta.shape) for _ in range(optimizer.n_slots)]
    memory = EpochMemory(tuple(at(slot.astype(dtype)) for slot in slots), n_slot_updates=3)
    return TrainingState(at(theta), (), step=10, memory=memory)


def assert_same_epochs(
    at,
    dtype=np.float64,
    activation="relu",
    loss=SOFTMAX,
    penalty=ELASTIC_NET,
    is_ordered=True,
    fit_intercept=True,
    is_weighted=True,
    is_subset=False,
    optimizer=ADAM,
    memory=(),
    sizes=SIZES,
    **settings,
):
    """Assert that two epochs of static steps equal the reference to rounding.

    The second one resumes from the result of the first. In float32, the Scalars of static
    steps are rounded: 100 eps are some ten steps of some ten rounding errors.
    """
    architecture = network_of(sizes, activation, fit_intercept)
    problem = make_problem(architecture=architecture, loss=LOSSES[loss], penalty=penalty)
    settings = make_settings(optimizer=optimizer, **settings)
    data = data_of(at, loss, dtype, is_weighted, is_subset)
    state = state_of(at, architecture, optimizer, dtype)
    state = replace(state, memory=replace(state.memory, **dict(memory)))
    n_steps = -(-N // settings.batch_size)
    rates = [0.1 / (1 + k) for k in range(n_steps)]
    static, expected = StaticSteps(problem, settings, data), state
    for seed in range(2):
        order = np.random.RandomState(seed).permutation(N) if is_ordered else None
        state, objective = static_steps.run_epoch(
            static, (static.full_step, static.last_step), state, order, rates
        )
        expected, expected_objective = reference.run_epoch(
            problem, settings, expected, data, order, rates
        )
        assert_same_states(state, expected, dtype)
        bound = 100 * float(np.finfo(dtype).eps)
        assert objective == pytest.approx(expected_objective, rel=bound)


def assert_same_states(state, expected, dtype):
    """Assert that states are equal: their numbers exactly, their arrays to 100 eps."""
    memory, other = state.memory, expected.memory
    for field in ("step", "epoch", "random_state", "progress"):
        assert getattr(state, field) == getattr(expected, field)
    assert memory.n_slot_updates == other.n_slot_updates
    assert memory.n_averaged == other.n_averaged
    assert (memory.average is None) == (other.average is None)
    pairs = [(state.theta, expected.theta), *zip(memory.slots, other.slots, strict=True)]
    if memory.average is not None:
        pairs.append((memory.average, other.average))
    for here, there in pairs:
        assert are_together(here, there)
        assert here.dtype == there.dtype
        here, there = to_numpy(here), to_numpy(there)
        bound = 100 * np.finfo(dtype).eps * np.abs(there).max()
        np.testing.assert_allclose(here, there, rtol=0, atol=bound)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_with_every_activation(at, activation, dtype):
    assert_same_epochs(at, dtype, activation=activation)


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("is_weighted", [True, False])
@either_dtype
def test_epochs_are_equal_with_every_loss(at, loss, is_weighted, dtype):
    assert_same_epochs(at, dtype, loss=loss, is_weighted=is_weighted)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("optimizer", every_optimizer(), ids=str)
@either_dtype
def test_epochs_are_equal_with_every_optimizer_and_penalty(at, optimizer, penalty, dtype):
    penalty = PENALTIES[penalty](0.1, 0.5)
    assert_same_epochs(at, dtype, optimizer=optimizer, penalty=penalty)


@pytest.mark.parametrize("max_norm", [1e-3, 0.3, 1e3])
@either_dtype
def test_epochs_are_equal_with_all_penalties_and_clipping(at, max_norm, dtype):
    penalty = Penalty(l2=0.1, l1=0.05, decay=0.2)
    assert_same_epochs(at, dtype, penalty=penalty, max_gradient_norm=max_norm)


@pytest.mark.parametrize("name", PENALTIES)
def test_epochs_are_equal_if_steps_overwrite_their_arrays(name, monkeypatch):
    at, penalty = arrays_at("torch:cpu"), PENALTIES[name](0.1, 0.5)
    architecture = network_of(SIZES, "relu")
    problem = make_problem(architecture=architecture, loss=LOSSES[SOFTMAX], penalty=penalty)
    settings = make_settings(optimizer=ADAM, batch_size=3)
    state = state_of(at, architecture, ADAM, np.float32)
    arrays = [state.theta, *state.memory.slots]
    given = [to_numpy(array).copy() for array in arrays]

    def after():
        data = data_of(at, SOFTMAX, np.float32)
        return reference.run_epoch(problem, settings, state, data, None, [0.1] * 3)[0]

    expected = after()
    # PyTorch's kernel of Adam, which is used on GPUs.
    monkeypatch.setattr(one_pass, "WITH_ADAM", ("cpu",))
    assert_same_states(after(), expected, np.float32)
    for array, before in zip(arrays, given, strict=True):
        np.testing.assert_array_equal(to_numpy(array), before)
    assert_same_epochs(at, np.float32, penalty=penalty)


# Batches of the 7 rows: of one row; two full ones and a short one; one full and a short
# one; all rows; more than all.
@pytest.mark.parametrize("batch_size", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("is_ordered", [True, False])
@pytest.mark.parametrize("is_subset", [True, False])
def test_epochs_are_equal_with_every_batch_size(at, batch_size, is_ordered, is_subset):
    # One batch of all rows has no order.
    is_ordered = is_ordered and batch_size < N
    assert_same_epochs(
        at, batch_size=batch_size, is_ordered=is_ordered, is_subset=is_subset
    )


# The first epoch has the steps 11 to 13, the second 14 to 16.
@pytest.mark.parametrize("average_from", [1, 12, 14, 16, 99])
@either_dtype
def test_averages_are_equal(at, average_from, dtype):
    assert_same_epochs(at, dtype, average_from=average_from)


@pytest.mark.parametrize("average_from", [0, 5, 99])
def test_a_given_average_is_continued_or_kept(at, average_from):
    n = network_of(SIZES, "relu").n_parameters
    memory = {"average": at(np.linspace(-1, 1, n)), "n_averaged": 6}
    assert_same_epochs(at, average_from=average_from, memory=memory)


@pytest.mark.parametrize("rates", [(0.5, 0.2), (0.0, 0.9), (0.3, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("batch_size", [3, 7])
@either_dtype
def test_epochs_are_equal_with_dropout(at, rates, batch_size, dtype):
    assert_same_epochs(
        at,
        dtype,
        sizes=(P, 9, 4, 3),
        is_ordered=batch_size < N,
        batch_size=batch_size,
        dropout=rates,
        dropout_key=2**100 + 12345,
    )


def test_epochs_are_equal_without_intercepts(at):
    assert_same_epochs(at, fit_intercept=False)


def test_arrays_of_a_state_do_not_change_in_the_next_epoch(at):
    problem, settings = (
        make_problem(architecture=network_of(SIZES, "relu")),
        make_settings(optimizer=ADAM, average_from=1),
    )
    problem = replace(problem, loss=LOSSES[SOFTMAX])
    data = data_of(at, SOFTMAX, np.float64)
    state = state_of(at, problem.architecture, ADAM, np.float64)
    static = StaticSteps(problem, settings, data)

    def after(state):
        return static_steps.run_epoch(
            static, (static.full_step, static.last_step), state, None, [0.1] * 3
        )[0]

    def arrays(state):
        return [state.theta, *state.memory.slots, state.memory.average]

    first = after(state)
    before = [to_numpy(array).copy() for array in arrays(first)]
    second = after(first)
    for array, expected, new in zip(arrays(first), before, arrays(second), strict=True):
        np.testing.assert_array_equal(to_numpy(array), expected)
        assert np.max(np.abs(to_numpy(new) - expected)) > 0


@pytest.mark.parametrize("at", ["array_api_strict:device1", "torch:cpu"], indirect=True)
def test_a_step_reads_no_number_of_the_device(at, monkeypatch):
    kind = type(at(np.zeros(1)))
    problem = make_problem(
        architecture=network_of(SIZES, "gelu"),
        loss=LOSSES[SOFTMAX],
        penalty=Penalty(l2=0.1, l1=0.05, decay=0.2),
    )
    settings = make_settings(optimizer=ADAM, average_from=2, max_gradient_norm=1.0)
    static = StaticSteps(problem, settings, data_of(at, SOFTMAX, np.float64))

    def read(*arguments):
        raise AssertionError("A number was read from the device.")

    for method in ("__bool__", "__int__", "__index__", "__float__"):
        monkeypatch.setattr(kind, method, read)
    # That of array-api-compat reads a number of CuPy's arrays.
    monkeypatch.setattr(namespace(static.iterate.theta), "sign", read)
    static.full_step()
    static.last_step()
