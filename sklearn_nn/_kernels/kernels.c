/* Mirror of reference.py: training steps and predictions, for one floating-point type and one
 * instruction set (REAL_IS_DOUBLE, VECTOR_BYTES, INSTRUCTION_SET, KERNELS). */
#include <stdlib.h>

#include "kernels.h"

#include "arrays.h"

#include "activations.h"
#include "batches.h"
#include "dropout.h"
#include "experts.h"
#include "lazy.h"
#include "losses.h"
#include "network.h"
#include "one_row.h"
#include "optimizers.h"
#include "linear_passes.h"
#include "products.h"

/* All memory of a call: reserved once, allocated piece by piece, freed once. */
struct arena {
    char *start;
    uint64_t used; /* bytes; while `start` is NULL, allocations are only counted */
};

static void *allocate(struct arena *arena, uint64_t size) {
    char *result = arena->start ? arena->start + arena->used : NULL;
    arena->used += (size + 63) / 64 * 64;
    return result;
}

/* Reserve the bytes counted so far, and allocate anew from their start; NULL on failure. */
static char *reserve(struct arena *arena) {
    char *start = arena->used < SIZE_MAX - 64 ? malloc((size_t)arena->used + 64) : NULL;
    if (start) *arena = (struct arena){start + 64 - (uintptr_t)start % 64, 0};
    return start;
}

/* Memory for the forward and the backward pass of a batch. */
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

/* Whether rows of a batch must be copied to a matrix: a single output reads them in place. */
static int gathers(
    const struct architecture *architecture, const struct rows *rows, const int64_t *order)
{
    int one_by_one = architecture->layer_sizes[1] == 1 && rows->column_stride == 1;
    return !rows->indptr && !one_by_one && !are_contiguous(rows, order);
}

static void lay_out_forward(
    struct workspace *w, struct arena *arena, const struct architecture *architecture,
    const struct rows *rows, const int64_t *order, int64_t m)
{
    const int64_t *sizes = architecture->layer_sizes;
    w->storage.rows = allocate(arena, sizeof(real *) * m);
    w->storage.numbers = allocate(arena, sizeof(int64_t) * m);
    w->storage.X = NULL;
    if (gathers(architecture, rows, order))
        w->storage.X = allocate(arena, sizeof(real) * m * sizes[0]);
    w->panel = allocate(arena, sizeof(real) * PANEL_DEPTH * PANEL_WIDTH);
    for (int l = 0; l < architecture->n_layers; l++) {
        w->outputs[l] = allocate(arena, sizeof(real) * m * sizes[l + 1]);
        w->slopes[l] = NULL;
    }
}

static void lay_out_training(
    struct workspace *w, struct arena *arena, const struct problem *problem,
    const struct rows *rows, const int64_t *order, int is_lazy)
{
    const struct architecture *architecture = &problem->architecture;
    const int64_t *sizes = architecture->layer_sizes, m = problem->batch_size;
    int64_t n_outputs = sizes[architecture->n_layers];
    int64_t widest = largest(sizes + 1, architecture->n_layers), n_parameters = 0;
    for (int l = 0; l < architecture->n_layers; l++)
        n_parameters += (sizes[l] + 1) * sizes[l + 1];
    lay_out_forward(w, arena, architecture, rows, order, m);
    for (int l = 0; l + 1 < architecture->n_layers; l++)
        if (saves_slope(architecture->activations[l]) || problem->dropout[l] > 0)
            w->slopes[l] = allocate(arena, sizeof(real) * m * sizes[l + 1]);
    w->storage.y = allocate(arena, 8 * m * n_outputs);
    w->storage.sample_weight = allocate(arena, sizeof(real) * m);
    for (int turn = 0; turn < 2; turn++)
        w->deltas[turn] = allocate(arena, sizeof(real) * m * widest);
    w->scratch = allocate(arena, sizeof(real) * m * n_outputs);
    w->sums = allocate(arena, sizeof(double) * widest);
    w->gradient = allocate(arena, sizeof(real) * (is_lazy ? n_outputs : n_parameters));
    w->lazy.u = NULL;
    if (is_lazy && problem->l1) {
        w->lazy.u = allocate(arena, sizeof(double) * sizes[0] * n_outputs);
        w->lazy.history = allocate(arena, sizeof(struct history) * (MAX_PENDING + 1));
    }
}

/* Whether a step is plain gradient descent. */
static int is_plain(const struct problem *problem) {
    return problem->optimizer == SGD && !problem->average_from && !problem->decay
           && !problem->max_gradient_norm;
}

/* Whether lazy.h applies: weights of features that a row lacks are penalised later. */
static int lazy_works(const struct problem *problem, const struct rows *rows) {
    return rows->indptr && problem->architecture.n_layers == 1 && is_plain(problem);
}

/* Whether `one_row_steps` applies. */
static int is_one_row(const struct problem *problem, const struct rows *rows) {
    const struct architecture *architecture = &problem->architecture;
    return problem->batch_size == 1 && architecture->n_layers == 1 && !is_categorical(problem->loss)
           && architecture->layer_sizes[1] == 1 && is_plain(problem)
           && !rows->indptr && rows->column_stride == 1;
}

/* Update the mean of theta over the steps, in double: float would lose the n-th share. */
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

/* Take one step on a batch; return the batch's objective times its rows. */
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

/* value_and_gradient of a single logit; such a step is too short for the general code. */
static double loss_of_row(enum loss loss, const struct batch *batch, real z, real *delta) {
    real weight = batch->sample_weight ? *batch->sample_weight : 1;
    real value = loss_of_logit(loss, z, *(const real *)batch->y, delta);
    *delta *= weight;
    return (double)(weight * value);
}

/* The same for a linear model on sparse rows, without the penalty in the objective. */
static double sparse_step(
    const struct problem *problem, const struct rows *rows, const struct batch *batch,
    struct state *state, double learning_rate, struct workspace *w)
{
    struct lazy *lazy = &w->lazy;
    int64_t k = lazy->k, m = batch->m;
    real *intercept = (real *)state->theta + lazy->n_features * k;
    count_penalty(lazy, m);
    lazy_forward(lazy, rows, batch, intercept, w->outputs[0]);
    if (m * k == 1 && !is_categorical(problem->loss)) {
        double loss = loss_of_row(problem->loss, batch, w->outputs[0][0], w->deltas[0]);
        shrink(lazy, learning_rate);
        lazy_step(lazy, rows, batch, w->deltas[0], learning_rate);
        if (problem->fit_intercept) *intercept -= (real)learning_rate * *w->deltas[0];
        return loss;
    }
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

/* Take the steps of one call, in a workspace that has its memory. */
static void steps(
    const struct problem *problem, const struct rows *rows, const struct targets *targets,
    struct state *state, const int64_t *order, int64_t first_batch, int64_t n_steps,
    const double *learning_rates, double *totals, int is_lazy, struct workspace *w,
    const struct blas *blas)
{
    const struct architecture *architecture = &problem->architecture;
    int64_t n = rows->n_samples, size = problem->batch_size, number = first_batch;
    int64_t n_outputs = architecture->layer_sizes[architecture->n_layers];
    int64_t y_size = bytes_of_y(problem->loss, n_outputs);
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
            end_lazy(&w->lazy);
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
    struct arena arena = {NULL, 0};
    lay_out_training(&w, &arena, problem, rows, order, is_lazy);
    char *start = reserve(&arena);
    if (!start) return -1;
    lay_out_training(&w, &arena, problem, rows, order, is_lazy);
    if (is_lazy)
        begin_lazy(&w.lazy, problem->l2, problem->l1, rows->n_features,
                   problem->architecture.layer_sizes[1], state->theta);
    steps(problem, rows, targets, state, order, first_batch, n_steps, learning_rates, totals,
          is_lazy, &w, blas);
    free(start);
    return 0;
}

/* 0 if all values are finite, else NaN: infinity and NaN times 0 are NaN. */
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
    struct arena arena = {NULL, 0};
    int64_t n = rows->n_samples, size = n < PREDICTED_ROWS ? n : PREDICTED_ROWS;
    int last = architecture->n_layers - 1;
    int64_t k = architecture->layer_sizes[last + 1], columns = output == AS_BINARY ? 2 : k;
    lay_out_forward(&w, &arena, architecture, rows, NULL, size);
    w.scratch = allocate(&arena, sizeof(real) * size);
    char *start = reserve(&arena);
    if (!start) return -1;
    lay_out_forward(&w, &arena, architecture, rows, NULL, size);
    w.scratch = allocate(&arena, sizeof(real) * size);
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
    free(start);
    return 0;
}

static void lay_out_pass(
    struct pass_workspace *b, struct arena *arena, const struct rows *rows, int64_t k)
{
    int64_t m = rows_at_once(rows), p = rows->indptr ? 0 : rows->n_features;
    b->storage = (struct batch_storage){
        .rows = allocate(arena, sizeof(real *) * m),
        .numbers = allocate(arena, sizeof(int64_t) * m),
    };
    b->U = allocate(arena, in_place(rows, k) ? 0 : sizeof(real) * m * p);
    b->weight = allocate(arena, sizeof(real) * p);
    b->logits = allocate(arena, sizeof(real) * m * k);
    b->delta = allocate(arena, sizeof(real) * m * k);
    b->scratch = allocate(arena, sizeof(real) * m * k);
    b->omega = allocate(arena, sizeof(real) * m * k);
    b->gradient = allocate(arena, sizeof(real) * p * k);
    b->diagonal = allocate(arena, sizeof(real) * p * k);
    b->panel = allocate(arena, sizeof(real) * PANEL_DEPTH * PANEL_WIDTH);
}

static int run_pass(
    enum loss loss, int64_t n_outputs, const struct rows *rows, const struct targets *targets,
    struct pass *pass, const struct blas *blas)
{
    struct pass_workspace b;
    struct arena arena = {NULL, 0};
    lay_out_pass(&b, &arena, rows, n_outputs);
    char *start = reserve(&arena);
    if (!start) return -1;
    lay_out_pass(&b, &arena, rows, n_outputs);
    pass->loss = pass_over_rows(loss, n_outputs, rows, targets, pass, &b, blas);
    free(start);
    return 0;
}

static void outer_products(const struct rows *rows, const void *omega, double *matrix) {
    add_outer_products(rows, omega, matrix);
}

#if REAL_IS_DOUBLE
static void lay_out_learner(struct learner *b, struct arena *arena, int64_t n_experts) {
    int64_t n = b->n, p = b->p, k = b->k, width = b->width;
    real **features[] = {&b->mean, &b->variance, &b->mass, &b->centre, &b->scale};
    real **rows[] = {&b->logits, &b->delta, &b->proba, &b->change, &b->scratch};
    real **points[] = {&b->ridge, &b->x, &b->goal, &b->trial, &b->gradient,
                       &b->trial_gradient, &b->pull, &b->move, &b->towards, &b->direction,
                       &b->product, &b->unit};
    for (int i = 0; i < 5; i++) *features[i] = allocate(arena, sizeof(real) * p);
    for (int i = 0; i < 5; i++) *rows[i] = allocate(arena, sizeof(real) * n * k);
    for (int i = 0; i < 12; i++) *points[i] = allocate(arena, sizeof(real) * b->size);
    b->Z = allocate(arena, sizeof(real) * n * width);
    b->scaled = allocate(arena, sizeof(real) * n * width);
    b->model = allocate(arena, sizeof(real) * (1 + n_experts) * b->size);
    b->blocks = allocate(arena, sizeof(real) * b->size * width);
    b->panel = allocate(arena, sizeof(real) * PANEL_DEPTH * PANEL_WIDTH);
}

static int learn(const struct experts *experts, struct chunk *chunk) {
    int64_t p = experts->n_features, k = experts->n_outputs;
    struct learner b = {
        .chunk = chunk, .loss = k == 1 ? BINARY_CROSS_ENTROPY : CATEGORICAL_CROSS_ENTROPY,
        .n = chunk->n_samples, .p = p, .k = k, .width = p + 1, .size = k * (p + 1),
        .no_blas = {NULL, INT64_MAX},
    };
    struct arena arena = {NULL, 0};
    lay_out_learner(&b, &arena, experts->n_experts);
    char *start = reserve(&arena);
    if (!start) return -1;
    lay_out_learner(&b, &arena, experts->n_experts);
    for (int64_t i = 0; i < b.n; i++) b.total += chunk->weight[i];
    chunk->objective = learn_all(&b, experts);
    free(start);
    return 0;
}
#else
#define learn NULL
#endif

const struct kernels KERNELS = {
    INSTRUCTION_SET, run_steps, predict, run_pass, outer_products, learn,
};
