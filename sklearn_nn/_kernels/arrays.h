/* Mirror of arrays.py: the floating-point type, vectors of it, and elementary functions.
 *
 * Each unit is compiled for one type (REAL_IS_DOUBLE) and one vector width (VECTOR_BYTES).
 * The functions have no branches and no calls, so that the compiler vectorises loops over
 * them.
 */
#ifndef SKLEARN_NN_ARRAYS_H
#define SKLEARN_NN_ARRAYS_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if REAL_IS_DOUBLE
typedef double real;
typedef uint64_t bits;
enum { FRACTION_BITS = 52, EXPONENT_BIAS = 1023 };
#define ROUNDER 0x1.8p52         /* adding it rounds x to an integer, held in the last bits */
#define LN2_HIGH 0x1.62e42feep-1 /* so few digits that a product with an integer is exact */
#define LN2_LOW 0x1.a39ef35793c76p-33
#define SMALLEST_EXPONENT -708.0
#define sqrt_real sqrt
#else
typedef float real;
typedef uint32_t bits;
enum { FRACTION_BITS = 23, EXPONENT_BIAS = 127 };
#define ROUNDER 0x1.8p23f
#define LN2_HIGH 0x1.62e3p-1f
#define LN2_LOW 0x1.2fefa2p-17f
#define SMALLEST_EXPONENT -87.0f
#define sqrt_real sqrtf
#endif
#define LOG2E ((real)1.4426950408889634)

#ifdef __GNUC__
#define SIMD(clauses) _Pragma(#clauses)
#define PREFETCH(address) __builtin_prefetch(address, 0, 2) /* to the second cache */
#define ALWAYS_INLINE inline __attribute__((always_inline))
typedef real vector
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
#else
#define SIMD(clauses)
#define PREFETCH(address) ((void)0)
#define ALWAYS_INLINE inline
#define restrict
typedef real vector;
#endif
enum { LANES = sizeof(vector) / sizeof(real) };

static inline bits bits_of(real x) { bits b; memcpy(&b, &x, sizeof b); return b; }
static inline real from_bits(bits b) { real x; memcpy(&x, &b, sizeof x); return x; }
static inline real absolute(real x) { return x < 0 ? -x : x; }

/* For x <= 0, return `scale` = 2^n and p with exp(x) = scale (1 + p), |p| < 0.42.
 *
 * x = n ln2 + r, |r| <= ln2 / 2, and p = exp(r) - 1 by its Taylor series, whose first
 * omitted term is below half a unit in the last place (W. Cody and W. Waite, "Software Manual
 * for the Elementary Functions", 1980, for the reduction in two parts).
 */
static inline void split_exp(real x, real *scale, real *p) {
    real rounded = x * LOG2E + ROUNDER;
    real n = rounded - ROUNDER;
    real r = (x - n * LN2_HIGH) - n * LN2_LOW;
    bits exponent = bits_of(rounded) - bits_of(ROUNDER) + EXPONENT_BIAS;
    real sum;
#if REAL_IS_DOUBLE
    sum = 1.0 / 6227020800.0; /* 1 / 13! */
    sum = 1.0 / 479001600.0 + r * sum;
    sum = 1.0 / 39916800.0 + r * sum;
    sum = 1.0 / 3628800.0 + r * sum;
    sum = 1.0 / 362880.0 + r * sum;
    sum = 1.0 / 40320.0 + r * sum;
    sum = 1.0 / 5040.0 + r * sum;
#else
    sum = (real)(1.0 / 5040.0); /* 1 / 7! */
#endif
    sum = (real)(1.0 / 720.0) + r * sum;
    sum = (real)(1.0 / 120.0) + r * sum;
    sum = (real)(1.0 / 24.0) + r * sum;
    sum = (real)(1.0 / 6.0) + r * sum;
    sum = (real)0.5 + r * sum;
    *scale = from_bits(exponent << FRACTION_BITS);
    *p = r + r * r * sum;
}

/* exp(x) for x <= 0; 0 if the result would be subnormal. */
static inline real exp_negative(real x) {
    real scale, p;
    split_exp(x, &scale, &p);
    real value = scale + scale * p;
    return x < SMALLEST_EXPONENT ? 0 : value;
}

/* exp(x) - 1 for x <= 0, accurate near 0. */
static inline real expm1_negative(real x) {
    real scale, p;
    split_exp(x, &scale, &p);
    real value = (scale - 1) + scale * p;
    return x < SMALLEST_EXPONENT ? -1 : value;
}

/* 1 / (1 + exp(-z)) without overflow, from e = exp(-|z|). */
static inline real sigmoid_from(real z, real e) { return (z >= 0 ? 1 : e) / (1 + e); }

static inline real sigmoid(real z) { return sigmoid_from(z, exp_negative(-absolute(z))); }

/* tanh(|z|) = -e / (2 + e) with e = exp(-2 |z|) - 1; the result has the sign of z. */
static inline real hyperbolic_tangent(real z) {
    real e = expm1_negative(-2 * absolute(z));
    real value = -e / (2 + e);
    return z < 0 ? -value : value;
}

/* log(1 + exp(z)) = max(z, 0) + log1p(e) without overflow, from e = exp(-|z|).
 *
 * log1p(e) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...), s = e / (2 + e) <= 1/3.
 */
static inline real log1pexp_from(real z, real e) {
    real s = e / (2 + e), square = s * s, sum;
#if REAL_IS_DOUBLE
    sum = 1.0 / 33;
    sum = 1.0 / 31 + square * sum;
    sum = 1.0 / 29 + square * sum;
    sum = 1.0 / 27 + square * sum;
    sum = 1.0 / 25 + square * sum;
    sum = 1.0 / 23 + square * sum;
    sum = 1.0 / 21 + square * sum;
    sum = 1.0 / 19 + square * sum;
    sum = 1.0 / 17 + square * sum;
    sum = 1.0 / 15 + square * sum;
#else
    sum = (real)(1.0 / 15);
#endif
    sum = (real)(1.0 / 13) + square * sum;
    sum = (real)(1.0 / 11) + square * sum;
    sum = (real)(1.0 / 9) + square * sum;
    sum = (real)(1.0 / 7) + square * sum;
    sum = (real)(1.0 / 5) + square * sum;
    sum = (real)(1.0 / 3) + square * sum;
    sum = 1 + square * sum;
    return (z > 0 ? z : 0) + 2 * s * sum;
}

/* The normal distribution function Phi(z) from e = exp(-z^2 / 2).
 *
 * Phi(-x) = e r P(t) for x >= 0, with r = 1 / (x + 5), t = (x - 5) / (x + 5).
 * P interpolates at the Chebyshev points of 0 <= x <= 38 (float: 13.3), beyond which e is 0.
 * It was computed with 50 digits by mpmath; its error is below eps / 2. (The variable t is
 * that of M. Shepherd and J. Laframboise, "Chebyshev approximation of
 * (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", Mathematics of Computation 36, 1981.)
 */
static inline real normal_cdf_from(real z, real e) {
    real x = absolute(z) < 38 ? absolute(z) : 38, r = 1 / (x + 5), t = (x - 5) * r, sum;
#if REAL_IS_DOUBLE
    static const double P[] = {
        0.76919304975006297, -0.66538250289005674, 0.4953056159699763,
        -0.31353315667130333, 0.1650203661703924, -0.069118638706343327,
        0.020795066799711034, -0.0029933767701201871, -0.00079786939649825522,
        0.00054489906258846301, -5.9375740890717537e-05, -4.9762809206275367e-05,
        1.6681264589765155e-05, 3.980907058917049e-06, -2.7693889345920015e-06,
        -3.3667190166101654e-07, 4.3331011944482117e-07, 4.2408655848908568e-08,
        -6.6056867089759288e-08, -9.4550903256775655e-09, 7.674498716098594e-09,
        1.8112441232578678e-09, -1.4063440415934303e-10,
    };
#else
    static const float P[] = {
        0.769193051f, -0.66538249f, 0.495305432f, -0.313533849f,
        0.165023841f, -0.0691069964f, 0.0207784014f, -0.0030692001f,
        -0.000814796071f, 0.000701241543f, 0.000122775485f,
    };
#endif
    enum { DEGREE = sizeof(P) / sizeof(real) - 1 };
    sum = P[DEGREE];
    SIMD(GCC unroll 32) /* without it, the outer loop over units is not vectorised */
    for (int i = DEGREE - 1; i >= 0; i--) sum = P[i] + t * sum;
    real tail = e * r * sum;
    return z > 0 ? 1 - tail : tail;
}

#endif
