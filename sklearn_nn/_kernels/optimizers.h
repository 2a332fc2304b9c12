/* Mirror of penalties.py and optimizers.py: a step is one pass over theta, gradient, slots. */
#ifndef SKLEARN_NN_OPTIMIZERS_H
#define SKLEARN_NN_OPTIMIZERS_H

#include "arrays.h"
#include "kernels.h"
#include "products.h"

/* The numbers of one step, in the type of the data, as in the reference. */
struct step {
    enum optimizer optimizer;
    real l2, l1;                  /* 0 for intercepts */
    real learning_rate, momentum; /* the rate is bias-corrected for Adam */
    real beta_1, rest_1, beta_2, rest_2, epsilon; /* rest = 1 - beta, computed in double */
};

/* argmin_u l1 |u| + (u - w)^2 / (2 step_size), with `threshold` = l1 * step_size. */
static inline real soft_threshold(real w, real threshold) {
    real excess = absolute(w) - threshold;
    excess = excess < 0 ? 0 : excess; /* NaN stays */
    return w < 0 ? -excess : excess;
}

/* theta <- theta - learning_rate * gradient */
static ALWAYS_INLINE void sgd_step(
    const int has_l1, const struct step *s, int64_t n,
    real *restrict theta, const real *restrict gradient)
{
    const real rate = s->learning_rate, l2 = s->l2, threshold = rate * s->l1;
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) {
        real moved = theta[i] - rate * (gradient[i] + l2 * theta[i]);
        theta[i] = has_l1 ? soft_threshold(moved, threshold) : moved;
    }
}

/* v <- momentum * v - learning_rate * gradient; theta <- theta + v */
static ALWAYS_INLINE void momentum_step(
    const int has_l1, const struct step *s, int64_t n,
    real *restrict theta, const real *restrict gradient, real *restrict velocity)
{
    const real rate = s->learning_rate, l2 = s->l2, threshold = rate * s->l1;
    const real momentum = s->momentum;
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) {
        real w = theta[i];
        real v = momentum * velocity[i] - rate * (gradient[i] + l2 * w);
        real moved = w + v;
        if (has_l1) {
            moved = soft_threshold(moved, threshold);
            v = moved - w;
        }
        velocity[i] = v;
        theta[i] = moved;
    }
}

/* As `momentum_step`, but theta <- theta + momentum * v - learning_rate * gradient. */
static ALWAYS_INLINE void nesterov_step(
    const int has_l1, const struct step *s, int64_t n,
    real *restrict theta, const real *restrict gradient, real *restrict velocity)
{
    const real rate = s->learning_rate, l2 = s->l2, momentum = s->momentum;
    /* A gradient enters theta (1 + momentum) times as strongly as the velocity. */
    const real gain = 1 + momentum, threshold = gain * rate * s->l1;
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) {
        real descent = rate * (gradient[i] + l2 * theta[i]);
        real v = momentum * velocity[i] - descent;
        real moved = theta[i] + (momentum * v - descent);
        if (has_l1) {
            real shrunk = soft_threshold(moved, threshold);
            v += (shrunk - moved) / gain;
            moved = shrunk;
        }
        velocity[i] = v;
        theta[i] = moved;
    }
}

/* first, second <- moments; theta <- theta - rate first / (sqrt(second) + epsilon) */
static ALWAYS_INLINE void adam_step(
    const int has_l1, const struct step *s, int64_t n,
    real *restrict theta, const real *restrict gradient,
    real *restrict first, real *restrict second)
{
    const real rate = s->learning_rate, l2 = s->l2, l1 = s->l1, epsilon = s->epsilon;
    const real beta_1 = s->beta_1, rest_1 = s->rest_1;
    const real beta_2 = s->beta_2, rest_2 = s->rest_2;
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) {
        real g = gradient[i] + l2 * theta[i];
        first[i] = beta_1 * first[i] + rest_1 * g;
        second[i] = beta_2 * second[i] + rest_2 * g * g;
        real denominator = sqrt_real(second[i]) + epsilon;
        real moved = theta[i] - rate * first[i] / denominator;
        theta[i] = has_l1 ? soft_threshold(moved, rate / denominator * l1) : moved;
    }
}

static ALWAYS_INLINE void step_range(
    const int has_l1, const struct step *s, int64_t n,
    real *theta, const real *gradient, real *slot_0, real *slot_1)
{
    switch (s->optimizer) {
    case SGD: sgd_step(has_l1, s, n, theta, gradient); break;
    case MOMENTUM: momentum_step(has_l1, s, n, theta, gradient, slot_0); break;
    case NESTEROV: nesterov_step(has_l1, s, n, theta, gradient, slot_0); break;
    case ADAM: adam_step(has_l1, s, n, theta, gradient, slot_0, slot_1); break;
    }
}

/* The penalty of the n weights: l2 / 2 ||w||^2 + l1 ||w||_1. */
static double penalty_value(int64_t n, const real *restrict w, double l2, double l1) {
    double value = 0;
    if (l2)
        for (int64_t i = 0; i < n; i += 4096) /* so few numbers that float sums are exact enough */
            value += 0.5 * l2 * dot(n - i < 4096 ? n - i : 4096, w + i, w + i);
    if (l1) {
        double sum = 0;
        SIMD(omp simd reduction(+:sum))
        for (int64_t i = 0; i < n; i++) sum += absolute(w[i]);
        value += l1 * sum;
    }
    return value;
}

/* gradient <- gradient + l2 w, for the n weights */
static void add_gradient(
    int64_t n, const real *restrict w, real l2, real *restrict gradient)
{
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) gradient[i] += l2 * w[i];
}

/* gradient <- gradient max_norm / ||gradient|| if its norm is larger, but finite: scaling an
 * infinite gradient to 0 would hide divergence. */
static void clip(int64_t n, real *restrict gradient, double max_norm) {
    double sum = 0;
    SIMD(omp simd reduction(+:sum))
    for (int64_t i = 0; i < n; i++) sum += (double)gradient[i] * (double)gradient[i];
    const double norm = sqrt(sum);
    const real part = (real)(max_norm / norm);
    if (!(norm > max_norm && norm < (double)INFINITY)) return;
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) gradient[i] *= part;
}

/* w <- w (1 - learning_rate decay), for the n weights */
static void decay_weights(int64_t n, real *restrict w, double learning_rate, double decay) {
    const real factor = (real)(1 - learning_rate * decay);
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) w[i] *= factor;
}

/* Step t, from 1, of the problem's optimizer, on weights and intercepts. */
static void optimizer_step(
    const struct problem *problem, double learning_rate, int64_t t,
    int64_t n_weights, int64_t n_parameters,
    real *theta, real *gradient, void *const *slots)
{
    real *slot_0 = slots[0], *slot_1 = slots[1], l2 = (real)problem->l2;
    /* Clipping needs the norm with l2, which acts on the weights before their decay. */
    if (problem->max_gradient_norm || problem->decay) {
        if (l2) add_gradient(n_weights, theta, l2, gradient);
        l2 = 0;
    }
    if (problem->max_gradient_norm) clip(n_parameters, gradient, problem->max_gradient_norm);
    if (problem->decay) decay_weights(n_weights, theta, learning_rate, problem->decay);
    if (problem->optimizer == ADAM)
        learning_rate *= sqrt(1 - pow(problem->beta_2, (double)t))
                         / (1 - pow(problem->beta_1, (double)t));
    struct step s = {
        .optimizer = problem->optimizer,
        .l2 = l2,
        .l1 = (real)problem->l1,
        .learning_rate = (real)learning_rate,
        .momentum = (real)problem->momentum,
        .beta_1 = (real)problem->beta_1,
        .rest_1 = (real)(1 - problem->beta_1),
        .beta_2 = (real)problem->beta_2,
        .rest_2 = (real)(1 - problem->beta_2),
        .epsilon = (real)problem->epsilon,
    };
    if (s.l1 > 0) step_range(1, &s, n_weights, theta, gradient, slot_0, slot_1);
    else step_range(0, &s, n_weights, theta, gradient, slot_0, slot_1);
    s.l2 = s.l1 = 0;
    int64_t n = n_weights;
    step_range(0, &s, n_parameters - n, theta + n, gradient + n,
               slot_0 ? slot_0 + n : 0, slot_1 ? slot_1 + n : 0);
}

#endif
