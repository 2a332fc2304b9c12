"""What a checkpoint stores, and how the next call resumes from it."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._data.labels import Encoding
from sklearn_nn._data.sample_weights import WeightScale
from sklearn_nn._engine.epochs.optimizers import SGD, Adam, Momentum, Nesterov
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings
from sklearn_nn._engine.epochs.schedules import CYCLES, Schedule
from sklearn_nn._engine.newton import experts
from sklearn_nn._engine.newton.records import NewtonMemory
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Progress
from sklearn_nn._methods import EPOCHS, LBFGS, NEWTON, STREAM
from sklearn_nn._storage.checkpoint import (
    NOT_THE_PATH,
    changed_parameters,
    first_checkpoint,
    path_parameters,
    resumed_state,
)

PARAMETERS = {
    "solver": "sgd",
    "alpha": 0.1,
    "class_weight": {0: 1.0},
    "average": False,
    "fit_intercept": True,
    "learning_rate": 0.1,
}
THETA, EDITED, BEST = np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([5.0, 6.0])
AVERAGE, VELOCITY = np.array([7.0, 8.0]), np.array([0.5, 0.25])
for vector in (THETA, EDITED, BEST, AVERAGE, VELOCITY):
    vector.flags.writeable = False

both = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, BackpropMLPClassifier]
)


MOMENTUM = Momentum(0.9)


def make_settings(optimizer=MOMENTUM, average_from=0):
    """Return settings for training in epochs."""
    return EpochSettings(
        optimizer=optimizer,
        schedule=Schedule("constant", 0.1),
        stopping_rule=StoppingRule(-inf, inf),
        batch_size=2,
        average_from=average_from,
    )


def resumed(checkpoint, theta, parameters=PARAMETERS, settings=None, method=EPOCHS):
    """Return the state from which the next call resumes, by default in epochs."""
    settings = make_settings() if settings is None else settings
    return resumed_state(checkpoint, method, settings, theta, parameters)


def new_checkpoint():
    """Return the checkpoint of a model before its first step."""
    random_state = np.random.RandomState(0).get_state()
    encoding, architecture = Encoding(np.arange(2)), Architecture((1, 1))
    return first_checkpoint(THETA, random_state, PARAMETERS, encoding, architecture)


def trained(best_theta=None, averaged=False, ended_by="max_iter"):
    """Return the checkpoint of a model after 4 epochs of 2 steps."""
    checkpoint = new_checkpoint()
    state = replace(
        checkpoint.state,
        step=8,
        epoch=4,
        memory=EpochMemory(
            slots=(VELOCITY,),
            n_slot_updates=8,
            average=AVERAGE if averaged else None,
            n_averaged=3 if averaged else 0,
        ),
        progress=Progress(0.5, 2, 0.125, 0.2, best_theta),
    )
    shown = AVERAGE if averaged else THETA if best_theta is None else best_theta
    return replace(checkpoint, state=state, model_theta=shown, ended_by=ended_by)


# The first checkpoint.


def test_training_begins_at_theta_with_all_counters_at_zero():
    state = new_checkpoint().state
    assert state.theta is THETA
    assert (state.step, state.epoch, state.memory) == (0, 0, None)
    assert state.progress == Progress()
    assert new_checkpoint().weight_scale == WeightScale()


def test_training_begins_with_zero_slots():
    state = resumed(new_checkpoint(), THETA)
    assert [slot.tolist() for slot in state.memory.slots] == [[0, 0]]


def test_first_split_advances_the_generator():
    after = np.random.RandomState(1).get_state()
    before = new_checkpoint()
    checkpoint = before.after_split(after)
    assert checkpoint.state.random_state is after
    np.testing.assert_equal(checkpoint.start_random_state, before.start_random_state)


def test_later_splits_do_not_advance_the_generator():
    checkpoint = trained()
    assert checkpoint.after_split(np.random.RandomState(1).get_state()) is checkpoint


# Parameters that decide the training path.


@both
def test_path_parameters_are_all_except_max_iter_and_verbose(estimator_class):
    model = estimator_class()
    assert set(model.get_params()) - set(path_parameters(model)) == set(NOT_THE_PATH)


@both
@pytest.mark.parametrize("name", CYCLES)
def test_max_iter_is_a_path_parameter_of_a_cyclic_schedule(estimator_class, name):
    model = estimator_class(learning_rate=name)
    assert set(model.get_params()) - set(path_parameters(model)) == {"verbose"}


def test_a_new_path_parameter_counts_as_changed():
    assert changed_parameters({"a": 1}, {"a": 1, "b": 2}) == {"b"}


@both
def test_path_parameters_are_copies(estimator_class):
    model = estimator_class(class_weight={0: 1.0})
    before = path_parameters(model)
    model.class_weight[0] = 2.0
    assert changed_parameters(before, path_parameters(model)) == {"class_weight"}


@both
def test_an_advanced_generator_does_not_count_as_changed(estimator_class):
    model = estimator_class(random_state=np.random.RandomState(0))
    before = path_parameters(model)
    model.random_state.uniform()
    assert changed_parameters(before, path_parameters(model)) == set()


CHANGES = {
    "equal": (0.5, 0.5, False),
    "name to number": ("constant", 0.5, True),
    "number to name": (0.5, "constant", True),
    "none to name": (None, "l1", True),
    "tuple to equal list": ((5, 4), [5, 4], False),
    "tuple to equal array": ((5, 4), np.array([5, 4]), False),
    "different length": ((5,), (5, 4), True),
    "equal dict": ({0: 1.0}, {0: 1.0}, False),
    "different dict": ({0: 1.0}, {0: 2.0}, True),
    "dict to name": ({0: 1.0}, "balanced", True),
    "different generator": (np.random.RandomState(0), np.random.RandomState(0), True),
}


@pytest.mark.parametrize(("before", "now", "changed"), CHANGES.values(), ids=CHANGES)
def test_a_parameter_has_changed_if_its_value_differs(before, now, changed):
    names = changed_parameters({"a": before, "b": 1}, {"a": now, "b": 1})
    assert names == ({"a"} if changed else set())


# Resuming.


def test_without_changes_the_whole_state_is_resumed():
    checkpoint = trained()
    state = resumed(checkpoint, THETA.copy())
    assert state == checkpoint.state


def test_average_is_resumed():
    checkpoint = trained(averaged=True)
    state = resumed(checkpoint, AVERAGE, settings=make_settings(average_from=1))
    assert state.theta is THETA
    assert (state.memory.average, state.memory.n_averaged) == (AVERAGE, 3)


@pytest.mark.parametrize("average", [True, 1000])
def test_changing_average_restarts_the_average(average):
    parameters = {**PARAMETERS, "average": average}
    state = resumed(trained(averaged=True), AVERAGE, parameters)
    assert (state.memory.average, state.memory.n_averaged) == (None, 0)


def test_a_new_learning_rate_resets_the_rate_factor():
    parameters = {**PARAMETERS, "learning_rate": 0.2}
    state = resumed(trained(), THETA, parameters)
    assert state.progress.rate_factor == 1.0


def test_an_interrupted_run_keeps_its_rate_factor():
    checkpoint = trained(ended_by="interrupt")
    state = resumed(checkpoint, THETA)
    assert state.progress == Progress(rate_factor=0.2)


def test_turning_off_fit_intercept_zeroes_the_velocity():
    parameters = {**PARAMETERS, "fit_intercept": False}
    state = resumed(trained(), THETA, parameters)
    assert np.all(state.memory.slots[0] == 0)


def test_early_stopping_restarts_the_average_at_the_best_parameters():
    checkpoint = replace(trained(best_theta=BEST, averaged=True, ended_by="converged"))
    checkpoint = replace(checkpoint, model_theta=BEST)
    state = resumed(checkpoint, BEST)
    assert state.averaged_theta is BEST


def test_training_resumes_from_edited_parameters():
    state = resumed(trained(), EDITED)
    assert state.theta is EDITED
    assert state.memory.slots == (VELOCITY,)


STREAM_MEMORY = experts.empty_memory(1, 1)
NEWTON_MEMORY = NewtonMemory(sample_size=1000, n_hessian_rows=100, damping=0.5)


def trained_by(memory):
    """Return the checkpoint of a trained model whose method has this memory."""
    checkpoint = trained()
    return replace(checkpoint, state=replace(checkpoint.state, memory=memory))


@pytest.mark.parametrize("theta", [THETA, EDITED], ids=["unchanged", "edited"])
def test_a_stream_resumes_with_its_memory(theta):
    state = resumed(trained_by(STREAM_MEMORY), theta, method=STREAM)
    assert state.memory is STREAM_MEMORY


@pytest.mark.parametrize("theta", [THETA, EDITED], ids=["unchanged", "edited"])
def test_newton_resumes_with_its_sample_size_and_damping(theta):
    state = resumed(trained_by(NEWTON_MEMORY), theta, method=NEWTON)
    assert state.memory is NEWTON_MEMORY


# Switching methods.

EPOCH_MEMORY = EpochMemory((VELOCITY,), 8)
MEMORIES = {"epochs": EPOCH_MEMORY, "newton": NEWTON_MEMORY, "stream": STREAM_MEMORY}
METHODS = {"epochs": EPOCHS, "lbfgs": LBFGS, "newton": NEWTON, "stream": STREAM}


@pytest.mark.parametrize("after", METHODS)
@pytest.mark.parametrize("before", MEMORIES)
def test_switching_methods_keeps_theta_and_starts_a_new_memory(before, after):
    state = resumed(trained_by(MEMORIES[before]), THETA, method=METHODS[after])
    fresh = {
        "epochs": EpochMemory((0 * THETA,)),
        "lbfgs": None,
        "newton": NewtonMemory(),
        "stream": None,
    }
    assert state.theta is THETA
    assert (state.step, state.epoch) == (8, 4)
    # A stream starts from the memory of Newton's method.
    if before == after or (before, after) == ("newton", "stream"):
        assert state.memory is MEMORIES[before]
    elif fresh[after] is None:
        assert state.memory is None
    else:
        assert type(state.memory) is type(fresh[after])
        np.testing.assert_equal(vars(state.memory), vars(fresh[after]))


def test_edited_parameters_restart_the_average():
    settings = make_settings(average_from=1)
    state = resumed(trained(averaged=True), EDITED, settings=settings)
    assert (state.memory.average, state.memory.n_averaged) == (None, 0)


def test_edited_parameters_restart_the_stopping_rule_but_keep_the_rate_factor():
    state = resumed(trained(), EDITED)
    assert state.progress == Progress(rate_factor=0.2)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_changed_parameter_restarts_the_stopping_rule(name):
    parameters = {**PARAMETERS, name: "another"}
    state = resumed(trained(), THETA, parameters)
    # The lowered rate is kept unless the solver or the learning rate itself changes.
    rate_factor = 1.0 if name in ("solver", "learning_rate") else 0.2
    assert state.progress == Progress(rate_factor=rate_factor)
    assert (state.theta is THETA, state.step, state.epoch) == (True, 8, 4)


def test_the_stopping_rule_restarts_after_it_has_ended_a_run():
    checkpoint = trained(ended_by="converged")
    state = resumed(checkpoint, THETA)
    assert state.progress == Progress()


def test_after_early_stopping_training_resumes_from_the_best_parameters():
    checkpoint = trained(best_theta=BEST, ended_by="converged")
    state = resumed(checkpoint, BEST)
    assert state.theta is BEST


def test_after_max_iter_training_resumes_from_the_last_parameters():
    checkpoint = trained(best_theta=BEST)
    state = resumed(checkpoint, BEST)
    assert state.theta is THETA
    assert state.progress.best_theta is BEST


# Optimizer state (slots).


def test_changing_the_solver_resets_the_slots_to_zero():
    settings = make_settings(Adam(0.9, 0.999, 1e-8))
    parameters = {**PARAMETERS, "solver": "adam"}
    state = resumed(trained(), THETA, parameters, settings=settings)
    assert [slot.tolist() for slot in state.memory.slots] == [[0, 0], [0, 0]]
    assert (state.memory.n_slot_updates, state.step) == (0, 8)


def test_slots_are_reset_even_if_the_new_solver_has_the_same_number():
    parameters = {**PARAMETERS, "solver": "another"}
    state = resumed(trained(), THETA, parameters)
    assert [slot.tolist() for slot in state.memory.slots] == [[0, 0]]
    assert state.memory.n_slot_updates == 0


def test_changing_momentum_keeps_the_velocity():
    state = resumed(trained(), THETA, settings=make_settings(Nesterov(0.5)))
    assert (state.memory.slots, state.memory.n_slot_updates) == ((VELOCITY,), 8)


def test_turning_off_momentum_drops_the_velocity():
    state = resumed(trained(), THETA, settings=make_settings(SGD()))
    assert (state.memory.slots, state.memory.n_slot_updates) == ((), 0)


def test_resuming_does_not_change_the_checkpoint():
    checkpoint = trained(best_theta=BEST, averaged=True)
    before = replace(checkpoint.state)
    resumed(checkpoint, EDITED, {**PARAMETERS, "alpha": 1.0}, settings=make_settings(SGD()))
    assert all(vars(checkpoint.state)[name] is v for name, v in vars(before).items())


def test_a_number_differs_from_the_name_of_a_schedule():
    # NumPy 2.0 cannot compare the two.
    assert changed_parameters({"learning_rate": "cosine"}, {"learning_rate": 0.1})
    assert changed_parameters({"learning_rate": 0.1}, {"learning_rate": "cosine"})
    assert not changed_parameters({"learning_rate": "a"}, {"learning_rate": np.str_("a")})
