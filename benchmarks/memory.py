"""Memory that a fit adds at its peak, and the size of its input.

    python benchmarks/memory.py DATA MODEL {peer,ours} ROWS [FOLDER]

`compare.py` starts this process for each measurement. It makes the data, prints their size,
waits for a line, fits for one epoch and ends. From outside, its memory is read every
millisecond. Only its own memory counts (anonymous, in Linux's terms): pages of a mapped
file belong to the file cache, which frees them when others need memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from data import dense, images, sparse
from report import ignore_known_warnings
from scipy.sparse import issparse
from tasks import networks, sgd_classifier, sgd_logistic
from threadpoolctl import threadpool_limits

HEADER = ("data, one epoch", "input, MB", "peer", "peer adds, MB", "ours adds, MB")
MB = 1e6
MAPPED_FEATURES = 1000  # float32: 4 kB per row
FREE_BYTES = 6e9  # required in the folder of the mapped file


def dense_float64(n_samples, folder):
    """Return X (n_samples, 100) in C order, and y."""
    return dense(n_samples, 100)


def dense_float32(n_samples, folder):
    """Return the same in float32."""
    X, y = dense(n_samples, 100)
    return X.astype(np.float32), y


def fortran_float64(n_samples, folder):
    """Return the same in Fortran order."""
    X, y = dense(n_samples, 100)
    return np.asfortranarray(X), y


def csr_float64(n_samples, folder):
    """Return CSR X (n_samples, 100000) with 80 values per row, and y."""
    return sparse(n_samples, 100_000)


def images_float64(n_samples, folder):
    """Return X (n_samples, 784), and y."""
    return images(n_samples)


def images_float32(n_samples, folder):
    """Return the same in float32."""
    X, y = images(n_samples)
    return X.astype(np.float32), y


def mapped_float32(n_samples, folder):
    """Return X as a read-only memory map of the file of `write_mapped`, and y."""
    return np.load(Path(folder, "X.npy"), mmap_mode="r"), np.load(Path(folder, "y.npy"))


DATA = {
    "dense_float64": dense_float64,
    "dense_float32": dense_float32,
    "fortran_float64": fortran_float64,
    "csr_float64": csr_float64,
    "images_float64": images_float64,
    "images_float32": images_float32,
    "mapped_float32": mapped_float32,
}
# Data, model, number of rows.
CASES = (
    ("dense_float64", "logistic", 500_000),
    ("dense_float32", "logistic", 500_000),
    ("fortran_float64", "logistic", 500_000),
    ("csr_float64", "logistic", 200_000),
    ("images_float64", "network", 40_000),
    ("images_float32", "network", 40_000),
)
MAPPED_CASE = ("mapped_float32", "logistic", 1_000_000)


def models(name):
    """Return the peer and ours, for one epoch."""
    if name == "network":
        return networks(max_iter=1)
    return sgd_classifier(max_iter=1), sgd_logistic(batch_size=32, max_iter=1)


def write_mapped(n_samples, folder):
    """Write X.npy (n_samples, 1000) in float32 and y.npy, 10,000 rows at a time."""
    rng = np.random.default_rng(0)
    shape = n_samples, MAPPED_FEATURES
    X = np.lib.format.open_memmap(Path(folder, "X.npy"), "w+", np.float32, shape)
    weight = rng.normal(size=MAPPED_FEATURES).astype(np.float32)
    y = np.empty(n_samples, dtype=int)
    for start in range(0, n_samples, 10_000):
        rows = slice(start, start + 10_000)
        X[rows] = rng.standard_normal(X[rows].shape, dtype=np.float32)
        y[rows] = X[rows] @ weight + rng.logistic(size=len(y[rows])) > 0
    X.flush()
    np.save(Path(folder, "y.npy"), y)


def own_memory(pid):
    """Return the bytes of anonymous resident memory of a process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def added_memory(*arguments):
    """Return the bytes of the input and the bytes that a fit in a new process adds."""
    # The fit could reuse freed memory that the C library keeps, and this would not show. So
    # blocks of 128 kB and more are returned to the system at once.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    with subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        n_bytes = int(process.stdout.readline())
        before = peak = own_memory(process.pid)
        process.stdin.write("fit\n")
        process.stdin.flush()
        while process.poll() is None:
            peak = max(peak, own_memory(process.pid))
            time.sleep(0.001)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with the status {process.returncode}.")
    return n_bytes, peak - before


def row_of(case, folder=None):
    """Return the row of the table for one of CASES."""
    data, model, n_samples = case
    arguments = [] if folder is None else [folder]
    n_bytes, ours = added_memory(data, model, "ours", n_samples, *arguments)
    _, peer = added_memory(data, model, "peer", n_samples, *arguments)
    name = f"{data.replace('_', ' ')}, {n_samples:,} rows, {model}"
    peer_name = type(models(model)[0]).__name__
    return name, f"{n_bytes / MB:.0f}", peer_name, f"{peer / MB:.1f}", f"{ours / MB:.1f}"


def rows(quick, folder):
    """Return the rows of the table; a large file is written into `folder` for a while."""
    part = 50 if quick else 1
    found = [row_of((*case, n_samples // part)) for *case, n_samples in CASES]
    *case, n_samples = MAPPED_CASE
    if shutil.disk_usage(folder).free < FREE_BYTES / part:
        print(f"{folder} has less than 6 GB free: the mapped file is left out.")
        return found
    with tempfile.TemporaryDirectory(dir=folder) as place:
        write_mapped(n_samples // part, place)
        return [*found, row_of((*case, n_samples // part), place)]


def size_of(X):
    """Return the bytes of an array, or of the three arrays of a CSR array."""
    arrays = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    return sum(array.nbytes for array in arrays)


def main(data, model, whose, n_samples, folder=None):
    """Make the data, print their size, wait for a line and fit."""
    X, y = DATA[data](int(n_samples), folder)
    estimator = models(model)[("peer", "ours").index(whose)]
    ignore_known_warnings()
    print(size_of(X), flush=True)
    sys.stdin.readline()
    with threadpool_limits(1):
        estimator.fit(X, y)


if __name__ == "__main__":
    main(*sys.argv[1:])
