"""A file larger than memory
=========================

Train on a file that is larger than the memory limit of this program.

The script writes and memory-maps a file of 440 MB (1.1 million rows, 100 features on scales
from 0.01 to 100, float32). The operating system (except Windows) limits the program to 400
MB, including Python and its libraries, so that reading the whole file raises a MemoryError.
The script learns from the file in two ways: by one pass of `partial_fit` over chunks of
rows, each predicted before it is learned; and by `fit` on the mapped array, which reads
rows in place. Then it removes the limit, and `fit` trains on the same rows in memory.

Expect the same accuracy of 82 % on new rows from all three, a progressive loss of the one
pass just above its final loss, and an objective within 1e-3 of that in memory. The script
saves a picture of the losses of the one pass as out_of_core.png.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, log_loss

from sklearn_nn import SGDLogisticClassifier

try:
    import resource
except ImportError:  # Windows
    resource = None

N_FEATURES, CHUNK, ALLOWED = 100, 20_000, 400_000_000
SCALES = np.logspace(-2, 2, N_FEATURES)
WEIGHTS = np.random.RandomState(0).normal(size=N_FEATURES) / SCALES / 3


def rows(rng, n_samples):
    """Return rows X (n, 100) in float32 and labels, drawn from a logistic model."""
    X = (rng.standard_normal((n_samples, N_FEATURES)) * SCALES).astype(np.float32)
    proba = 1 / (1 + np.exp(-X @ WEIGHTS))
    return X, (rng.random(n_samples) < proba).astype(np.int64)


def write(folder, n_samples):
    """Write the file chunk by chunk; return its path and the labels."""
    rng, labels, path = np.random.default_rng(1), [], Path(folder) / "rows.float32"
    with open(path, "wb") as file:
        for start in range(0, n_samples, CHUNK):
            X, y = rows(rng, min(CHUNK, n_samples - start))
            file.write(X.tobytes())
            labels.append(y)
    return path, np.concatenate(labels)


def allow(n_bytes):
    """Limit the memory of this program; return the previous limit."""
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, hard))
    return before


def one_pass(X, y):
    """Return a model trained once on each row, and the losses of chunks before."""
    model, losses = SGDLogisticClassifier(), []
    for start in range(0, len(y), CHUNK):
        chunk = slice(start, start + CHUNK)
        if start:
            losses.append(log_loss(y[chunk], model.predict_proba(X[chunk])))
        model.partial_fit(X[chunk], y[chunk], classes=[0, 1])
    return model, losses


def objective(model, X, y):
    """Return J: mean log-loss plus alpha / 2 ||w||^2."""
    losses = [
        log_loss(y[start : start + CHUNK], model.predict_proba(X[start : start + CHUNK]))
        for start in range(0, len(y), CHUNK)
    ]
    return np.mean(losses) + model.alpha / 2 * np.sum(model.coef_.astype(float) ** 2)


def report(name, model, seconds, X, y):
    """Print the results of a model on new rows."""
    proba = model.predict_proba(X)
    accuracy = accuracy_score(y, proba.argmax(axis=1))
    print(
        f"{name:24} {seconds:6.1f} s   accuracy {accuracy:.2%}   "
        f"log-loss {log_loss(y, proba):.5f}"
    )


def save_picture(losses):
    """Save the loss of each chunk before it was learned, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(1, 1 + len(losses)) * CHUNK, losses, ".-", color="#1f5fa8")
    axes.set(xlabel="rows learned before", ylabel="log-loss of the next chunk, nats")
    axes.set(title="One pass over a file larger than memory")
    figure.savefig("out_of_core.png", dpi=120)
    print("Saved out_of_core.png in this folder.")


def main():
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_100_000)
    n_samples = parser.parse_args().rows
    fresh = rows(np.random.default_rng(2), CHUNK)
    with tempfile.TemporaryDirectory() as folder:
        before = None if resource is None else allow(ALLOWED)
        path, y = write(folder, n_samples)
        X = np.memmap(path, dtype=np.float32, mode="r", shape=(n_samples, N_FEATURES))
        print(f"the file: {X.nbytes / 1e6:.0f} MB; allowed: {ALLOWED / 1e6:.0f} MB")
        try:
            np.array(X)
            print("the whole file fits in memory")
        except MemoryError:
            print("the whole file does not fit in memory")
        start = time.perf_counter()
        model, progressive = one_pass(X, y)
        report("partial_fit, one pass", model, time.perf_counter() - start, *fresh)
        start = time.perf_counter()
        mapped = SGDLogisticClassifier().fit(X, y)
        report("fit, mapped", mapped, time.perf_counter() - start, *fresh)
        if resource is not None:
            allow(before)
        start = time.perf_counter()
        best = SGDLogisticClassifier(tol=1e-8).fit(np.array(X), y)
        report("fit, in memory", best, time.perf_counter() - start, *fresh)
        optimum = objective(best, X, y)
        gap = objective(model, X, y) / optimum - 1
        print(f"progressive log-loss of the one pass: {np.mean(progressive):.5f}")
        print(f"objective above that in memory: one pass {gap:.1e}", end="")
        print(f", mapped {objective(mapped, X, y) / optimum - 1:.1e}")
    save_picture(progressive)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/thumb_out_of_core.svg'
