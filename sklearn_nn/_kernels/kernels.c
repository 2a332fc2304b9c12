/* Mirror of reference.py: steps of training, and predictions, for one type of float and
 * one instruction set (REAL_IS_DOUBLE, VECTOR_BYTES, INSTRUCTION_SET, KERNELS). */
#include <stdlib.h>

#include "kernels.h"

#include "arrays.h"

#include "activations.h"
#include "batches.h"
#include "dropout.h"
#include "lazy.h"
#include "losses.h"
#include "network.h"
#include "one_row.h"
#include "optimizers.h"
#include "passes.h"
#include "products.h"

/* All memory of a call: taken once, given out piece by piece, freed once. */
struct memory {
    char *start;
    uint64_t used; /* bytes; with `start` NULL pieces are only counted */
};

static void *piece(struct memory *memory, uint64_t size) {
    char *result = memory->start ? memory->start + memory->used : NULL;
    memory->used += (size + 63) / 64 * 64;
    return result;
}

/* Take the memory that has been counted, for pieces from its start; NULL if there is none. */
static char *take(struct memory *memory) {
    char *block = memory->used < SIZE_MAX - 64 ? malloc((size_t)memory->used + 64) : NULL;
    if (block) *memory = (struct memory){block + 64 - (uintptr_t)block % 64, 0};
    return block;
}

/* What a batch needs on its way forward and backward. */
struct workspace {
    struct batch_storage storage;
    real *panel;
    real *outputs[MAX_LAYERS];
    real *slopes[MAX_LAYERS];
    real *deltas[2];
    real *scratch;
    double *sums;
    real *gradient;
    struct lazy lazy;
};

static int64_t largest(const int64_t *values, int n) {
    int64_t result = values[0];
    for (int i = 1; i < n; i++) result = values[i] > result ? values[i] : result;
    return result;
}

/* Rows of a batch must be copied together unless a single output takes them one by one. */
static int gathers(
    const struct architecture *architecture, const struct rows *rows, const int64_t *order)
{
    int one_by_one = architecture->layer_sizes[1] == 1 && rows->column_stride == 1;
    return !rows->indptr && !one_by_one && !lie_together(rows, order);
}

static void lay_out_forward(
    struct workspace *w, struct memory *memory, const struct architecture *architecture,
    const struct rows *rows, const int64_t *order, int64_t m)
{
    const int64_t *sizes = architecture->layer_sizes;
    w->storage.rows = piece(memory, sizeof(real *) * m);
    w->storage.numbers = piece(memory, sizeof(int64_t) * m);
    w->storage.X = NULL;
    if (gathers(architecture, rows, order))
        w->storage.X = piece(memory, sizeof(real) * m * sizes[0]);
    w->panel = piece(memory, sizeof(real) * PANEL_DEPTH * PANEL_WIDTH);
    for (int l = 0; l < architecture->n_layers; l++) {
        w->outputs[l] = piece(memory, sizeof(real) * m * sizes[l + 1]);
        w->slopes[l] = NULL;
    }
}

static void lay_out_training(
    struct workspace *w, struct memory *memory, const struct problem *problem,
    const struct rows *rows, const int64_t *order, int is_lazy)
{
    const struct architecture *architecture = &problem->architecture;
    const int64_t *sizes = architecture->layer_sizes, m = problem->batch_size;
    int64_t n_outputs = sizes[architecture->n_layers];
    int64_t widest = largest(sizes + 1, architecture->n_layers), n_parameters = 0;
    for (int l = 0; l < architecture->n_layers; l++)
        n_parameters += (sizes[l] + 1) * sizes[l + 1];
    lay_out_forward(w, memory, architecture, rows, order, m);
    for (int l = 0; l + 1 < architecture->n_layers; l++)
        if (keeps_slope(architecture->activations[l]) || problem->dropout[l] > 0)
            w->slopes[l] = piece(memory, sizeof(real) * m * sizes[l + 1]);
    w->storage.y = piece(memory, 8 * m * n_outputs);
    w->storage.sample_weight = piece(memory, sizeof(real) * m);
    for (int turn = 0; turn < 2; turn++)
        w->deltas[turn] = piece(memory, sizeof(real) * m * widest);
    w->scratch = piece(memory, sizeof(real) * m * n_outputs);
    w->sums = piece(memory, sizeof(double) * widest);
    w->gradient = piece(memory, sizeof(real) * (is_lazy ? n_outputs : n_parameters));
    w->lazy.since = NULL;
    if (is_lazy && problem->l1) {
        w->lazy.since = piece(memory, sizeof(int32_t) * sizes[0]);
        w->lazy.past = piece(memory, sizeof(struct past) * (MAX_PENDING + 1));
    }
}

/* Whether a step is gradient descent and nothing else. */
static int is_plain(const struct problem *problem) {
    return problem->optimizer == SGD && !problem->average_from && !problem->decay
           && !problem->max_gradient_norm;
}

/* Whether weights that a row does not touch may wait for their penalty. */
static int lazy_works(const struct problem *problem, const struct rows *rows) {
    return rows->indptr && problem->architecture.n_layers == 1 && is_plain(problem);
}

static int is_softmax(const struct problem *problem) {
    return problem->loss == CATEGORICAL_CROSS_ENTROPY
           || problem->loss == CATEGORICAL_SQUARED_ERROR;
}

/* Whether `one_row_steps` takes this problem. */
static int is_one_row(const struct problem *problem, const struct rows *rows) {
    const struct architecture *architecture = &problem->architecture;
    return problem->batch_size == 1 && architecture->n_layers == 1 && !is_softmax(problem)
           && architecture->layer_sizes[1] == 1 && is_plain(problem)
           && !rows->indptr && rows->column_stride == 1;
}

/* The mean of thetas, in double: the n-th share would be lost in float. */
static void update_average(const struct problem *problem, struct state *state, int64_t n) {
    if (!problem->average_from || state->step < problem->average_from) return;
    const real *theta = state->theta;
    double count = (double)++state->n_averaged;
    for (int64_t i = 0; i < n; i++) {
        double mean = state->n_averaged == 1 ? 0 : state->average[i];
        state->average[i] = mean + (theta[i] - mean) / count;
    }
}

static void divide(int64_t n, real *restrict delta, real by) {
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) delta[i] /= by;
}

/* One step on a batch; returns the batch's objective times its rows. */
static double dense_step(
    const struct problem *problem, const struct rows *rows, const struct batch *batch,
    struct state *state, double learning_rate, struct workspace *w, const struct blas *blas)
{
    const struct architecture *architecture = &problem->architecture;
    int last = architecture->n_layers - 1;
    int64_t k = architecture->layer_sizes[last + 1], m = batch->m;
    struct layers layers, gradients;
    real *theta = state->theta;
    int64_t n_weights = layers_of(architecture, theta, &layers);
    layers_of(architecture, w->gradient, &gradients);
    int64_t n_parameters = layers.intercepts[last] + k - theta;
    forward(architecture, &layers, rows, batch, problem, state->step, w->outputs, w->slopes,
            w->panel, blas);
    double loss = value_and_gradient(problem->loss, m, k, w->outputs[last], batch->y,
                                     batch->sample_weight, w->scratch, w->deltas[0]);
    divide(m * k, w->deltas[0], (real)m);
    double l2 = problem->l2 + problem->decay;
    double penalty = penalty_value(n_weights, theta, l2, problem->l1);
    backward(architecture, &layers, rows, batch, w->outputs, w->slopes, w->deltas, w->sums,
             w->panel, &gradients, blas);
    if (!problem->fit_intercept)
        memset(w->gradient + n_weights, 0, sizeof(real) * (n_parameters - n_weights));
    optimizer_step(problem, learning_rate, state->n_slot_updates, n_weights, n_parameters,
                   theta, w->gradient, state->slots);
    update_average(problem, state, n_parameters);
    return loss + (double)m * penalty;
}

/* The same for a linear model on sparse rows, except for the penalty's part. */
static double sparse_step(
    const struct problem *problem, const struct rows *rows, const struct batch *batch,
    struct state *state, double learning_rate, struct workspace *w)
{
    struct lazy *lazy = &w->lazy;
    int64_t k = lazy->k, m = batch->m;
    real *intercept = (real *)state->theta + lazy->n_features * k;
    count_penalty(lazy, m);
    lazy_forward(lazy, rows, batch, intercept, w->outputs[0]);
    double loss = value_and_gradient(problem->loss, m, k, w->outputs[0], batch->y,
                                     batch->sample_weight, w->scratch, w->deltas[0]);
    divide(m * k, w->deltas[0], (real)m);
    shrink(lazy, learning_rate);
    lazy_step(lazy, rows, batch, w->deltas[0], learning_rate);
    if (problem->fit_intercept) {
        sum_rows(m, k, w->deltas[0], w->sums, w->gradient);
        for (int64_t o = 0; o < k; o++) intercept[o] -= (real)learning_rate * w->gradient[o];
    }
    return loss;
}

/* Steps of one call; the workspace is laid out. */
static void steps(
    const struct problem *problem, const struct rows *rows, const struct targets *targets,
    struct state *state, const int64_t *order, int64_t first_batch, int64_t n_steps,
    const double *learning_rates, double *totals, int is_lazy, struct workspace *w,
    const struct blas *blas)
{
    const struct architecture *architecture = &problem->architecture;
    int64_t n = rows->n_samples, size = problem->batch_size, number = first_batch;
    int64_t n_outputs = architecture->layer_sizes[architecture->n_layers];
    int64_t y_size = is_softmax(problem) ? (int64_t)sizeof(int64_t)
                                         : (int64_t)sizeof(real) * n_outputs;
    for (int64_t i = 0; i < n_steps; i++) {
        int64_t start = number * size;
        struct batch batch = {.m = n - start < size ? n - start : size};
        gather_rows(rows, order, start, &batch, &w->storage);
        gather_targets(targets, order, start, y_size, &batch, &w->storage);
        state->step++;
        state->n_slot_updates++;
        *totals += is_lazy
            ? sparse_step(problem, rows, &batch, state, learning_rates[i], w)
            : dense_step(problem, rows, &batch, state, learning_rates[i], w, blas);
        number++;
        int epoch_ends = number * size >= n;
        if (is_lazy && (epoch_ends || i + 1 == n_steps)) {
            settle(&w->lazy);
            *totals += w->lazy.total;
            w->lazy.total = 0;
        }
        if (epoch_ends) {
            number = 0;
            totals++;
        }
    }
}

static int run_steps(
    const struct problem *problem, const struct rows *rows, const struct targets *targets,
    struct state *state, const int64_t *order, int64_t first_batch, int64_t n_steps,
    const double *learning_rates, double *totals, const struct blas *blas)
{
    if (is_one_row(problem, rows)) {
        int64_t n = rows->n_samples;
        while (n_steps > 0) {
            int64_t part = n_steps < n - first_batch ? n_steps : n - first_batch;
            *totals++ += one_row_steps(problem, rows, targets, state->theta, order,
                                       first_batch, part, learning_rates);
            learning_rates += part;
            n_steps -= part;
            first_batch = 0;
        }
        return 0;
    }
    struct workspace w;
    int is_lazy = lazy_works(problem, rows);
    struct memory memory = {NULL, 0};
    lay_out_training(&w, &memory, problem, rows, order, is_lazy);
    char *block = take(&memory);
    if (!block) return -1;
    lay_out_training(&w, &memory, problem, rows, order, is_lazy);
    if (is_lazy)
        begin_lazy(&w.lazy, problem->l2, problem->l1, rows->n_features,
                   problem->architecture.layer_sizes[1], state->theta);
    steps(problem, rows, targets, state, order, first_batch, n_steps, learning_rates, totals,
          is_lazy, &w, blas);
    free(block);
    return 0;
}

/* 0 if all values are finite, else NaN: infinity times 0 is NaN, and NaN stays. */
static real not_finite(int64_t n, const real *restrict values) {
    real sum = 0;
    SIMD(omp simd reduction(+:sum))
    for (int64_t i = 0; i < n; i++) sum += values[i] * 0;
    return sum;
}

static int batch_is_finite(const struct rows *rows, const struct batch *batch) {
    real sum = 0;
    for (int64_t i = 0; i < batch->m; i++) {
        if (rows->indptr) {
            struct sparse_row row = sparse_row(rows, batch->numbers[i]);
            sum += not_finite(row.n, row.values);
        } else {
            const real *row = batch->X ? batch->X + i * rows->n_features : batch->rows[i];
            sum += not_finite(rows->n_features, row);
        }
    }
    return sum == 0;
}

static int predict(
    const struct architecture *architecture, const void *const *weights,
    const void *const *intercepts, const struct rows *rows, enum output output,
    void *predicted, int *finite, const struct blas *blas)
{
    struct workspace w;
    struct layers layers;
    struct memory memory = {NULL, 0};
    int64_t n = rows->n_samples, size = n < PREDICTED_ROWS ? n : PREDICTED_ROWS;
    int last = architecture->n_layers - 1;
    int64_t k = architecture->layer_sizes[last + 1], columns = output == AS_BINARY ? 2 : k;
    lay_out_forward(&w, &memory, architecture, rows, NULL, size);
    w.scratch = piece(&memory, sizeof(real) * size);
    char *block = take(&memory);
    if (!block) return -1;
    lay_out_forward(&w, &memory, architecture, rows, NULL, size);
    w.scratch = piece(&memory, sizeof(real) * size);
    for (int l = 0; l <= last; l++) {
        layers.weights[l] = weights[l];
        layers.intercepts[l] = intercepts[l];
    }
    *finite = 1;
    for (int64_t start = 0; start < n; start += size) {
        struct batch batch = {.m = n - start < size ? n - start : size};
        gather_rows(rows, NULL, start, &batch, &w.storage);
        *finite &= batch_is_finite(rows, &batch);
        forward(architecture, &layers, rows, &batch, NULL, 0, w.outputs, w.slopes, w.panel, blas);
        output_of(output, batch.m, k, w.outputs[last], w.scratch,
                  (real *)predicted + start * columns);
    }
    free(block);
    return 0;
}

static void lay_out_pass(
    struct block *b, struct memory *memory, const struct rows *rows, int64_t k)
{
    int64_t m = rows_of_block(rows), p = rows->indptr ? 0 : rows->n_features;
    b->storage = (struct batch_storage){
        .rows = piece(memory, sizeof(real *) * m),
        .numbers = piece(memory, sizeof(int64_t) * m),
    };
    b->U = piece(memory, in_place(rows, k) ? 0 : sizeof(real) * m * p);
    b->weight = piece(memory, sizeof(real) * p);
    b->logits = piece(memory, sizeof(real) * m * k);
    b->delta = piece(memory, sizeof(real) * m * k);
    b->scratch = piece(memory, sizeof(real) * m * k);
    b->omega = piece(memory, sizeof(real) * m * k);
    b->gradient = piece(memory, sizeof(real) * p * k);
    b->diagonal = piece(memory, sizeof(real) * p * k);
    b->panel = piece(memory, sizeof(real) * PANEL_DEPTH * PANEL_WIDTH);
}

static int run_pass(
    enum loss loss, int64_t n_outputs, const struct rows *rows, const struct targets *targets,
    struct pass *pass, const struct blas *blas)
{
    struct block b;
    struct memory memory = {NULL, 0};
    lay_out_pass(&b, &memory, rows, n_outputs);
    char *block = take(&memory);
    if (!block) return -1;
    lay_out_pass(&b, &memory, rows, n_outputs);
    pass->loss = pass_blocks(loss, n_outputs, rows, targets, pass, &b, blas);
    free(block);
    return 0;
}

static void outer_products(const struct rows *rows, const void *omega, double *matrix) {
    add_outer_products(rows, omega, matrix);
}

const struct kernels KERNELS = {
    INSTRUCTION_SET, run_steps, predict, run_pass, outer_products,
};
