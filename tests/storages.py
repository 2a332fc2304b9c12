"""Ways to store the same rows, for tests of kernels and of passes over the rows."""

import numpy as np
from scipy.sparse import csr_array


def frozen(X):
    """Make an array or CSR matrix read-only, and return it."""
    parts = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
    for part in parts:
        part.flags.writeable = False
    return X


def every_second(X):
    """Return X as every second row and column of an array otherwise full of NaN."""
    larger = np.full((2 * X.shape[0], 2 * X.shape[1]), np.nan, X.dtype)
    larger[::2, ::2] = X
    return larger[::2, ::2]


def csr_with_zeros(X):
    """Return X as CSR with explicit zeros, and unused entries at the end."""
    n, p = X.shape
    values = np.append(X.ravel(), np.full(3, np.nan, X.dtype))
    indices = np.append(np.tile(np.arange(p), n), [0, 0, 0]).astype(np.int32)
    sparse = csr_array((n, p), dtype=X.dtype)
    sparse.data, sparse.indices = values, indices
    sparse.indptr = (p * np.arange(n + 1)).astype(np.int32)
    return sparse


DENSE = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second": every_second,
    "rows reversed": lambda X: X[::-1].copy()[::-1],
    "columns reversed": lambda X: X[:, ::-1].copy()[:, ::-1],
    "one more column": lambda X: np.hstack([X, X[:, :1]])[:, :-1],
}
