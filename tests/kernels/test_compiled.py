"""What the kernels support, and that training is the same with and without them.

Equality of single epochs is tested in test_kernels_equal_reference.py.
"""

import threading
import time
import warnings

import numpy as np
import pytest
from methods import textbook_logistic
from networks import network_of, random_theta
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix
from small_problems import make_problem, make_settings
from threadpoolctl import threadpool_limits

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine import threads
from sklearn_nn._engine.epochs import compiled, prediction, reference, train
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.records import EpochMemory, zero_slots
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.stopping import EndedBy
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)


def make_data(X=None, **changes):
    """Return seven rows of two features."""
    X = np.random.RandomState(0).normal(size=(7, 2)) if X is None else X
    y = (np.arange(X.shape[0]) % 2).astype(float)[:, None]
    return Dataset(X, y)._replace(**changes)


def make_state(problem, settings):
    """Return the state before the first epoch, with theta 0."""
    theta = np.zeros(problem.architecture.n_parameters)
    memory = EpochMemory(zero_slots(settings, theta))
    random_state = np.random.RandomState(0).get_state()
    return TrainingState(theta, random_state, memory=memory)


def trained_from_0(problem, settings, data, n_epochs):
    """Return the TrainingRun of `n_epochs` from theta 0."""
    state = make_state(problem, settings)
    return train.train_in_epochs(problem, settings, state, data, n_epochs)


def is_supported(problem=None, settings=None, data=None):
    """Return whether the kernels support the arguments, by default those of this file."""
    problem = make_problem() if problem is None else problem
    settings = make_settings() if settings is None else settings
    data = make_data() if data is None else data
    return compiled.supports(problem, settings, data)


# Instruction sets.


def test_instruction_sets_are_sorted_from_the_best():
    every = ["x86-64-v4", "x86-64-v3", "baseline"]
    names = compiled.instruction_sets()
    assert names == [name for name in every if name in names]


def test_baseline_is_always_available():
    assert compiled.instruction_sets()[-1] == "baseline"


def test_the_best_instruction_set_is_chosen():
    assert compiled.LEVEL == 0


def test_without_kernels_instruction_sets_are_empty(monkeypatch):
    monkeypatch.setattr(compiled, "kernels", None)
    assert compiled.instruction_sets() == []


# What the kernels support.


def unaligned(X):
    """Return X at an address that is not a multiple of its type's size."""
    array = np.frombuffer(b"\0" + X.tobytes(), X.dtype, offset=1).reshape(X.shape)
    assert not array.flags.aligned
    return array


def with_index_types(X, indices_type, indptr_type):
    """Return X as CSR with index arrays of these types."""
    sparse = csr_array(X)
    indices, indptr = sparse.indices.astype(indices_type), sparse.indptr
    sparse.indices, sparse.indptr = indices, indptr.astype(indptr_type)
    return sparse


SUPPORTED = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "Fortran": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "reversed": lambda X: X[::-1, ::-1],
    "one row many times": lambda X: np.broadcast_to(X[0], X.shape),
    "CSR array": csr_array,
    "CSR matrix": csr_matrix,
    "CSR, float32": lambda X: csr_array(X.astype(np.float32)),
    "CSR, int64": lambda X: with_index_types(X, np.int64, np.int64),
    "CSR without values": lambda X: csr_array(X.shape),
}
UNSUPPORTED = {
    "integers": lambda X: X.astype(np.int64),
    "booleans": lambda X: X > 0,
    "float16": lambda X: X.astype(np.float16),
    "complex": lambda X: X.astype(complex),
    "objects": lambda X: X.astype(object),
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": unaligned,
    "CSC": csc_array,
    "COO": coo_array,
    "CSR of integers": lambda X: csr_array(X.astype(np.int64)),
    "CSR, mixed indices": lambda X: with_index_types(X, np.int32, np.int64),
    "CSR, int16": lambda X: with_index_types(X, np.int16, np.int16),
    "no rows": lambda X: X[:0],
    "no features": lambda X: X[:, :0],
    "array of another library": lambda X: FakeArray(X),
}


class FakeArray:
    """An array of another library."""

    def __init__(self, X):
        self.shape, self.dtype = X.shape, X.dtype


def rows_in(form):
    """Return the rows of `make_data` in a form named above."""
    return {**SUPPORTED, **UNSUPPORTED}[form](make_data().X)


@pytest.mark.parametrize("form", SUPPORTED)
def test_rows_are_supported(form):
    assert is_supported(data=make_data(rows_in(form)))


@pytest.mark.parametrize("form", UNSUPPORTED)
def test_rows_are_not_supported(form):
    assert not is_supported(data=make_data(rows_in(form)))


@pytest.mark.skipif(
    np.finfo(np.longdouble).bits == 64, reason="long doubles are doubles here"
)
def test_long_doubles_are_not_supported():
    data = make_data(make_data().X.astype(np.longdouble))
    assert not is_supported(data=data)


@pytest.mark.parametrize("form", SUPPORTED)
def test_supported_rows_give_the_reference_logits(form):
    X, rng = rows_in(form), np.random.RandomState(0)
    layers = Architecture((2, 3)).layers(rng.normal(size=9).astype(X.dtype))
    expected = np.asarray(X @ layers[0].weight) + layers[0].intercept
    computed, _ = compiled.predict(layers, X, (), "logits")
    # Three rounding errors of numbers below 10.
    np.testing.assert_allclose(computed, expected, 0, 30 * np.finfo(X.dtype).eps)


def test_unknown_activation_is_not_supported():
    architecture = network_of((2, 3, 1), "unknown")
    assert not is_supported(make_problem(architecture=architecture))


def test_unknown_loss_is_not_supported():
    known = LOSSES["log_loss", "logistic"]
    loss = known._replace(value_and_gradient=lambda z, y: (z, y))
    assert not is_supported(make_problem(loss=loss))


def test_unknown_optimizer_is_not_supported():
    class Other(SGD):
        """An optimizer that the kernels do not have."""

    assert not is_supported(settings=make_settings(optimizer=Other()))


@pytest.mark.parametrize(("n_more", "expected"), [(0, True), (1, False)])
def test_networks_are_supported_up_to_the_maximum_depth(n_more, expected):
    n_hidden = compiled.kernels.DEEPEST - 1 + n_more
    problem = make_problem(architecture=network_of((2, *[1] * n_hidden, 1), "tanh"))
    assert is_supported(problem) == expected


def test_deepest_network_gives_the_reference_epoch():
    sizes = (2, *[3] * (compiled.kernels.DEEPEST - 1), 1)
    problem = make_problem(architecture=network_of(sizes, "tanh"))
    settings = make_settings(batch_size=7)
    theta = random_theta(problem.architecture, np.random.RandomState(0), np.float64)
    state = TrainingState(theta, (), memory=EpochMemory(slots=()))
    arguments = (problem, settings, state, make_data(), None, [0.5])
    state, objective = compiled.run_epoch(*arguments)
    expected, expected_objective = reference.run_epoch(*arguments)
    # 100 eps, as in test_kernels_equal_reference.py: each layer reduces rounding errors.
    np.testing.assert_allclose(state.theta, expected.theta, 0, 100 * 2.3e-16)
    assert objective == pytest.approx(expected_objective, rel=100 * 2.3e-16)


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_row_numbers_may_be_of_any_integer_type(dtype):
    problem, settings, rows = make_problem(), make_settings(), np.arange(0, 8, 2)
    data = make_data()
    data = data._replace(y=data.y[rows], rows=rows.astype(dtype))
    assert compiled.supports(problem, settings, data)
    rates = np.full(-(-len(rows) // settings.batch_size), 0.1)
    arguments = (problem, settings, make_state(problem, settings), data, None)
    expected, _ = reference.run_epoch(*arguments, rates.tolist())
    state, _ = compiled.run_epoch(*arguments, rates)
    np.testing.assert_allclose(state.theta, expected.theta, 0, 100 * 2.3e-16)


def test_supports_is_false_without_kernels(monkeypatch):
    monkeypatch.setattr(compiled, "kernels", None)
    assert not is_supported()


def test_unsupported_rows_are_trained_on_by_the_reference():
    problem, settings, data = make_problem(), make_settings(), make_data()
    expected = trained_from_0(problem, settings, data, 3).state.theta
    other = data._replace(X=unaligned(data.X))
    computed = trained_from_0(problem, settings, other, 3).state.theta
    # Nine steps of about ten rounding errors.
    np.testing.assert_allclose(computed, expected, 0, 100 * 2.3e-16)


def test_unsupported_rows_are_predicted_by_the_reference():
    data = make_data()
    layers = Architecture((2, 1)).layers(np.ones(3))
    expected, _ = prediction.predict(layers, data.X, (), "logits")
    computed, finite = prediction.predict(layers, unaligned(data.X), (), "logits")
    np.testing.assert_allclose(computed, expected, 0, 10 * 2.3e-16)
    assert finite is None


# Threads.


@pytest.mark.parametrize(("n_threads", "expected"), [(1, False), (2, True)])
def test_products_use_blas_only_if_it_has_threads(n_threads, expected):
    with threadpool_limits(n_threads, user_api="blas"):
        if threads.n_blas_threads() != n_threads:
            pytest.skip("this BLAS has no such number of threads")
        assert (compiled.blas_from((1000, 1000), 1000) < compiled.NEVER) == expected


def test_small_products_do_not_use_blas():
    with threadpool_limits(2, user_api="blas"):
        assert compiled.blas_from((10, 10), 10) == compiled.NEVER


class Clock(threading.Thread):
    """A thread that records the time about every millisecond until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.times, self.stopped = [], threading.Event()

    def run(self):
        """Record the time."""
        while not self.stopped.wait(1e-3):
            self.times.append(time.perf_counter())

    def n_between(self, start, stop):
        """Return the number of recorded times between `start` and `stop`."""
        return sum(start < moment < stop for moment in self.times)


def test_kernels_release_the_gil(monkeypatch):
    # One call of about half a second. If it held the GIL, the clock could record no time in
    # its middle third.
    monkeypatch.setattr(compiled, "MAX_WORK_PER_CALL", 1e300)
    problem, settings, data = make_problem(), make_settings(batch_size=7), make_data()
    state = make_state(problem, settings)
    n_steps, seconds = 1000, 0.0
    clock = Clock()
    clock.start()
    while seconds < 0.3:
        n_steps *= 4
        rates = np.full(n_steps, 0.5)
        start = time.perf_counter()
        compiled.run_epochs(problem, settings, state, data, None, rates)
        seconds = time.perf_counter() - start
    clock.stopped.set()
    clock.join()
    assert clock.n_between(start + seconds / 3, start + 2 * seconds / 3) > 0


def test_a_long_epoch_is_split_into_several_calls(monkeypatch):
    # Python handles Ctrl-C between calls.
    problem, settings, data = make_problem(), make_settings(batch_size=1), make_data()
    n_calls, run_steps = [], compiled.kernels.run_steps

    def counted(**arguments):
        n_calls.append(1)
        return run_steps(**arguments)

    monkeypatch.setattr(compiled.kernels, "run_steps", counted)
    work = compiled.work_of_step(problem, settings, data)
    monkeypatch.setattr(compiled, "MAX_WORK_PER_CALL", 3 * work)
    state = make_state(problem, settings)
    compiled.run_epochs(problem, settings, state, data, None, [0.5] * 7)
    assert len(n_calls) == 3  # of 3, 3 and 1 steps


# Training resumes with or without kernels, and draws the same random numbers.

LOGISTIC = {
    "momentum": {"batch_size": 16},
    "plain": {"momentum": 0, "batch_size": 1},
    "plain_l1": {"momentum": 0, "batch_size": 16, "penalty": "l1", "alpha": 0.01},
    "adam": {"solver": "adam", "batch_size": 16},
    "average": {"average": True, "batch_size": 16},
    "average_later": {"average": 12, "batch_size": 16, "momentum": 0},
    "invscaling": {"learning_rate": "invscaling", "batch_size": 16},
    "full_batch": {"batch_size": "full"},
    "no_shuffle": {"shuffle": False, "batch_size": 16},
    "no_intercept": {"fit_intercept": False, "penalty": None, "batch_size": 16},
    "class_weight": {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}, "batch_size": 16},
}
MLP = {
    "adam": {"batch_size": 16, "activation": "tanh", "hidden_layer_sizes": (7,)},
    "sgd": {"solver": "sgd", "batch_size": 16, "hidden_layer_sizes": (5, 4)},
    "squared": {"loss": "squared_error", "solver": "sgd", "batch_size": "full"},
    "linear": {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "batch_size": 1},
}
CONFIGURATIONS = [
    pytest.param(estimator, parameters, id=f"{estimator.__name__}-{name}")
    for estimator, several in (
        (textbook_logistic, LOGISTIC),
        (BackpropMLPClassifier, MLP),
    )
    for name, parameters in several.items()
]
every_configuration = pytest.mark.parametrize(("estimator", "parameters"), CONFIGURATIONS)
either_kind = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


@pytest.fixture
def switched(monkeypatch):
    """Return a function that switches the kernels on or off."""
    kernels = compiled.kernels

    def switch(on):
        monkeypatch.setattr(compiled, "kernels", kernels if on else None)

    return switch


def trained(estimator, parameters, data, switch, first, then):
    """Return a model after 3 epochs of `fit` and one of `partial_fit`.

    `first` and `then` say whether they use the kernels.
    """
    X, y, weight = data
    model = estimator(**parameters, max_iter=3, tol=None, random_state=0)
    switch(first)
    model.fit(X, y, sample_weight=weight)
    switch(then)
    model.partial_fit(X, y, sample_weight=weight)
    switch(True)
    return model


def numbers_of(model):
    """Return all results of training in one vector."""
    state = model._checkpoint.state
    arrays = [state.theta, state.averaged_theta, *state.memory.slots, model.loss_curve_]
    return np.concatenate([np.ravel(array) for array in arrays])


@every_configuration
@either_kind
@pytest.mark.parametrize(("first", "then"), [(False, False), (False, True), (True, False)])
def test_training_is_the_same_with_and_without_kernels(
    estimator, parameters, sparse, first, then, rows, switched
):
    data = rows(3, sparse)
    expected = trained(estimator, parameters, data, switched, True, True)
    computed = trained(estimator, parameters, data, switched, first, then)
    # At most 280 steps of about ten rounding errors, which add up like a random walk.
    np.testing.assert_allclose(
        numbers_of(computed), numbers_of(expected), 0, 1000 * 2.3e-16
    )


@every_configuration
@pytest.mark.parametrize(("first", "then"), [(False, False), (False, True), (True, False)])
def test_random_state_is_the_same_with_and_without_kernels(
    estimator, parameters, first, then, rows, switched
):
    expected = trained(estimator, parameters, rows(3), switched, True, True)
    computed = trained(estimator, parameters, rows(3), switched, first, then)
    np.testing.assert_equal(
        computed._checkpoint.state.random_state, expected._checkpoint.state.random_state
    )


@every_configuration
def test_counters_are_the_same_with_and_without_kernels(
    estimator, parameters, rows, switched
):
    expected = trained(estimator, parameters, rows(3), switched, True, True)
    computed = trained(estimator, parameters, rows(3), switched, True, False)
    state, other = expected._checkpoint.state, computed._checkpoint.state
    for name in ("step", "epoch"):
        assert getattr(state, name) == getattr(other, name)
    for name in ("n_slot_updates", "n_averaged"):
        assert getattr(state.memory, name) == getattr(other.memory, name)


@pytest.fixture
def orders(monkeypatch):
    """Return a list that records the order of the rows in each epoch."""
    drawn, run_epochs = [], train.run_epochs

    def recorded(problem, settings, state, data, order, rates):
        drawn.append(order)
        return run_epochs(problem, settings, state, data, order, rates)

    monkeypatch.setattr(train, "run_epochs", recorded)
    return drawn


@every_configuration
def test_row_order_is_the_same_with_and_without_kernels(
    estimator, parameters, rows, switched, orders
):
    trained(estimator, parameters, rows(3), switched, True, False)
    if parameters.get("shuffle", True) and parameters["batch_size"] != "full":
        mixed, orders[:] = orders[:], []
        trained(estimator, parameters, rows(3), switched, False, True)
        np.testing.assert_array_equal(mixed, orders)
    else:
        assert set(orders) == {None}


@every_configuration
@either_kind
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_are_the_same_with_and_without_kernels(
    estimator, parameters, sparse, n_classes, rows, switched
):
    if "class_weight" in parameters and n_classes == 2:
        parameters = {**parameters, "class_weight": {0: 2.0, 1: 1.0}}
    X, y, weight = rows(n_classes, sparse)
    model = estimator(**parameters, max_iter=2, tol=None, random_state=0)
    model.fit(X, y, sample_weight=weight)
    for name in ("decision_function", "predict_proba", "predict_log_proba", "predict"):
        switched(True)
        expected = getattr(model, name)(X)
        switched(False)
        # About ten rounding errors of numbers below 100.
        np.testing.assert_allclose(getattr(model, name)(X), expected, 0, 1000 * 2.3e-16)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("on", [True, False])
@either_kind
def test_non_finite_values_are_refused_with_and_without_kernels(
    value, name, on, sparse, rows, switched
):
    X, y, _ = rows()
    model = textbook_logistic(max_iter=2, tol=None).fit(X, y)
    X = X.copy()
    X[-1, -1] = value
    switched(on)
    with pytest.raises(ValueError, match="Input X contains"):
        getattr(model, name)(csr_array(X) if sparse else X)


# Many tiny epochs run together in one call. This must not change any result.

FEW = {"batch_size": "full", "random_state": 0, "max_iter": 3000}
LOGISTIC_TOGETHER = {
    "default": {},
    "patient": {"n_iter_no_change": 40, "tol": 1e-6},
    "impatient": {"n_iter_no_change": 1, "tol": 1e-3},
    "tol_0": {"tol": 0, "momentum": 0.99},
    "no_tol": {"tol": None, "max_iter": 1234},
    "not_enough": {"tol": 1e-9, "max_iter": 1001},
    "by_partial_fit": {"max_iter": 1},
    "adaptive": {"learning_rate": "adaptive", "learning_rate_init": 2.0, "tol": 1e-3},
    "adaptive_impatient": {"learning_rate": "adaptive", "n_iter_no_change": 1},
    "invscaling": {"learning_rate": "invscaling", "tol": 1e-5},
    "number": {"learning_rate": 0.5},
    "plain_l1": {"momentum": 0, "penalty": "l1", "alpha": 0.05},
    "adam": {"solver": "adam", "tol": 1e-5},
    "average": {"average": 30, "tol": 1e-5},
    "batches": {"batch_size": 7, "shuffle": False, "momentum": 0},
    "batches_invscaling": {
        "batch_size": 7,
        "shuffle": False,
        "learning_rate": "invscaling",
    },
}
MLP_TOGETHER = {
    "default": {"hidden_layer_sizes": (3,)},
    "sgd": {"hidden_layer_sizes": (3,), "solver": "sgd", "learning_rate_init": 0.5},
    "adaptive": {
        "hidden_layer_sizes": (3,),
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 2.0,
    },
    "squared": {"hidden_layer_sizes": (2, 2), "loss": "squared_error", "tol": 1e-5},
}
TOGETHER = [
    pytest.param(estimator, {**FEW, **parameters}, id=f"{estimator.__name__}-{name}")
    for estimator, several in (
        (textbook_logistic, LOGISTIC_TOGETHER),
        (BackpropMLPClassifier, MLP_TOGETHER),
    )
    for name, parameters in several.items()
]
every_fit = pytest.mark.parametrize(("estimator", "parameters"), TOGETHER)


@pytest.fixture
def few_rows():
    """Return (X, y) of 20 rows with overlapping classes."""
    rng = np.random.RandomState(3)
    X = rng.normal(size=(20, 3))
    return X, (X[:, 0] + rng.normal(size=20) > 0).astype(int)


@pytest.fixture
def together(monkeypatch):
    """Return a function that sets the maximum number of epochs of a call."""
    return lambda n: monkeypatch.setattr(train, "MAX_EPOCHS_PER_CALL", n)


@pytest.fixture
def calls(monkeypatch):
    """Return a list that records the number of epochs of each call of the kernels."""
    numbers, run_epochs = [], compiled.run_epochs

    def recorded(*arguments):
        state, objectives = run_epochs(*arguments)
        numbers.append(len(objectives))
        return state, objectives

    monkeypatch.setattr(compiled, "run_epochs", recorded)
    return numbers


def numbers_in(state):
    """Return all fields of a state, for exact comparison."""
    return {**vars(state), "memory": vars(state.memory)}


def everything(model, warned):
    """Return all results of a fit, for exact comparison."""
    state = model._checkpoint.state
    return {
        **numbers_in(state),
        "progress": state.progress._asdict(),
        "model_theta": model._checkpoint.model_theta,
        "ended_by": model._checkpoint.ended_by,
        "loss_curve_": model.loss_curve_,
        "best_loss_": model.best_loss_,
        "n_iter_": model.n_iter_,
        "t_": model.t_,
        "warnings": [str(warning.message) for warning in warned],
    }


def fitted(model, X, y):
    """Fit, and return `everything`."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model.fit(X, y)
    return everything(model, warned)


@every_fit
@pytest.mark.parametrize("n", [2, 7, 1000])
def test_fit_with_epochs_together_equals_one_by_one(
    estimator, parameters, n, few_rows, together
):
    together(1)
    expected = fitted(estimator(**parameters), *few_rows)
    together(n)
    np.testing.assert_equal(fitted(estimator(**parameters), *few_rows), expected)


@every_fit
def test_resuming_after_epochs_together_equals_one_by_one(
    estimator, parameters, few_rows, together
):
    results = []
    for n in (1, 1000):
        together(n)
        model = estimator(**parameters, warm_start=True)
        fitted(model, *few_rows)
        model.partial_fit(*few_rows)
        model.set_params(max_iter=77)
        results.append(fitted(model, *few_rows))
    np.testing.assert_equal(results[1], results[0])


@every_fit
def test_tiny_epochs_run_together(estimator, parameters, few_rows, calls):
    result = fitted(estimator(**parameters), *few_rows)
    assert len(calls) < max(2, result["n_iter_"])


def test_a_fit_can_end_within_a_call(few_rows, calls):
    # Otherwise the tests above would prove nothing.
    parameters = {**FEW, "tol": 1e-3}
    result = fitted(textbook_logistic(**parameters), *few_rows)
    assert max(calls) == 1000
    assert 5 < result["n_iter_"] < 1000


def test_a_rate_can_be_lowered_several_times_within_a_call(few_rows, calls):
    parameters = {**FEW, **LOGISTIC_TOGETHER["adaptive"]}
    result = fitted(textbook_logistic(**parameters), *few_rows)
    assert max(calls) == 1000
    assert result["progress"]["rate_factor"] < 5**-3
    assert result["ended_by"] == "converged"


def test_work_limits_the_epochs_of_a_call(few_rows, calls, monkeypatch):
    problem = make_problem(architecture=Architecture((3, 1)))
    settings, data = make_settings(batch_size=20), make_data(few_rows[0])
    work = compiled.work_of_step(problem, settings, data)
    monkeypatch.setattr(train, "WORK_PER_CALL", 12.5 * work)
    trained_from_0(problem, settings, data, 30)
    assert calls == [12, 12, 6]


def test_larger_epochs_run_one_by_one(calls, monkeypatch):
    monkeypatch.setattr(train, "WORK_PER_CALL", 1)
    trained_from_0(make_problem(), make_settings(batch_size=7), make_data(), 4)
    assert calls == [1, 1, 1, 1]


def test_shuffled_epochs_run_one_by_one(calls):
    trained_from_0(make_problem(), make_settings(), make_data(), 4)
    assert calls == [1, 1, 1, 1]


def test_printed_epochs_run_one_by_one(few_rows, calls, capsys):
    fitted(textbook_logistic(**{**FEW, "max_iter": 6, "tol": None}, verbose=1), *few_rows)
    assert calls == [1] * 6
    assert capsys.readouterr().out.count("epoch") == 6


def test_validated_epochs_run_one_by_one(few_rows, calls):
    parameters = {**FEW, "max_iter": 6, "tol": None}
    fitted(textbook_logistic(**parameters, early_stopping=True), *few_rows)
    assert calls == [1] * 6


# Learning rates above 2 / alpha: each epoch multiplies the weights by the same factor.
DIVERGING = {
    "after_some_epochs": {"learning_rate_init": 2.5, "alpha": 1.0, "momentum": 0},
    "after_many_epochs": {"learning_rate_init": 2.02, "alpha": 1.0, "momentum": 0},
    "at_once": {"learning_rate_init": 1e200, "alpha": 1.0, "momentum": 0},
    "in_the_second_epoch": {"learning_rate_init": 1e20, "alpha": 1.0, "momentum": 0},
    "with_momentum": {"learning_rate_init": 4.5, "alpha": 1.0},
    "with_batches": {
        "learning_rate_init": 2.1,
        "alpha": 1.0,
        "momentum": 0,
        "batch_size": 7,
        "shuffle": False,
    },
}


def message_of(model, X, y):
    """Return the message of the error that training raises."""
    with pytest.raises(ValueError, match="diverged") as error:
        model.fit(X, y)
    return str(error.value)


@pytest.mark.parametrize("name", DIVERGING)
@pytest.mark.parametrize("n", [2, 7, 1000])
def test_divergence_error_with_epochs_together_equals_one_by_one(
    name, n, few_rows, together
):
    parameters = {**FEW, "tol": None, **DIVERGING[name]}
    together(1)
    expected = message_of(textbook_logistic(**parameters), *few_rows)
    together(n)
    assert message_of(textbook_logistic(**parameters), *few_rows) == expected


@pytest.mark.parametrize("name", DIVERGING)
def test_divergence_is_the_same_with_and_without_kernels(name, few_rows, switched):
    # Epoch and rate only: the objective's three digits may be rounded differently.
    parameters = {**FEW, "tol": None, **DIVERGING[name]}
    messages = []
    for on in (True, False):
        switched(on)
        messages.append(message_of(textbook_logistic(**parameters), *few_rows))
    (epoch, rate), (other_epoch, other_rate) = (
        (text.split(":")[0], text.split(", learning rate")[1]) for text in messages
    )
    assert (epoch, rate) == (other_epoch, other_rate)


def test_stopping_before_divergence_within_a_call_is_no_error(few_rows, together):
    # The rule stops long before weights are too large.
    parameters = {**FEW, "learning_rate_init": 2.02, "alpha": 1.0, "momentum": 0}
    results = []
    for n in (1, 1000):
        together(n)
        model = textbook_logistic(**parameters, n_iter_no_change=20)
        results.append(fitted(model, *few_rows))
    assert results[0]["ended_by"] == "converged"
    np.testing.assert_equal(results[1], results[0])


def test_an_interrupt_keeps_the_epochs_of_finished_calls(few_rows, monkeypatch):
    # The third of three calls of ten epochs is interrupted.
    run_epochs, n_calls = compiled.run_epochs, []

    def interrupted(*arguments):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        return run_epochs(*arguments)

    monkeypatch.setattr(train, "MAX_EPOCHS_PER_CALL", 10)
    monkeypatch.setattr(compiled, "run_epochs", interrupted)
    run = trained_from_0(make_problem(), make_settings(batch_size=7), make_data(), 30)
    assert (run.ended_by, run.state.epoch, len(run.curves.objectives)) == (
        EndedBy.INTERRUPT,
        20,
        20,
    )


def test_a_run_with_epochs_together_can_be_resumed():
    problem, settings, data = make_problem(), make_settings(batch_size=7), make_data()
    cut = trained_from_0(problem, settings, data, 13).state
    rest = train.train_in_epochs(problem, settings, cut, data, 17).state
    whole = trained_from_0(problem, settings, data, 30).state
    np.testing.assert_equal(numbers_in(rest), numbers_in(whole))
