/* Mirror of network.py: forward pass to logits, backward pass to the gradient. */
#ifndef SKLEARN_NN_NETWORK_H
#define SKLEARN_NN_NETWORK_H

#include "activations.h"
#include "batches.h"
#include "dropout.h"
#include "products.h"

struct layers {
    const real *weights[MAX_LAYERS];    /* (fan_in, fan_out) each */
    const real *intercepts[MAX_LAYERS]; /* (fan_out,) each */
};

/* Find the layers of theta, which holds all weights, then all intercepts; return n_weights. */
static int64_t layers_of(
    const struct architecture *architecture, const real *theta, struct layers *layers)
{
    const int64_t *sizes = architecture->layer_sizes;
    int64_t n_weights = 0;
    for (int l = 0; l < architecture->n_layers; l++) {
        layers->weights[l] = theta + n_weights;
        n_weights += sizes[l] * sizes[l + 1];
    }
    const real *intercept = theta + n_weights;
    for (int l = 0; l < architecture->n_layers; l++) {
        layers->intercepts[l] = intercept;
        intercept += sizes[l + 1];
    }
    return n_weights;
}

/* sum_j x_j w_j over the stored values of a row.
 *
 * Four scalar sums are faster than the processors' gather instructions.
 */
static ALWAYS_INLINE real sparse_dot(
    const int wide, int64_t n, const void *restrict indices, const real *restrict x,
    const real *restrict w)
{
    real sums[4] = {0, 0, 0, 0};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (int u = 0; u < 4; u++) sums[u] += x[j + u] * w[integer_at(indices, wide, j + u)];
    for (; j < n; j++) sums[0] += x[j] * w[integer_at(indices, wide, j)];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* z_i <- z_i + x_i W for the sparse rows x_i. */
static void sparse_product(
    const struct rows *rows, const struct batch *batch, int64_t k,
    const real *restrict weight, /* IN     (n_features, k) */
    real *restrict z)            /* IN-OUT (m, k) */
{
    for (int64_t i = 0; i < batch->m; i++) {
        struct sparse_row row = sparse_row(rows, batch->numbers[i]);
        prefetch_indices(rows, batch, i);
        if (k == 1) {
            z[i] += row.wide ? sparse_dot(1, row.n, row.indices, row.values, weight)
                             : sparse_dot(0, row.n, row.indices, row.values, weight);
        } else {
            for (int64_t j = 0; j < row.n; j++)
                add_multiple(k, row.values[j],
                             weight + k * integer_at(row.indices, row.wide, j), z + i * k);
        }
    }
}

/* gradient <- x^T delta for sparse rows x. */
static void sparse_gradient(
    const struct rows *rows, const struct batch *batch, int64_t k,
    const real *restrict delta, /* IN  (m, k) */
    real *restrict gradient)    /* OUT (n_features, k) */
{
    memset(gradient, 0, sizeof(real) * rows->n_features * k);
    for (int64_t i = 0; i < batch->m; i++) {
        struct sparse_row row = sparse_row(rows, batch->numbers[i]);
        prefetch_values(rows, batch, i);
        for (int64_t j = 0; j < row.n; j++)
            add_multiple(k, row.values[j], delta + i * k,
                         gradient + k * integer_at(row.indices, row.wide, j));
    }
}

/* outputs[l] (m, fan_out_l) becomes the output of layer l; the last ones are the logits.
 * slopes[l], if not NULL, becomes f'(z_l), times the mask if the layer has dropout. `training`
 * is NULL in predictions; in training, `step` is the number of the step, from 1.
 */
static void forward(
    const struct architecture *architecture, const struct layers *layers,
    const struct rows *rows, const struct batch *batch,
    const struct problem *training, int64_t step,
    real *const *outputs, real *const *slopes, real *panel, const struct blas *blas)
{
    const int64_t *sizes = architecture->layer_sizes, m = batch->m;
    for (int l = 0; l < architecture->n_layers; l++) {
        int64_t fan_in = sizes[l], fan_out = sizes[l + 1];
        const real *input = l ? outputs[l - 1] : batch->X, *weight = layers->weights[l];
        real *z = outputs[l];
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < fan_out; j++) z[i * fan_out + j] = layers->intercepts[l][j];
        if (input)
            product(m, fan_out, fan_in, input, fan_in, 1, weight, fan_out, 1, z, 1, panel, blas);
        else if (rows->indptr)
            sparse_product(rows, batch, fan_out, weight, z);
        else /* rows are not contiguous: there is a single output */
            for (int64_t i = 0; i < m; i++) {
                prefetch_dense(rows, batch, i);
                z[i] += dot(fan_in, batch->rows[i], weight);
            }
        if (slopes[l])
            activate_with_slope(architecture->activations[l], m * fan_out, z, slopes[l]);
        else if (l + 1 < architecture->n_layers)
            activate(architecture->activations[l], m * fan_out, z);
        if (training && training->dropout[l] > 0)
            drop(training, step, l, m * fan_out, z, slopes[l]);
    }
}

/* dJ/db_l = sum over rows of delta_l; in double, because float sums of many rows lose digits. */
static void sum_rows(
    int64_t m, int64_t n, const real *restrict delta, /* IN (m, n) */
    double *restrict sums, real *restrict gradient)   /* OUT (n,) each */
{
    memset(sums, 0, sizeof(double) * n);
    for (int64_t i = 0; i < m; i++) {
        SIMD(omp simd)
        for (int64_t j = 0; j < n; j++) sums[j] += delta[i * n + j];
    }
    for (int64_t j = 0; j < n; j++) gradient[j] = (real)sums[j];
}

/* Compute the gradient, in the order of theta, from deltas[0], the delta of the logits. */
static void backward(
    const struct architecture *architecture, const struct layers *layers,
    const struct rows *rows, const struct batch *batch,
    real *const *outputs, real *const *slopes, real *const *deltas, double *sums, real *panel,
    const struct layers *gradients, const struct blas *blas)
{
    const int64_t *sizes = architecture->layer_sizes, m = batch->m;
    for (int l = architecture->n_layers - 1; l >= 0; l--) {
        int64_t fan_in = sizes[l], fan_out = sizes[l + 1];
        int turn = (architecture->n_layers - 1 - l) % 2;
        const real *input = l ? outputs[l - 1] : batch->X;
        real *delta = deltas[turn], *gradient = (real *)gradients->weights[l];
        /* dJ/dW_l = a_{l-1}^T @ delta_l                      (fan_in_l, fan_out_l) */
        if (input && fan_out == 1)
            product(1, fan_in, m, delta, m, 1, input, fan_in, 1, gradient, 0, panel, blas);
        else if (input)
            product(fan_in, fan_out, m, input, 1, fan_in, delta, fan_out, 1, gradient, 0,
                    panel, blas);
        else if (rows->indptr)
            sparse_gradient(rows, batch, fan_out, delta, gradient);
        else {
            memset(gradient, 0, sizeof(real) * fan_in);
            for (int64_t i = 0; i < m; i++)
                add_multiple(fan_in, delta[i], batch->rows[i], gradient);
        }
        sum_rows(m, fan_out, delta, sums, (real *)gradients->intercepts[l]);
        if (l) {
            /* delta_{l-1} = (delta_l @ W_l^T) * mask * f'(z_{l-1})  (m, fan_in_l) */
            product(m, fan_in, fan_out, delta, fan_out, 1, layers->weights[l], 1, fan_out,
                    deltas[1 - turn], 0, panel, blas);
            if (slopes[l - 1])
                multiply(m * fan_in, slopes[l - 1], deltas[1 - turn]);
            else
                multiply_derivative(architecture->activations[l - 1], m * fan_in, input,
                                    deltas[1 - turn]);
        }
    }
}

#endif
