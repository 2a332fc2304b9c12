"""The training method is chosen in one place, and the choice never raises."""

import ast
from pathlib import Path

import numpy as np
import pytest

import sklearn_nn
from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._methods import EPOCHS, LBFGS, NEWTON, STREAM, method_of

PACKAGE = Path(sklearn_nn.__file__).parent

# (parameters, method of fit, method of partial_fit)
LOGISTIC = [
    ({}, NEWTON, STREAM),
    ({"solver": "adam"}, NEWTON, STREAM),
    ({"learning_rate_init": 0.1}, EPOCHS, EPOCHS),
    ({"learning_rate": 0.1}, EPOCHS, EPOCHS),
    ({"learning_rate": "constant"}, EPOCHS, EPOCHS),
    ({"learning_rate": "cosine", "solver": "adam"}, EPOCHS, EPOCHS),
]
NETWORK = [
    ({}, EPOCHS, EPOCHS),
    ({"solver": "sgd", "learning_rate": 0.1}, EPOCHS, EPOCHS),
    ({"solver": "adamw"}, EPOCHS, EPOCHS),
    ({"solver": "lbfgs"}, LBFGS, LBFGS),
    ({"solver": "lbfgs", "learning_rate": "adaptive"}, LBFGS, LBFGS),
]


@pytest.mark.parametrize(("parameters", "of_fit", "of_partial_fit"), LOGISTIC)
def test_method_of_the_logistic_class(parameters, of_fit, of_partial_fit):
    model = SGDLogisticClassifier(**parameters)
    assert method_of(model) is of_fit
    assert method_of(model, by_partial_fit=True) is of_partial_fit


@pytest.mark.parametrize(("parameters", "of_fit", "of_partial_fit"), NETWORK)
def test_method_of_the_network(parameters, of_fit, of_partial_fit):
    model = BackpropMLPClassifier(**parameters)
    assert method_of(model) is of_fit
    assert method_of(model, by_partial_fit=True) is of_partial_fit


STRANGE = [
    None,
    True,
    np.nan,
    -1,
    "",
    "unknown",
    [],
    {},
    object(),
    b"auto",
    np.str_("auto"),
]
STRANGE += [np.array(["lbfgs", "auto"]), np.array([0.1, 0.2]), ("auto",), {"lbfgs"}]


@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize("name", ["solver", "learning_rate", "learning_rate_init"])
@pytest.mark.parametrize("public", [SGDLogisticClassifier, BackpropMLPClassifier])
def test_method_of_never_raises(public, name, value):
    model = public(**{name: value})
    assert method_of(model) in (EPOCHS, LBFGS, NEWTON)
    assert method_of(model, by_partial_fit=True) in (EPOCHS, LBFGS, STREAM)
    assert hasattr(model, "partial_fit") == method_of(model).is_stepwise


def compared_strings(path):
    """Return all strings that occur in comparisons in a file's code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        part.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        for part in ast.walk(side)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def test_no_other_file_compares_strings_to_choose_the_method():
    comparing = {
        path.name
        for path in PACKAGE.rglob("*.py")
        if "lbfgs" in compared_strings(path)
        # _parameters.py may compare batch_size with 'auto'.
        or ("auto" in compared_strings(path) and path.name != "_parameters.py")
    }
    assert comparing == {"_methods.py"}
    text = (PACKAGE / "_parameters.py").read_text(encoding="utf-8")
    assert 'learning_rate == "auto"' not in text


@pytest.mark.parametrize("estimator", [SGDLogisticClassifier(), BackpropMLPClassifier()])
def test_the_method_is_never_stored(estimator):
    rng = np.random.RandomState(0)
    model = estimator.set_params(max_iter=1, tol=None).fit(
        rng.normal(size=(9, 2)), [0, 1, 2] * 3
    )
    methods = {id(method) for method in (EPOCHS, LBFGS, NEWTON, STREAM)}
    held = [*vars(model).values(), *vars(model._checkpoint).values()]
    assert not any(id(value) in methods for value in held)
