"""Docstrings are numpydoc, complete and true; functions are short."""

import ast
import doctest
import importlib
import inspect
import re
from itertools import takewhile
from pathlib import Path

import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names

import sklearn_nn
from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)

PACKAGE = Path(sklearn_nn.__file__).parent
EXPORTED = [getattr(sklearn_nn, name) for name in sklearn_nn.__all__]
PUBLIC = [thing for thing in EXPORTED if inspect.isclass(thing)]
ESTIMATORS = [thing for thing in PUBLIC if issubclass(thing, BaseEstimator)]
FUNCTIONS = [
    pytest.param(thing, id=thing.__name__)
    for thing in EXPORTED
    if inspect.isfunction(thing)
]
MODULES = [
    ".".join(["sklearn_nn", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
        ".__init__"
    )
    for path in sorted(PACKAGE.rglob("*.py"))
]
LONGEST_BODY = 50  # lines without the docstring

# The classes with most parameters in common.
TWO_CLASSES = [BackpropMLPClassifier, SGDLogisticClassifier]

every_class = pytest.mark.parametrize("public", PUBLIC)
every_estimator = pytest.mark.parametrize("public", ESTIMATORS)
every_module = pytest.mark.parametrize("module", MODULES)


def sections_of(thing):
    """Return {title: lines} of a docstring, whose titles are underlined."""
    lines = (inspect.getdoc(thing) or " ").splitlines()
    sections, title = {"": []}, ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", following) and len(following) == len(line):
            title = line
            sections[title] = []
        elif not re.fullmatch(r"-{3,}", line):
            sections[title].append(line)
    return sections


def entries_of(lines):
    """Return {name: type and default} of a section like Parameters."""
    entries = {}
    for line in lines:
        if match := re.fullmatch(r"(\w+(?:, \w+)*) : (.+)", line):
            names = match[1].split(", ")
            # "beta_1, beta_2 : float, default=0.9 and 0.999" is two entries.
            kind, _, default = match[2].partition("default=")
            defaults = default.split(" and ") if default else [""] * len(names)
            entries |= {n: (kind, d) for n, d in zip(names, defaults, strict=True)}
    return entries


def bullets_of(public, name):
    """Return the quoted names that begin the bullets of a parameter's description."""
    lines = sections_of(public)["Parameters"]
    start = next(i for i, line in enumerate(lines) if name in entries_of([line]))
    following = takewhile(lambda line: not line or line[0] == " ", lines[start + 1 :])
    return re.findall(r"^ +- '(\w+)'", "\n".join(following), re.MULTILINE)


def own_methods(public):
    """Return {name: function} of the public methods that this package defines."""
    owners = [c for c in public.__mro__ if c.__module__.startswith("sklearn_nn")]
    names = {
        name
        for owner in owners
        for name, thing in vars(owner).items()
        if not (name.startswith("_") or isinstance(thing, property))
    }
    return {name: getattr(public, name) for name in sorted(names)}


PUBLIC_METHODS = [
    pytest.param(method, id=f"{public.__name__}.{name}")
    for public in PUBLIC
    for name, method in own_methods(public).items()
]


# Parameters.


@every_class
def test_every_parameter_is_documented_in_order(public):
    documented = entries_of(sections_of(public)["Parameters"])
    assert list(documented) == list(inspect.signature(public).parameters)


@every_class
def test_documented_defaults_are_true(public):
    documented = entries_of(sections_of(public)["Parameters"])
    stated = {
        name: ast.literal_eval(default) if default else inspect.Parameter.empty
        for name, (_, default) in documented.items()
    }
    parameters = inspect.signature(public).parameters.values()
    assert stated == {parameter.name: parameter.default for parameter in parameters}


@every_estimator
def test_documented_choices_are_the_allowed_ones(public):
    for name, (kind, _) in entries_of(sections_of(public)["Parameters"]).items():
        allowed = {
            option
            for constraint in public._parameter_constraints[name]
            for option in getattr(constraint, "options", [])
            if isinstance(option, str)
        } - set(get_scorer_names())  # listed by scikit-learn
        # If there are many choices, they are a list of bullets instead.
        listed = re.findall(r"'(\w+)'", kind) or bullets_of(public, name)
        differ = set(listed) ^ allowed
        assert not differ, f"Docstring of {public.__name__}: {differ} at {name}."


@pytest.mark.parametrize("method", PUBLIC_METHODS + FUNCTIONS)
def test_every_argument_of_a_method_is_documented(method):
    arguments = [name for name in inspect.signature(method).parameters if name != "self"]
    documented = entries_of(sections_of(method).get("Parameters", []))
    assert list(documented) == arguments


@pytest.mark.parametrize("method", PUBLIC_METHODS)
def test_every_method_says_what_it_returns(method):
    assert "".join(sections_of(method)["Returns"]).strip()


def test_own_methods_finds_the_main_methods():
    names = set(own_methods(SGDLogisticClassifier))
    assert {"fit", "partial_fit", "predict", "predict_proba"} <= names


# Attributes.

FITS = {
    "epochs": {},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}


@pytest.mark.parametrize(
    ("public", "fit"),
    [
        (public, fit)
        for public in TWO_CLASSES
        for fit in FITS
        if fit != "lbfgs" or public is BackpropMLPClassifier
    ],
)
def test_documented_attributes_are_the_fitted_ones(public, fit, rows):
    assert_documented(public(max_iter=2, tol=None, random_state=0, **FITS[fit]), rows)


def test_documented_attributes_of_the_network_for_tables_are_the_fitted_ones(rows):
    assert_documented(BackpropMLPClassifierCV(max_iter=2, random_state=0), rows)


def assert_documented(estimator, rows):
    """Assert that the fitted attributes are those in the docstring of the class."""
    public, (X, y, _) = type(estimator), rows()
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    model = estimator.fit(frame, y)
    # Curves are properties, so vars() lacks them.
    names = {n for n in dir(model) if n.endswith("_") and not n.startswith("_")}
    fitted = {name for name in names if hasattr(model, name)}
    assert set(entries_of(sections_of(public)["Attributes"])) == fitted
    assert not any(hasattr(public(), name) for name in fitted)


# Form.


@every_estimator
@pytest.mark.parametrize(
    "title",
    ["Parameters", "Attributes", "See Also", "Notes", "References", "Examples"],
)
def test_class_has_every_section(public, title):
    assert "".join(sections_of(public)[title]).strip()


ORDER = [
    "",
    "Parameters",
    "Attributes",
    "Returns",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
]


@every_module
def test_sections_are_in_the_order_of_numpydoc(module):
    for name, thing in documented_things(module):
        titles = list(sections_of(thing))
        assert titles == [title for title in ORDER if title in titles], name


def documented_things(module):
    """Yield (name, object) of each class, function and method written in a module."""
    module = importlib.import_module(module)
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        if inspect.isclass(thing):
            for method in vars(thing):
                found = inspect.getattr_static(thing, method)
                found = found.fget if isinstance(found, property) else found
                written_here = getattr(found, "__module__", None) == module.__name__
                # Special methods such as __init__ need no docstring.
                is_special = method.startswith("__")
                if inspect.isfunction(found) and written_here and not is_special:
                    yield f"{name}.{method}", found


@every_module
def test_every_function_has_a_docstring(module):
    missing = [
        name for name, thing in documented_things(module) if not inspect.getdoc(thing)
    ]
    assert missing == []


@every_module
def test_every_docstring_begins_with_a_sentence(module):
    for name, thing in documented_things(module):
        first_paragraph = (inspect.getdoc(thing) or ".").split("\n\n")[0]
        assert first_paragraph.endswith("."), name


@every_module
def test_every_module_has_a_docstring(module):
    assert importlib.import_module(module).__doc__


@every_module
def test_files_named_in_the_source_exist(module):
    source = Path(importlib.import_module(module).__file__).read_text(encoding="utf-8")
    named = set(re.findall(r"\b[\w/]*\w\.(?:py|pyx|h|c)\b", source))
    tests = Path(__file__).parents[1]
    # The sources of kernels are not installed.
    kernels = tests.parent / "sklearn_nn" / "_kernels"
    here = [*PACKAGE.rglob("*.py"), *tests.rglob("*.py"), *kernels.iterdir()]
    exist = {
        name for name in named for path in here if path.as_posix().endswith(f"/{name}")
    }
    assert named <= exist


@every_module
def test_functions_are_short(module):
    source = Path(importlib.import_module(module).__file__).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert n_lines <= LONGEST_BODY, node.name


# Examples.


def examples_in(thing):
    """Return the doctests of a module or class that have examples."""
    return [test for test in doctest.DocTestFinder().find(thing) if test.examples]


@every_class
def test_class_has_an_example(public):
    assert examples_in(public)


@every_module
def test_examples_print_the_stated_output(module):
    if module == "sklearn_nn.dask":
        pytest.importorskip("distributed")
    for test in examples_in(importlib.import_module(module)):
        assert doctest.DocTestRunner().run(test).failed == 0


@every_class
def test_example_does_not_score_the_rows_just_trained_on(public):
    text = inspect.getdoc(public)
    assert not re.search(r"fit\((\w+), (\w+)\)\.score\(\1, \2\)", text)


# Methods of one class, and of both.

WORDS_OF_THE_OTHER = {
    SGDLogisticClassifier: ["backprop", "hidden", "lbfgs", "multilabel", "dropout"],
    BackpropMLPClassifier: ["Newton", "without a learning rate", "'auto'", "stream"],
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("public", TWO_CLASSES)
def test_training_is_described_for_the_class(public, method):
    text = inspect.getdoc(getattr(public, method))
    assert [word for word in WORDS_OF_THE_OTHER[public] if word in text] == []


# Entries in both classes.

# Entries whose texts differ: other defaults, other methods, multilabel targets.
DIFFERENT = {
    "Parameters": {"alpha", "batch_size", "class_weight", "early_stopping"}
    | {"learning_rate", "learning_rate_init", "max_iter", "n_iter_no_change"}
    | {"random_state", "solver", "tol", "warm_start"},
    "Attributes": {"best_loss_", "classes_", "loss_", "loss_curve_", "n_iter_", "t_"},
}


def texts_of(lines):
    """Return {name: its text on one line} of a section like Parameters."""
    texts, name = {}, None
    for line in lines:
        match = re.fullmatch(r"(\w+(?:, \w+)*) : .+", line)
        name = match[1] if match else name
        if name is not None:
            texts[name] = texts.get(name, "") + line.strip() + " "
    return {name: text.strip() for name, text in texts.items()}


@pytest.mark.parametrize("title", DIFFERENT)
def test_shared_entries_are_equal_in_both_classes(title):
    texts = [texts_of(sections_of(public)[title]) for public in TWO_CLASSES]
    # The numbers of references may differ.
    texts = [{k: re.sub(r"\[\d+\]_", "[n]_", t) for k, t in each.items()} for each in texts]
    shared = texts[0].keys() & texts[1].keys()
    assert shared > DIFFERENT[title]
    differ = {name for name in shared if texts[0][name] != texts[1][name]}
    assert differ == DIFFERENT[title]
