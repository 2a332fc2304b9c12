"""Labels and weights on the device of the rows are encoded there, as on the host.

Arrays that the host must look at (to raise an error, say) go there as before.
"""

import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, _methods
from sklearn_nn._data import device_labels
from sklearn_nn._data.labels import Encoding, encoding_of
from sklearn_nn._engine import arrays

N = 500


@pytest.fixture(autouse=True)
def dispatch(monkeypatch):
    """Let scikit-learn accept other arrays, and tensors of the processor be on a device.

    Streams of few features stay there, too.
    """
    monkeypatch.setattr(_methods, "LEAST_STREAM_WIDTH", 1)
    for module in (_methods, device_labels):
        monkeypatch.setattr(module, "is_in_host_memory", lambda array: False)
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def copied(at, monkeypatch):
    """Return the list of the sizes of all arrays that are copied to the host."""
    sizes, library = [], arrays.library(at(np.zeros(1)))
    move = arrays.TO_HOST[library]

    def recorded(array):
        sizes.append(int(np.prod(array.shape)))
        return move(array)

    monkeypatch.setitem(arrays.TO_HOST, library, recorded)
    return sizes


def rows(n_classes=2):
    """Return X, class indices and weights, some of them 0."""
    rng = np.random.RandomState(n_classes)
    X = rng.normal(size=(N, 4))
    y = (X[:, :n_classes] + rng.gumbel(size=(N, n_classes))).argmax(axis=1)
    return X, y, rng.uniform(0.5, 2, N) * (rng.uniform(size=N) > 0.1)


MODELS = {
    "auto": SGDLogisticClassifier(random_state=0),
    "sgd": SGDLogisticClassifier(learning_rate=0.1, max_iter=2, tol=None, random_state=0),
    "network": BackpropMLPClassifier((3,), max_iter=2, tol=None, random_state=0),
    "network, lbfgs": BackpropMLPClassifier(
        (3,), solver="lbfgs", max_iter=2, tol=None, random_state=0
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)
LABELS = {
    "bool": np.array([False, True]),
    "uint8": np.array([0, 255], dtype=np.uint8),
    "int32": np.array([-1, 1], dtype=np.int32),
    "int64": np.array([3, 4, 5]),
    "large": np.array([2**60, 2**60 + 1, 2**60 + 100]),
    "gaps": np.array([-7, 0, 90]),
    "float32": np.array([0.0, 1.0, 2.0], dtype=np.float32),
    "float64": np.array([-1.0, 1.0]),
}
every_kind = pytest.mark.parametrize("kind", LABELS)


def assert_same_model(model, expected):
    """Assert that coefficients and classes equal those of NumPy's model."""
    classes = arrays.to_numpy(model.classes_)
    assert classes.dtype == expected.classes_.dtype
    assert_array_equal(classes, expected.classes_)
    for here, there in zip(expected._layers(), model._layers(), strict=True):
        for one, other in zip(here, map(arrays.to_numpy, there), strict=True):
            assert_allclose(other, one, rtol=0, atol=1e-9 * np.abs(one).max())


@every_kind
def test_labels_have_the_classes_and_indices_of_the_host(at, kind):
    labels = LABELS[kind]
    indices = np.random.RandomState(0).randint(len(labels), size=N)
    expected, encoding = encoding_of(labels[indices]), encoding_of(at(labels[indices]))
    assert encoding.classes.dtype == expected.classes.dtype
    assert_array_equal(encoding.classes, expected.classes)
    found = encoding.class_indices(at(labels[indices]))
    assert arrays.are_together(found, at(indices))
    assert_array_equal(arrays.to_numpy(found), indices)


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        (np.array([0, 1]), np.array([0.0, 1.0])),
        (np.array([0.0, 1.0]), np.array([0, 1])),
        (np.array([False, True]), np.array([0, 1])),
        (np.array([0, 1, 2**62]), np.array([0.0, 1.0])),
        (np.array([0, 1], dtype=np.uint64), np.array([0, 1])),
        (np.array([0, 1, 2**63], dtype=np.uint64), np.array([0, 1])),
    ],
)
def test_labels_of_another_type_than_the_classes(at, classes, y):
    encoding = Encoding(classes)
    assert_array_equal(arrays.to_numpy(encoding.class_indices(at(y))), [0, 1])
    with pytest.raises(ValueError, match=r"y has the labels \[5(\.0)?\], which are not am"):
        encoding.class_indices(at(y + np.asarray(5, y.dtype) - y[0])[:1])


def test_numbers_are_no_labels_of_a_model_of_strings(at):
    with pytest.raises(ValueError, match=r"y has the labels \['?0'?, '?1'?\], which are n"):
        Encoding(np.array(["0", "b"], dtype=object)).class_indices(at(np.array([0, 1])))


@every_kind
@every_model
def test_model_is_that_of_numpy_for_every_type_of_labels(at, name, kind):
    labels = LABELS[kind]
    X, y, weight = rows(len(labels))
    expected = clone(MODELS[name]).fit(X, labels[y], weight)
    model = clone(MODELS[name]).fit(at(X), at(labels[y]), at(weight))
    assert_same_model(model, expected)
    predicted = model.predict(at(X))
    assert_array_equal(arrays.to_numpy(predicted), expected.predict(X))


@pytest.mark.parametrize(
    "parameters",
    [
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}},
        {"class_weight": {0: 2.0, 1: 0.0, 2: 1.0}},
        {"early_stopping": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_weighted", [True, False])
@pytest.mark.parametrize("name", ["auto", "sgd", "network"])
def test_weights_are_those_of_numpy(at, name, parameters, is_weighted):
    X, y, weight = rows(3)
    model = clone(MODELS[name]).set_params(**parameters)
    weights = (weight,) if is_weighted else ()
    expected = clone(model).fit(X, y, *weights)
    assert_same_model(model.fit(at(X), at(y), *map(at, weights)), expected)


@pytest.mark.parametrize("scoring", ["loss", "accuracy", "neg_log_loss", "f1_macro"])
@pytest.mark.parametrize("name", ["auto", "network"])
def test_validation_rows_are_scored_as_with_numpy(at, name, scoring):
    X, y, weight = rows(3)
    given = [X, y, weight, X[:90], y[:90], weight[:90]]
    names = ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"]
    model = clone(MODELS[name]).set_params(scoring=scoring)
    expected = clone(model).fit(**dict(zip(names, given, strict=True)))
    model.fit(**dict(zip(names, map(at, given), strict=True)))
    assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-9)


@pytest.mark.parametrize("class_weight", [None, {0: 2.0, 1: 0.5}])
@pytest.mark.parametrize("is_weighted", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
@every_model
def test_nothing_with_an_element_per_row_goes_to_the_host(
    at, copied, name, n_classes, is_weighted, class_weight
):
    X, y, weight = rows(n_classes)
    weights = at(weight) if is_weighted else None
    model = clone(MODELS[name]).set_params(class_weight=class_weight)
    if class_weight is not None and n_classes == 3:
        model.set_params(class_weight="balanced")
    model.fit(at(X), at(y), weights, at(X), at(y), weights)
    model.predict(at(X))
    model.predict_proba(at(X))
    model.score(at(X), at(y), weights)
    assert copied
    assert max(copied) < np.count_nonzero(weight)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["auto", "sgd", "network"])
def test_no_chunk_goes_to_the_host(at, copied, name, n_classes):
    X, y, weight = rows(n_classes)
    model = clone(MODELS[name])
    for _ in range(2):
        model.partial_fit(at(X), at(y), list(range(n_classes)), at(weight))
    assert max(copied) < np.count_nonzero(weight)


def test_the_warning_of_a_bad_loss_copies_no_rows(at, copied):
    X, y, weight = rows(3)
    model = BackpropMLPClassifier((3,), max_iter=1, random_state=0)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match=r"entropy|max_iter"):
        model.fit(at(X), at(y), at(weight))
    assert max(copied) < np.count_nonzero(weight)


# Bad and unusual labels and weights


def told(model, *arguments, **more):
    """Return the type and the text of the error, or of the warnings, of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(*arguments, **more)
        except (ValueError, TypeError) as error:
            return type(error), str(error)
    return [(one.category, str(one.message)) for one in caught]


BAD_LABELS = {
    "continuous": lambda y: y + 0.5,
    "NaN": lambda y: np.where(y == 0, np.nan, y),
    "infinite": lambda y: np.where(y == 0, np.inf, y),
    "complex": lambda y: y + 1j,
    "of another length": lambda y: y[:-1],
    "a column": lambda y: y[:, None],
    "two columns": lambda y: np.stack([y, y + 1], axis=1),
    "one class": lambda y: np.zeros_like(y),
    "as many classes as rows": lambda y: np.arange(len(y)),
    "empty": lambda y: y[:0],
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_bad_labels_are_refused_as_on_the_host(at, kind):
    X, y, _ = rows()
    X, y = X[:40], BAD_LABELS[kind](y[:40])
    expected = told(clone(MODELS["auto"]), X, y)
    assert expected
    assert told(clone(MODELS["auto"]), at(X), at(y)) == expected


BAD_WEIGHTS = {
    "negative": lambda weight: weight - 1,
    "NaN": lambda weight: np.where(weight > 1, np.nan, weight),
    "infinite": lambda weight: np.where(weight > 1, np.inf, weight),
    "all zero": np.zeros_like,
    "of another length": lambda weight: weight[:-1],
    "of two axes": lambda weight: weight[:, None],
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_bad_weights_are_refused_as_on_the_host(at, kind):
    X, y, weight = rows()
    weight = BAD_WEIGHTS[kind](weight)
    expected = told(clone(MODELS["auto"]), X, y, weight)
    assert expected
    assert told(clone(MODELS["auto"]), at(X), at(y), at(weight)) == expected


@pytest.mark.parametrize("name", ["auto", "sgd", "network"])
def test_an_unknown_label_of_a_chunk_leaves_the_model_as_it_was(at, name):
    X, y, _ = rows()
    model = clone(MODELS[name]).partial_fit(at(X), at(y), [0, 1])
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"y has the labels \[2\], which are not am"):
        model.partial_fit(at(X), at(2 * y))
    assert all(vars(model)[key] is value for key, value in before.items())


def test_unknown_labels_of_validation_rows_are_named(at):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=r"y_val has the labels \[2\], which are not"):
        clone(MODELS["auto"]).fit(at(X), at(y), X_val=at(X), y_val=at(2 * y))


@pytest.mark.parametrize("name", ["auto", "network"])
def test_weights_of_the_host_may_belong_to_labels_of_the_device(at, name):
    X, y, weight = rows(3)
    expected = clone(MODELS[name]).fit(X, y, weight)
    for weights in (weight, weight.tolist()):
        assert_same_model(clone(MODELS[name]).fit(at(X), at(y), weights), expected)
    model = clone(MODELS[name]).fit(at(X), at(y), 2.0)
    assert_same_model(model, clone(MODELS[name]).fit(X, y))
    model = clone(MODELS[name]).fit(at(X), y, at(weight))
    assert_same_model(model, expected)
