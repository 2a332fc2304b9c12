/* Mirror of linear_passes.py: sums over the rows of a linear model.
 *
 * Dense rows are standardised on the fly: centring neither copies X nor loses digits. A batch
 * of rows stays in the cache while it is multiplied twice. Sums over all rows are in double.
 */
#ifndef SKLEARN_NN_LINEAR_PASSES_H
#define SKLEARN_NN_LINEAR_PASSES_H

#include "losses.h"
#include "network.h"

/* Bytes of a batch, a part of a common second-level cache; and the limits of its rows. The
 * size of sparse rows is estimated from SOME_ROWS of them. */
enum { BATCH_BYTES = 1 << 18, MIN_ROWS = 8, MAX_ROWS = 256, SOME_ROWS = 64 };

/* Rows multiplied together: they share reads and writes of the vectors over features. For so
 * many columns at once, the rows of the next batch are prefetched. */
enum { ROWS_TOGETHER = 4, COLUMNS_TOGETHER = 128 };

struct pass_workspace {
    struct batch_storage storage;
    real *U;        /* (m, n_features) standardised rows, unless rows are read in place */
    real *weight;   /* (n_features,) of one output, times inverse_scale */
    real *logits;   /* (m, k) */
    real *delta;    /* (m, k) */
    real *scratch;  /* (m, k) */
    real *omega;    /* (m, k) w max(p (1 - p), (p - y)^2) */
    real *gradient; /* (n_features, k) of a batch of dense rows, as is the diagonal */
    real *diagonal;
    real *panel;
};

/* Bytes of a row, on average. */
static int64_t bytes_of_row(const struct rows *rows) {
    if (!rows->indptr) return (int64_t)sizeof(real) * (rows->n_features + 1);
    int64_t n = rows->n_samples, n_some = n < SOME_ROWS ? n : SOME_ROWS, n_stored = n_some;
    for (int64_t i = 0; i < n_some; i++)
        n_stored += sparse_row(rows, row_number(rows, NULL, i * n / n_some)).n;
    return n_stored * (int64_t)(sizeof(real) + (rows->wide ? 8 : 4)) / n_some;
}

static int64_t rows_at_once(const struct rows *rows) {
    if (!rows->n_samples) return 0;
    int64_t m = BATCH_BYTES / bytes_of_row(rows);
    m = m < MIN_ROWS ? MIN_ROWS : m > MAX_ROWS ? MAX_ROWS : m;
    return m < rows->n_samples ? m : rows->n_samples;
}

/* Whether dense rows are multiplied in place; else they are standardised to U. */
static int in_place(const struct rows *rows, int64_t k) {
    return !rows->indptr && k == 1 && rows->column_stride == 1;
}

/* U <- (x - centre) * inverse_scale */
static void standardise(
    const struct rows *rows, const struct batch *batch,
    const real *restrict centre, const real *restrict inverse_scale, real *restrict U)
{
    int64_t p = rows->n_features, step = rows->column_stride;
    for (int64_t i = 0; i < batch->m; i++) {
        const real *restrict x = batch->rows[i];
        real *restrict u = U + i * p;
        if (step == 1) {
            prefetch_dense(rows, batch, i);
            SIMD(omp simd)
            for (int64_t j = 0; j < p; j++) u[j] = (x[j] - centre[j]) * inverse_scale[j];
        } else {
            for (int64_t j = 0; j < p; j++) u[j] = (x[j * step] - centre[j]) * inverse_scale[j];
        }
    }
}

/* z_r <- z_r + sum_j (x_rj - centre_j) weight_j for n_rows rows. */
static ALWAYS_INLINE void centred_dots(
    const int n_rows, int64_t p, const real *const *x, const real *restrict centre,
    const real *restrict weight, real *restrict z)
{
    vector sums[ROWS_TOGETHER] = {{0}};
    real rest[ROWS_TOGETHER] = {0};
    int64_t j = 0;
    for (; j + LANES <= p; j += LANES) {
        vector c = load(centre + j), w = load(weight + j);
        for (int r = 0; r < n_rows; r++) sums[r] += (load(x[r] + j) - c) * w;
    }
    for (; j < p; j++)
        for (int r = 0; r < n_rows; r++) rest[r] += (x[r][j] - centre[j]) * weight[j];
    for (int r = 0; r < n_rows; r++) z[r] += sum_of_lanes(sums[r]) + rest[r];
}

/* g <- g + sum_r a_r u_r, and h <- h + sum_r omega_r u_r^2 if `squares`.
 *
 * The rows are in the cache; meanwhile, those `ahead` elements after them are prefetched, if
 * it is not 0. */
static ALWAYS_INLINE void add_centred(
    const int n_rows, const int squares, int64_t p, const real *const *x, int64_t ahead,
    const real *restrict centre, const real *restrict inverse_scale,
    const real *restrict a, const real *restrict omega, real *restrict g, real *restrict h)
{
    for (int64_t start = 0; start < p; start += COLUMNS_TOGETHER) {
        int64_t end = start + COLUMNS_TOGETHER < p ? start + COLUMNS_TOGETHER : p;
        if (ahead)
            for (int r = 0; r < n_rows; r++)
                for (int64_t j = start; j < end; j += 64 / (int64_t)sizeof(real))
                    PREFETCH(x[r] + ahead + j);
        SIMD(omp simd)
        for (int64_t j = start; j < end; j++) {
            real sum = 0, square = 0;
            for (int r = 0; r < n_rows; r++) {
                real u = (x[r][j] - centre[j]) * inverse_scale[j];
                sum += a[r] * u;
                if (squares) square += omega[r] * u * u;
            }
            g[j] += sum;
            if (squares) h[j] += square;
        }
    }
}

/* logits <- intercept + u weight, for all rows of a batch */
static void logits_of_batch(
    const struct rows *rows, const struct batch *batch, int64_t k, const struct pass *pass,
    struct pass_workspace *b, const struct blas *blas)
{
    const real *theta = pass->theta;
    int64_t p = rows->n_features, m = batch->m, i = 0;
    for (int64_t r = 0; r < m; r++)
        for (int64_t o = 0; o < k; o++) b->logits[r * k + o] = theta[p * k + o];
    if (rows->indptr) {
        sparse_product(rows, batch, k, theta, b->logits);
    } else if (in_place(rows, k)) {
        for (; i + ROWS_TOGETHER <= m; i += ROWS_TOGETHER) {
            for (int r = 0; r < ROWS_TOGETHER; r++) prefetch_dense(rows, batch, i + r);
            centred_dots(ROWS_TOGETHER, p, batch->rows + i, pass->centre, b->weight,
                         b->logits + i);
        }
        for (; i < m; i++)
            centred_dots(1, p, batch->rows + i, pass->centre, b->weight, b->logits + i);
    } else {
        standardise(rows, batch, pass->centre, pass->inverse_scale, b->U);
        product(m, k, p, b->U, p, 1, theta, k, 1, b->logits, 1, b->panel, blas);
    }
}

/* sums += u^T a, diagonal += (u^2)^T omega if there is one, for a batch of dense rows. */
static void add_dense(
    const struct rows *rows, const struct batch *batch, int64_t k, const struct pass *pass,
    struct pass_workspace *b, const struct blas *blas)
{
    int64_t p = rows->n_features, m = batch->m, i = 0;
    const real *centre = pass->centre, *inverse = pass->inverse_scale;
    real *g = b->gradient, *h = b->diagonal, *a = b->delta, *omega = b->omega;
    int64_t ahead = 0; /* the same row of the next batch */
    if (!rows->index && batch->start + 2 * m <= rows->n_samples) ahead = m * rows->row_stride;
    if (in_place(rows, k)) {
        memset(g, 0, sizeof(real) * p);
        memset(h, 0, sizeof(real) * p);
#define ADD(n, squares)                                                                    \
    for (; i + n <= m; i += n)                                                             \
        add_centred(n, squares, p, batch->rows + i, ahead, centre, inverse, a + i, omega + i, g, h);
        if (pass->diagonal) {
            ADD(ROWS_TOGETHER, 1)
            ADD(1, 1)
        } else {
            ADD(ROWS_TOGETHER, 0)
            ADD(1, 0)
        }
#undef ADD
    } else {
        product(p, k, m, b->U, 1, p, a, k, 1, g, 0, b->panel, blas);
        if (pass->diagonal) {
            SIMD(omp simd)
            for (int64_t j = 0; j < m * p; j++) b->U[j] *= b->U[j];
            product(p, k, m, b->U, 1, p, omega, k, 1, h, 0, b->panel, blas);
        }
    }
    for (int64_t j = 0; j < p * k; j++) pass->sums[j] += g[j];
    if (pass->diagonal)
        for (int64_t j = 0; j < p * k; j++) pass->diagonal[j] += h[j];
}

/* sums += x^T a for a sparse row, and its part of the diagonal if `squares`. */
static ALWAYS_INLINE void add_sparse_row(
    const int wide, const int squares, int64_t k, const struct sparse_row *row,
    const real *restrict centre, const real *restrict a, const real *restrict omega,
    double *restrict sums, double *restrict diagonal)
{
    for (int64_t j = 0; j < row->n; j++) {
        int64_t column = integer_at(row->indices, wide, j), at = k * column;
        double x = row->values[j], square = squares ? x * (x - 2 * (double)centre[column]) : 0;
        for (int64_t o = 0; o < k; o++) {
            sums[at + o] += x * a[o];
            if (squares) diagonal[at + o] += square * omega[o];
        }
    }
}

/* The same for sparse rows, which are neither centred nor scaled, except that a stored value
 * adds omega x (x - 2 centre) = omega ((x - centre)^2 - centre^2) to the diagonal. */
static void add_sparse(
    const struct rows *rows, const struct batch *batch, int64_t k, const struct pass *pass,
    const struct pass_workspace *b)
{
#define ADD(wide, squares, k)                                                              \
    add_sparse_row(wide, squares, k, &row, pass->centre, b->delta + i * (k),               \
                   b->omega + i * (k), pass->sums, pass->diagonal)
    for (int64_t i = 0; i < batch->m; i++) {
        struct sparse_row row = sparse_row(rows, batch->numbers[i]);
        if (row.wide || k > 1) {
            if (pass->diagonal)
                ADD(row.wide, 1, k);
            else
                ADD(row.wide, 0, k);
        } else if (pass->diagonal) {
            ADD(0, 1, 1);
        } else {
            ADD(0, 0, 1);
        }
    }
#undef ADD
}

/* Add a batch of dense or sparse rows, and the sums for the intercepts in the last row. */
static void add_batch(
    const struct rows *rows, const struct batch *batch, int64_t k, const struct pass *pass,
    struct pass_workspace *b, const struct blas *blas)
{
    int64_t p = rows->n_features;
    if (rows->indptr)
        add_sparse(rows, batch, k, pass, b);
    else
        add_dense(rows, batch, k, pass, b, blas);
    for (int64_t i = 0; i < batch->m; i++)
        for (int64_t o = 0; o < k; o++) {
            pass->sums[p * k + o] += b->delta[i * k + o];
            if (pass->diagonal) pass->diagonal[p * k + o] += b->omega[i * k + o];
        }
}

/* proba, and omega = w max(p (1 - p), (p - y)^2), from the loss's gradient w (p - y). */
static void proba_and_omega(
    int has_class_indices, int64_t m, int64_t k, const void *y, const real *restrict weight,
    const real *restrict delta, real *restrict proba, real *restrict omega)
{
    for (int64_t i = 0; i < m; i++) {
        real w = weight ? weight[i] : 1;
        for (int64_t o = 0; o < k; o++) {
            real one = has_class_indices ? (real)(((const int64_t *)y)[i] == o)
                                      : ((const real *)y)[i * k + o];
            real d = w > 0 ? delta[i * k + o] / w : 0, p = d + one;
            proba[i * k + o] = p;
            omega[i * k + o] = w * (p * (1 - p) > d * d ? p * (1 - p) : d * d);
        }
    }
}

/* delta <- delta + damping w e (e . d): e = p - y, and d is the change of the logits */
static void add_damping(
    int has_class_indices, int64_t m, int64_t k, const real *restrict proba, const void *y,
    const real *restrict weight, const real *restrict d, real damping, real *restrict delta)
{
    for (int64_t i = 0; i < m; i++) {
        const real *p = proba + i * k, *c = d + i * k;
        real w = damping * (weight ? weight[i] : 1), *change = delta + i * k;
        if (has_class_indices) {
            int64_t label = ((const int64_t *)y)[i];
            real along = -c[label];
            for (int64_t o = 0; o < k; o++) along += p[o] * c[o];
            for (int64_t o = 0; o < k; o++) change[o] += w * along * p[o];
            change[label] -= w * along;
        } else {
            for (int64_t o = 0; o < k; o++) {
                real e = p[o] - ((const real *)y)[i * k + o];
                change[o] += w * e * e * c[o];
            }
        }
    }
}

/* delta <- the change of the loss's gradient if the logits change by d. */
static void curvature_product(
    int has_class_indices, int64_t m, int64_t k, const real *restrict proba,
    const real *restrict weight, const real *restrict d, real *restrict delta)
{
    for (int64_t i = 0; i < m; i++) {
        const real *p = proba + i * k;
        real w = weight ? weight[i] : 1, mean = 0;
        if (has_class_indices)
            for (int64_t o = 0; o < k; o++) mean += p[o] * d[i * k + o];
        for (int64_t o = 0; o < k; o++)
            delta[i * k + o] = w * p[o] * (has_class_indices ? d[i * k + o] - mean
                                                          : (1 - p[o]) * d[i * k + o]);
    }
}

/* matrix <- matrix + sum_i omega_i [x_i, 1]^T [x_i, 1] for sparse rows, not scaled.
 *
 * Fills the lower half if the indices of each row are sorted, else parts of both halves.
 */
static void add_outer_products(
    const struct rows *rows, const real *restrict omega, /* IN (n_samples,) */
    double *restrict matrix) /* IN-OUT (n_features + 1, n_features + 1) */
{
    int64_t width = rows->n_features + 1;
    for (int64_t i = 0; i < rows->n_samples; i++) {
        struct sparse_row row = sparse_row(rows, row_number(rows, NULL, i));
        double *last = matrix + (width - 1) * width;
        for (int64_t j = 0; j < row.n; j++) {
            int64_t column = integer_at(row.indices, row.wide, j);
            double value = omega[i] * row.values[j], *line = matrix + column * width;
            last[column] += value;
            for (int64_t l = 0; l <= j; l++)
                line[integer_at(row.indices, row.wide, l)] += value * row.values[l];
        }
        last[width - 1] += omega[i];
    }
}

/* One pass over all rows; return the sum of w_i loss_i of an EVALUATION, else 0. */
static double pass_over_rows(
    enum loss loss, int64_t k, const struct rows *rows, const struct targets *targets,
    const struct pass *pass, struct pass_workspace *b, const struct blas *blas)
{
    int has_class_indices = is_categorical(loss);
    int64_t size = rows_at_once(rows), n = rows->n_samples;
    int64_t y_size = bytes_of_y(loss, k);
    const real *theta = pass->theta, *inverse_scale = pass->inverse_scale;
    double total = 0;
    if (in_place(rows, k) && pass->kind != WEIGHTED_SUM)
        for (int64_t j = 0; j < rows->n_features; j++) b->weight[j] = theta[j] * inverse_scale[j];
    for (int64_t start = 0; start < n; start += size) {
        struct batch batch = {.m = n - start < size ? n - start : size};
        real *values = (real *)pass->values + start * k;
        gather_rows(rows, NULL, start, &batch, &b->storage);
        gather_targets(targets, NULL, start, y_size, &batch, &b->storage);
        if (pass->kind != WEIGHTED_SUM)
            logits_of_batch(rows, &batch, k, pass, b, blas);
        else if (!rows->indptr && !in_place(rows, k))
            standardise(rows, &batch, pass->centre, inverse_scale, b->U);
        switch (pass->kind) {
        case EVALUATION:
            total += value_and_gradient(loss, batch.m, k, b->logits, batch.y,
                                        batch.sample_weight, b->scratch, b->delta);
            proba_and_omega(has_class_indices, batch.m, k, batch.y, batch.sample_weight, b->delta,
                      values, b->omega);
            break;
        case HESSIAN_PRODUCT:
            curvature_product(has_class_indices, batch.m, k, values, batch.sample_weight,
                              b->logits, b->delta);
            if (pass->damping > 0)
                add_damping(has_class_indices, batch.m, k, values, batch.y, batch.sample_weight,
                            b->logits, (real)pass->damping, b->delta);
            break;
        case LOGITS:
            memcpy(values, b->logits, sizeof(real) * batch.m * k);
            continue;
        case WEIGHTED_SUM:
            memcpy(b->delta, values, sizeof(real) * batch.m * k);
            break;
        }
        add_batch(rows, &batch, k, pass, b, blas);
    }
    return total;
}

#endif
