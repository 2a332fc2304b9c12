/* The textbook's stochastic gradient descent: one logit, one dense row per step.
 *
 * The result is that of a batch of one row. But such a step is so short that the number of
 * passes over theta matters: here two, one for the logit and one for the update.
 */
#ifndef SKLEARN_NN_ONE_ROW_H
#define SKLEARN_NN_ONE_ROW_H

#include "batches.h"
#include "losses.h"
#include "optimizers.h"
#include "products.h"

/* w <- soft_threshold(w - rate (delta x + l2 w), rate l1); returns the new w's penalty. */
static ALWAYS_INLINE double fused_step(
    const int has_l1, const struct step *s, double l1, int64_t n, real delta,
    const real *restrict x, real *restrict w)
{
    const real rate = s->learning_rate, l2 = s->l2, threshold = rate * s->l1;
    real squares = 0, magnitudes = 0;
    SIMD(omp simd reduction(+:squares, magnitudes))
    for (int64_t i = 0; i < n; i++) {
        real moved = w[i] - rate * (delta * x[i] + l2 * w[i]);
        if (has_l1) {
            moved = soft_threshold(moved, threshold);
            magnitudes += absolute(moved);
        }
        squares += moved * moved;
        w[i] = moved;
    }
    return 0.5 * s->l2 * squares + (has_l1 ? l1 * magnitudes : 0);
}

/* Loss of one logit; `gradient` is its derivative. */
static inline real loss_of_logit(enum loss loss, real logit, real y, real *gradient) {
    switch (loss) {
    case BINARY_CROSS_ENTROPY: return binary_cross_entropy(logit, y, gradient);
    case BINARY_SQUARED_ERROR: return binary_squared_error(logit, y, gradient);
    case CATEGORICAL_CROSS_ENTROPY: case CATEGORICAL_SQUARED_ERROR: break; /* not here */
    }
    return 0;
}

/* Steps on the samples [start, start + n_steps) of the order; returns the sum of their
 * objectives. */
static double one_row_steps(
    const struct problem *problem, const struct rows *rows, const struct targets *targets,
    real *restrict theta, const int64_t *order, int64_t start, int64_t n_steps,
    const double *learning_rates)
{
    const int64_t p = rows->n_features, half = p / 2, n = rows->n_samples;
    const real *y = targets->y, *weights = targets->sample_weight;
    struct step s = {.l2 = (real)problem->l2, .l1 = (real)problem->l1};
    double total = 0, penalty = penalty_value(p, theta, s.l2, problem->l1);
    for (int64_t i = start; i < start + n_steps; i++) {
        int64_t sample = order ? order[i] : i;
        const real *x = dense_row(rows, rows->index ? rows->index[sample] : sample);
        int64_t later = i + ROWS_AHEAD < n ? i + ROWS_AHEAD : i;
        const real *coming = dense_row(rows, row_number(rows, order, later));
        /* In two halves, so that the requests do not queue. */
        prefetch(coming, half * (int64_t)sizeof(real));
        PREFETCH(&y[order ? order[later] : later]);
        real delta, weight = weights ? weights[sample] : 1, z = theta[p] + dot(p, x, theta);
        real loss = loss_of_logit(problem->loss, z, y[sample], &delta);
        total += (double)(weight * loss) + penalty;
        delta *= weight;
        prefetch(coming + half, (p - half) * (int64_t)sizeof(real));
        s.learning_rate = (real)learning_rates[i - start];
        penalty = s.l1 > 0 ? fused_step(1, &s, problem->l1, p, delta, x, theta)
                           : fused_step(0, &s, 0, p, delta, x, theta);
        if (problem->fit_intercept) theta[p] -= s.learning_rate * delta;
    }
    return total;
}

#endif
