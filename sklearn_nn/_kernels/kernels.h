/* The arguments of the kernels: C structs of the engine's records.
 *
 * Floating-point arrays are float or double, like the data. There is one `struct kernels` for
 * each of the two types and each instruction set.
 */
#ifndef SKLEARN_NN_KERNELS_H
#define SKLEARN_NN_KERNELS_H

#include <stdint.h>

/* Entries of activations.py, losses.py, prediction.py and optimizers.py; kernels.pyx maps
 * their names to these numbers. A switch over one of them has no default, so that a missing
 * case is an error (-Werror=switch). */
enum activation {
    IDENTITY,
    LOGISTIC,
    TANH,
    RELU,
    LEAKY_RELU,
    SOFTPLUS,
    ELU,
    SILU,
    GELU
};
enum loss {
    BINARY_CROSS_ENTROPY,
    CATEGORICAL_CROSS_ENTROPY,
    BINARY_SQUARED_ERROR,
    CATEGORICAL_SQUARED_ERROR
};
enum output { AS_LOGITS, AS_BINARY, AS_LOGISTIC, AS_SOFTMAX };
enum optimizer { SGD, MOMENTUM, NESTEROV, ADAM };

enum { MAX_LAYERS = 64 };      /* deeper networks are trained by reference.py */
enum { PREDICTED_ROWS = 256 }; /* at once: their outputs stay in the cache */

/* Rows to train on or to predict for, dense (`indptr` is NULL) or CSR. */
struct rows {
    int64_t n_samples, n_features;
    const void *values;                 /* dense: element (0, 0); CSR: stored values */
    int64_t row_stride, column_stride;  /* dense: in elements */
    const void *indices, *indptr;       /* CSR: int32 or int64 */
    int wide;                           /* whether `indices` and `indptr` are int64 */
    const int64_t *index;               /* (n_samples,) rows that take part, or NULL */
};

/* Targets of the rows: y, encoded for the loss, and sample weights. */
struct targets {
    const void *y;             /* (n, n_outputs) 0 or 1; int64 class indices for softmax */
    const void *sample_weight; /* (n,), or NULL */
};

/* Shape of a network. In training one theta holds all layers, weights first. */
struct architecture {
    int n_layers;
    int64_t layer_sizes[MAX_LAYERS + 1]; /* n_features, hidden..., n_outputs */
    enum activation activations[MAX_LAYERS]; /* one per hidden layer */
};

struct problem {
    struct architecture architecture;
    int fit_intercept;
    enum loss loss;
    double l2, l1, decay;
    enum optimizer optimizer;
    double momentum, beta_1, beta_2, epsilon;
    int64_t batch_size;
    int64_t average_from; /* first step whose theta enters the average; 0: no average */
    double max_gradient_norm; /* 0: no clipping */
    double dropout[MAX_LAYERS]; /* rate of each hidden layer, 0 for none */
    uint64_t dropout_key[2];
};

struct state {
    void *theta;     /* IN-OUT (n_parameters,) */
    void *slots[2];  /* IN-OUT (n_parameters,) each; n_slots of them */
    double *average; /* IN-OUT (n_parameters,), or NULL */
    int64_t n_averaged, n_slot_updates, step;
};

/* BLAS's matrix product for the type of the data, and from which size it is used. */
struct blas {
    void *gemm;
    int64_t from; /* multiplications */
};

/* What a pass computes; `values` holds */
enum pass_kind {
    EVALUATION,      /* loss, gradient and diagonal; OUT probabilities */
    HESSIAN_PRODUCT, /* IN  probabilities */
    LOGITS,          /* OUT logits at theta; no sums */
    WEIGHTED_SUM     /* IN  factors a_i of the sum u_i^T a_i over the rows */
};

/* Arguments and results of one pass over the rows; see linear_passes.h. */
struct pass {
    enum pass_kind kind;
    const void *centre, *inverse_scale; /* IN (n_features,) of the coordinates */
    const void *theta;  /* IN  (n_features + 1, n_outputs) there; for CSR times inverse_scale */
    void *values;       /* IN or OUT (n_samples, n_outputs), as the kind says */
    double *sums;       /* IN-OUT (n_features + 1, n_outputs), added to */
    double *diagonal;   /* IN-OUT (n_features + 1, n_outputs) bounds that of the Hessian; NULL
                         * unless the kind is EVALUATION */
    double damping;     /* IN  of a product: factor of (p - y) (p - y)^T, added for each row */
    double loss;        /* OUT sum over the rows of an EVALUATION, else 0 */
};

/* The experts of a stream; see StreamMemory. The first axis is the expert. */
enum { MAX_EXPERTS = 8 };
struct experts {
    int64_t n_experts, n_features, n_outputs; /* p features, k outputs */
    double *centre, *scale, *variance, *mass; /* IN-OUT (n_experts, p) */
    double *point, *slope;    /* IN-OUT (n_experts, p + 1, k) */
    double *precision;        /* IN-OUT (n_experts, k, p + 1, p + 1) */
    double *n_rows, *score;   /* IN-OUT (n_experts,) */
    const double *remembered; /* IN     (n_experts,), rows */
};

/* Dense rows that the experts learn at once. */
struct chunk {
    int64_t n_samples;
    const double *X;      /* IN (n_samples, p) in C order */
    const void *y;        /* IN (n_samples, 1) 0 or 1; int64 class indices for softmax */
    const double *weight; /* IN (n_samples,) */
    int fit_intercept;
    double l2;
    double objective; /* OUT of the mean model, before the rows are learned */
};

/* The kernels of one floating-point type and one instruction set. */
struct kernels {
    const char *instruction_set;
    /* Those that return int return 0, or -1 if memory is exhausted. */
    int (*run_steps)(
        const struct problem *problem, const struct rows *rows,
        const struct targets *targets, struct state *state,
        const int64_t *order,         /* IN (n_samples,) or NULL */
        int64_t first_batch,          /* index of the first step's batch in its epoch */
        int64_t n_steps,
        const double *learning_rates, /* IN  (n_steps,) */
        double *totals,               /* IN-OUT (n_epochs begun,) objective times n_samples */
        const struct blas *blas);
    int (*predict)(
        const struct architecture *architecture,
        const void *const *weights,    /* IN  per layer (fan_in, fan_out) */
        const void *const *intercepts, /* IN  per layer (fan_out,) */
        const struct rows *rows,
        enum output output,
        void *predicted, /* OUT (n_samples, n_outputs), with 2 columns if binary */
        int *finite,     /* OUT whether all of the rows' values are */
        const struct blas *blas);
    int (*run_pass)(
        enum loss loss, int64_t n_outputs, const struct rows *rows,
        const struct targets *targets, struct pass *pass, const struct blas *blas);
    void (*add_outer_products)(
        const struct rows *rows, /* CSR */
        const void *omega,       /* IN     (n_samples,) */
        double *matrix);         /* IN-OUT (n_features + 1, n_features + 1), one half */
    int (*learn)(const struct experts *experts, struct chunk *chunk); /* double only */
};

/* Find the kernels that this processor can run, best first; return their number. */
enum { MAX_KERNELS = 3 };
int available_kernels(int is_double, const struct kernels *found[MAX_KERNELS]);

#endif
