/* Random numbers of dropout.py: Philox4x64-10, a function of a key and a counter.
 *
 * J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011. Equal to numpy.random.Philox.
 */
#ifndef SKLEARN_NN_PHILOX_H
#define SKLEARN_NN_PHILOX_H

#include <stdint.h>

/* a b = 2^64 high + low */
static inline uint64_t multiply_wide(uint64_t a, uint64_t b, uint64_t *high) {
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (middle & 0xffffffff);
    *high = a1 * b1 + (middle >> 32) + (other >> 32);
    return a * b;
#endif
}

/* The four words for this key and the counter (number, step, layer, 0). */
static inline void philox(
    const uint64_t key[2], uint64_t number, uint64_t step, uint64_t layer,
    uint64_t words[4]) /* OUT */
{
    uint64_t c0 = number, c1 = step, c2 = layer, c3 = 0, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t high0, high2;
        uint64_t low0 = multiply_wide(0xD2E7470EE14C6C93u, c0, &high0);
        uint64_t low2 = multiply_wide(0xCA5A826395121157u, c2, &high2);
        c0 = high2 ^ c1 ^ k0;
        c1 = low2;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

#endif
