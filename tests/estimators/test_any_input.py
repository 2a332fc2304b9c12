"""Any input raises an error with a message or gives a finite model."""

import numpy as np
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optimizers import LINEAR_SOLVERS, SOLVERS
from small_models import raises_or_gives_probabilities

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.epochs.schedules import SCHEDULES
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES

ORDINARY = [0.0, 1.0, -1.0, 0.5, 2.0, 100.0]
# Values of X. Each draw uses one of these palettes, so most draws contain no NaN.
PALETTES = [
    ORDINARY,
    [0.0, 1.0],
    [3.0],
    [*ORDINARY, 1e30, -1e30],
    [*ORDINARY, 1e300, -1e300],
    [1e-300, 5e-324, -1e-300, -0.0, 0.0],
    [*ORDINARY, 5e-324],
    [*ORDINARY, np.nan],
    [*ORDINARY, np.inf],
    [np.finfo(np.float64).max, np.finfo(np.float32).max, 65504.0],
]
DTYPES = [
    *["int8", "int16", "int32", "int64", "uint8", "bool", "float16", "float32", "float64"],
    *["longdouble", ">f4", ">f8", ">i4", "object"],
]
SPARSE = {
    name: getattr(scipy.sparse, name)
    for name in [
        *["csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "dia_array"],
        *["bsr_array", "csr_matrix", "csc_matrix"],
    ]
}
CONTAINERS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "reversed view": lambda X: X[::-1, ::-1],
    "list": lambda X: X.tolist(),
    **SPARSE,
}
# scipy's containers hold neither float16 nor objects nor a foreign byte order.
SPARSE_DTYPES = ["int8", "int32", "int64", "uint8", "bool", "float32", "float64"]
LABELS = {
    "integers": np.array([-5, 0, 7]),
    "text": np.array(["a", "bb", "ccc"]),
    "bools": np.array([False, True, True]),
    "floats": np.array([0.0, 1.0, 2.0]),
    "one class": np.array([4, 4, 4]),
}


def cast(values, dtype):
    """Return `values` in another dtype; values too large for it become infinite."""
    with np.errstate(all="ignore"):  # 1e300 as float16 or int8 is what we want to try
        values = values.astype(dtype)
    # scikit-learn sums X to look for infinities, and NumPy would warn of inf plus -inf.
    return np.where(values == -np.inf, np.inf, values).astype(dtype)


@st.composite
def features(draw):
    """Draw an array-like of 0 to 12 rows and 0 to 3 columns."""
    # Mostly sizes that can be trained on, rarely an empty one.
    n_samples = draw(st.sampled_from([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]))
    n_features = draw(st.sampled_from([3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0]))
    palette = np.array(draw(st.sampled_from(PALETTES)))
    rng = np.random.RandomState(draw(st.integers(0, 1000)))
    values = rng.choice(palette, (n_samples, n_features))
    shape = draw(st.sampled_from(["drawn", "rows repeated", "constant column"]))
    if shape == "rows repeated":
        values[1:] = values[:1]
    if shape == "constant column":
        values[:, :1] = palette[-1]
    container = draw(st.sampled_from(list(CONTAINERS)))
    dtypes = SPARSE_DTYPES if container in SPARSE else DTYPES
    return CONTAINERS[container](cast(values, draw(st.sampled_from(dtypes))))


@st.composite
def labels_and_weights(draw, n_samples, multilabel):
    """Draw y and sample_weight for n_samples rows."""
    rng = np.random.RandomState(draw(st.integers(0, 1000)))
    if multilabel:
        labels = rng.randint(0, 2, (n_samples, 2))
    else:
        labels = LABELS[draw(st.sampled_from(list(LABELS)))]
        labels = labels[np.arange(n_samples) % draw(st.sampled_from([2, 3]))]
    palette = draw(st.sampled_from([None, [1.0, 2.0], [0.0, 1.0], [1e-300, 1.0, 1e300]]))
    return labels, None if palette is None else rng.choice(palette, n_samples)


COMMON = {
    "alpha": st.sampled_from([0.0, 1e-4, 1.0]),
    "learning_rate": st.sampled_from([*SCHEDULES, 0.5]),
    "warmup_fraction": st.sampled_from([None, None, 0.0, 0.99]),
    "momentum": st.sampled_from([0.0, 0.9, 1.0]),
    "batch_size": st.sampled_from([1, 3, "auto", "full"]),
    "max_iter": st.integers(1, 3),
    "early_stopping": st.sampled_from([False, False, True]),
    "validation_fraction": st.just(0.5),
    "scoring": st.sampled_from([None, "loss", "accuracy"]),
    "class_weight": st.sampled_from([None, None, "balanced"]),
    "epsilon": st.sampled_from([1e-8, 1e-300]),
    "tol": st.none(),
    "random_state": st.just(0),
}
LOGISTIC = st.builds(
    SGDLogisticClassifier,
    penalty=st.sampled_from(["l2", "l1", "elasticnet", None]),
    solver=st.sampled_from(LINEAR_SOLVERS),
    average=st.sampled_from([False, True, 2]),
    fit_intercept=st.booleans(),
    **{
        **COMMON,
        "learning_rate": st.sampled_from(["auto", *SCHEDULES, 1]),
        "learning_rate_init": st.sampled_from([None, None, 0.01]),
    },
)
MLP = st.builds(
    BackpropMLPClassifier,
    hidden_layer_sizes=st.sampled_from([(), (3,), (2, 2)]),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    init=st.sampled_from(["auto", "glorot", "he"]),
    dropout=st.sampled_from([0.0, 0.0, 0.5]),
    solver=st.sampled_from([*SOLVERS, "lbfgs"]),
    loss=st.sampled_from(sorted({name for name, _ in LOSSES})),
    max_gradient_norm=st.sampled_from([None, None, 1e-6, 1.0]),
    **COMMON,
)
CASES = settings(
    deadline=None,
    derandomize=True,
    max_examples=400,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def n_rows(X):
    """Return the number of rows of a list, array or sparse container."""
    return len(X) if isinstance(X, list) else X.shape[0]


@CASES
@given(LOGISTIC, features(), st.data())
def test_logistic_raises_or_gives_probabilities(model, X, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel=False))
    raises_or_gives_probabilities(model, X, labels, weight)


@CASES
@given(MLP, features(), st.booleans(), st.data())
def test_mlp_raises_or_gives_probabilities(model, X, multilabel, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel))
    raises_or_gives_probabilities(model, X, labels, weight)


@CASES
@given(LOGISTIC, features(), st.data())
def test_logistic_partial_fit_raises_or_gives_probabilities(model, X, data):
    labels, weight = data.draw(labels_and_weights(n_rows(X), multilabel=False))
    model.set_params(early_stopping=False, class_weight=None)

    def train(model, X, y, sample_weight):
        classes = [*np.unique(labels), labels.dtype.type(8)]  # one more than y has
        for _ in range(2):
            model.partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    raises_or_gives_probabilities(model, X, labels, weight, train)
