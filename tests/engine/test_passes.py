"""Training starts few operations, and reads and writes its arrays few times.

On a GPU, these take most of the time of a step beside the matrix products. They are counted
on the processor: PyTorch reports each operation that it computes.
"""

import numpy as np
import pytest
import sklearn
from networks import network_of
from optimizers import every_optimizer
from small_problems import make_problem, make_settings

from sklearn_nn import SGDLogisticClassifier, _methods
from sklearn_nn._data import device_labels
from sklearn_nn._engine import arrays
from sklearn_nn._engine.epochs.optimizers import SGD, Adam
from sklearn_nn._engine.epochs.static_steps import StaticSteps
from sklearn_nn._engine.newton import device_rows
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.types import Dataset

torch = pytest.importorskip("torch")
dispatch = pytest.importorskip("torch.utils._python_dispatch")

PRODUCTS = {"mm", "addmm", "dot", "mv", "addmv"}
GATHERS = {"index_select", "index"}
ADAM = Adam(0.9, 0.999, 1e-8)
# Of float32.
N_BYTES = 4


class Operations(dispatch.TorchDispatchMode):
    """Counts operations, and bytes that they read and write; views are free.

    `n` are all operations, `n_bytes` the bytes of all but matrix products.
    """

    def __init__(self):
        super().__init__()
        self.n, self.n_bytes = 0, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        given = [array for array in arguments if isinstance(array, torch.Tensor)]
        if arguments and isinstance(arguments[0], (list, tuple)):  # of `concat`
            given = [array for array in arguments[0] if isinstance(array, torch.Tensor)]
        if isinstance(result, torch.Tensor):
            self.count(function._schema, given, result)
        return result

    def count(self, schema, given, result):
        """Count one operation."""
        name = schema.name.split("::")[1]
        storage = result.untyped_storage().data_ptr()
        is_view = any(a.untyped_storage().data_ptr() == storage for a in given)
        if is_view and not schema.is_mutable:
            return
        self.n += 1
        if name in PRODUCTS:
            return
        read = sum({a.data_ptr(): a.nbytes for a in given}.values())
        if name in GATHERS:
            read = result.nbytes
        elif name == "copy_":
            read = given[1].nbytes
        elif name == "sum" and result.dtype != given[0].dtype:
            # The kernel copies its argument to the dtype of the sum first.
            self.n += 1
            read += 2 * given[0].numel() * result.element_size()
        self.n_bytes += read + result.nbytes


def step_of(sizes, batch_size, loss=("log_loss", "softmax"), optimizer=ADAM, **settings):
    """Return the Operations of a step on float32 rows with an l2 penalty, and its theta."""
    architecture = network_of(sizes, "relu")
    problem = make_problem(
        architecture=architecture, loss=LOSSES[loss], penalty=Penalty(l2=1e-4)
    )
    settings = make_settings(optimizer=optimizer, batch_size=batch_size, **settings)
    rng, n = np.random.RandomState(0), 2 * batch_size
    X = torch.from_numpy(rng.normal(size=(n, sizes[0])).astype(np.float32))
    y = rng.randint(2, size=n)
    if loss[1] == "logistic":
        y = y[:, None].astype(np.float32)
    static = StaticSteps(problem, settings, Dataset(X, torch.from_numpy(y)))
    static.full_step()  # fills caches
    static.rewind()
    with Operations() as operations:
        static.full_step()
    return operations, architecture


def test_operations_are_counted():
    x, y = torch.ones((30, 10)), torch.ones((30, 10), dtype=torch.float64)
    with Operations() as operations:
        torch.sum(x[:, :5].T @ x[:, 5:], dtype=torch.float64)
        torch.reshape(y, (-1,)).add_(1)
    # A product, a sum and its copy, an addition in place.
    assert operations.n == 4
    assert operations.n_bytes == 25 * (4 + 8 + 8) + 8 + 2 * 300 * 8


# A loop of PyTorch has 28 with the fused Adam, and 86 with the default one; before the
# products, sums, exponentials and moments of one operation each, a step had 84.
@pytest.mark.parametrize(("n_hidden", "most"), [(0, 45), (1, 55), (2, 64)])
def test_a_step_starts_few_operations(n_hidden, most):
    operations, _ = step_of((20, *(512,) * n_hidden, 10), 1024)
    assert operations.n <= most


def test_a_step_of_a_linear_model_starts_few_operations():
    loss = "log_loss", "logistic"
    operations, _ = step_of((20, 1), 1024, loss=loss, optimizer=SGD())
    assert operations.n <= 36


@pytest.mark.parametrize("optimizer", every_optimizer(), ids=str)
def test_a_step_passes_over_theta_few_times(optimizer):
    # A pass reads or writes as many numbers as theta has. The penalty takes 3, the gradient
    # as one vector 2, Adam 18, and the results' copies into the buffers 2 each.
    operations, architecture = step_of((1000, 400, 10), 4, optimizer=optimizer)
    assert operations.n_bytes <= 30 * N_BYTES * architecture.n_parameters


def test_a_step_passes_over_hidden_outputs_few_times():
    # Of each hidden layer: relu 2 and its derivative 3, the gradient of the intercepts 1,
    # and the sums of 32 rows each. Intercepts are added by the products.
    batch_size, sizes = 4096, (4, 256, 256, 2)
    operations, architecture = step_of(sizes, batch_size)
    theta = 30 * N_BYTES * architecture.n_parameters
    outer = 40 * N_BYTES * batch_size * (sizes[0] + sizes[-1])
    hidden = N_BYTES * batch_size * sum(sizes[1:-1])
    assert operations.n_bytes <= 6.5 * hidden + theta + outer


def test_dropout_passes_over_hidden_outputs_few_times():
    # The mask 2 (with a byte per number twice and a number), its products 3 and 3.
    batch_size, sizes = 4096, (4, 256, 256, 2)
    plain, _ = step_of(sizes, batch_size)
    dropped, _ = step_of(sizes, batch_size, dropout=(0.5, 0.5), dropout_key=1)
    hidden = N_BYTES * batch_size * sum(sizes[1:-1])
    assert dropped.n_bytes - plain.n_bytes <= 8 * hidden


# Without a learning rate.


def test_a_fit_without_a_rate_starts_few_operations(monkeypatch):
    # Two steps and the proof. Before sums moved together, and diagonals were computed only
    # where they are asked for, there were 438 operations and 27 moves to the host.
    for module in (_methods, device_labels):
        monkeypatch.setattr(module, "is_in_host_memory", lambda array: False)
    monkeypatch.setattr(device_rows, "LEAST_NUMBERS", 2**40)
    moves, move = [], arrays.TO_HOST["torch"]
    monkeypatch.setitem(
        arrays.TO_HOST, "torch", lambda array: moves.append(1) or move(array)
    )
    rng = np.random.RandomState(0)
    X = rng.normal(size=(2000, 100)).astype(np.float32)
    logits = X @ rng.normal(size=100) / 5 + 1.5 * rng.normal(size=2000)
    y = (logits > 0).astype(int)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    with sklearn.config_context(array_api_dispatch=True):
        model = SGDLogisticClassifier(random_state=0).fit(X, y)  # fills caches
        moves.clear()
        with Operations() as operations:
            model.fit(X, y)
    assert model.n_iter_ == 2
    assert operations.n <= 330
    assert len(moves) <= 21
