"""Code in the documentation runs, and its lists are complete."""

import ast
import doctest
import inspect
import re
from pathlib import Path

import pytest

import sklearn_nn
from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)
from sklearn_nn._engine.epochs.optimizers import OPTIMIZERS
from sklearn_nn._engine.epochs.schedules import SCHEDULES
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.initial import INITS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {"_build", "auto_examples", "auto_tutorials", "generated"}
PAGES = [
    path
    for path in sorted(DOCS.rglob("*.rst"))
    if not GENERATED & set(path.relative_to(DOCS).parts)
]
ESTIMATORS = [SGDLogisticClassifier, BackpropMLPClassifier, BackpropMLPClassifierCV]
SCRIPTS = [*sorted(ROOT.glob("examples/*.py")), *sorted(DOCS.glob("tutorials/*.py"))]


def name_of(path):
    """Return the path from the root, which identifies a test."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_of_a_page_prints_the_stated_output(page):
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


def test_reference_lists_every_public_name():
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    lists = re.findall(r"\.\. autosummary::\n(?:   .*\n|\n)+", text)
    names = re.findall(r"^   ([\w.]+)$", "".join(lists), flags=re.M)
    assert sorted(names) == sorted([*sklearn_nn.__all__, "dask.fit"])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_guide_names_every_parameter(estimator):
    guide = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    missing = [
        name
        for name in inspect.signature(estimator).parameters
        if not re.search(rf"`[^`]*\b{name}\b[^`]*`", guide)
    ]
    assert missing == []  # describe new parameters in docs/guide/options.rst


REGISTRIES = {
    "activation": ACTIVATIONS,
    "init": INITS,
    "learning_rate": SCHEDULES,
    "loss": {name for name, _ in LOSSES},
    "penalty": PENALTIES.keys() - {"decay", None},
    "solver": OPTIMIZERS,
}


@pytest.mark.parametrize("parameter", REGISTRIES)
def test_page_of_options_has_every_name(parameter):
    table = (DOCS / "guide" / "options.rst").read_text(encoding="utf-8")
    missing = [name for name in REGISTRIES[parameter] if f"'{name}'" not in table]
    assert not missing, f"Add {missing} of {parameter} to docs/guide/options.rst."


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script_begins_with_a_title(script):
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    title, underline, *_ = docstring.splitlines()
    assert underline == "=" * len(title)
