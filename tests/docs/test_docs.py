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


def test_gallery_lists_every_example():
    index = (ROOT / "examples" / "index.rst").read_text(encoding="utf-8")
    for script in ROOT.glob("examples/*.py"):
        assert f"   ../examples/{script.name}\n" in index
        assert f"   {script.stem}\n" in index  # in the navigation


def test_guide_has_a_card_with_a_line_for_every_page():
    guide = (DOCS / "user_guide.rst").read_text(encoding="utf-8")
    cards = re.findall(r"grid-item-card:: .+\n +:link: (\S+)\n.*\n\n +(\S.*)", guide)
    links = [link for link, _ in cards]
    pages = [f"guide/{path.stem}" for path in DOCS.glob("guide/*.rst")]
    tutorials = [
        f"sphx_glr_auto_tutorials_{path.name}" for path in DOCS.glob("tutorials/*.py")
    ]
    assert sorted(links) == sorted([*pages, *tutorials])


@pytest.mark.parametrize("page", [*PAGES, *SCRIPTS], ids=name_of)
def test_no_score_of_the_rows_just_trained_on(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"fit\((\w+), (\w+)\)\.score\(\1, \2\)", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script_begins_with_a_title(script):
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    title, underline, *_ = docstring.splitlines()
    assert underline == "=" * len(title)
