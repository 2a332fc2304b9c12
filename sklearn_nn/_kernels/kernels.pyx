# cython: language_level=3, freethreading_compatible=True
"""Python's interface to the C kernels: arrays and numbers in, numbers out, without the GIL.

compiled.py makes sure that arrays have the types, orders and lengths stated here and in
kernels.h; nothing is checked again. No state is shared between calls, so Python without a GIL
may make several at once, as long as none writes arrays that another one reads.
"""

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint64_t
from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef extern from "kernels.h" nogil:
    enum: MAX_LAYERS
    enum: MAX_KERNELS
    enum: PREDICTED_ROWS
    enum c_activation "activation":
        IDENTITY, LOGISTIC, TANH, RELU, LEAKY_RELU, SOFTPLUS, ELU, SILU, GELU
    enum c_loss "loss":
        BINARY_CROSS_ENTROPY, CATEGORICAL_CROSS_ENTROPY
        BINARY_SQUARED_ERROR, CATEGORICAL_SQUARED_ERROR
    enum c_output "output":
        AS_LOGITS, AS_BINARY, AS_LOGISTIC, AS_SOFTMAX
    enum c_optimizer "optimizer":
        SGD, MOMENTUM, NESTEROV, ADAM

    struct c_rows "rows":
        int64_t n_samples, n_features
        const void *values
        int64_t row_stride, column_stride
        const void *indices
        const void *indptr
        int wide
        const int64_t *index

    struct c_targets "targets":
        const void *y
        const void *sample_weight

    struct c_architecture "architecture":
        int n_layers
        int64_t *layer_sizes
        c_activation *activations

    struct c_problem "problem":
        c_architecture architecture
        int fit_intercept, loss
        double l2, l1, decay
        int optimizer
        double momentum, beta_1, beta_2, epsilon
        int64_t batch_size, average_from
        double max_gradient_norm
        double *dropout
        uint64_t *dropout_key

    struct c_state "state":
        void *theta
        void **slots
        double *average
        int64_t n_averaged, n_slot_updates, step

    struct c_blas "blas":
        void *gemm
        int64_t from_ "from"

    enum c_pass_kind "pass_kind":
        EVALUATION
        HESSIAN_PRODUCT
        LOGITS
        WEIGHTED_SUM

    struct c_pass "pass":
        c_pass_kind kind
        const void *centre
        const void *inverse_scale
        const void *theta
        void *values
        double *sums
        double *diagonal
        double damping
        double loss

    enum: MAX_EXPERTS

    struct c_experts "experts":
        int64_t n_experts, n_features, n_outputs
        double *centre
        double *scale
        double *variance
        double *mass
        double *point
        double *slope
        double *precision
        double *n_rows
        double *score
        const double *remembered

    struct c_chunk "chunk":
        int64_t n_samples
        const double *X
        const void *y
        const double *weight
        int fit_intercept
        double l2
        double objective

    struct c_kernels "kernels":
        const char *instruction_set
        int run_steps(
            const c_problem *, const c_rows *, const c_targets *, c_state *, const int64_t *,
            int64_t, int64_t, const double *, double *, const c_blas *) noexcept nogil
        int predict(
            const c_architecture *, const void **, const void **, const c_rows *, int, void *,
            int *, const c_blas *) noexcept nogil
        int run_pass(
            int, int64_t, const c_rows *, const c_targets *, c_pass *,
            const c_blas *) noexcept nogil
        void add_outer_products(const c_rows *, const void *, double *) noexcept nogil
        int learn(const c_experts *, c_chunk *) noexcept nogil

    int available_kernels(int is_double, const c_kernels **found) noexcept


cdef extern from "forest.h" nogil:
    struct c_forest "forest":
        int64_t n_trees, n_classes
        const int *root
        const int *column
        const int *left
        const int *right
        const int *vote
        const float *threshold

    void c_count_votes "count_votes"(
        const c_forest *, int64_t, int64_t, const float *, int *) noexcept


# The names of Python's registries and functions, to the numbers of kernels.h. Python trains
# on reference.py if a name is missing here.
ACTIVATIONS = {
    "identity": IDENTITY,
    "logistic": LOGISTIC,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "softplus": SOFTPLUS,
    "elu": ELU,
    "silu": SILU,
    "gelu": GELU,
}
PASSES = {
    "evaluation": EVALUATION,
    "hessian_product": HESSIAN_PRODUCT,
    "logits": LOGITS,
    "weighted_sum": WEIGHTED_SUM,
}
LOSSES = {
    "binary_cross_entropy": BINARY_CROSS_ENTROPY,
    "categorical_cross_entropy": CATEGORICAL_CROSS_ENTROPY,
    "binary_squared_error": BINARY_SQUARED_ERROR,
    "categorical_squared_error": CATEGORICAL_SQUARED_ERROR,
}
OUTPUTS = {
    "logits": AS_LOGITS,
    "binary": AS_BINARY,
    "logistic": AS_LOGISTIC,
    "softmax": AS_SOFTMAX,
}
OPTIMIZERS = {"SGD": SGD, "Momentum": MOMENTUM, "Nesterov": NESTEROV, "Adam": ADAM}

DEEPEST = MAX_LAYERS
"""Maximum number of layers."""

ROWS_AT_ONCE = PREDICTED_ROWS
"""Number of rows that the forward pass of a prediction takes at once."""

cdef const c_kernels *FOUND[2][MAX_KERNELS]  # for float and double, best first
cdef int n_found = available_kernels(0, FOUND[0])
available_kernels(1, FOUND[1])

INSTRUCTION_SETS = [FOUND[0][level].instruction_set.decode() for level in range(n_found)]
"""Instruction sets that this processor runs, best first; a level is an index into it."""


cdef void *address(array) except? NULL:
    """Return the address of the array's first element, NULL for None."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    PyBuffer_Release(&view)
    return view.buf


cdef c_blas blas_of(bint is_double, int64_t blas_from):
    """Return scipy's BLAS for float or double."""
    cdef c_blas blas
    blas.gemm = <void *> dgemm if is_double else <void *> sgemm
    blas.from_ = blas_from
    return blas


cdef object point_to_rows(c_rows *rows, X, index):
    """Point `rows` to the rows `index` (None for all) of X, dense or CSR.

    Return the arrays that must live as long as `rows`: another thread may give a CSR matrix
    new ones.
    """
    cdef Py_buffer view
    rows.n_samples = X.shape[0] if index is None else index.shape[0]
    rows.n_features = X.shape[1]
    rows.index = <const int64_t *> address(index)
    rows.indices = rows.indptr = NULL
    if hasattr(X, "indptr"):
        values, indices, indptr = X.data, X.indices, X.indptr
        rows.values = address(values)
        rows.indices = address(indices)
        rows.indptr = address(indptr)
        rows.wide = indices.itemsize == 8
        return values, indices, indptr
    PyObject_GetBuffer(X, &view, PyBUF_STRIDES)
    rows.values = view.buf
    rows.row_stride = view.strides[0] // view.itemsize
    rows.column_stride = view.strides[1] // view.itemsize
    PyBuffer_Release(&view)
    return X


cdef int describe(c_architecture *architecture, layer_sizes, activations) except -1:
    """Fill `architecture`; `activations` are values of ACTIVATIONS."""
    architecture.n_layers = len(layer_sizes) - 1
    for i, size in enumerate(layer_sizes):
        architecture.layer_sizes[i] = size
    for i, number in enumerate(activations):
        architecture.activations[i] = <c_activation> <int> number
    return 0


cdef class CProblem:
    """The problem and its settings, as a C struct."""

    cdef c_problem problem

    def __init__(
        self, layer_sizes, activations, bint fit_intercept, int loss, double l2,
        double l1, double decay, int optimizer, double momentum, double beta_1,
        double beta_2, double epsilon, int64_t batch_size, int64_t average_from,
        double max_gradient_norm, dropout, dropout_key,
    ):
        describe(&self.problem.architecture, layer_sizes, activations)
        self.problem.fit_intercept = fit_intercept
        self.problem.loss = loss
        self.problem.l2 = l2
        self.problem.l1 = l1
        self.problem.decay = decay
        self.problem.optimizer = optimizer
        self.problem.momentum = momentum
        self.problem.beta_1 = beta_1
        self.problem.beta_2 = beta_2
        self.problem.epsilon = epsilon
        self.problem.batch_size = batch_size
        self.problem.average_from = average_from
        self.problem.max_gradient_norm = max_gradient_norm
        for i, rate in enumerate(dropout):
            self.problem.dropout[i] = rate
        self.problem.dropout_key[0] = dropout_key % 2**64
        self.problem.dropout_key[1] = dropout_key // 2**64


def run_steps(
    int level,
    int64_t blas_from,      # multiplications from which a product goes to BLAS
    CProblem problem,
    X, index,               # IN     rows: (n, n_features); (n_samples,) int64 or None
    y, sample_weight,       # IN     targets of the n_samples rows
    theta,                  # IN-OUT (n_parameters,)
    slots,                  # IN-OUT tuple of (n_parameters,)
    average,                # IN-OUT (n_parameters,) float64, or None
    int64_t n_averaged,
    int64_t n_slot_updates,
    int64_t step,
    order,                  # IN     (n_samples,) int64, or None
    int64_t first_batch,
    learning_rates,         # IN     (n_steps,) float64
    totals,                 # IN-OUT (n_epochs begun,) float64, objective times n_samples
):
    """Take one step per learning rate; return the new `n_averaged`."""
    cdef bint is_double = theta.itemsize == 8
    cdef c_rows rows
    cdef c_targets targets
    cdef c_state state
    cdef const int64_t *c_order = <const int64_t *> address(order)
    cdef const double *rates = <const double *> address(learning_rates)
    cdef double *c_totals = <double *> address(totals)
    cdef int64_t n_steps = learning_rates.shape[0]
    cdef c_blas blas = blas_of(is_double, blas_from)
    cdef int failed
    alive = point_to_rows(&rows, X, index)
    targets.y = address(y)
    targets.sample_weight = address(sample_weight)
    state.theta = address(theta)
    state.slots[0] = address(slots[0]) if len(slots) > 0 else NULL
    state.slots[1] = address(slots[1]) if len(slots) > 1 else NULL
    state.average = <double *> address(average)
    state.n_averaged = n_averaged
    state.n_slot_updates = n_slot_updates
    state.step = step
    with nogil:
        failed = FOUND[is_double][level].run_steps(
            &problem.problem, &rows, &targets, &state, c_order, first_batch, n_steps, rates,
            c_totals, &blas)
    if failed:
        raise MemoryError("Not enough memory for the arrays of one batch.")
    return state.n_averaged


def predict(
    int level,
    int64_t blas_from,
    layer_sizes,
    activations,
    layers,     # IN     (weight, intercept) of each layer, in C order and X's type
    X,          # IN     (n_samples, n_features)
    int output,
    predicted,  # OUT    (n_samples, n_outputs), with two columns if binary
):
    """Fill `predicted`; return whether all values of X are finite."""
    cdef bint is_double = predicted.itemsize == 8
    cdef c_rows rows
    cdef c_architecture architecture
    cdef const void *weights[MAX_LAYERS]
    cdef const void *intercepts[MAX_LAYERS]
    cdef void *c_predicted = address(predicted)
    cdef c_blas blas = blas_of(is_double, blas_from)
    cdef int finite, failed
    describe(&architecture, layer_sizes, activations)
    alive = point_to_rows(&rows, X, None)
    for i, (weight, intercept) in enumerate(layers):
        weights[i] = address(weight)
        intercepts[i] = address(intercept)
    with nogil:
        failed = FOUND[is_double][level].predict(
            &architecture, weights, intercepts, &rows, output, c_predicted, &finite, &blas)
    if failed:
        raise MemoryError("Not enough memory for the arrays of one batch of rows.")
    return bool(finite)


def run_pass(
    int level,
    int64_t blas_from,
    int kind,
    int loss,
    X, index,          # IN     rows: (n, n_features); (n_samples,) int64 or None
    y, sample_weight,  # IN     targets of the n_samples rows
    centre,            # IN     (n_features,)
    inverse_scale,     # IN     (n_features,)
    theta,             # IN     (n_features + 1, n_outputs)
    values,            # IN-OUT (n_samples, n_outputs); see pass_kind
    sums,              # IN-OUT (n_features + 1, n_outputs) float64, added to
    diagonal,          # IN-OUT the same, or None unless `kind` is EVALUATION
    double damping,
):
    """Add the rows' shares to `sums` and `diagonal`; return the sum of the rows' losses."""
    cdef bint is_double = values.itemsize == 8
    cdef c_rows rows
    cdef c_targets targets
    cdef c_pass one
    cdef int64_t n_outputs = values.shape[1]
    cdef c_blas blas = blas_of(is_double, blas_from)
    cdef int failed
    alive = point_to_rows(&rows, X, index)
    targets.y = address(y)
    targets.sample_weight = address(sample_weight)
    one.kind = <c_pass_kind> kind
    one.centre = address(centre)
    one.inverse_scale = address(inverse_scale)
    one.theta = address(theta)
    one.values = address(values)
    one.sums = <double *> address(sums)
    one.diagonal = <double *> address(diagonal)
    one.damping = damping
    one.loss = 0
    with nogil:
        failed = FOUND[is_double][level].run_pass(
            loss, n_outputs, &rows, &targets, &one, &blas)
    if failed:
        raise MemoryError("Not enough memory for the arrays of one batch of rows.")
    return one.loss


def add_outer_products(
    int level,
    X, index,  # IN     CSR rows: (n, n_features); (n_samples,) int64 or None
    omega,     # IN     (n_samples,), of X's type
    matrix,    # IN-OUT (n_features + 1, n_features + 1) float64
):
    """Add omega_i [x_i, 1]^T [x_i, 1] of each row to the lower half of `matrix`,
    if indices are sorted; else to both halves."""
    cdef bint is_double = omega.itemsize == 8
    cdef c_rows rows
    cdef const void *c_omega = address(omega)
    cdef double *c_matrix = <double *> address(matrix)
    alive = point_to_rows(&rows, X, index)
    with nogil:
        FOUND[is_double][level].add_outer_products(&rows, c_omega, c_matrix)


def learn(
    int level,
    # IN-OUT StreamMemory of float64 in C order, with matrices as precisions
    centre, scale, variance, mass, point, slope, precision, n_rows, score,
    remembered,    # IN     (n_experts,) float64
    X, y, weight,  # IN     rows (n, p) of float64 in C order, targets, weights of float64
    bint fit_intercept,
    double l2,
):
    """The experts learn the rows; return the objective of their mean model before."""
    cdef c_experts experts
    cdef c_chunk chunk
    cdef int failed
    experts.n_experts, experts.n_features = centre.shape
    experts.n_outputs = point.shape[2]
    experts.centre = <double *> address(centre)
    experts.scale = <double *> address(scale)
    experts.variance = <double *> address(variance)
    experts.mass = <double *> address(mass)
    experts.point = <double *> address(point)
    experts.slope = <double *> address(slope)
    experts.precision = <double *> address(precision)
    experts.n_rows = <double *> address(n_rows)
    experts.score = <double *> address(score)
    experts.remembered = <const double *> address(remembered)
    chunk.n_samples = X.shape[0]
    chunk.X = <const double *> address(X)
    chunk.y = address(y)
    chunk.weight = <const double *> address(weight)
    chunk.fit_intercept = fit_intercept
    chunk.l2 = l2
    with nogil:
        failed = FOUND[1][level].learn(&experts, &chunk)
    if failed:
        raise MemoryError("Not enough memory for the arrays of one batch of rows.")
    return chunk.objective


def count_votes(
    root, column, threshold, left, right, vote,  # IN     arrays of a Forest
    X,       # IN     (n_rows, n_columns) float32 in C order
    counts,  # IN-OUT (n_rows, n_classes) int32
):
    """Add the votes of all trees to `counts`."""
    cdef c_forest forest
    cdef int64_t n_rows = X.shape[0], n_columns = X.shape[1]
    cdef const float *c_X = <const float *> address(X)
    cdef int *c_counts = <int *> address(counts)
    forest.n_trees = root.shape[0]
    forest.n_classes = counts.shape[1]
    forest.root = <const int *> address(root)
    forest.column = <const int *> address(column)
    forest.left = <const int *> address(left)
    forest.right = <const int *> address(right)
    forest.vote = <const int *> address(vote)
    forest.threshold = <const float *> address(threshold)
    with nogil:
        c_count_votes(&forest, n_rows, n_columns, c_X, c_counts)
