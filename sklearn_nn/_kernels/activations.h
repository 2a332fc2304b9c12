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
    case SILU: case GELU: return 1;
    case IDENTITY: case LOGISTIC: case TANH: case RELU: case LEAKY_RELU: case SOFTPLUS:
    case ELU: return 0;
    }
    return 0;
}

/* A case of the switches below: a vectorised loop over n units. */
#define FOR_EACH(...)                                                                      \
    {                                                                                      \
        SIMD(omp simd)                                                                     \
        for (int64_t i = 0; i < n; i++) { __VA_ARGS__; }                                   \
        break;                                                                             \
    }

static void activate(
    enum activation activation, int64_t n,
    real *restrict z) /* IN-OUT (n,) */
{
    switch (activation) {
    case IDENTITY: break;
    case LOGISTIC: FOR_EACH(z[i] = sigmoid(z[i]))
    case TANH: FOR_EACH(z[i] = hyperbolic_tangent(z[i]))
    case RELU: FOR_EACH(z[i] = z[i] < 0 ? 0 : z[i]) /* NaN stays */
    case LEAKY_RELU: FOR_EACH(z[i] = z[i] < 0 ? LEAK * z[i] : z[i])
    case SOFTPLUS: FOR_EACH(z[i] = log1pexp_from(z[i], exp_negative(-absolute(z[i]))))
    case ELU: FOR_EACH(real below = expm1_negative(z[i] > 0 ? 0 : z[i]);
                       z[i] = z[i] > 0 ? z[i] : below)
    case SILU: FOR_EACH(z[i] *= sigmoid(z[i]))
    case GELU: FOR_EACH(z[i] *= normal_cdf_from(z[i], exp_negative((real)-0.5 * z[i] * z[i])))
    }
}

static void multiply_derivative(
    enum activation activation, int64_t n,
    const real *restrict a, /* IN     (n,) outputs */
    real *restrict delta)   /* IN-OUT (n,) */
{
    switch (activation) {
    case IDENTITY: break;
    case LOGISTIC: FOR_EACH(delta[i] *= a[i] * (1 - a[i]))
    case TANH: FOR_EACH(delta[i] *= 1 - a[i] * a[i])
    case RELU: FOR_EACH(delta[i] *= a[i] > 0 ? 1 : 0) /* NaN stays */
    case LEAKY_RELU: FOR_EACH(delta[i] *= a[i] > 0 ? 1 : LEAK)
    case SOFTPLUS: FOR_EACH(delta[i] *= -expm1_negative(-a[i]))
    case ELU: FOR_EACH(delta[i] *= a[i] < 0 ? 1 + a[i] : 1)
    case SILU: case GELU: break; /* their slope is saved */
    }
}

/* f(z) in place, and slope = f'(z). */
static void activate_with_slope(
    enum activation activation, int64_t n,
    real *restrict z,     /* IN-OUT (n,) */
    real *restrict slope) /* OUT    (n,) */
{
    switch (activation) {
    case SILU:
        FOR_EACH(real e = exp_negative(-absolute(z[i])), s = sigmoid_from(z[i], e);
                 slope[i] = s * (1 + z[i] * sigmoid_from(-z[i], e));
                 z[i] *= s)
    case GELU:
        FOR_EACH(real e = exp_negative((real)-0.5 * z[i] * z[i]);
                 real cdf = normal_cdf_from(z[i], e);
                 slope[i] = cdf + z[i] * (DENSITY_AT_0 * e);
                 z[i] *= cdf)
    case IDENTITY: case LOGISTIC: case TANH: case RELU: case LEAKY_RELU: case SOFTPLUS:
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
