/* Find the kernels that this processor can run. */
#include <stddef.h>

#include "kernels.h"

extern const struct kernels kernels_float_baseline, kernels_double_baseline;
#ifdef HAS_X86_LEVELS
extern const struct kernels kernels_float_v3, kernels_double_v3;
extern const struct kernels kernels_float_v4, kernels_double_v4;

static int runs_v3(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
           && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static int runs_v4(void) {
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
           && __builtin_cpu_supports("avx512vl");
}
#endif

int available_kernels(int is_double, const struct kernels *found[MAX_KERNELS]) {
    int n = 0;
#ifdef HAS_X86_LEVELS
    __builtin_cpu_init();
    if (runs_v4()) found[n++] = is_double ? &kernels_double_v4 : &kernels_float_v4;
    if (runs_v3()) found[n++] = is_double ? &kernels_double_v3 : &kernels_float_v3;
#endif
    found[n++] = is_double ? &kernels_double_baseline : &kernels_float_baseline;
    return n;
}
