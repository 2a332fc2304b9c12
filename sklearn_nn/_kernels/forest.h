/* Mirror of forest.py: votes of decision trees. */
#ifndef SKLEARN_NN_FOREST_H
#define SKLEARN_NN_FOREST_H

#include <stdint.h>

/* See Forest; a leaf is its own child on both sides. */
struct forest {
    int64_t n_trees, n_classes;
    const int32_t *root;                          /* (n_trees,) */
    const int32_t *column, *left, *right, *vote;  /* (n_nodes,) */
    const float *threshold;                       /* (n_nodes,) */
};

/* Add the votes of all trees on each row to `counts` (n_rows, n_classes). X is in C order. */
static void count_votes(
    const struct forest *forest, int64_t n_rows, int64_t n_columns, const float *X,
    int32_t *counts)
{
    enum { ROWS = 256 }; /* at once: they stay in the cache, as does the tree */
    for (int64_t start = 0; start < n_rows; start += ROWS) {
        int64_t end = start + ROWS < n_rows ? start + ROWS : n_rows;
        for (int64_t t = 0; t < forest->n_trees; t++) {
            for (int64_t i = start; i < end; i++) {
                const float *x = X + i * n_columns;
                int32_t node, child = forest->root[t];
                do {
                    node = child;
                    child = x[forest->column[node]] <= forest->threshold[node]
                        ? forest->left[node] : forest->right[node];
                } while (child != node);
                counts[i * forest->n_classes + forest->vote[node]]++;
            }
        }
    }
}

#endif
