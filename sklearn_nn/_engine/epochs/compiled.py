"""Epochs and predictions by compiled kernels, equal to the reference up to rounding errors.

`supports` and `supports_rows` tell what the kernels can do: float32 and float64 of NumPy,
dense in any order or CSR. reference.py and network.py do everything else, and everything in
an installation without a C compiler.
"""

from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..._kernels import warn_if_built_elsewhere
from ..threads import ONE, Threads, n_blas_threads
from .optimizers import SGD
from .records import EpochMemory

try:
    import sklearn_nn._kernels.kernels as kernels
except ModuleNotFoundError:  # built without a C compiler
    kernels = None
    warn_if_built_elsewhere()

# The losses whose Hessian the kernels know.
CROSS_ENTROPIES = {"binary_cross_entropy", "categorical_cross_entropy"}

# Index into `instruction_sets()`: the best one.
LEVEL = 0

# Python handles no Ctrl-C while a kernel runs. So a call that takes steps has at most
# about this many multiplications, a fraction of a second. A pass is one call.
MAX_WORK_PER_CALL = 2e9

# With one thread, the kernels' own matrix product is at least as fast as BLAS. On idle
# cores, more threads pay for smaller products than this. On busy cores they wait for each
# other in each product, so that products should be few and large (benchmarks/README.md).
THREADS_PAY_FROM = 2**25
NEVER = 2**62

# A pass over rows is divided into parts of at least MIN_WORK multiplications: threads pay
# for more. There are at most MAX_PARTS, as many threads can take part.
MIN_WORK, MAX_PARTS = 2**20, 16
# Predictions with more multiplications are made by several threads.
PARALLEL_WORK = 2**24


def instruction_sets():
    """Return the names of the instruction sets whose kernels can run here, best first."""
    return [] if kernels is None else kernels.INSTRUCTION_SETS


def supports(problem, settings, data):
    """Return whether the kernels can train on `data`."""
    return (
        supports_rows(len(problem.architecture.layer_sizes) - 1, data.X)
        and kernels.ACTIVATIONS.keys() >= set(problem.architecture.activations)
        and loss_name(problem.loss) in kernels.LOSSES
        and optimizer_name(settings.optimizer) in kernels.OPTIMIZERS
    )


def loss_name(loss):
    """Return the name by which the kernels know a loss."""
    return loss.value_and_gradient.__name__


def optimizer_name(optimizer):
    """Return the name by which the kernels know an optimizer."""
    return type(optimizer).__name__


def supports_depth(n_layers):
    """Return whether there are kernels, and they support `n_layers` layers."""
    return kernels is not None and n_layers <= kernels.DEEPEST


def supports_rows(n_layers, X):
    """Return whether the kernels support the rows of X, in a network of `n_layers`."""
    if not supports_depth(n_layers) or 0 in X.shape:
        return False
    if isinstance(X, np.ndarray):
        return is_float(X)
    return issparse(X) and X.format == "csr" and is_plain_csr(X)


def supports_layers(layers, X, activations):
    """Return whether the kernels can predict X with these layers, which may be edited."""
    if not supports_rows(len(layers), X) or len(activations) != len(layers) - 1:
        return False
    sizes = (X.shape[1], *(intercept.size for _, intercept in layers))
    expected = [((m, n), (n,)) for m, n in pairwise(sizes)]
    return [(weight.shape, intercept.shape) for weight, intercept in layers] == expected


def is_float(values):
    """Return whether the kernels can read these numbers."""
    whole_strides = all(stride % values.itemsize == 0 for stride in values.strides)
    is_known = values.dtype in (np.float32, np.float64)
    return is_known and values.flags.aligned and whole_strides


def is_plain_csr(X):
    """Return whether a CSR matrix has contiguous arrays of the usual types."""
    integers = X.indices.dtype == X.indptr.dtype and X.indices.dtype in (np.int32, np.int64)
    parts = (X.data, X.indices, X.indptr)
    contiguous = all(part.flags.c_contiguous and part.flags.aligned for part in parts)
    return integers and contiguous and is_float(X.data)


def run_epoch(problem, settings, state, data, order, learning_rates):
    """Return the result of `reference.run_epoch`."""
    state, [objective] = run_epochs(problem, settings, state, data, order, learning_rates)
    return state, objective


def run_epochs(problem, settings, state, data, order, learning_rates):
    """Return the state after one or several epochs, and the list of their objectives.

    The epochs have the same order. `learning_rates` has one rate per batch of each epoch;
    the other arguments are those of `reference.run_epoch`.
    """
    rates = np.ascontiguousarray(learning_rates, dtype=np.float64)
    size = min(settings.batch_size, data.n_samples)
    n_batches = ceil(data.n_samples / size)
    totals = np.zeros(len(rates) // n_batches)
    theta, memory = state.theta.copy(), state.memory
    slots = tuple(slot.copy() for slot in memory.slots)
    average = None
    if settings.average_from:
        before = memory.average
        average = np.zeros(len(theta)) if before is None else before.copy()
    c_problem, n_averaged = c_problem_of(problem, settings, data), memory.n_averaged
    (y, weight), order, rows = targets_of(data), index_of(order), index_of(data.rows)
    steps_per_call = int(MAX_WORK_PER_CALL / work_of_step(problem, settings, data))
    steps_per_call = max(1, steps_per_call)
    for start in range(0, len(rates), steps_per_call):
        n_averaged = kernels.run_steps(
            level=LEVEL,
            blas_from=blas_from(problem.architecture.layer_sizes, size),
            problem=c_problem,
            X=data.X,
            index=rows,
            y=y,
            sample_weight=weight,
            theta=theta,
            slots=slots,
            average=average,
            n_averaged=n_averaged,
            n_slot_updates=memory.n_slot_updates + start,
            step=state.step + start,
            order=order,
            first_batch=start % n_batches,
            learning_rates=rates[start : start + steps_per_call],
            totals=totals[start // n_batches :],
        )
    state = replace(
        state,
        theta=theta,
        step=state.step + len(rates),
        epoch=state.epoch + len(totals),
        memory=EpochMemory(
            slots=slots,
            n_slot_updates=memory.n_slot_updates + len(rates),
            average=memory.average if average is None or n_averaged == 0 else average,
            n_averaged=n_averaged,
        ),
    )
    return state, (totals / data.n_samples).tolist()


def c_problem_of(problem, settings, data):
    """Return the problem and the settings as the kernels take them."""
    architecture, optimizer = problem.architecture, settings.optimizer
    return kernels.CProblem(
        layer_sizes=architecture.layer_sizes,
        activations=numbers_of(architecture.activations),
        fit_intercept=architecture.fit_intercept,
        loss=kernels.LOSSES[loss_name(problem.loss)],
        l2=problem.penalty.l2,
        l1=problem.penalty.l1,
        decay=problem.penalty.decay,
        optimizer=kernels.OPTIMIZERS[optimizer_name(optimizer)],
        momentum=getattr(optimizer, "momentum", 0.0),
        beta_1=getattr(optimizer, "beta_1", 0.0),
        beta_2=getattr(optimizer, "beta_2", 0.0),
        epsilon=getattr(optimizer, "epsilon", 0.0),
        batch_size=min(settings.batch_size, data.n_samples),
        average_from=min(settings.average_from, NEVER),
        max_gradient_norm=settings.max_gradient_norm or 0.0,
        dropout=settings.dropout,
        dropout_key=settings.dropout_key,
    )


def numbers_of(activations):
    """Return the kernels' number for each activation."""
    return [kernels.ACTIVATIONS[name] for name in activations]


def targets_of(data):
    """Return y and the weights of `data` in the types of the kernels."""
    is_class_index = data.y.ndim == 1
    y = np.ascontiguousarray(data.y, dtype=np.int64 if is_class_index else data.X.dtype)
    if data.sample_weight is None:
        return y, None
    return y, np.ascontiguousarray(data.sample_weight, dtype=data.X.dtype)


def index_of(numbers):
    """Return row numbers in the type of the kernels; None for all rows in order."""
    return None if numbers is None else np.ascontiguousarray(numbers, dtype=np.int64)


def blas_from(layer_sizes, n_rows):
    """Return the number of multiplications from which BLAS computes a product."""
    largest = n_rows * max(m * n for m, n in pairwise(layer_sizes))
    fits_int = max(n_rows, *layer_sizes) < 2**31  # BLAS has 32-bit integers
    # Checked last, because it takes longer than a small product.
    if largest < THREADS_PAY_FROM or not fits_int or n_blas_threads() == 1:
        return NEVER
    return THREADS_PAY_FROM


def work_of_step(problem, settings, data):
    """Return the approximate number of multiplications of a step."""
    layer_sizes, X = problem.architecture.layer_sizes, data.X
    stored = X.shape[1] if isinstance(X, np.ndarray) else X.nnz / X.shape[0]
    in_later_layers = problem.architecture.n_weights - X.shape[1] * layer_sizes[1]
    rows = min(settings.batch_size, data.n_samples)
    n_parameters = problem.architecture.n_parameters
    if is_lazy(problem, settings, data):
        # All weights are updated once per epoch, with l1 also every MAX_PENDING steps.
        n_parameters /= min(ceil(data.n_samples / rows), 4096)
    return 3 * rows * (stored * layer_sizes[1] + in_later_layers) + n_parameters


def is_lazy(problem, settings, data):
    """Return whether lazy.h applies, as lazy_works in kernels.c does."""
    linear = len(problem.architecture.layer_sizes) == 2
    more = settings.average_from or problem.penalty.decay or settings.max_gradient_norm
    plain = type(settings.optimizer) is SGD and not more
    return linear and plain and not isinstance(data.X, np.ndarray)


def predict(layers, X, activations, output):
    """Return the result of `prediction.predict`."""
    sizes = (X.shape[1], *(len(intercept) for _, intercept in layers))
    layers = [
        (np.ascontiguousarray(weight, X.dtype), np.ascontiguousarray(intercept, X.dtype))
        for weight, intercept in layers
    ]
    n_columns = 2 if output == "binary" else sizes[-1]
    predicted = np.empty((X.shape[0], n_columns), dtype=X.dtype)
    n_rows = min(len(predicted), kernels.ROWS_AT_ONCE)
    common = {
        "level": LEVEL,
        "blas_from": blas_from(sizes, n_rows),
        "layer_sizes": sizes,
        "activations": numbers_of(activations),
        "layers": layers,
        "output": kernels.OUTPUTS[output],
    }
    is_dense = isinstance(X, np.ndarray)
    first = X.size * sizes[1] if is_dense else X.nnz * sizes[1]
    work = first + len(predicted) * sum(m * n for m, n in pairwise(sizes[1:]))
    if work < PARALLEL_WORK or common["blas_from"] != NEVER:
        return predicted, kernels.predict(X=X, predicted=predicted, **common)

    def predict_rows(rows):
        return kernels.predict(X=part_of(X, rows), predicted=predicted[rows], **common)

    threads = Threads(n_blas_threads())
    try:
        finite = threads.map(predict_rows, slices_of(len(predicted), threads.n_threads))
    finally:
        threads.close()
    return predicted, all(finite)


def slices_of(n_rows: int, n_parts: int) -> list:
    """Return slices of rows, of whole batches of the kernels: those give the same bits."""
    size = kernels.ROWS_AT_ONCE * ceil(n_rows / (n_parts * kernels.ROWS_AT_ONCE))
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def supports_passes(loss, data):
    """Return whether the kernels can make the passes of linear_passes.py."""
    return supports_rows(1, data.X) and loss_name(loss) in CROSS_ENTROPIES


class Part(NamedTuple):
    """Rows that one kernel call passes over: views of those of a Dataset."""

    X: Any  # ndarray, CSR or CSRRows
    index: Any  # (n,) numbers of rows of X, or None
    y: Any
    sample_weight: Any
    rows: slice  # of all rows


class CSRRows(NamedTuple):
    """Consecutive rows of a CSR matrix, whose arrays they share."""

    data: Any
    indices: Any
    indptr: Any  # need not begin with 0
    shape: tuple


def part_of(X, rows: slice):
    """Return consecutive rows of X, dense or CSR, without a copy."""
    if isinstance(X, np.ndarray):
        return X[rows]
    start, stop, _ = rows.indices(X.shape[0])
    indptr = X.indptr[start : stop + 1]
    return CSRRows(X.data, X.indices, indptr, (stop - start, X.shape[1]))


def parts_of(data, n_outputs: int) -> list:
    """Return the Parts of the rows, as many as their number and size suggest."""
    n, X = data.n_samples, data.X
    stored = X.shape[1] if isinstance(X, np.ndarray) else X.nnz / X.shape[0]
    work = n * stored * n_outputs
    # Sums of each part take time and memory, too.
    n_parts = min(MAX_PARTS, work / MIN_WORK, work / (8 * X.shape[1] * n_outputs))
    n_parts = int(max(1, n_parts))
    (y, weight), index = targets_of(data), index_of(data.rows)
    if n_parts == 1:
        return [Part(X, index, y, weight, slice(0, n))]
    ends = [n * i // n_parts for i in range(n_parts + 1)]
    parts = []
    for rows in (slice(*pair) for pair in pairwise(ends)):
        part = part_of(X, rows) if index is None else X
        each = (None if v is None else v[rows] for v in (index, y, weight))
        parts.append(Part(part, *each, rows))
    return parts


def evaluate(loss, data, coordinates, point, threads=ONE, needs_diagonal=True):
    """Return the result of `linear_passes.evaluate`.

    The diagonal is None if it is not needed and takes time.
    """
    proba = np.empty((data.n_samples, point.shape[1]), dtype=data.X.dtype)
    takes_time = point.shape[1] > 1 or not isinstance(data.X, np.ndarray)
    sums = run_pass(
        "evaluation",
        loss,
        data,
        coordinates,
        proba,
        point,
        threads,
        has_diagonal=needs_diagonal or not takes_time,
    )
    return *sums, proba


def hessian_product(loss, data, coordinates, proba, damping, direction, threads=ONE):
    """Return the result of `linear_passes.hessian_product`."""
    arguments = loss, data, coordinates, proba, direction, threads, damping
    return run_pass("hessian_product", *arguments)[1]


def logits(loss, data, coordinates, point, threads=ONE):
    """Return the result of `linear_passes.logits`."""
    values = np.empty((data.n_samples, point.shape[1]), dtype=data.X.dtype)
    run_pass("logits", loss, data, coordinates, values, point, threads)
    return values


def weighted_sum(loss, data, coordinates, factors, threads=ONE):
    """Return the result of `linear_passes.weighted_sum`."""
    values = np.ascontiguousarray(factors, dtype=data.X.dtype)
    point = np.zeros((data.X.shape[1] + 1, values.shape[1]))  # not read
    return run_pass("weighted_sum", loss, data, coordinates, values, point, threads)[1]


def sparse_hessian(X, rows, coordinates, omega):
    """Return the sum over `rows` of omega_i [u_i, 1]^T [u_i, 1], for CSR X."""
    n_features = X.shape[1]
    matrix = np.zeros((n_features + 1, n_features + 1))
    omega = np.ascontiguousarray(omega, dtype=X.dtype)
    kernels.add_outer_products(LEVEL, X, index_of(rows), omega, matrix)
    # If indices are not sorted, some terms are above the diagonal instead of below.
    matrix = np.tril(matrix) + np.triu(matrix, 1).T
    inverse = np.append(1 / coordinates.scale, 1.0)
    matrix *= inverse[:, None] * inverse
    matrix += np.tril(matrix, -1).T
    matrix = coordinates.centred_products(matrix)
    diagonal = np.diag_indices_from(matrix)
    # That of a constant column may be below 0 by rounding.
    matrix[diagonal] = np.maximum(matrix[diagonal], 0.0)
    return matrix


def run_pass(
    kind,
    loss,
    data,
    coordinates,
    values,
    point,
    threads: Threads,
    damping=0.0,
    has_diagonal=False,
):
    """Make one pass; return the sum of the losses, the sums, and the diagonal or None.

    The kernels neither centre nor scale sparse rows: theta and sums are converted instead.
    """
    X, scale = data.X, coordinates.scale[:, None]
    is_sparse, shape = not isinstance(X, np.ndarray), point.shape
    if is_sparse:
        weight, centre = point[:-1] / scale, coordinates.centre
        point = np.vstack([weight, point[-1:] - centre @ weight])
    common = {
        "level": LEVEL,
        "blas_from": NEVER,
        "kind": kernels.PASSES[kind],
        "loss": kernels.LOSSES[loss_name(loss)],
        "centre": coordinates.centre.astype(X.dtype),
        "inverse_scale": (1 / coordinates.scale).astype(X.dtype),
        "theta": np.ascontiguousarray(point, dtype=X.dtype),
        "damping": damping,
    }

    def sums_of(part):
        sums = np.zeros(shape)
        diagonal = np.zeros(shape) if has_diagonal else None
        total = kernels.run_pass(
            X=part.X,
            index=part.index,
            y=part.y,
            sample_weight=part.sample_weight,
            values=values[part.rows],
            sums=sums,
            diagonal=diagonal,
            **common,
        )
        return total, sums, diagonal

    parts = threads.map(sums_of, parts_of(data, shape[1]))
    total, sums, diagonal = parts[0]
    for other_total, other_sums, other_diagonal in parts[1:]:
        total, sums = total + other_total, sums + other_sums
        diagonal = None if diagonal is None else diagonal + other_diagonal
    if is_sparse:
        centre = centre[:, None]
        sums[:-1] = (sums[:-1] - centre * sums[-1]) / scale
        if diagonal is not None:
            # Each row with an absent value adds omega centre^2, each other one the rest.
            rounded = centre.astype(X.dtype).astype(np.float64)  # as the kernels read it
            diagonal[:-1] = np.maximum(diagonal[:-1] + rounded**2 * diagonal[-1], 0.0)
            diagonal[:-1] /= scale**2
    return total, sums, diagonal


def supports_experts(memory, batch):
    """Return whether the kernels can teach a batch to the experts of a stream."""
    penalty, is_dense = batch.penalty, isinstance(batch.X, np.ndarray)
    is_matrix = memory.precision.ndim == 4
    is_smooth = not (penalty.l1 or penalty.decay)
    return kernels is not None and is_dense and is_matrix and is_smooth


def learn(memory, lengths, batch):
    """Return the result of `experts.learned_by_all`."""
    memory = type(memory)(*(np.array(array, np.float64, order="C") for array in memory))
    label_type = np.int64 if batch.y.ndim == 1 else np.float64
    objective = kernels.learn(
        LEVEL,
        *memory,
        np.ascontiguousarray(lengths, dtype=np.float64),
        np.ascontiguousarray(batch.X, dtype=np.float64),
        np.ascontiguousarray(batch.y, dtype=label_type),
        np.ascontiguousarray(batch.weight, dtype=np.float64),
        batch.fit_intercept,
        batch.penalty.l2,
    )
    return memory, objective


def supports_votes(X):
    """Return whether the kernels can count the votes of trees on these rows."""
    return kernels is not None and isinstance(X, np.ndarray)


def count_votes(X, forest):
    """Return the result of `count_votes` of _table/forest.py, for float32 rows X (n, p)."""
    counts = np.zeros((len(X), len(forest.shares)), dtype=np.int32)
    nodes = forest.root, forest.column, forest.threshold
    nodes += forest.left, forest.right, forest.vote
    kernels.count_votes(*map(np.ascontiguousarray, (*nodes, X)), counts)
    return counts
