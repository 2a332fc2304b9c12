/* What the kernels are given: the records of types.py as C sees them.
 *
 * Arrays of floats are float or double, as the data; which one, a table of kernels knows
 * (`struct kernels`, one for each type and instruction set).
 */
#ifndef SKLEARN_NN_KERNELS_H
#define SKLEARN_NN_KERNELS_H

#include <stdint.h>

/* The names of activations.py, losses.py and optimizers.py, in their order. */
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
enum output { AS_LOGITS, AS_BINARY, AS_LOGISTIC, AS_SOFTMAX }; /* of prediction.py */
enum optimizer { SGD, MOMENTUM, NESTEROV, ADAM };

enum { MAX_LAYERS = 64 };      /* compiled.py sends deeper networks to the reference */
enum { PREDICTED_ROWS = 256 }; /* rows of a block: their outputs stay in the cache */

/* The rows to learn from or to predict for, dense (`indptr` is NULL) or CSR. */
struct rows {
    int64_t n_samples, n_features;
    const void *values;                 /* dense: element (0, 0); CSR: stored values */
    int64_t row_stride, column_stride;  /* dense: in elements */
    const void *indices, *indptr;       /* CSR: int32 or int64 */
    int wide;                           /* whether these two are int64 */
    const int64_t *index;               /* (n_samples,) rows that take part, or NULL */
};

/* What is known of each row: y as the loss takes it, and its weight. */
struct targets {
    const void *y;             /* (n, n_outputs) 0 or 1; int64 class indices for softmax */
    const void *sample_weight; /* (n,), or NULL */
};

/* A network: for training all layers lie in one theta, weights first. */
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
    int64_t average_from; /* first step whose theta is averaged, 0 for none */
    double max_gradient_norm; /* 0 for none */
    double dropout[MAX_LAYERS]; /* part of a hidden layer's units left out, 0 for none */
    uint64_t dropout_key[2];
};

struct state {
    void *theta;     /* IN-OUT (n_parameters,) */
    void *slots[2];  /* IN-OUT (n_parameters,) each, as many as the optimizer has */
    double *average; /* IN-OUT (n_parameters,), or NULL */
    int64_t n_averaged, n_slot_updates, step;
};

/* BLAS's matrix product for the type of the data, and what is large enough for it. */
struct blas {
    void *gemm;
    int64_t from; /* multiplications */
};

/* What one pass over rows needs and gives; see passes.h. */
struct pass {
    const void *centre, *inverse_scale; /* IN (n_features,) of the standardised coordinates */
    const void *theta;  /* IN  (n_features + 1, n_outputs) there; for CSR by inverse_scale */
    void *proba;        /* OUT (n_samples, n_outputs), IN for a product with the Hessian */
    double *sums;       /* IN-OUT (n_features + 1, n_outputs) gradient or product, added to */
    double *diagonal;   /* IN-OUT (n_features + 1, n_outputs) of the Hessian; NULL: a product */
    double damping;     /* IN  of a product: times (p - y) (p - y)^T of each row, added */
    double loss;        /* OUT sum over the rows; 0 of a product */
};

/* One implementation, for one type of float and one instruction set. */
struct kernels {
    const char *instruction_set;
    /* Those that return a number return 0, or -1 if there is no memory. */
    int (*run_steps)(
        const struct problem *problem, const struct rows *rows,
        const struct targets *targets, struct state *state,
        const int64_t *order,         /* IN (n_samples,) or NULL */
        int64_t first_batch,          /* number of the first step's batch in its epoch */
        int64_t n_steps,
        const double *learning_rates, /* IN  (n_steps,) */
        double *totals,               /* IN-OUT one number for each epoch begun */
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
        double *matrix);         /* IN-OUT (n_features + 1, n_features + 1), its lower half */
};

/* Find the kernels that this processor runs, best first; return how many there are. */
enum { MAX_KERNELS = 3 };
int available_kernels(int is_double, const struct kernels *found[MAX_KERNELS]);

#endif
