"""Models whose training is cut, as the folder data holds them in pickles of each format.

`python tests/storage/stored.py` writes those of the present format, which then is not to
change any more: run it after the last change before a release, and add the new files.
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
    """Return the model after the first half of its training."""
    model = MODELS[name]().set_params(random_state=0)
    if name == "stream":
        return model.partial_fit(X[::2], Y[::2], classes=IRIS.target_names)
    return model.set_params(warm_start=True).fit(X, Y)


def go_on(name, model):
    """Return the model after the second half."""
    return model.partial_fit(X[1::2], Y[1::2]) if name == "stream" else model.fit(X, Y)


def write():
    """Write a pickle of each model in the present format."""
    for name in MODELS:
        path = FOLDER / f"{name}_format_{FORMAT}.pickle"
        path.write_bytes(pickle.dumps(begin(name), protocol=4))


if __name__ == "__main__":
    write()
