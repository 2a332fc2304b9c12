/* Mirror of activations.py: f(z) in place, and f'(z) written through the output a = f(z). */
#ifndef SKLEARN_NN_ACTIVATIONS_H
#define SKLEARN_NN_ACTIVATIONS_H

#include "arrays.h"
#include "kernels.h"

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
    }
}

#endif
