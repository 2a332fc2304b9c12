/* Mirror of `batches` in rows.py: the rows of one mini-batch. */
#ifndef SKLEARN_NN_BATCHES_H
#define SKLEARN_NN_BATCHES_H

#include "arrays.h"
#include "kernels.h"

/* Rows are prefetched ROWS_AHEAD rows in advance, MAX_PREFETCH bytes of each; the
 * processor prefetches the rest by itself. */
enum { ROWS_AHEAD = 16, MAX_PREFETCH = 2048 };

/* m rows: dense ones as pointers and, if needed, as a matrix; CSR ones by row number. */
struct batch {
    int64_t m;
    const real *const *rows; /* (m,) dense */
    const real *X;           /* (m, n_features) dense, or NULL if the rows are not contiguous */
    const int64_t *numbers;  /* (m,) row numbers in X */
    const int64_t *order;    /* of all samples, or NULL */
    int64_t start;           /* index of the batch's first sample in the order */
    int64_t n_samples;       /* of the whole order */
    const void *y;
    const real *sample_weight;
};

/* Memory into which rows and targets are copied. */
struct batch_storage {
    const real **rows;   /* (batch_size,) */
    int64_t *numbers;    /* (batch_size,) */
    real *X;             /* (batch_size, n_features), or NULL if rows are used in place */
    void *y;             /* (batch_size, n_outputs) or (batch_size,) */
    real *sample_weight; /* (batch_size,) */
};

struct sparse_row {
    int64_t n;
    const real *values;
    const void *indices;
    int wide;
};

static inline int64_t integer_at(const void *integers, int wide, int64_t i) {
    return wide ? ((const int64_t *)integers)[i] : ((const int32_t *)integers)[i];
}

static inline struct sparse_row sparse_row(const struct rows *rows, int64_t number) {
    int64_t start = integer_at(rows->indptr, rows->wide, number);
    int64_t stop = integer_at(rows->indptr, rows->wide, number + 1);
    const char *indices = rows->indices;
    struct sparse_row row = {
        stop - start, (const real *)rows->values + start,
        indices + start * (rows->wide ? sizeof(int64_t) : sizeof(int32_t)), rows->wide,
    };
    return row;
}

static inline const real *dense_row(const struct rows *rows, int64_t number) {
    return (const real *)rows->values + number * rows->row_stride;
}

/* Prefetch memory that will be read soon.
 *
 * Always inlined: GCC 12 removes calls of a function that only prefetches.
 */
static ALWAYS_INLINE void prefetch(const void *start, int64_t size) {
    const char *byte = start;
    for (int64_t i = 0; i < size && i < MAX_PREFETCH; i += 64) PREFETCH(byte + i);
}

/* Row number of the i-th sample of the order. */
static inline int64_t row_number(
    const struct rows *rows, const int64_t *order, int64_t i)
{
    int64_t sample = order ? order[i] : i;
    return rows->index ? rows->index[sample] : sample;
}

/* Prefetch the dense row ROWS_AHEAD rows after the i-th of the batch. */
static ALWAYS_INLINE void prefetch_dense(
    const struct rows *rows, const struct batch *batch, int64_t i)
{
    int64_t later = batch->start + i + ROWS_AHEAD;
    if (later < rows->n_samples)
        prefetch(dense_row(rows, row_number(rows, batch->order, later)),
                 rows->n_features * (int64_t)sizeof(real));
}

/* Prefetch the indices of the sparse row ROWS_AHEAD rows after the i-th, and the indptr entry
 * of the row 2 ROWS_AHEAD after it, which is needed to prefetch that row's indices. */
static ALWAYS_INLINE void prefetch_indices(
    const struct rows *rows, const struct batch *batch, int64_t i)
{
    int64_t later = batch->start + i + ROWS_AHEAD, size = rows->wide ? 8 : 4;
    if (later < rows->n_samples) {
        struct sparse_row row = sparse_row(rows, row_number(rows, batch->order, later));
        prefetch(row.indices, row.n * size);
    }
    later += ROWS_AHEAD;
    if (later < rows->n_samples)
        prefetch((const char *)rows->indptr + row_number(rows, batch->order, later) * size, 1);
}

/* Prefetch the values of the sparse row ROWS_AHEAD rows after the i-th. */
static ALWAYS_INLINE void prefetch_values(
    const struct rows *rows, const struct batch *batch, int64_t i)
{
    int64_t later = batch->start + i + ROWS_AHEAD;
    if (later < rows->n_samples) {
        struct sparse_row row = sparse_row(rows, row_number(rows, batch->order, later));
        prefetch(row.values, row.n * (int64_t)sizeof(real));
    }
}

/* Whether the rows in this order form one C-ordered matrix already. */
static int are_contiguous(const struct rows *rows, const int64_t *order) {
    return !order && !rows->index && rows->column_stride == 1
           && rows->row_stride == rows->n_features;
}

/* Copy dense rows to a C-ordered matrix. */
static void gather(const struct rows *rows, const struct batch *batch, real *restrict X) {
    int64_t n = rows->n_features, step = rows->column_stride;
    for (int64_t i = 0; i < batch->m; i++) {
        const real *row = batch->rows[i];
        if (step == 1) {
            prefetch_dense(rows, batch, i);
            memcpy(X + i * n, row, sizeof(real) * n);
        } else {
            for (int64_t j = 0; j < n; j++) X[i * n + j] = row[j * step];
        }
    }
}

/* Find the rows of samples [start, start + m) of the order. */
static void gather_rows(
    const struct rows *rows, const int64_t *order, int64_t start,
    struct batch *batch, const struct batch_storage *storage)
{
    int64_t m = batch->m;
    batch->rows = storage->rows;
    batch->numbers = storage->numbers;
    batch->order = order;
    batch->start = start;
    batch->n_samples = rows->n_samples;
    batch->X = 0;
    for (int64_t i = 0; i < m; i++) storage->numbers[i] = row_number(rows, order, start + i);
    if (rows->indptr) return;
    for (int64_t i = 0; i < m; i++) storage->rows[i] = dense_row(rows, storage->numbers[i]);
    if (are_contiguous(rows, order)) {
        batch->X = batch->rows[0];
    } else if (storage->X) {
        gather(rows, batch, storage->X);
        batch->X = storage->X;
    }
}

/* Find y and weights of samples [start, start + m) of the order; y has y_size bytes per row. */
static void gather_targets(
    const struct targets *targets, const int64_t *order, int64_t start, int64_t y_size,
    struct batch *batch, const struct batch_storage *storage)
{
    const char *y = targets->y;
    const real *weight = targets->sample_weight;
    batch->y = y + start * y_size;
    batch->sample_weight = weight ? weight + start : 0;
    if (!order) return;
    for (int64_t i = start + ROWS_AHEAD; i < start + ROWS_AHEAD + batch->m; i++)
        if (i < batch->n_samples) {
            PREFETCH(y + order[i] * y_size);
            if (weight) PREFETCH(weight + order[i]);
        }
    if (y_size == 8) /* memcpy of a constant size compiles to one move */
        for (int64_t i = 0; i < batch->m; i++)
            memcpy((char *)storage->y + i * 8, y + order[start + i] * 8, 8);
    else if (y_size == 4)
        for (int64_t i = 0; i < batch->m; i++)
            memcpy((char *)storage->y + i * 4, y + order[start + i] * 4, 4);
    else
        for (int64_t i = 0; i < batch->m; i++)
            memcpy((char *)storage->y + i * y_size, y + order[start + i] * y_size, y_size);
    batch->y = storage->y;
    if (!weight) return;
    for (int64_t i = 0; i < batch->m; i++)
        storage->sample_weight[i] = weight[order[start + i]];
    batch->sample_weight = storage->sample_weight;
}

#endif
