/* Mirror of activations.py: f(z) in place, and f'(z) as a function of the output a = f(z).
 *
 * If f'(z) needs z, which f overwrites, or if a mask multiplies it, the forward pass saves
 * f'(z) as `slope`.
 */
#ifndef SKLEARN_NN_ACTIVATIONS_H
#define SKLEARN_NN_ACTIVATIONS_H

#include "arrays.h"
#include "kernels.h"

#define LEAK ((real)0.01)
#define DENSITY_AT_0 ((real)0.3989422804014327) /* 1 / sqrt(2 pi): the normal density */

/* Whether the forward pass must save f'(z), because the output a does not determine it. */
static int saves_slope(enum activation activation) {
    switch (activation) {
    case SILU:
    case GELU: return 1;
    case IDENTITY:
    case LOGISTIC:
    case TANH:
    case RELU:
    case LEAKY_RELU:
    case SOFTPLUS:
    case ELU: return 0;
    }
    return 0;
}

static void activate(
    enum activation activation, int64_t n,
    real *restrict z) /* IN-OUT (n,) */
{
    switch (activation) {
    case LOGISTIC: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = sigmoid(z[i]);
        break;
    }
    case TANH: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = hyperbolic_tangent(z[i]);
        break;
    }
    case RELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = z[i] < 0 ? 0 : z[i]; /* NaN stays */
        break;
    }
    case LEAKY_RELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = z[i] < 0 ? LEAK * z[i] : z[i];
        break;
    }
    case SOFTPLUS: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++)
            z[i] = log1pexp_from(z[i], exp_negative(-absolute(z[i])));
        break;
    }
    case ELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real below = expm1_negative(z[i] > 0 ? 0 : z[i]);
            z[i] = z[i] > 0 ? z[i] : below;
        }
        break;
    }
    case SILU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] *= sigmoid(z[i]);
        break;
    }
    case GELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++)
            z[i] *= normal_cdf_from(z[i], exp_negative((real)-0.5 * z[i] * z[i]));
        break;
    }
    case IDENTITY:
        break;
    }
}

static void multiply_derivative(
    enum activation activation, int64_t n,
    const real *restrict a, /* IN     (n,) outputs */
    real *restrict delta)   /* IN-OUT (n,) */
{
    switch (activation) {
    case LOGISTIC: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] * (1 - a[i]);
        break;
    }
    case TANH: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= 1 - a[i] * a[i];
        break;
    }
    case RELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] > 0 ? 1 : 0; /* NaN stays */
        break;
    }
    case LEAKY_RELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] > 0 ? 1 : LEAK;
        break;
    }
    case SOFTPLUS: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= -expm1_negative(-a[i]);
        break;
    }
    case ELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] < 0 ? 1 + a[i] : 1;
        break;
    }
    case IDENTITY:
    case SILU: /* its slope is saved */
    case GELU: /* its slope is saved */
        break;
    }
}

/* f(z) in place, and slope = f'(z). */
static void activate_with_slope(
    enum activation activation, int64_t n,
    real *restrict z,     /* IN-OUT (n,) */
    real *restrict slope) /* OUT    (n,) */
{
    switch (activation) {
    case SILU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real e = exp_negative(-absolute(z[i])), s = sigmoid_from(z[i], e);
            slope[i] = s * (1 + z[i] * sigmoid_from(-z[i], e));
            z[i] *= s;
        }
        break;
    }
    case GELU: {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real e = exp_negative((real)-0.5 * z[i] * z[i]);
            real cdf = normal_cdf_from(z[i], e);
            slope[i] = cdf + z[i] * (DENSITY_AT_0 * e);
            z[i] *= cdf;
        }
        break;
    }
    case IDENTITY:
    case LOGISTIC:
    case TANH:
    case RELU:
    case LEAKY_RELU:
    case SOFTPLUS:
    case ELU:
        activate(activation, n, z);
        for (int64_t i = 0; i < n; i++) slope[i] = 1;
        multiply_derivative(activation, n, z, slope);
        break;
    }
}

static void multiply(int64_t n, const real *restrict slope, real *restrict delta) {
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) delta[i] *= slope[i];
}

#endif
