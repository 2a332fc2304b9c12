"""Times of fits on a device: networks by Adam, and logistic regression.

    python benchmarks/device.py [networks] [linear] [--quick] [--turns 3]

prints two tables for the GPU of the machine (or its processor, which is for trying the
script), with the name of the card. Each row is a task; each column has the seconds of a
whole fit on float32 tensors that are on the device already: medians over turns in which all
take part, after one turn that does not count.

- Networks: relu layers and ten classes on random rows. The peers are loops of PyTorch:
  eager, with the fused Adam, and with the fused Adam in a CUDA graph, whose epochs leave
  out the last rows if they do not fill a batch. `fit` does more than the loops: it
  validates and encodes its input, sums the losses, and checks for divergence.
- Linear: `alpha=1e-4` without a learning rate, until the gap to the optimum is at most
  1e-4. The peers are scikit-learn's LogisticRegression (lbfgs), and cuML's if it is
  installed, with the same penalty and their own defaults. In brackets is the relative gap
  of the objective to the lowest one found, by a fit in float64 to 1e-10.
"""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before scipy is imported

import argparse
import time
import warnings
from functools import partial

import numpy as np
import sklearn
import torch
from report import print_table
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.arrays import to_numpy

try:
    from cuml.linear_model import LogisticRegression as CumlRegression
except ModuleNotFoundError:
    CumlRegression = None

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
ALPHA, N_CLASSES = 1e-4, 10
# Rows, features, hidden layers, batch size, epochs.
NETWORKS = [
    (60_000, 784, (1024, 1024), 1024, 10),
    (60_000, 784, (100,), 200, 5),
    (60_000, 784, (512, 512), 200, 5),
    (1_000_000, 100, (256,), 4096, 3),
    (60_000, 784, (4096, 4096), 8192, 5),
]
# Rows, features, exponents of the smallest and largest scale of a feature.
LINEAR = [
    (1_000_000, 100, (0, 0)),
    (1_000_000, 100, (-2, 1)),
    (200_000, 1000, (0, 0)),
    (200_000, 1000, (-2, 1)),
]
QUICK_NETWORKS = [(2000, 20, (30,), 200, 2)]
QUICK_LINEAR = [(2000, 20, (0, 0)), (2000, 20, (-2, 1))]


def random_rows(n_rows, n_features, exponents=(0, 0)):
    """Return X and noisy logits (n_rows, N_CLASSES) of a linear model, on the device."""
    draws = torch.Generator(device=DEVICE).manual_seed(0)
    normal = partial(torch.randn, generator=draws, device=DEVICE)
    X = normal(n_rows, n_features)
    logits = X @ normal(n_features, N_CLASSES) * 2 / n_features**0.5
    logits += 1.5 * normal(n_rows, N_CLASSES)
    low, high = exponents
    scales = torch.rand(n_features, generator=draws, device=DEVICE) * (high - low) + low
    return X * 10**scales, logits


# Networks


def fit_network(X, y, hidden, batch_size, n_epochs):
    """Train the estimator."""
    model = BackpropMLPClassifier(
        hidden, batch_size=batch_size, max_iter=n_epochs, tol=None, random_state=0
    )
    return model.fit(X, y)


def torch_network(n_features, hidden):
    """Return the same network in PyTorch."""
    layers, fan_in = [], n_features
    for fan_out in hidden:
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        fan_in = fan_out
    return nn.Sequential(*layers, nn.Linear(fan_in, N_CLASSES)).to(DEVICE)


def fit_loop(X, y, hidden, batch_size, n_epochs, fused=False):
    """Train by a typical PyTorch loop."""
    model, loss = torch_network(X.shape[1], hidden), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X), device=DEVICE).split(batch_size):
            optimizer.zero_grad()
            loss(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model


def fit_graph(X, y, hidden, batch_size, n_epochs):
    """Train by a PyTorch loop that replays a CUDA graph of a step."""
    model, loss = torch_network(X.shape[1], hidden), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=True, capturable=True)
    rows = torch.arange(batch_size, device=DEVICE)

    def step():
        loss(model(X[rows]), y[rows]).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            optimizer.zero_grad()
            step()
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for _ in range(n_epochs):
        order = torch.randperm(len(X), device=DEVICE)
        for batch in order[: len(X) // batch_size * batch_size].split(batch_size):
            rows.copy_(batch)
            graph.replay()
    return model


def network_row(task, n_turns):
    """Return the cells of a task: its sizes, and seconds of all."""
    n_rows, n_features, hidden, batch_size, n_epochs = task
    X, logits = random_rows(n_rows, n_features)
    y = logits.argmax(dim=1)
    fits = {
        "fit": fit_network,
        "eager": fit_loop,
        "fused": partial(fit_loop, fused=True),
        "graph": fit_graph,
    }
    if not ON_GPU:
        del fits["graph"]
    arguments = X, y, hidden, batch_size, n_epochs
    times, _ = measured({k: partial(f, *arguments) for k, f in fits.items()}, n_turns)
    layers = "-".join(map(str, hidden))
    name = f"{n_rows:,} x {n_features}, {layers}, batch {batch_size}, {n_epochs} epochs"
    return {"task": name, **{key: f"{seconds:.3f}" for key, seconds in times.items()}}


# Logistic regression


def linear_row(task, n_turns):
    """Return the cells of a task: its sizes, and seconds and gaps of all."""
    n_rows, n_features, exponents = task
    X, logits = random_rows(n_rows, n_features, exponents)
    y = (logits[:, 0] > 0).to(torch.int64)
    strength = 1 / (ALPHA * n_rows)
    fits = {
        "fit": lambda: SGDLogisticClassifier(random_state=0).fit(X, y),
        "LogisticRegression": lambda: LogisticRegression(C=strength).fit(X, y),
    }
    if CumlRegression is not None:
        fits["cuML"] = lambda: CumlRegression(C=strength).fit(X, y)
    times, models = measured(fits, n_turns)
    exact = SGDLogisticClassifier(tol=1e-10, random_state=0).fit(X.double(), y)
    found = {name: objective_of(model, X, y) for name, model in models.items()}
    best = min(objective_of(exact, X, y), *found.values())
    low, high = exponents
    name = f"{n_rows:,} x {n_features}, scales from {10.0**low:g} to {10.0**high:g}"
    cells = {n: f"{times[n]:.4f} ({(found[n] - best) / best:.0e})" for n in fits}
    return {"task": name, **cells}


def objective_of(model, X, y):
    """Return the objective of a fitted linear model in float64."""
    weight, intercept = (
        torch.as_tensor(np.asarray(to_numpy(array), np.float64).ravel(), device=DEVICE)
        for array in (model.coef_, model.intercept_)
    )
    logits = X.double() @ weight + intercept
    loss = nn.functional.binary_cross_entropy_with_logits(logits, y.double())
    return float(loss + ALPHA / 2 * weight @ weight)


def measured(fits, n_turns):
    """Return {name: median seconds} and {name: fitted model}, measured in turns."""
    times, models = {name: [] for name in fits}, {}
    for turn in range(n_turns + 1):
        for name, fit in fits.items():
            start = time.perf_counter()
            models[name] = fit()
            if ON_GPU:
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(seconds)) for name, seconds in times.items()}, models


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help="networks and linear: all by default")
    parser.add_argument("--quick", action="store_true", help="small data, to try it")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    card = torch.cuda.get_device_name() if ON_GPU else "a processor (no GPU)"
    versions = f"torch {torch.__version__}, scikit-learn {sklearn.__version__}"
    print(f"On {card}, {versions}, float32; TF32: {torch.backends.cuda.matmul.allow_tf32}")
    networks = QUICK_NETWORKS if arguments.quick else NETWORKS
    linear = QUICK_LINEAR if arguments.quick else LINEAR
    tables = {"networks": (network_row, networks), "linear": (linear_row, linear)}
    # LogisticRegression may end after its 100 iterations, which the gap shows.
    warnings.simplefilter("ignore")
    with sklearn.config_context(array_api_dispatch=True):
        for name in arguments.tables or tables:
            make_row, tasks = tables[name]
            rows = []
            for task in tasks:
                rows.append(make_row(task, arguments.turns))
                print("; ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
            cells = [list(row.values()) for row in rows]
            print_table(f"{name}: seconds on {card}", list(rows[0]), cells)


if __name__ == "__main__":
    main()
