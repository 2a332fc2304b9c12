/* Mirror of dropout.py: masks that drop hidden units in a step of training. */
#ifndef SKLEARN_NN_DROPOUT_H
#define SKLEARN_NN_DROPOUT_H

#include "activations.h"
#include "philox.h"

/* Multiply the outputs and slopes of a hidden layer by the mask of this step. */
static void drop(
    const struct problem *problem, int64_t step, int layer, int64_t n,
    real *restrict a,     /* IN-OUT (n,) */
    real *restrict slope) /* IN-OUT (n,) */
{
    enum { CHUNK = 512, PER_BLOCK = 8 }; /* the generator makes 8 numbers at once */
    double rate = problem->dropout[layer];
    uint32_t smallest = (uint32_t)fmin(rint(rate * 4294967296.0), 4294967295.0); /* that is kept */
    uint32_t numbers[CHUNK];
    real scale = (real)(1 / (1 - rate));
    for (int64_t start = 0; start < n; start += CHUNK) {
        int64_t size = n - start < CHUNK ? n - start : CHUNK;
        for (int64_t i = 0; i < size; i += PER_BLOCK) {
            uint64_t words[4];
            philox(problem->dropout_key, (uint64_t)(1 + (start + i) / PER_BLOCK),
                   (uint64_t)step, (uint64_t)layer, words);
            for (int j = 0; j < 4; j++) {
                numbers[i + 2 * j] = (uint32_t)words[j];
                numbers[i + 2 * j + 1] = (uint32_t)(words[j] >> 32);
            }
        }
        SIMD(omp simd)
        for (int64_t i = 0; i < size; i++) {
            real mask = numbers[i] >= smallest ? scale : 0;
            a[start + i] *= mask;
            slope[start + i] *= mask;
        }
    }
}

#endif
