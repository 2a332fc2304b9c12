"""Tensors of PyTorch, on a GPU where there is one
===============================================

Train a network on tensors: what comes back are tensors, on the same device.

Handwritten digits, 64 pixels each. The same network is trained on NumPy's arrays and on
tensors. On both, rows are drawn in the same order and each step is the same arithmetic, so
that the two models are equal to rounding; what tells them apart is where they live.
scikit-learn lets tensors in where its `array_api_dispatch` is on, which needs the
environment variable SCIPY_ARRAY_API=1 before scipy is imported.

Expect the device (cpu, or cuda:0 with a GPU), "the same model" with the largest difference
of coefficients and a test accuracy of 97 %. Without PyTorch it says what to install.
"""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_nn import BackpropMLPClassifier

try:
    import torch
except ImportError:
    torch = None


def new_model():
    """Return an untrained network."""
    return BackpropMLPClassifier(
        (50,), learning_rate=0.01, max_iter=30, tol=None, random_state=0
    )


def largest_difference(tensors, arrays):
    """Return the largest difference between two lists of coefficients, on the host."""
    pairs = zip(tensors, arrays, strict=True)
    return max(abs(tensor.cpu().numpy() - array).max() for tensor, array in pairs)


def main():
    """Train on arrays and on tensors, and compare."""
    if torch is None:
        print("This example needs PyTorch: pip install 'sklearn_nn[array-api]' torch")
        return
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    on_arrays = new_model().fit(X_train, y_train)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with sklearn.config_context(array_api_dispatch=True):
        # y may stay an array: everything follows X.
        on_tensors = new_model().fit(torch.asarray(X_train, device=device), y_train)
        proba = on_tensors.predict_proba(torch.asarray(X_test, device=device))
        accuracy = on_tensors.score(torch.asarray(X_test, device=device), y_test)
    difference = largest_difference(on_tensors.coefs_, on_arrays.coefs_)
    print(f"Probabilities are a {type(proba).__name__} on {proba.device}.")
    print(
        f"{'The same model' if difference < 1e-6 else 'ANOTHER MODEL'}: the largest "
        f"difference of coefficients is {difference:.1e}."
    )
    print(f"Test accuracy: {100 * accuracy:.1f} %")


if __name__ == "__main__":
    main()
