/* Plain gradient descent of a linear model on sparse rows. A step takes time in proportion to
 * the stored values of its rows, not to n_features.
 *
 * Between two rows that have feature j, only l2 and l1 move its weights: with
 * a_t = 1 - rate_t l2 and b_t = rate_t l1, step t without a gradient is
 *
 *     w <- soft_threshold(a_t w, b_t).
 *
 * Let A be the product of all a so far, B = sum_t b_t / A_{t+1}, and v = w / A. Then many such
 * steps together are
 *
 *     v <- soft_threshold(v, B_now - B_then).
 *
 * Without l1, v is stored. With l1 it is u, which has the sign of v and the size |v| + B: such
 * steps do not change it. So a weight is read without knowing when it was last written,
 *
 *     |v| = max(|u| - B, 0),
 *
 * and it has been 0 since B reached |u|. A and B are reset to 1 and 0 before A underflows.
 * u has an error of about eps B: rounding error, unless the steps of l1 between two resets, at
 * most MAX_PENDING rate l1, are much larger than the weights.
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

/* MAX_PENDING: most steps between resets, so that their history fits the cache.
 * ZEROS_AT_ONCE: weights that became 0 are set aside and counted together, because a branch
 * for each of them is mispredicted as often as not. */
enum { MAX_PENDING = 4096, ZEROS_AT_ONCE = 64 };

/* Sums over the steps since the reset, each step weighted with the rows of its batch.
 *
 * They give the sum of the penalty over these steps of a weight with the same u in all of
 * them, see `penalty_of`.
 */
struct history {
    double threshold;     /* B before the step */
    double a, ab;         /* sums of A, A B up to this step */
    double aa, aab, aabb; /* sums of A^2, A^2 B, A^2 B^2 */
};

struct lazy {
    int64_t n_features, k;
    double l2, l1;
    real *v;                 /* (n_features, k) weights; between flushes, v, or unused with l1 */
    double scale;            /* A */
    double total;            /* penalty, summed over steps and their rows */
    double squares;          /* ||v||^2, only valid without l1 */
    double *u;               /* (n_features, k); this and all below are only used with l1 */
    double threshold;        /* B */
    double before;           /* B before the last step */
    int32_t now;             /* number of this step, from 1 after a reset */
    struct history *history; /* (MAX_PENDING + 1,) by step; history[0] is all zeros */
};

/* v of a weight, from u and B */
static inline double shrunk(double u, double threshold) {
    double excess = fabs(u) - threshold;
    return copysign(excess < 0 ? 0 : excess, u); /* NaN stays */
}

/* Penalty over the steps up to this one of a weight with |u| = c that is not 0 in them:
 * |w| = A (c - B). */
static inline double penalty_of(const struct lazy *lazy, const struct history *h, double c) {
    double penalty = lazy->l1 * (c * h->a - h->ab);
    if (lazy->l2) penalty += 0.5 * lazy->l2 * (c * c * h->aa - 2 * c * h->aab + h->aabb);
    return penalty;
}

/* Find the last step before which a weight with |u| = c <= B is not 0; 0 if there is none.
 *
 * Interpolation search: thresholds grow linearly while the learning rate is constant, so that
 * the first guess is nearly always right. `growth` is the mean growth of B per step.
 */
static inline int32_t last_step_alive(
    const struct history *history, double c, double growth, int32_t now)
{
    int32_t low = 0, high = now; /* history[low].threshold < c <= history[high].threshold */
    double at = 1 + (c - history[1].threshold) / growth;
    while (high - low > 1) { /* `at` is NaN if a threshold is infinite, or all are 0 */
        int32_t guess = at > low + 1 ? (at < high - 1 ? (int32_t)at : high - 1) : low + 1;
        if (history[guess].threshold >= c) high = guess;
        else if (history[guess + 1].threshold >= c) return guess;
        else low = guess + 1;
        double width = history[high].threshold - history[low].threshold;
        at = low + (c - history[low].threshold) / width * (high - low);
    }
    return low;
}

/* Sum of the penalties of n weights that are 0 since B reached their |u|, `sizes`. */
static double penalty_of_zeros(const struct lazy *lazy, int64_t n, const double *sizes) {
    const struct history *history = lazy->history;
    const int32_t now = lazy->now;
    const double growth = (history[now].threshold - history[1].threshold) / (now - 1);
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        if (sizes[i] == 0) continue;
        int32_t last = last_step_alive(history, sizes[i], growth, now);
        total += penalty_of(lazy, &history[last], sizes[i]);
    }
    return total;
}

/* v <- weights, with A = 1 */
static void apply_scale(struct lazy *lazy) {
    int64_t n = lazy->n_features * lazy->k;
    real scale = (real)lazy->scale;
    if (scale != 1)
        for (int64_t i = 0; i < n; i++) lazy->v[i] *= scale;
    if (lazy->l2) lazy->squares = 2 * penalty_value(n, lazy->v, 1, 0);
}

/* u <- weights, with A = 1 and B = 0, after adding the penalty of the steps so far. */
static void apply_thresholds(struct lazy *lazy) {
    const struct history *now = &lazy->history[lazy->now];
    for (int64_t i = 0; i < lazy->n_features * lazy->k; i++) {
        double u = lazy->u[i], c = fabs(u);
        lazy->total += c <= now->threshold ? penalty_of_zeros(lazy, 1, &c)
                                           : penalty_of(lazy, now, c);
        lazy->u[i] = lazy->scale * shrunk(u, lazy->threshold);
    }
    lazy->now = 0;
    lazy->threshold = lazy->before = 0;
}

/* Apply all delayed steps, and reset A to 1. */
static void flush(struct lazy *lazy) {
    if (lazy->l1) apply_thresholds(lazy);
    else apply_scale(lazy);
    lazy->scale = 1;
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
    lazy->total = lazy->squares = lazy->threshold = lazy->before = 0;
    lazy->now = 0;
    if (l1) {
        memset(lazy->history, 0, 2 * sizeof(struct history));
        for (int64_t i = 0; i < n_features * k; i++) lazy->u[i] = weights[i];
    }
    flush(lazy);
}

/* Bring the weights up to date, and resume from them as the next call would. */
static void end_lazy(struct lazy *lazy) {
    flush(lazy);
    if (lazy->l1)
        for (int64_t i = 0; i < lazy->n_features * lazy->k; i++)
            lazy->u[i] = lazy->v[i] = (real)lazy->u[i];
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

/* sum_j x_j v_j over the stored values of a row; see `sparse_dot`. */
static ALWAYS_INLINE real shrunk_dot(
    const int wide, int64_t n, const void *restrict indices, const real *restrict x,
    const double *restrict u, double threshold)
{
    real sums[4] = {0, 0, 0, 0};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (int i = 0; i < 4; i++)
            sums[i] += x[j + i] * (real)shrunk(u[integer_at(indices, wide, j + i)], threshold);
    for (; j < n; j++)
        sums[0] += x[j] * (real)shrunk(u[integer_at(indices, wide, j)], threshold);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* z (m, k) <- x V */
static void shrunk_product(
    const struct lazy *lazy, const struct rows *rows, const struct batch *batch,
    real *restrict z)
{
    const int64_t k = lazy->k;
    const double *u = lazy->u, threshold = lazy->threshold;
    for (int64_t i = 0; i < batch->m; i++) {
        struct sparse_row row = sparse_row(rows, batch->numbers[i]);
        prefetch_indices(rows, batch, i);
        if (k == 1) {
            z[i] = row.wide ? shrunk_dot(1, row.n, row.indices, row.values, u, threshold)
                            : shrunk_dot(0, row.n, row.indices, row.values, u, threshold);
            continue;
        }
        for (int64_t j = 0; j < row.n; j++) {
            const double *at = u + k * integer_at(row.indices, row.wide, j);
            for (int64_t o = 0; o < k; o++)
                z[i * k + o] += row.values[j] * (real)shrunk(at[o], threshold);
        }
    }
}

/* z (m, k) <- intercept + x W */
static void lazy_forward(
    const struct lazy *lazy, const struct rows *rows, const struct batch *batch,
    const real *intercept, real *restrict z)
{
    int64_t k = lazy->k, m = batch->m;
    real scale = (real)lazy->scale;
    memset(z, 0, sizeof(real) * m * k);
    if (lazy->l1) shrunk_product(lazy, rows, batch, z);
    else sparse_product(rows, batch, k, lazy->v, z);
    for (int64_t i = 0; i < m; i++)
        for (int64_t o = 0; o < k; o++) z[i * k + o] = scale * z[i * k + o] + intercept[o];
}

/* Shrink all weights by the penalty's step. */
static void shrink(struct lazy *lazy, double learning_rate) {
    double a = 1 - learning_rate * lazy->l2;
    double smallest = lazy->l1 ? SMALLEST_SCALE_OF_SUMS : SMALLEST_SCALE;
    if (lazy->scale * a < smallest) flush(lazy);
    if (a < smallest) { /* a step of about 1 / l2 or longer cannot be delayed */
        for (int64_t i = 0; i < lazy->n_features * lazy->k; i++) {
            if (lazy->l1) lazy->u[i] *= a;
            else lazy->v[i] *= (real)a;
        }
        lazy->squares *= a * a;
    } else {
        lazy->scale *= a;
    }
    lazy->before = lazy->threshold;
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

/* The same with u in place of v.
 *
 * The penalty of a weight depends on its u, and is counted when u changes, or at the end, as
 * if u had been the same in all steps. So this returns the penalty up to now with the old u
 * minus that with the new ones. Where both are not 0, it is a difference of two `penalty_of`
 * of `now`, in which ab and aabb cancel.
 */
static ALWAYS_INLINE double add_row_to_u(
    const int wide, int64_t n, const void *restrict indices, const real *restrict x,
    int64_t k, real c, const struct lazy *lazy, double *restrict u)
{
    const struct history *now = &lazy->history[lazy->now];
    const double before = lazy->before;
    double sizes[ZEROS_AT_ONCE], linear = 0, squares = 0, penalty = 0;
    int64_t n_zeros = 0;
    for (int64_t start = 0; start < n; start += ZEROS_AT_ONCE) {
        int64_t found = 0, stop = start + ZEROS_AT_ONCE < n ? start + ZEROS_AT_ONCE : n;
        for (int64_t j = start; j < stop; j++) {
            double *at = u + k * integer_at(indices, wide, j), old = fabs(*at);
            double moved = shrunk(*at, before) + (double)(c * x[j]);
            double size = fabs(moved) + before;
            *at = copysign(size, moved);
            sizes[found] = old;
            found += old < before;
            old = old < before ? before : old; /* where it became 0 */
            linear += old - size;
            squares += (old - size) * (old + size);
        }
        penalty += penalty_of_zeros(lazy, found, sizes);
        n_zeros += found;
    }
    if (n_zeros) penalty -= (double)n_zeros * penalty_of(lazy, now, before);
    penalty += lazy->l1 * now->a * linear;
    if (lazy->l2) penalty += 0.5 * lazy->l2 * (squares * now->aa - 2 * linear * now->aab);
    return penalty;
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
            double *u = lazy->u + o;
            if (lazy->l1)
                lazy->total += row.wide
                    ? add_row_to_u(1, row.n, row.indices, row.values, k, c, lazy, u)
                    : add_row_to_u(0, row.n, row.indices, row.values, k, c, lazy, u);
            else
                lazy->squares += row.wide
                    ? add_row(1, row.n, row.indices, row.values, k, c, v)
                    : add_row(0, row.n, row.indices, row.values, k, c, v);
        }
    }
}

#endif
