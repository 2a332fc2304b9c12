"""Train on PyTorch tensors, on a GPU if available
===============================================

Train a network on tensors and get tensors on the same device.

The same network learns handwritten digits, 64 pixels each, from NumPy arrays and from
tensors. In both cases the rows have the same order and each step does the same arithmetic,
so that the models are equal up to rounding error and differ only in the device.
scikit-learn accepts tensors if `array_api_dispatch` is on, which needs the environment
variable SCIPY_ARRAY_API=1 before scipy is imported.

Expect the device (cpu, or cuda:0 with a GPU), "The same model" with the largest difference
of coefficients, and a test accuracy of 97 %. Without PyTorch the script says what to
install. The script saves a picture of both loss curves as train_on_torch.png.
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
    """Return the largest difference between tensors and arrays of coefficients."""
    pairs = zip(tensors, arrays, strict=True)
    return max(abs(tensor.cpu().numpy() - array).max() for tensor, array in pairs)


def save_picture(curves):
    """Save the loss curves of both models, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, losses), style in zip(curves.items(), ("-", "--"), strict=True):
        axes.semilogy(losses, style, label=name, linewidth=2)
    axes.set(xlabel="epoch", ylabel="objective, nats per row")
    axes.legend()
    figure.savefig("train_on_torch.png", dpi=120)
    print("Saved train_on_torch.png in this folder.")


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
        # y may stay an array: the device of X decides.
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
    curves = {"arrays": on_arrays.loss_curve_, f"tensors, {device}": on_tensors.loss_curve_}
    save_picture(curves)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/thumb_train_on_torch.svg'
