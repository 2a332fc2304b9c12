"""Epochs in a CUDA graph: when they are recorded, and what happens if they cannot be.

The steps themselves are compared with reference.py in test_static_steps.py. The last tests
replay graphs if there is a CUDA device; else they are skipped.
"""

import gc
import warnings
import weakref

import numpy as np
import pytest
import sklearn
from sklearn.base import clone

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.arrays import to_numpy
from sklearn_nn._engine.epochs import cuda_graph

torch = pytest.importorskip("torch")
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(autouse=True)
def dispatch():
    """Let scikit-learn accept tensors."""
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def recorded(monkeypatch):
    """Treat CPU tensors as those of CUDA; return the list of the steps that are recorded.

    A "replay" takes the step itself.
    """
    steps = []

    def replay_of(static, step, n_steps):
        steps.append((step.__name__, n_steps))
        return step

    monkeypatch.setattr(cuda_graph, "is_on_cuda", lambda X: type(X) is torch.Tensor)
    monkeypatch.setattr(cuda_graph, "replay_of", replay_of)
    return steps


def rows_of(n_samples=50, dtype=np.float64, device="cpu"):
    """Return X, y and weights as tensors."""
    rng = np.random.RandomState(3)
    X = rng.normal(size=(n_samples, 5))
    y = (X[:, :3] + 0.3 * rng.normal(size=(n_samples, 3))).argmax(axis=1)
    weight = rng.uniform(0.5, 2.0, size=n_samples)
    arrays = X.astype(dtype), y, weight
    return [torch.asarray(array, device=device) for array in arrays]


def network(**parameters):
    """Return a small network; its epochs on 50 rows have 6 full batches and a short one."""
    few = {"learning_rate_init": 0.01, "batch_size": 8, "max_iter": 40, "tol": None}
    return BackpropMLPClassifier((6, 4), **{**few, "random_state": 0, **parameters})


MODELS = {
    "adam": network(),
    "adamw": network(solver="adamw", activation=("gelu", "silu"), max_gradient_norm=0.5),
    "sgd": network(solver="sgd", learning_rate="invscaling", activation="tanh"),
    "weights": network(class_weight="balanced"),
    "early_stopping": network(early_stopping=True, validation_fraction=0.3, batch_size=4),
    "full_batch": network(batch_size="full", max_iter=120),
    "no_shuffle": network(shuffle=False, loss="squared_error"),
    "dropout": network(dropout=(0.3, 0.0), alpha=0.1),
    "converges": network(tol=1.0, n_iter_no_change=5),
}
every_model = pytest.mark.parametrize("name", MODELS)


def assert_same_models(model, expected, n_eps=5e4):
    """Assert that coefficients and loss curves are equal to rounding.

    A few hundred steps add up rounding errors.
    """
    for here, there in zip(model.coefs_, expected.coefs_, strict=True):
        here, there = to_numpy(here), to_numpy(there)
        bound = n_eps * np.finfo(there.dtype).eps * max(1, np.abs(there).max())
        np.testing.assert_allclose(here, there, rtol=0, atol=bound)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-6)


@every_model
def test_models_of_static_steps_equal_those_of_the_reference(name, recorded, monkeypatch):
    X, y, weight = rows_of()
    model = clone(MODELS[name]).fit(X, y, weight)
    assert [step for step, _ in recorded][:1] == ["full_step"]
    monkeypatch.undo()
    assert_same_models(model, clone(MODELS[name]).fit(X, y, weight))


@pytest.mark.parametrize("name", ["adam", "dropout", "no_shuffle"])
def test_partial_fits_of_static_steps_equal_one_fit_bit_for_bit(name, recorded):
    X, y, weight = rows_of(n_samples=450)
    whole, pieces = clone(MODELS[name]).set_params(max_iter=4), clone(MODELS[name])
    whole.fit(X, y, weight)
    for _ in range(4):
        pieces.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weight)
    assert len(recorded) == 10
    assert all(map(torch.equal, pieces.coefs_, whole.coefs_))
    assert pieces.loss_curve_ == whole.loss_curve_


def test_a_run_resumes_with_the_order_that_was_drawn_ahead(recorded):
    X, y, _ = rows_of()
    whole = network(max_iter=80).fit(X, y)
    first = network(max_iter=40, warm_start=True).fit(X, y)
    assert all(map(torch.equal, first.fit(X, y).coefs_, whole.coefs_))


def test_all_steps_of_the_run_count(recorded):
    X, y, _ = rows_of()
    network(max_iter=40).fit(X, y)
    assert recorded == [("full_step", 240), ("last_step", 40)]


@pytest.mark.parametrize("batch_size", [50, 100])
def test_batches_of_all_rows_count(recorded, batch_size):
    X, y, _ = rows_of()
    network(batch_size=batch_size, max_iter=60).fit(X, y)
    assert recorded == [("full_step", 60), ("last_step", 0)]


def test_no_step_is_recorded_in_a_short_run(recorded):
    X, y, _ = rows_of()
    network(max_iter=cuda_graph.MIN_STEPS // 6).fit(X, y)
    assert not recorded


# 8 rows, 5 * 6 + 6 * 4 + 4 * 3 weights, 3 products.
@pytest.mark.parametrize(("most", "n_recorded"), [(1584, 2), (1583, 0)])
def test_steps_of_large_products_are_not_recorded(most, n_recorded, recorded, monkeypatch):
    monkeypatch.setattr(cuda_graph, "MOST_MULTIPLICATIONS", most)
    X, y, _ = rows_of()
    network().fit(X, y)
    assert len(recorded) == n_recorded


def test_a_rare_step_is_not_recorded():
    # The last step of each of 40 epochs.
    def step():
        raise AssertionError("It is not taken.")

    assert cuda_graph.replay_of(None, step, cuda_graph.MIN_STEPS - 1) is step


def test_lbfgs_runs_without_a_graph(recorded):
    X, y, _ = rows_of()
    network(solver="lbfgs").fit(X, y)
    assert not recorded


@pytest.mark.parametrize(("dropout", "n_recorded"), [(0.0, 2), (0.3, 0)])
def test_masks_that_need_much_memory_are_not_recorded(
    dropout, n_recorded, recorded, monkeypatch
):
    monkeypatch.setattr(cuda_graph, "LARGEST_MASKS", 499)  # 50 rows, 6 + 4 units
    X, y, _ = rows_of()
    network(dropout=dropout).fit(X, y)
    assert len(recorded) == n_recorded


def test_arrays_of_numpy_are_not_on_cuda():
    X, _, _ = rows_of()
    assert not cuda_graph.is_on_cuda(to_numpy(X))
    assert not cuda_graph.is_on_cuda(X)


def test_training_falls_back_with_one_warning(recorded, monkeypatch):
    def failing(static, step, n_steps):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "replay_of", failing)
    X, y, _ = rows_of()
    with pytest.warns(RuntimeWarning, match="not permitted when stream") as caught:
        model = network().fit(X, y)
    assert len(caught) == 1
    monkeypatch.undo()
    expected = network().fit(X, y)
    for here, there in zip(model.coefs_, expected.coefs_, strict=True):
        assert torch.equal(here, there)


@pytest.mark.parametrize("diverges", [False, True])
def test_buffers_are_released_when_training_ends(recorded, diverges, monkeypatch):
    made = []

    class Recorded(cuda_graph.StaticSteps):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(weakref.ref(self))

    monkeypatch.setattr(cuda_graph, "StaticSteps", Recorded)
    X, y, _ = rows_of()
    gc.disable()
    try:
        if diverges:
            with pytest.raises(ValueError, match="diverged"):
                network(solver="sgd", learning_rate=1e300).fit(X, y)
        else:
            network().fit(X, y)
    finally:
        gc.enable()
    assert [reference() for reference in made] == [None]


# On a CUDA device.


def fitted_without_graph(model, *rows):
    """Return the model fitted by the reference, operation by operation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_graph, "is_on_cuda", lambda X: False)
        return model.fit(*rows)


@on_cuda
@every_model
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_replayed_models_equal_those_of_the_reference(name, dtype):
    rows = rows_of(dtype=dtype, device="cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = clone(MODELS[name]).fit(*rows)
    assert_same_models(model, fitted_without_graph(clone(MODELS[name]), *rows))


@on_cuda
def test_replayed_models_are_the_same_in_every_run():
    rows = rows_of(device="cuda")
    one, other = network().fit(*rows), network().fit(*rows)
    assert all(map(torch.equal, one.coefs_, other.coefs_))


@on_cuda
def test_memory_of_the_device_is_released_when_training_ends():
    rows = rows_of(device="cuda")
    network().fit(*rows)  # the work space of cuBLAS stays
    before = torch.cuda.memory_allocated()
    network().fit(*rows)
    assert torch.cuda.memory_allocated() == before
