"""Imports run down only, as the map draws them; read from the source with ast."""

import ast
import sys
from pathlib import Path

import pytest

import sklearn_nn

PACKAGE = Path(sklearn_nn.__file__).parent
IMPORTS = (ast.Import, ast.ImportFrom)

# The map: a file imports only from floors below its own.
FLOORS = [
    {"__init__"},
    {"dask"},
    {"_learning_rate_display", "_loss_display", "_weights_display"},
    {"_gradient_check", "_range_test"},
    {"_logistic", "_mlp", "_onnx", "_rehearsal", "_show_versions"},
    {"_classifier"},
    {"_persistence", "_preparation"},
    {"_checkpoint", "_cluster_blocks", "_predictor", "_records"},
    {"_cluster"},
    {"_cluster_tasks"},
    {"_validation"},
    {"_callbacks", "_inputs", "_monitor", "_outcome", "_parameters", "_pyplot", "_split"},
    {"_labels", "_version", "_weights"},
    {"_array_api"},
    {"_engine"},
]
ENGINE_FLOORS = [
    {"rounds"},
    {"train", "lbfgs", "newton", "online", "prediction"},
    {"newton_model"},
    {"divergence", "passes", "stream"},
    {"coordinates", "quadratic", "reference", "compiled"},
    {"network", "dropout", "initial", "losses", "penalties"}
    | {"optimizers", "schedules", "stopping"},
    {"activations"},
    {"types"},
    {"arrays", "__init__"},
]
IMPORTING_SKLEARN = {
    "_array_api",
    "_callbacks",
    "_classifier",
    "_gradient_check",
    "_inputs",
    "_labels",
    "_logistic",
    "_loss_display",
    "_onnx",
    "_parameters",
    "_predictor",
    "_preparation",
    "_pyplot",
    "_split",
    "_validation",
    "_weights",
    "_weights_display",
}
# Private names of scikit-learn may change without notice: in no other file.
PRIVATE_SKLEARN = {
    "_weights": {"sklearn.utils.validation._check_sample_weight"},
    "_pyplot": {"sklearn.utils._optional_dependencies.check_matplotlib_support"},
    "_parameters": {
        "sklearn.utils._param_validation.Interval",
        "sklearn.utils._param_validation.InvalidParameterError",
        "sklearn.utils._param_validation.Options",
        "sklearn.utils._param_validation.StrOptions",
    },
}
# Where dask and distributed are used, and imported within functions.
DASK = {"dask", "_cluster", "_cluster_blocks"}
# What the engine may use besides Python's own library.
# threadpoolctl is scikit-learn's, array_api_compat needed for other arrays only.
ENGINE_LIBRARIES = {"array_api_compat", "numpy", "scipy", "threadpoolctl"}


def imported_names(source, package):
    """Return the full dotted name of everything that Python source imports.

    `package` is where the file stands, as a list of names; relative imports count up
    from there.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = [*above, *([node.module] if node.module else [])]
            names |= {".".join([*module, alias.name]) for alias in node.names}
    return names


def files(folder):
    """Return {file name without .py: imported names} of a folder of the package."""
    package = ["sklearn_nn", *folder.relative_to(PACKAGE).parts]
    return {
        path.stem: imported_names(path.read_text(encoding="utf-8"), package)
        for path in sorted(folder.glob("*.py"))
    }


OUTER, ENGINE = files(PACKAGE), files(PACKAGE / "_engine")
EVERYWHERE = {**OUTER, **{f"_engine.{name}": names for name, names in ENGINE.items()}}


def imported_rooms(names, prefix):
    """Return the rooms directly under `prefix` that the names come from."""
    return {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}


def floor_of(room, floors):
    """Return the number of the floor, counted from the top."""
    return next(number for number, rooms in enumerate(floors) if room in rooms)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("import numpy as np", {"numpy"}),
        ("from a.b import c as d", {"a.b.c"}),
        ("from . import x, y", {"p.q.x", "p.q.y"}),
        ("from .x import y", {"p.q.x.y"}),
        ("from ..x import y", {"p.x.y"}),
        ("def f():\n    import z", {"z"}),
    ],
)
def test_imports_are_read(given, expected):
    assert imported_names(given, ["p", "q"]) == expected


def test_every_file_has_its_floor():
    assert set(OUTER) | {"_engine"} == set().union(*FLOORS)
    assert set(ENGINE) == set().union(*ENGINE_FLOORS)


@pytest.mark.parametrize("name", OUTER)
def test_file_imports_from_below(name):
    floor = floor_of(name, FLOORS)
    below = set().union(*FLOORS[floor + 1 :])
    assert imported_rooms(OUTER[name], "sklearn_nn.") <= below


@pytest.mark.parametrize("name", ENGINE)
def test_file_of_the_engine_imports_from_below(name):
    floor = floor_of(name, ENGINE_FLOORS)
    below = set().union(*ENGINE_FLOORS[floor + 1 :])
    assert imported_rooms(ENGINE[name], "sklearn_nn._engine.") <= below


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_nothing_of_the_estimators(name):
    allowed = {"_engine", "_kernels"} if name == "compiled" else {"_engine"}
    assert imported_rooms(ENGINE[name], "sklearn_nn.") <= allowed


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_neither_sklearn_nor_matplotlib(name):
    libraries = {imported.split(".")[0] for imported in ENGINE[name]}
    assert not libraries & {"sklearn", "matplotlib"}


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_few_libraries(name):
    libraries = {imported.split(".")[0] for imported in ENGINE[name]} - {"sklearn_nn"}
    assert libraries - set(sys.stdlib_module_names) <= ENGINE_LIBRARIES


def test_sklearn_is_imported_in_few_files():
    importing = {
        name
        for name, names in EVERYWHERE.items()
        if any(imported.split(".")[0] == "sklearn" for imported in names)
    }
    assert importing == IMPORTING_SKLEARN


def test_private_names_of_sklearn_are_imported_where_listed():
    private = {
        name: {
            imported
            for imported in names
            if imported.startswith("sklearn.")
            and any(part.startswith("_") for part in imported.split("."))
        }
        for name, names in EVERYWHERE.items()
    }
    assert {name: names for name, names in private.items() if names} == PRIVATE_SKLEARN


def test_matplotlib_is_imported_in_one_file():
    importing = {
        name
        for name, names in EVERYWHERE.items()
        if any(imported.split(".")[0] == "matplotlib" for imported in names)
    }
    assert importing == {"_pyplot"}


def test_dask_is_imported_where_listed():
    importing = {
        name
        for name, names in EVERYWHERE.items()
        if any(imported.split(".")[0] in ("dask", "distributed") for imported in names)
    }
    assert importing == DASK


@pytest.mark.parametrize("name", sorted(set(OUTER) | {"_engine"}))
def test_nothing_is_imported_inside_functions_but_what_may_be_missing(name):
    paths = [PACKAGE / f"{name}.py"] if name in OUTER else (PACKAGE / name).glob("*.py")
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # A `try` at the top is for what may not have been built.
        tries = [node for node in tree.body if isinstance(node, ast.Try)]
        at_the_top = {*tree.body, *(node for block in tries for node in block.body)}
        for node in ast.walk(tree):
            if isinstance(node, IMPORTS) and node not in at_the_top:
                optional = ("dask", "distributed") if name in DASK else ("matplotlib",)
                optional = ("onnx",) if name == "_onnx" else optional
                assert any(word in ast.unparse(node) for word in optional), path.name


@pytest.mark.parametrize("name", EVERYWHERE)
def test_no_import_of_everything(name):
    assert not any(imported.endswith("*") for imported in EVERYWHERE[name])


def test_door_is_what_all_names():
    assert all(hasattr(sklearn_nn, name) for name in sklearn_nn.__all__)
    doors_of_their_own = {"dask"}  # modules, there once a test has imported them
    names = {n for n in vars(sklearn_nn) if not n.startswith("_")} - doors_of_their_own
    assert names == set(sklearn_nn.__all__)
