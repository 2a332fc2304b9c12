"""Time per epoch on a device: the estimator on tensors and a plain PyTorch loop.

Both train the same network (two hidden layers of 1024 relu units, 10 classes) by Adam on
the same random rows of 784 float32 numbers in batches of 1024, on a CUDA device if there is
one. The loop is eager: autograd, torch.optim.Adam with its defaults, rows shuffled on the
device. `fit` does more: it validates and encodes its input, sums the losses, and checks for
divergence after each epoch.

The output is a line for one epoch and a line for ten epochs, with the times of `fit` and of
the loop and their ratio; above 1 the loop is faster. Times are medians over several turns,
in which the two alternate.

    python benchmarks/torch_device.py [--rows 60000] [--turns 5]
"""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before scipy is imported

import argparse
import time

import numpy as np
import sklearn
import torch
from torch import nn

from sklearn_nn import BackpropMLPClassifier

N_FEATURES, HIDDEN, N_CLASSES, BATCH_SIZE = 784, (1024, 1024), 10, 1024


def random_rows(n_rows, device):
    """Return X (n_rows, N_FEATURES) and labels y that depend on it, on the device."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    y = X[:, :N_CLASSES].argmax(axis=1)
    return torch.asarray(X, device=device), torch.asarray(y, device=device)


def fit_ours(X, y, n_epochs):
    """Train the estimator."""
    model = BackpropMLPClassifier(
        HIDDEN, batch_size=BATCH_SIZE, max_iter=n_epochs, tol=None, random_state=0
    )
    return model.fit(X, y)


def fit_loop(X, y, n_epochs):
    """Train by a typical PyTorch loop."""
    layers, fan_in = [], N_FEATURES
    for fan_out in HIDDEN:
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        fan_in = fan_out
    model = nn.Sequential(*layers, nn.Linear(fan_in, N_CLASSES)).to(X.device)
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X), device=X.device).split(BATCH_SIZE):
            optimizer.zero_grad()
            loss(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model


def seconds(train, X, y, n_epochs):
    """Return the seconds of a training run until the device has finished."""
    start = time.perf_counter()
    train(X, y, n_epochs)
    if X.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(X, y, n_epochs, n_turns):
    """Print the median times of both, measured in turns, and their ratio."""
    for train in (fit_ours, fit_loop):  # the first call loads libraries
        train(X[:BATCH_SIZE], y[:BATCH_SIZE], 1)
    turns = [
        [seconds(train, X, y, n_epochs) for train in (fit_ours, fit_loop)]
        for _ in range(n_turns)
    ]
    ours, loop = np.median(turns, axis=0)
    print(
        f"{n_epochs:3d} epochs: fit {ours:8.3f} s, loop {loop:8.3f} s, "
        f"ratio {ours / loop:.2f}"
    )


def main():
    """Measure on a CUDA device if there is one, else on the CPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    X, y = random_rows(arguments.rows, device)
    print(f"{arguments.rows} rows on {name}, {torch.get_num_threads()} threads")
    with sklearn.config_context(array_api_dispatch=True):
        for n_epochs in (1, 10):
            compare(X, y, n_epochs, arguments.turns)


if __name__ == "__main__":
    main()
