"""Several epochs in one call equal several calls, and no input is modified."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from epochs_to_compare import (
    ADAM,
    BINARY,
    DTYPES,
    N_EPS,
    PATHS,
    STORAGES,
    Case,
    by_level,
    distances,
    epoch_of,
    structure,
    with_memory,
)
from storages import frozen

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.objective.penalties import Penalty

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)


# Several epochs in a call, and an epoch in several calls.


def assert_same(first, second, level, n_eps=0):
    """Assert that two results of `run_epochs` agree to `n_eps`; 0 means bit for bit."""
    (state, objectives), (other, other_objectives) = first, second
    assert len(objectives) == len(other_objectives)
    pairs = zip(objectives, other_objectives, strict=True)
    for objective, other_objective in pairs:
        result = distances((state, objective), (other, other_objective))
        far = {name: value for name, value in result.items() if value > n_eps}
        assert not far, level


def one_by_one(epoch, rates):
    """Return the result of `run_epochs`, computed with one call an epoch."""
    objectives, n_steps = [], len(epoch.learning_rates)
    for start in range(0, len(rates), n_steps):
        epoch = epoch._replace(learning_rates=rates[start : start + n_steps])
        state, objective = compiled.run_epoch(*epoch)
        epoch = epoch._replace(state=state)
        objectives.append(objective)
    return epoch.state, objectives


def rates_of(epoch, n_epochs):
    """Return a learning rate for each step of `n_epochs`, all different."""
    n = n_epochs * len(epoch.learning_rates)
    return 0.1 / np.arange(1.0, n + 1) ** 0.25


every_path = pytest.mark.parametrize("path", PATHS)
either_layout = pytest.mark.parametrize("storage", ["C", "every second", "CSR, int32"])
averaged_or_not = pytest.mark.parametrize("average_from", [0, 4])


@every_path
@either_layout
@averaged_or_not
@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_epochs_together_equal_epochs_one_by_one(path, storage, average_from, batch_size):
    for dtype in DTYPES:
        case = Case(dtype=dtype, storage=storage, batch_size=batch_size)
        epoch = epoch_of(case._replace(average_from=average_from, **PATHS[path]))
        rates = rates_of(epoch, 5)
        pairs = zip(
            by_level(compiled.run_epochs, *epoch._replace(learning_rates=rates)),
            by_level(one_by_one, epoch, rates),
            strict=True,
        )
        for (level, several), (_, single) in pairs:
            assert_same(several, single, level)


@every_path
@either_layout
@averaged_or_not
@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_a_call_may_be_split_after_any_step(
    path, storage, average_from, n_steps, monkeypatch
):
    for dtype in DTYPES:
        case = Case(dtype=dtype, storage=storage, average_from=average_from)
        epoch = epoch_of(case._replace(**PATHS[path]))
        epoch = epoch._replace(learning_rates=rates_of(epoch, 3))
        whole = by_level(compiled.run_epochs, *epoch)
        work = compiled.work_of_step(epoch.problem, epoch.settings, epoch.data)
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "MAX_WORK_PER_CALL", (n_steps + 0.5) * work)
            parts = by_level(compiled.run_epochs, *epoch)
        # Pending sparse updates are applied at the end of a call, which rounds.
        is_lazy = "CSR" in storage and not epoch.state.memory.slots and not average_from
        for (level, expected), (_, computed) in zip(whole, parts, strict=True):
            assert_same(expected, computed, level, N_EPS if is_lazy else 0)


@pytest.mark.parametrize("l1", [0.0, 0.01])
def test_a_call_of_single_rows_may_be_split_after_any_step(l1, monkeypatch):
    case = Case(BINARY, n_outputs=1, batch_size=1, n_features=100)
    epoch = epoch_of(case)
    epoch = epoch._replace(problem=replace(epoch.problem, penalty=Penalty(0.1, l1)))
    whole = by_level(compiled.run_epochs, *epoch)
    monkeypatch.setattr(compiled, "MAX_WORK_PER_CALL", 1.0)
    parts = by_level(compiled.run_epochs, *epoch)
    for (level, expected), (_, computed) in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(computed[0].theta, expected[0].theta, level)
        # A call computes the penalty of theta at its beginning, then updates it each step.
        assert_same(expected, computed, level, N_EPS)


# Inputs are not modified. C ignores read-only flags, so copies are compared.


def all_arrays(epoch):
    """Return all input arrays of an epoch."""
    X, state, data = epoch.data.X, epoch.state, epoch.data
    memory = state.memory
    arrays = [X] if isinstance(X, np.ndarray) else [X.data, *structure(X)]
    arrays += [data.y, data.sample_weight, data.rows, epoch.order, epoch.learning_rates]
    return [*arrays, state.theta, *memory.slots, memory.average]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_inputs_are_not_modified(path, storage, batch_size):
    case = Case(storage=storage, batch_size=batch_size, is_subset=True, average_from=1)
    for average_from in (0, 1):
        epoch = epoch_of(case._replace(average_from=average_from, **PATHS[path]))
        average = frozen(np.ones(len(epoch.state.theta))) if average_from else None
        epoch = with_memory(epoch, average=average, n_averaged=average_from)
        before = copy.deepcopy(all_arrays(epoch))
        by_level(compiled.run_epoch, *epoch)
        for array, copied in zip(all_arrays(epoch), before, strict=True):
            np.testing.assert_array_equal(array, copied)


def test_the_new_state_shares_no_memory_with_the_old():
    epoch = epoch_of(Case(optimizer=ADAM, average_from=1))
    epoch = with_memory(epoch, average=frozen(np.ones(18)), n_averaged=1)
    new, _ = compiled.run_epoch(*epoch)
    given, memory = epoch.state.memory, new.memory
    for array in (new.theta, *memory.slots, memory.average):
        assert not any(
            np.shares_memory(array, old)
            for old in (epoch.state.theta, *given.slots, given.average)
        )
