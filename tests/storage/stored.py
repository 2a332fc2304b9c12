"""Half-trained models; the folder `data` has their pickles in every format.

`python tests/storage/stored.py` writes the pickles of the current format. Run it after the
last change before a release and commit the new files: from then on the format is fixed.
"""

import pickle
from pathlib import Path

from sklearn.datasets import load_iris

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._storage.persistence import FORMAT

FOLDER = Path(__file__).parent / "data"
IRIS = load_iris()
X, Y = IRIS.data, IRIS.target_names[IRIS.target]
# Three epochs of Adam, two Newton steps, and a stream.
MODELS = {
    "mlp": lambda: BackpropMLPClassifier((5,), max_iter=3, batch_size=50),
    "auto": lambda: SGDLogisticClassifier(max_iter=2, tol=None),
    "stream": lambda: SGDLogisticClassifier(),
}


def begin(name):
    """Return a model after the first half of its training."""
    model = MODELS[name]().set_params(random_state=0)
    if name == "stream":
        return model.partial_fit(X[::2], Y[::2], classes=IRIS.target_names)
    return model.set_params(warm_start=True).fit(X, Y)


def resume(name, model):
    """Return the model after the second half of its training."""
    return model.partial_fit(X[1::2], Y[1::2]) if name == "stream" else model.fit(X, Y)


def write():
    """Write a pickle of each model in the current format."""
    for name in MODELS:
        path = FOLDER / f"{name}_format_{FORMAT}.pickle"
        path.write_bytes(pickle.dumps(begin(name), protocol=4))


if __name__ == "__main__":
    write()
