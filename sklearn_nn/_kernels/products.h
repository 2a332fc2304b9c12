/* Matrix products: small ones here, large ones by BLAS.
 *
 * The result is computed in tiles that stay in registers while both factors stream past
 * (K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
 * The second factor is copied to panels as wide as a tile.
 */
#ifndef SKLEARN_NN_PRODUCTS_H
#define SKLEARN_NN_PRODUCTS_H

#include "arrays.h"
#include "kernels.h"

/* Chosen so that a tile, a row of the panel and one number of `a` fit into the registers. */
enum { TILE_ROWS = VECTOR_BYTES == 64 ? 8 : 4, TILE_VECTORS = 3 };
enum { PANEL_WIDTH = TILE_VECTORS * LANES, PANEL_DEPTH = 1024 };

typedef void gemm_function(
    char *, char *, int *, int *, int *, real *, real *, int *, real *, int *, real *,
    real *, int *);

static inline vector load(const real *p) { return *(const vector *)p; }

static inline real sum_of_lanes(vector v) {
    real lanes[LANES];
    memcpy(lanes, &v, sizeof v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

/* sum_i a_i b_i */
static inline real dot(int64_t n, const real *restrict a, const real *restrict b) {
    vector sums[4] = {{0}, {0}, {0}, {0}};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int u = 0; u < 4; u++)
            sums[u] += load(a + i + u * LANES) * load(b + i + u * LANES);
    for (; i + LANES <= n; i += LANES) sums[0] += load(a + i) * load(b + i);
    real rest = 0;
    for (; i < n; i++) rest += a[i] * b[i];
    return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

/* y <- y + c x */
static inline void add_multiple(int64_t n, real c, const real *restrict x, real *restrict y) {
    SIMD(omp simd)
    for (int64_t i = 0; i < n; i++) y[i] += c * x[i];
}

/* c (n_rows, n_vectors * LANES) <- [c +] sum_l a[i, l] panel[l, :] */
static ALWAYS_INLINE void tile(
    const int n_rows, const int n_vectors, /* constants after inlining */
    int64_t depth,
    const real *a, int64_t a_row, int64_t a_column,
    const real *panel, /* (depth, n_vectors * LANES) */
    real *c, int64_t c_row, int accumulate)
{
    vector sums[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++)
            sums[i][v] = accumulate ? load(c + i * c_row + v * LANES) : (vector){0};
    for (int64_t l = 0; l < depth; l++) {
        vector b[TILE_VECTORS];
        for (int v = 0; v < n_vectors; v++) b[v] = load(panel + (l * n_vectors + v) * LANES);
        for (int i = 0; i < n_rows; i++)
            for (int v = 0; v < n_vectors; v++)
                sums[i][v] += a[i * a_row + l * a_column] * b[v];
    }
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++)
            *(vector *)(c + i * c_row + v * LANES) = sums[i][v];
}

/* `tile` at the right edge of c, where only the first `width` columns exist. */
static ALWAYS_INLINE void edge_tile(
    const int n_rows, const int n_vectors, int64_t width,
    int64_t depth, const real *a, int64_t a_row, int64_t a_column, const real *panel,
    real *c, int64_t c_row, int accumulate)
{
    real full[TILE_ROWS * PANEL_WIDTH];
    if (width == n_vectors * LANES) {
        tile(n_rows, n_vectors, depth, a, a_row, a_column, panel, c, c_row, accumulate);
        return;
    }
    tile(n_rows, n_vectors, depth, a, a_row, a_column, panel, full, PANEL_WIDTH, 0);
    for (int i = 0; i < n_rows; i++)
        for (int64_t j = 0; j < width; j++)
            c[i * c_row + j] = full[i * PANEL_WIDTH + j] + (accumulate ? c[i * c_row + j] : 0);
}

/* All rows of c, in the columns of one panel. */
static ALWAYS_INLINE void column_of_tiles(
    const int n_vectors, int64_t width, int64_t m,
    int64_t depth, const real *a, int64_t a_row, int64_t a_column, const real *panel,
    real *c, int64_t c_row, int accumulate)
{
    int64_t i = 0;
#define TILES(n_rows)                                                                      \
    for (; i + n_rows <= m; i += n_rows)                                                   \
        edge_tile(n_rows, n_vectors, width, depth, a + i * a_row, a_row, a_column, panel,  \
                  c + i * c_row, c_row, accumulate);
    TILES(TILE_ROWS)
    TILES(TILE_ROWS / 2)
    TILES(1)
#undef TILES
}

/* panel (depth, padded) <- columns of b, padded with zeros */
static void fill_panel(
    int64_t depth, int64_t width, int64_t padded,
    const real *restrict b, int64_t b_row, int64_t b_column, real *restrict panel)
{
    if (width < padded) memset(panel, 0, sizeof(real) * depth * padded);
    if (b_column == 1)
        for (int64_t l = 0; l < depth; l++)
            for (int64_t j = 0; j < width; j++) panel[l * padded + j] = b[l * b_row + j];
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t l = 0; l < depth; l++)
                panel[l * padded + j] = b[l * b_row + j * b_column];
}

static void tiled_product(
    int64_t m, int64_t n, int64_t depth,
    const real *a, int64_t a_row, int64_t a_column,
    const real *b, int64_t b_row, int64_t b_column,
    real *c, int accumulate, real *panel)
{
    for (int64_t l = 0; l < depth; l += PANEL_DEPTH) {
        int64_t part = depth - l < PANEL_DEPTH ? depth - l : PANEL_DEPTH;
        const real *a_part = a + l * a_column;
        for (int64_t j = 0; j < n; j += PANEL_WIDTH) {
            int64_t width = n - j < PANEL_WIDTH ? n - j : PANEL_WIDTH;
            int n_vectors = (int)((width + LANES - 1) / LANES);
            fill_panel(part, width, n_vectors * LANES, b + l * b_row + j * b_column, b_row,
                       b_column, panel);
#define COLUMN(v)                                                                          \
    column_of_tiles(v, width, m, part, a_part, a_row, a_column, panel, c + j, n,           \
                    accumulate || l)
            if (n_vectors == 1) COLUMN(1);
            else if (n_vectors == 2) COLUMN(2);
            else COLUMN(3);
#undef COLUMN
        }
    }
}

static inline int at_least(int64_t stride, int64_t n) {
    return (int)(stride > n ? stride : n);
}

/* c <- [c +] a b by BLAS, whose matrices are in column order: c^T = b^T a^T. */
static void blas_product(
    int64_t m, int64_t n, int64_t depth,
    const real *a, int64_t a_row, int64_t a_column,
    const real *b, int64_t b_row, int64_t b_column,
    real *c, int accumulate, gemm_function *gemm)
{
    char a_form = a_column == 1 ? 'N' : 'T', b_form = b_column == 1 ? 'N' : 'T';
    int rows = (int)m, columns = (int)n, inner = (int)depth;
    /* BLAS wants a stride of at least a row's length, even for a single row. */
    int a_stride = at_least(a_column == 1 ? a_row : a_column, a_column == 1 ? depth : m);
    int b_stride = at_least(b_column == 1 ? b_row : b_column, b_column == 1 ? n : depth);
    real one = 1, beta = accumulate ? 1 : 0;
    gemm(&b_form, &a_form, &columns, &rows, &inner, &one, (real *)b, &b_stride, (real *)a,
         &a_stride, &beta, c, &columns);
}

/* c (m, n) <- [c +] a (m, depth) b (depth, n); one stride of a and one of b are 1. */
static void product(
    int64_t m, int64_t n, int64_t depth,
    const real *a, int64_t a_row, int64_t a_column,
    const real *b, int64_t b_row, int64_t b_column,
    real *c, int accumulate, real *panel, const struct blas *blas)
{
    if (n == 1 && a_column == 1 && b_row == 1) {
        for (int64_t i = 0; i < m; i++)
            c[i] = dot(depth, a + i * a_row, b) + (accumulate ? c[i] : 0);
    } else if (m == 1 && b_column == 1) {
        if (!accumulate) memset(c, 0, sizeof(real) * n);
        for (int64_t l = 0; l < depth; l++) add_multiple(n, a[l * a_column], b + l * b_row, c);
    } else if (m * n * depth < blas->from) {
        tiled_product(m, n, depth, a, a_row, a_column, b, b_row, b_column, c, accumulate,
                      panel);
    } else {
        blas_product(m, n, depth, a, a_row, a_column, b, b_row, b_column, c, accumulate,
                     blas->gemm);
    }
}

#endif
