/* Mirror of activations.py: f(z) in place, and f'(z) written through the output a = f(z).
 *
 * Where f'(z) needs z, which is no longer there, or is multiplied with a mask, it is
 * written down on the way forward.
 */
#ifndef SKLEARN_NN_ACTIVATIONS_H
#define SKLEARN_NN_ACTIVATIONS_H

#include "arrays.h"
#include "kernels.h"

#define LEAK ((real)0.01)
#define DENSITY_AT_0 ((real)0.3989422804014327) /* 1 / sqrt(2 pi), of the normal one */

static int keeps_slope(enum activation activation) {
    return activation == SILU || activation == GELU;
}

static void activate(
    enum activation activation, int64_t n,
    real *restrict z) /* IN-OUT (n,) */
{
    if (activation == LOGISTIC) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = sigmoid(z[i]);
    } else if (activation == TANH) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = hyperbolic_tangent(z[i]);
    } else if (activation == RELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = z[i] < 0 ? 0 : z[i]; /* NaN stays */
    } else if (activation == LEAKY_RELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] = z[i] < 0 ? LEAK * z[i] : z[i];
    } else if (activation == SOFTPLUS) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++)
            z[i] = log1pexp_from(z[i], exp_negative(-absolute(z[i])));
    } else if (activation == ELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real below = expm1_negative(z[i] > 0 ? 0 : z[i]);
            z[i] = z[i] > 0 ? z[i] : below;
        }
    } else if (activation == SILU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) z[i] *= sigmoid(z[i]);
    } else if (activation == GELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++)
            z[i] *= normal_cdf_from(z[i], exp_negative((real)-0.5 * z[i] * z[i]));
    }
}

static void multiply_derivative(
    enum activation activation, int64_t n,
    const real *restrict a, /* IN     (n,) outputs */
    real *restrict delta)   /* IN-OUT (n,) */
{
    if (activation == LOGISTIC) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] * (1 - a[i]);
    } else if (activation == TANH) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= 1 - a[i] * a[i];
    } else if (activation == RELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] > 0 ? 1 : 0; /* NaN stays */
    } else if (activation == LEAKY_RELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] > 0 ? 1 : LEAK;
    } else if (activation == SOFTPLUS) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= -expm1_negative(-a[i]);
    } else if (activation == ELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) delta[i] *= a[i] < 0 ? 1 + a[i] : 1;
    }
}

/* f(z) in place, and f'(z) beside it. */
static void activate_with_slope(
    enum activation activation, int64_t n,
    real *restrict z,     /* IN-OUT (n,) */
    real *restrict slope) /* OUT    (n,) */
{
    if (activation == SILU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real e = exp_negative(-absolute(z[i])), s = sigmoid_from(z[i], e);
            slope[i] = s * (1 + z[i] * sigmoid_from(-z[i], e));
            z[i] *= s;
        }
    } else if (activation == GELU) {
        SIMD(omp simd)
        for (int64_t i = 0; i < n; i++) {
            real e = exp_negative((real)-0.5 * z[i] * z[i]);
            real cdf = normal_cdf_from(z[i], e);
            slope[i] = cdf + z[i] * (DENSITY_AT_0 * e);
            z[i] *= cdf;
        }
    } else {
        activate(activation, n, z);
        for (int64_t i = 0; i < n; i++) slope[i] = 1;
        multiply_derivative(activation, n, z, slope);
    }
}

static void multiply(int64_t n, const real *restrict slope, real *restrict delta) {
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) delta[i] *= slope[i];
}

#endif
