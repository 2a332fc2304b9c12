/* Mirror of losses.py: the loss of a batch, and its gradient with respect to the logits. */
#ifndef SKLEARN_NN_LOSSES_H
#define SKLEARN_NN_LOSSES_H

#include "arrays.h"
#include "kernels.h"

/* Whether y holds class indices, and the output activation is the softmax. */
static inline int is_categorical(enum loss loss) {
    switch (loss) {
    case BINARY_CROSS_ENTROPY: case BINARY_SQUARED_ERROR: return 0;
    case CATEGORICAL_CROSS_ENTROPY: case CATEGORICAL_SQUARED_ERROR: return 1;
    }
    return 0;
}

static inline int64_t bytes_of_y(enum loss loss, int64_t n_outputs) {
    return is_categorical(loss) ? (int64_t)sizeof(int64_t) : (int64_t)sizeof(real) * n_outputs;
}

/* -y log p - (1 - y) log(1 - p) of one logit; `gradient` is p - y. */
static inline real binary_cross_entropy(real logit, real y, real *gradient) {
    real e = exp_negative(-absolute(logit)); /* the same for logit and -logit */
    *gradient = sigmoid_from(logit, e) - y;
    return log1pexp_from((1 - 2 * y) * logit, e);
}

/* 1/2 (p - y)^2 of one logit; `gradient` is (p - y) p (1 - p). */
static inline real binary_squared_error(real logit, real y, real *gradient) {
    real proba = sigmoid(logit), error = proba - y;
    *gradient = error * (proba * sigmoid(-logit));
    return (real)0.5 * error * error;
}

/* value_and_gradient for 0/1 labels; a row's loss is the sum over its k outputs. */
static double binary_loss(
    enum loss loss, int64_t m, int64_t k,
    const real *restrict logits, /* IN  (m, k) */
    const real *restrict y,      /* IN  (m, k) 0 or 1 */
    const real *restrict weight, /* IN  (m,) or NULL */
    real *restrict values,       /* OUT (m, k) scratch */
    real *restrict delta)        /* OUT (m, k) */
{
    switch (loss) {
    case BINARY_CROSS_ENTROPY: {
        SIMD(omp simd)
        for (int64_t i = 0; i < m * k; i++)
            values[i] = binary_cross_entropy(logits[i], y[i], &delta[i]);
        break;
    }
    case BINARY_SQUARED_ERROR: {
        SIMD(omp simd)
        for (int64_t i = 0; i < m * k; i++)
            values[i] = binary_squared_error(logits[i], y[i], &delta[i]);
        break;
    }
    case CATEGORICAL_CROSS_ENTROPY: case CATEGORICAL_SQUARED_ERROR: break; /* see below */
    }
    double sum = 0;
    for (int64_t i = 0; i < m; i++) {
        real w = weight ? weight[i] : 1, value = 0;
        for (int64_t j = 0; j < k; j++) {
            value += values[i * k + j];
            delta[i * k + j] *= w;
        }
        sum += (double)(value * w);
    }
    return sum;
}

/* delta <- p = softmax(logits); sums[i] is the denominator of row i, whose largest term is 1. */
static void softmax(
    int64_t m, int64_t k,
    const real *restrict logits, /* IN  (m, k) */
    real *restrict sums,         /* OUT (m,) */
    real *restrict delta)        /* OUT (m, k) */
{
    for (int64_t i = 0; i < m; i++) {
        real largest = logits[i * k];
        for (int64_t j = 1; j < k; j++)
            largest = logits[i * k + j] > largest ? logits[i * k + j] : largest;
        for (int64_t j = 0; j < k; j++) delta[i * k + j] = logits[i * k + j] - largest;
    }
    SIMD(omp simd)
    for (int64_t i = 0; i < m * k; i++) delta[i] = exp_negative(delta[i]);
    for (int64_t i = 0; i < m; i++) {
        real sum = 0;
        for (int64_t j = 0; j < k; j++) sum += delta[i * k + j];
        for (int64_t j = 0; j < k; j++) delta[i * k + j] /= sum;
        sums[i] = sum;
    }
}

/* Predictions of m rows from their logits; see OUTPUTS of prediction.py. */
static void output_of(
    enum output output, int64_t m, int64_t k,
    const real *restrict logits, /* IN  (m, k) */
    real *restrict scratch,      /* OUT (m,) */
    real *restrict predicted)    /* OUT (m, k), with 2 columns if binary */
{
    switch (output) {
    case AS_LOGITS:
        memcpy(predicted, logits, sizeof(real) * m * k);
        break;
    case AS_BINARY: {
        SIMD(omp simd)
        for (int64_t i = 0; i < m; i++) {
            predicted[2 * i] = sigmoid(-logits[i]);
            predicted[2 * i + 1] = sigmoid(logits[i]);
        }
        break;
    }
    case AS_LOGISTIC: {
        SIMD(omp simd)
        for (int64_t i = 0; i < m * k; i++) predicted[i] = sigmoid(logits[i]);
        break;
    }
    case AS_SOFTMAX:
        softmax(m, k, logits, scratch, predicted);
        break;
    }
}

/* -log p_y of one row; `p` becomes the gradient p - one_hot(y). */
static real categorical_cross_entropy(
    int64_t k,
    const real *restrict logits, /* IN     (k,) */
    int64_t y,                   /* IN     class index */
    real sum,                    /* IN     the softmax's denominator */
    real *restrict p)            /* IN-OUT (k,) */
{
    real largest = logits[0];
    for (int64_t j = 1; j < k; j++) largest = logits[j] > largest ? logits[j] : largest;
    p[y] -= 1;
    return (real)log(sum) - (logits[y] - largest);
}

/* 1/2 ||p - one_hot(y)||^2 of one row; with e = p - one_hot(y), `p` becomes the gradient
 * p (e - sum_j e_j p_j). */
static real categorical_squared_error(
    int64_t k,
    int64_t y,        /* IN     class index */
    real *restrict p) /* IN-OUT (k,) */
{
    real squares = 0, product = 0;
    for (int64_t j = 0; j < k; j++) {
        real error = p[j] - (j == y);
        squares += error * error;
        product += error * p[j];
    }
    for (int64_t j = 0; j < k; j++) p[j] *= (p[j] - (j == y)) - product;
    return (real)0.5 * squares;
}

/* A loss of class indices, for one row; `p` becomes the gradient. */
static real categorical_loss(
    enum loss loss, int64_t k,
    const real *restrict logits, /* IN     (k,) */
    int64_t y,                   /* IN     class index */
    real sum,                    /* IN     the softmax's denominator */
    real *restrict p)            /* IN-OUT (k,) */
{
    switch (loss) {
    case CATEGORICAL_CROSS_ENTROPY: return categorical_cross_entropy(k, logits, y, sum, p);
    case CATEGORICAL_SQUARED_ERROR: return categorical_squared_error(k, y, p);
    case BINARY_CROSS_ENTROPY: case BINARY_SQUARED_ERROR: break; /* see binary_loss */
    }
    return 0;
}

/* Sum of w_i loss_i over the rows of a batch; delta is w_i d loss_i / d logits. */
static double value_and_gradient(
    enum loss loss, int64_t m, int64_t k,
    const real *restrict logits, /* IN  (m, k) */
    const void *restrict y,      /* IN  (m, k) of 0 and 1, or (m,) int64 class indices */
    const real *restrict weight, /* IN  (m,) or NULL */
    real *restrict scratch,      /* OUT (m, k) */
    real *restrict delta)        /* OUT (m, k) */
{
    if (!is_categorical(loss))
        return binary_loss(loss, m, k, logits, y, weight, scratch, delta);
    softmax(m, k, logits, scratch, delta);
    double sum = 0;
    for (int64_t i = 0; i < m; i++) {
        real w = weight ? weight[i] : 1, *p = delta + i * k;
        int64_t label = ((const int64_t *)y)[i];
        sum += (double)(w * categorical_loss(loss, k, logits + i * k, label, scratch[i], p));
        for (int64_t j = 0; j < k; j++) p[j] *= w;
    }
    return sum;
}

#endif
