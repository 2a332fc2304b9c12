"""Fixtures that several files of this folder use."""

import pytest

from sklearn_nn._engine.epochs import compiled


@pytest.fixture(params=["the kernels' own product", "BLAS"])
def product_by(request, monkeypatch):
    """Compute all matrix products with one implementation, whatever their size."""
    threshold = 0 if request.param == "BLAS" else compiled.NEVER
    monkeypatch.setattr(compiled, "blas_from", lambda layer_sizes, n_rows: threshold)
