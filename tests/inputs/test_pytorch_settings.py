"""The user's settings of PyTorch hold in training: precision of products, determinism."""

import numpy as np
import pytest
import sklearn

from sklearn_nn import BackpropMLPClassifier

torch = pytest.importorskip("torch")
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def dispatch():
    """Let scikit-learn accept tensors."""
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def settings():
    """Return a function that reads the settings; restore them after the test."""

    def read():
        return (
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_rng_state().tolist(),
        )

    precision, is_deterministic, *_ = read()
    yield read
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(is_deterministic)


def fitted():
    """Return a network after 60 epochs on float32 rows."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(64, 40)).astype(np.float32)
    y = X[:, :3].argmax(axis=1)
    model = BackpropMLPClassifier((32,), batch_size=16, max_iter=60, tol=None)
    X, y = (torch.asarray(array, device=DEVICE) for array in (X, y))
    return model.set_params(random_state=0).fit(X, y)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("is_deterministic", [False, True])
def test_training_changes_no_setting(settings, precision, is_deterministic, monkeypatch):
    # cuBLAS needs it to be deterministic.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(is_deterministic)
    before = settings()
    fitted()
    assert settings() == before


def test_deterministic_training_is_the_same_in_every_run(settings, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    one, other = fitted(), fitted()
    assert all(map(torch.equal, one.coefs_, other.coefs_))
    assert one.loss_curve_ == other.loss_curve_


@on_cuda
def test_products_are_in_tf32_if_the_user_allows_it(settings):
    torch.set_float32_matmul_precision("highest")
    exact = fitted()
    torch.set_float32_matmul_precision("high")
    rounded = fitted()
    difference = max(
        float((one - other).abs().max())
        for one, other in zip(exact.coefs_, rounded.coefs_, strict=True)
    )
    # Two runs with the same setting have the same bits.
    assert difference > 1e-6
    assert rounded.loss_curve_[-1] == pytest.approx(exact.loss_curve_[-1], rel=0.05)
