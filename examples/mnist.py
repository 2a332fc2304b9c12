"""MNIST in a few seconds
======================

Train a network with one hidden layer of 100 units on the MNIST handwritten digits.

There are 60,000 training images and 10,000 test images of 28 x 28 pixels. The pixels are
scaled to [0, 1] in float32, so the whole computation is in float32. The parameters are the
defaults of BackpropMLPClassifier (relu, adam, batches of 200 rows), except for a learning
rate of 0.002 and a weaker penalty, alpha=1e-5.

`python mnist.py --data mnist.npz` reads the data from a file with the arrays X_train,
y_train, X_test, y_test (pixels as uint8, 0 to 255, 784 per row). Without `--data`,
scikit-learn fetches them from openml.org (once; it keeps a copy).

Expect one line per epoch (loss in nats), and at the end a test accuracy of about 97.8 %
(the aim is 97.5 %; rounding errors of other machines change it a little). The 15 epochs
take four seconds on one core of an AMD EPYC. The script saves a picture of test images that
the network takes for another digit as mnist.png.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import fetch_openml

from sklearn_nn import BackpropMLPClassifier

N_TRAIN = 60_000


def load_file(path):
    """Return X_train, y_train, X_test, y_test of an npz file."""
    with np.load(path) as arrays:
        return [arrays[name] for name in ("X_train", "y_train", "X_test", "y_test")]


def fetch():
    """Return X_train, y_train, X_test, y_test from openml.org, or None without network."""
    try:
        X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    except OSError as error:  # no network, or no answer from the server
        print(f"openml.org cannot be reached ({type(error).__name__}: {error}).")
        return None
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


def load(path):
    """Return the data with X scaled to [0, 1] in float32, or None."""
    data = fetch() if path is None else load_file(path)
    if data is None:
        return None
    X_train, y_train, X_test, y_test = data
    scale = np.float32(255)
    return (
        X_train.astype(np.float32) / scale,
        y_train,
        X_test.astype(np.float32) / scale,
        y_test,
    )


def save_picture(X, y, predicted):
    """Save images of wrong predictions, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    wrong = np.flatnonzero(predicted != y)[:24]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes in figure.subplots(3, 8).ravel():
        axes.set_axis_off()
    for axes, i in zip(figure.axes, wrong, strict=False):
        axes.imshow(X[i].reshape(28, 28), cmap="gray_r")
        axes.set_title(f"{y[i]}, not {predicted[i]}", fontsize=9)
    figure.savefig("mnist.png", dpi=120)
    print("Saved mnist.png in this folder.")


def parse_arguments():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="MNIST: see the top of the file.")
    parser.add_argument("--data", help="npz file with X_train, y_train, X_test, y_test")
    parser.add_argument("--epochs", type=int, default=15)
    return parser.parse_args()


def main():
    """Train and test, or describe the missing data."""
    arguments = parse_arguments()
    data = load(arguments.data)
    if data is None:
        print("Pass MNIST as a file: python mnist.py --data mnist.npz (arrays X_train,")
        print("y_train, X_test, y_test; pixels as uint8, 784 per row).")
        return
    X_train, y_train, X_test, y_test = data
    model = BackpropMLPClassifier(
        hidden_layer_sizes=(100,),
        alpha=1e-5,
        learning_rate=0.002,
        max_iter=arguments.epochs,
        tol=None,
        random_state=0,
        verbose=True,
    )
    start = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"Training: {arguments.epochs} epochs in {seconds:.1f} s")
    predicted = model.predict(X_test)
    accuracy = np.mean(predicted == y_test)
    print(f"Accuracy on the test data: {100 * accuracy:.2f} %")
    save_picture(X_test, y_test, predicted)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/thumb_mnist.svg'
