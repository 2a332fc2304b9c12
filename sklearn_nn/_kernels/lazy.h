/* Plain gradient descent of a linear model on sparse rows. A step takes time in proportion to
 * the stored values of its rows, not to n_features.
 *
 * Between two rows that have feature j, only l2 and l1 move its weights: with
 * a_t = 1 - rate_t l2 and b_t = rate_t l1, step t without a gradient is
 *
 *     w <- soft_threshold(a_t w, b_t).
 *
 * Let A be the product of all a so far, and v = w / A. Then many such steps together are
 *
 *     v <- soft_threshold(v, B_now - B_then),     B = sum_t b_t / A_{t+1},
 *
 * applied when the next row has the feature. A is reset to 1 before it underflows.
 * (L. Bottou, "Stochastic Gradient Descent Tricks", 2012, for the scale; B. Carpenter, "Lazy
 * Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", 2008,
 * for the delayed thresholds.)
 */
#ifndef SKLEARN_NN_LAZY_H
#define SKLEARN_NN_LAZY_H

#include "batches.h"
#include "network.h"
#include "optimizers.h"

/* A is reset to 1 below these. The first keeps v = w / A a normal float. With l1, differences
 * of sums of A^2 are needed, which lose a factor 1 / A^2 of accuracy. */
#define SMALLEST_SCALE 1e-9
#define SMALLEST_SCALE_OF_SUMS 0.1

enum { MAX_PENDING = 4096 }; /* most steps that may be delayed: their history fits the cache */

/* Sums over the steps so far, each step weighted with the rows of its batch.
 *
 * The penalty in the objective is delayed as well. A weight without rows is
 * |w_t| = A_t (c - B_t) with a constant c, until B_t reaches c. So its penalty over the delayed
 * steps follows from differences of these sums. */
struct history {
    double threshold;     /* B before the step */
    double a, ab;         /* sums of A, A B up to this step */
    double aa, aab, aabb; /* sums of A^2, A^2 B, A^2 B^2 */
};

struct lazy {
    int64_t n_features, k;
    double l2, l1;
    real *v;           /* (n_features, k) */
    double scale;      /* A */
    double total;      /* penalty, summed over steps and their rows */
    double squares;    /* ||v||^2, only valid without l1 */
    double threshold;  /* B; this and all below are only used with l1 */
    int32_t now;       /* number of this step, from 1 after a reset of A */
    int32_t *since;    /* (n_features,) last step whose rows had the feature */
    struct history *history; /* (MAX_PENDING + 1,) by step; history[0] is all zeros */
};

/* Find the last step, from `since` on, before which a weight with this c is not 0.
 *
 * Interpolation search: thresholds grow linearly while the learning rate is constant, so that
 * the first guess is nearly always right.
 */
static int32_t last_step_alive(
    const struct history *history, double c, int32_t since, int32_t now)
{
    int32_t low = since, high = now; /* history[low].threshold < c <= history[high].threshold */
    while (high - low > 1) {
        double width = history[high].threshold - history[low].threshold;
        double share = (c - history[low].threshold) / width;
        double at = low + share * (high - low); /* NaN if a threshold is infinite */
        int32_t guess = at > low + 1 ? (at < high - 1 ? (int32_t)at : high - 1) : low + 1;
        if (history[guess].threshold < c) low = guess;
        else high = guess;
    }
    return low;
}

/* Apply the delayed steps to the weights of feature j; return their penalty over these. */
static inline double catch_up(struct lazy *lazy, int64_t j) {
    const int32_t since = lazy->since[j], now = lazy->now;
    const struct history *p = &lazy->history[since];
    double pending = lazy->threshold - p->threshold;
    double penalty = 0;
    if (since == now && pending == 0) return 0;
    for (int64_t i = j * lazy->k; i < (j + 1) * lazy->k; i++) {
        real v = lazy->v[i];
        double c = (double)absolute(v) + p->threshold;
        int32_t last = v == 0 ? since : now;
        if (v != 0 && lazy->history[now].threshold >= c)
            last = last_step_alive(lazy->history, c, since, now);
        const struct history *q = &lazy->history[last];
        penalty += lazy->l1 * (c * (q->a - p->a) - (q->ab - p->ab));
        if (lazy->l2)
            penalty += 0.5 * lazy->l2 * (c * c * (q->aa - p->aa)
                                         - 2 * c * (q->aab - p->aab) + (q->aabb - p->aabb));
        lazy->v[i] = soft_threshold(v, (real)pending);
    }
    lazy->since[j] = now;
    return penalty;
}

/* Apply all delayed steps, so that v is the weights, and reset A to 1. */
static void flush(struct lazy *lazy) {
    int64_t n = lazy->n_features * lazy->k;
    real scale = (real)lazy->scale;
    if (lazy->l1) {
        for (int64_t j = 0; j < lazy->n_features; j++) lazy->total += catch_up(lazy, j);
        memset(lazy->since, 0, sizeof(int32_t) * lazy->n_features);
        lazy->now = 0;
        lazy->threshold = 0;
    }
    if (scale != 1)
        for (int64_t i = 0; i < n; i++) lazy->v[i] *= scale;
    lazy->scale = 1;
    if (lazy->l2 && !lazy->l1) lazy->squares = 2 * penalty_value(n, lazy->v, 1, 0);
}

static void begin_lazy(
    struct lazy *lazy, double l2, double l1, int64_t n_features, int64_t k, real *weights)
{
    lazy->n_features = n_features;
    lazy->k = k;
    lazy->l2 = l2;
    lazy->l1 = l1;
    lazy->v = weights;
    lazy->scale = 1;
    lazy->total = lazy->squares = lazy->threshold = 0;
    lazy->now = 0;
    if (l1) {
        memset(lazy->since, 0, sizeof(int32_t) * n_features);
        memset(lazy->history, 0, sizeof(struct history));
    }
    flush(lazy);
}

/* Add the penalty before a step on m rows to the history or the total. */
static void count_penalty(struct lazy *lazy, int64_t m) {
    if (lazy->l1) {
        if (lazy->now == MAX_PENDING) flush(lazy);
        const struct history *p = &lazy->history[lazy->now++];
        double b = lazy->threshold, a = (double)m * lazy->scale, aa = a * lazy->scale;
        lazy->history[lazy->now] = (struct history){
            b, p->a + a, p->ab + a * b, p->aa + aa, p->aab + aa * b, p->aabb + aa * b * b,
        };
    } else if (lazy->l2) {
        lazy->total += 0.5 * lazy->l2 * (double)m * lazy->scale * lazy->scale * lazy->squares;
    }
}

/* z (m, k) <- intercept + x W, after the delayed steps of the rows' features */
static void lazy_forward(
    struct lazy *lazy, const struct rows *rows, const struct batch *batch,
    const real *intercept, real *restrict z)
{
    int64_t k = lazy->k, m = batch->m;
    real scale = (real)lazy->scale;
    if (lazy->l1)
        for (int64_t i = 0; i < m; i++) {
            struct sparse_row row = sparse_row(rows, batch->numbers[i]);
            double penalty = 0;
            for (int64_t j = 0; j < row.n; j++)
                penalty += catch_up(lazy, integer_at(row.indices, row.wide, j));
            lazy->total += penalty;
        }
    memset(z, 0, sizeof(real) * m * k);
    sparse_product(rows, batch, k, lazy->v, z);
    for (int64_t i = 0; i < m; i++)
        for (int64_t o = 0; o < k; o++) z[i * k + o] = scale * z[i * k + o] + intercept[o];
}

/* Shrink all weights by the penalty's step. */
static void shrink(struct lazy *lazy, double learning_rate) {
    double a = 1 - learning_rate * lazy->l2;
    double smallest = lazy->l1 ? SMALLEST_SCALE_OF_SUMS : SMALLEST_SCALE;
    if (lazy->scale * a < smallest) flush(lazy);
    if (a < smallest) { /* a step of about 1 / l2 or longer cannot be delayed */
        for (int64_t i = 0; i < lazy->n_features * lazy->k; i++) lazy->v[i] *= (real)a;
        lazy->squares *= a * a;
    } else {
        lazy->scale *= a;
    }
    lazy->threshold += learning_rate * lazy->l1 / lazy->scale;
}

/* v_j <- v_j + c x_j for the stored values of a row; return the growth of ||v||^2. */
static ALWAYS_INLINE double add_row(
    const int wide, int64_t n, const void *restrict indices, const real *restrict x,
    int64_t k, real c, real *restrict v)
{
    double growth[4] = {0, 0, 0, 0}; /* four independent sums */
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (int u = 0; u < 4; u++) {
            real *at = v + k * integer_at(indices, wide, j + u), move = c * x[j + u];
            growth[u] += (double)(move * (2 * *at + move));
            *at += move;
        }
    for (; j < n; j++) {
        real *at = v + k * integer_at(indices, wide, j), move = c * x[j];
        growth[0] += (double)(move * (2 * *at + move));
        *at += move;
    }
    return (growth[0] + growth[1]) + (growth[2] + growth[3]);
}

/* v <- v - rate / A x^T delta, with delta (m, k) divided by the rows of the batch. */
static void lazy_step(
    struct lazy *lazy, const struct rows *rows, const struct batch *batch,
    const real *restrict delta, double learning_rate)
{
    int64_t k = lazy->k;
    real rate = (real)(-learning_rate / lazy->scale);
    for (int64_t i = 0; i < batch->m; i++) {
        struct sparse_row row = sparse_row(rows, batch->numbers[i]);
        prefetch_values(rows, batch, i);
        for (int64_t o = 0; o < k; o++) {
            real c = rate * delta[i * k + o], *v = lazy->v + o;
            lazy->squares += row.wide
                ? add_row(1, row.n, row.indices, row.values, k, c, v)
                : add_row(0, row.n, row.indices, row.values, k, c, v);
        }
    }
}

#endif
