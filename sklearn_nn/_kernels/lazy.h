/* Plain gradient descent of a linear model on sparse rows, where a step costs the stored
 * values of its rows and not n_features.
 *
 * Between two rows that have feature j, l2 and l1 alone move its weights: with
 * a_t = 1 - rate_t l2 and b_t = rate_t l1, step t without a gradient is
 *
 *     w <- soft_threshold(a_t w, b_t).
 *
 * In units of A, the product of the a so far, that is for v = w / A, many such steps are
 *
 *     v <- soft_threshold(v, B_now - B_then),     B = sum_t b_t / A_{t+1},
 *
 * taken when the feature comes again. A starts anew from 1 before it underflows.
 * (L. Bottou, "Stochastic Gradient Descent Tricks", 2012, for the scale; B. Carpenter, "Lazy
 * Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", 2008,
 * for thresholds that wait.)
 */
#ifndef SKLEARN_NN_LAZY_H
#define SKLEARN_NN_LAZY_H

#include "batches.h"
#include "network.h"
#include "optimizers.h"

/* A begins anew below this: v = w / A must stay a normal float, and the differences of sums
 * of A^2 that an elastic net needs lose 1 / A^2 of their digits. */
#define SMALLEST_SCALE 1e-9
#define SMALLEST_SCALE_OF_SUMS 0.1

enum { MAX_PENDING = 4096 }; /* steps whose thresholds may wait; their sums fit the cache */

/* The objective's penalty, summed over steps, is taken feature by feature as well: a weight
 * that waits has |w_t| = A_t (c - B_t) for a constant c until B_t reaches c. So differences
 * of these sums over steps, each counted with the rows of its batch, give its part. */
struct past {
    double threshold;     /* B before the step */
    double a, ab;         /* sums of A, A B up to this step */
    double aa, aab, aabb; /* sums of A^2, A^2 B, A^2 B^2 */
};

struct lazy {
    int64_t n_features, k;
    double l2, l1;
    real *v;           /* (n_features, k) */
    double scale;      /* A */
    double total;      /* the penalty summed over steps and their rows */
    double squares;    /* ||v||^2, true without l1 only */
    double threshold;  /* B; this and the rest are for l1 only */
    int32_t now;       /* number of this step, from 1 where A began */
    int32_t *since;    /* (n_features,) step at which the feature came last */
    struct past *past; /* (MAX_PENDING + 1,) by step; past[0] is all zeros */
};

/* The last step from `since` on before which a weight is not 0, for its c.
 *
 * Thresholds grow evenly while the learning rate is even, so that the first guess between
 * the ends is nearly always right.
 */
static int32_t last_step_alive(
    const struct past *past, double c, int32_t since, int32_t now)
{
    int32_t low = since, high = now; /* past[low].threshold < c <= past[high].threshold */
    while (high - low > 1) {
        double width = past[high].threshold - past[low].threshold;
        double share = (c - past[low].threshold) / width;
        double at = low + share * (high - low); /* NaN where a threshold is infinite */
        int32_t guess = at > low + 1 ? (at < high - 1 ? (int32_t)at : high - 1) : low + 1;
        if (past[guess].threshold < c) low = guess;
        else high = guess;
    }
    return low;
}

/* Apply to the weights of feature j what has waited; return their penalty meanwhile. */
static inline double catch_up(struct lazy *lazy, int64_t j) {
    const int32_t since = lazy->since[j], now = lazy->now;
    const struct past *p = &lazy->past[since];
    double pending = lazy->threshold - p->threshold;
    double penalty = 0;
    if (since == now && pending == 0) return 0;
    for (int64_t i = j * lazy->k; i < (j + 1) * lazy->k; i++) {
        real v = lazy->v[i];
        double c = (double)absolute(v) + p->threshold;
        int32_t last = v == 0 ? since : now;
        if (v != 0 && lazy->past[now].threshold >= c)
            last = last_step_alive(lazy->past, c, since, now);
        const struct past *q = &lazy->past[last];
        penalty += lazy->l1 * (c * (q->a - p->a) - (q->ab - p->ab));
        if (lazy->l2)
            penalty += 0.5 * lazy->l2 * (c * c * (q->aa - p->aa)
                                         - 2 * c * (q->aab - p->aab) + (q->aabb - p->aabb));
        lazy->v[i] = soft_threshold(v, (real)pending);
    }
    lazy->since[j] = now;
    return penalty;
}

/* Make v the weights themselves, and begin again with A = 1. */
static void settle(struct lazy *lazy) {
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
        memset(lazy->past, 0, sizeof(struct past));
    }
    settle(lazy);
}

/* Count the penalty of the theta before a step on m rows. */
static void count_penalty(struct lazy *lazy, int64_t m) {
    if (lazy->l1) {
        if (lazy->now == MAX_PENDING) settle(lazy);
        const struct past *p = &lazy->past[lazy->now++];
        double b = lazy->threshold, a = (double)m * lazy->scale, aa = a * lazy->scale;
        lazy->past[lazy->now] = (struct past){
            b, p->a + a, p->ab + a * b, p->aa + aa, p->aab + aa * b, p->aabb + aa * b * b,
        };
    } else if (lazy->l2) {
        lazy->total += 0.5 * lazy->l2 * (double)m * lazy->scale * lazy->scale * lazy->squares;
    }
}

/* z (m, k) <- intercept + x W, after the rows' features have caught up. */
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

/* The step's shrinking of all weights. */
static void shrink(struct lazy *lazy, double learning_rate) {
    double a = 1 - learning_rate * lazy->l2;
    double smallest = lazy->l1 ? SMALLEST_SCALE_OF_SUMS : SMALLEST_SCALE;
    if (lazy->scale * a < smallest) settle(lazy);
    if (a < smallest) { /* a step as long as 1 / l2 or longer cannot wait */
        for (int64_t i = 0; i < lazy->n_features * lazy->k; i++) lazy->v[i] *= (real)a;
        lazy->squares *= a * a;
    } else {
        lazy->scale *= a;
    }
    lazy->threshold += learning_rate * lazy->l1 / lazy->scale;
}

/* v_j <- v_j + c x_j for the stored values of a row; returns how much ||v||^2 grows. */
static ALWAYS_INLINE double add_row(
    const int wide, int64_t n, const void *restrict indices, const real *restrict x,
    int64_t k, real c, real *restrict v)
{
    double growth[4] = {0, 0, 0, 0}; /* four sums need not wait for each other */
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
