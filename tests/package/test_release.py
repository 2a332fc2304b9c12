"""What a release needs: one version everywhere, and a package that any thread may call."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import sklearn_nn
from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

ROOT = Path(__file__).parents[2]
VERSIONS = {
    "meson.build": r"version: '(.+?)'",
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## (\S+)",
}


@pytest.mark.parametrize("name", VERSIONS)
def test_version_is_the_same_everywhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.search(VERSIONS[name], text, flags=re.MULTILINE)
    assert found[1] == sklearn_nn.__version__


def test_import_leaves_the_gil_as_it_was():
    # An extension that does not declare its support turns the GIL on again.
    code = """
import sys, sklearn.linear_model
def has_gil():
    return getattr(sys, "_is_gil_enabled", lambda: True)()
before = has_gil()
import sklearn_nn
sklearn_nn.SGDLogisticClassifier().fit([[0.0], [1.0]], [0, 1])
print(before, has_gil())
"""
    arguments = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)
    before, after = run.stdout.split()
    assert before == after


@pytest.mark.parametrize(
    "model",
    [SGDLogisticClassifier(), BackpropMLPClassifier((20,), tol=1.0, random_state=0)],
)
def test_predictions_of_eight_threads_are_those_of_one(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 30))
    model = clone(model).fit(X[:500], (X[:500, 0] > 0).astype(int))
    parts = [X[i::8] for i in range(8)] * 5
    expected = [model.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.predict_proba, parts))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
