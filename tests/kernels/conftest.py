"""Settings that several files of this folder use."""

import pytest

from sklearn_nn._engine.epochs import compiled


@pytest.fixture(params=["the kernels' own product", "BLAS"])
def product_by(request, monkeypatch):
    """Have all products of two matrices taken in one way, whatever their size."""
    from_ = compiled.NEVER if request.param != "BLAS" else 0
    monkeypatch.setattr(compiled, "blas_from", lambda layer_sizes, n_rows: from_)
