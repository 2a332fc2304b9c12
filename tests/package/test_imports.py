"""Imports run down only, as the map draws them; read from the source with ast."""

import ast
import re
import sys
from pathlib import Path

import pytest

import sklearn_nn

PACKAGE = Path(sklearn_nn.__file__).parent
IMPORTS = (ast.Import, ast.ImportFrom)

# Rooms are the files and folders directly in the package. A room imports only from floors
# below its own.
FLOORS = [
    {"__init__"},
    {"_display", "dask"},
    {"_checks"},
    {"_logistic", "_mlp", "_onnx", "_show_versions"},
    {"_classifier"},
    {"_fitted", "_predictor", "_training"},
    {"_storage"},
    {"_methods", "_monitoring"},
    {"_data", "_parameters", "_version"},
    {"_engine"},
    {"_kernels"},
]
ENGINE_FLOORS = [
    {"newton"},
    {"epochs"},
    {"loop"},
    {"objective", "rows", "stopping"},
    {"types"},
    {"arrays", "__init__"},
]
# All other files do without scikit-learn.
IMPORTING_SKLEARN = {
    "_checks.gradient",
    "_classifier",
    "_data.array_api",
    "_data.inputs",
    "_data.labels",
    "_data.sample_weights",
    "_data.split",
    "_data.validation",
    "_display.loss_curve",
    "_display.pyplot",
    "_display.weights",
    "_logistic",
    "_monitoring.callbacks",
    "_monitoring.convergence",
    "_onnx",
    "_parameters",
    "_predictor",
    "_training",
}
# Private names of scikit-learn may change without notice: in no other file.
PRIVATE_SKLEARN = {
    "_data.sample_weights": {"sklearn.utils.validation._check_sample_weight"},
    "_display.pyplot": {"sklearn.utils._optional_dependencies.check_matplotlib_support"},
    "_parameters": {
        "sklearn.utils._param_validation.Interval",
        "sklearn.utils._param_validation.InvalidParameterError",
        "sklearn.utils._param_validation.Options",
        "sklearn.utils._param_validation.StrOptions",
        "sklearn.utils._param_validation.validate_parameter_constraints",
    },
}
# What may be missing and is imported within functions, by the files that use it.
OPTIONAL = {
    "_display.pyplot": {"matplotlib"},
    "_onnx": {"onnx"},
    "dask": {"dask", "distributed"},
    "dask._blocks": {"dask"},
    "dask._cluster": {"dask"},
}
MOST_FILES_AT_THE_TOP = 14
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


def dotted(path):
    """Return the name of a module in the package, without that of the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports_of(path):
    """Return the names that a file of the package imports."""
    package = ["sklearn_nn", *path.relative_to(PACKAGE).parts[:-1]]
    return imported_names(path.read_text(encoding="utf-8"), package)


PATHS = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTED = {name: imports_of(path) for name, path in PATHS.items()}
ENGINE = [name for name in PATHS if name.split(".")[0] == "_engine"]


def rooms_in(folder):
    """Return {room: names that its files import} of the files and folders of a folder."""
    rooms = {}
    for name, path in PATHS.items():
        if path.is_relative_to(folder):
            room = path.relative_to(folder).parts[0].removesuffix(".py")
            rooms.setdefault(room, set()).update(IMPORTED[name])
    return rooms


ROOMS, ENGINE_ROOMS = rooms_in(PACKAGE), rooms_in(PACKAGE / "_engine")


def imported_rooms(names, prefix):
    """Return the rooms directly under `prefix` that the names come from."""
    return {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}


def below(room, floors):
    """Return the rooms of all floors below that of a room."""
    floor = next(number for number, rooms in enumerate(floors) if room in rooms)
    return set().union(*floors[floor + 1 :])


def module_of(imported):
    """Return the module of the package that a name is imported from, '' for no such."""
    package, *parts = imported.split(".")
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((n for n in names if package == "sklearn_nn" and n in PATHS), "")


def libraries(name):
    """Return the libraries that a file imports from."""
    return {imported.split(".")[0] for imported in IMPORTED[name]}


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


def test_every_room_has_its_floor():
    assert set(ROOMS) == set().union(*FLOORS)
    assert set(ENGINE_ROOMS) == set().union(*ENGINE_FLOORS)


def test_few_files_lie_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES_AT_THE_TOP


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_from_below(room):
    imported = imported_rooms(ROOMS[room], "sklearn_nn.")
    assert imported - {room} <= below(room, FLOORS)


@pytest.mark.parametrize("room", ENGINE_ROOMS)
def test_room_of_the_engine_imports_from_below(room):
    imported = imported_rooms(ENGINE_ROOMS[room], "sklearn_nn._engine.")
    assert imported - {room} <= below(room, ENGINE_FLOORS)


def test_files_do_not_import_each_other_in_a_circle():
    modules = {
        name: {module_of(imported) for imported in names} - {name, ""}
        for name, names in IMPORTED.items()
    }
    while modules:  # take away what imports nothing that is left
        free = {name for name, others in modules.items() if not others & modules.keys()}
        assert free, sorted(modules)
        modules = {name: others for name, others in modules.items() if name not in free}


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_nothing_of_the_estimators(name):
    with_kernels = name == "_engine.epochs.compiled"
    allowed = {"_engine", "_kernels"} if with_kernels else {"_engine"}
    assert imported_rooms(IMPORTED[name], "sklearn_nn.") <= allowed


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_neither_sklearn_nor_matplotlib(name):
    assert not libraries(name) & {"sklearn", "matplotlib"}


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_few_libraries(name):
    others = libraries(name) - {"sklearn_nn"}
    assert others - set(sys.stdlib_module_names) <= ENGINE_LIBRARIES


def test_sklearn_is_imported_in_few_files():
    assert {name for name in PATHS if "sklearn" in libraries(name)} == IMPORTING_SKLEARN


def test_private_names_of_sklearn_are_imported_where_listed():
    private = {
        name: {
            imported
            for imported in names
            if imported.startswith("sklearn.")
            and any(part.startswith("_") for part in imported.split("."))
        }
        for name, names in IMPORTED.items()
    }
    assert {name: names for name, names in private.items() if names} == PRIVATE_SKLEARN


def test_what_may_be_missing_is_imported_where_listed():
    optional = set().union(*OPTIONAL.values())
    found = {name: libraries(name) & optional for name in PATHS}
    assert {name: names for name, names in found.items() if names} == OPTIONAL


@pytest.mark.parametrize("name", PATHS)
def test_nothing_is_imported_inside_functions_but_what_may_be_missing(name):
    tree = ast.parse(PATHS[name].read_text(encoding="utf-8"))
    # A `try` at the top is for what may not have been built.
    tries = [node for node in tree.body if isinstance(node, ast.Try)]
    at_the_top = {*tree.body, *(node for block in tries for node in block.body)}
    for node in ast.walk(tree):
        if isinstance(node, IMPORTS) and node not in at_the_top:
            assert any(word in ast.unparse(node) for word in OPTIONAL.get(name, ())), name


@pytest.mark.parametrize("name", PATHS)
def test_no_import_of_everything(name):
    assert not any(imported.endswith("*") for imported in IMPORTED[name])


# What an estimator is asked for by the functions that train it, store it and draw it.
HOOKS = {"_architecture", "_initial_theta", "_layers", "_objective", "_show_model"}
# Of scikit-learn, and of named tuples.
OTHERS_OWN = {"_init_callback_context", "_asdict", "_replace"}


@pytest.mark.parametrize("name", PATHS)
def test_from_outside_a_class_only_its_hooks_are_called(name):
    tree = ast.parse(PATHS[name].read_text(encoding="utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and re.fullmatch(r"_[a-z]\w*", node.func.attr)
        and ast.unparse(node.func.value) not in ("self", "super()")
    }
    assert called <= HOOKS | OTHERS_OWN


def test_an_estimator_is_made_of_three_classes():
    for public in (sklearn_nn.SGDLogisticClassifier, sklearn_nn.BackpropMLPClassifier):
        ours = [c for c in public.__mro__ if c.__module__.startswith("sklearn_nn.")]
        assert [c.__name__ for c in ours[1:]] == ["GradientClassifier", "Predictor"]


def test_door_is_what_all_names():
    assert all(hasattr(sklearn_nn, name) for name in sklearn_nn.__all__)
    doors_of_their_own = {"dask"}  # modules, there once a test has imported them
    names = {n for n in vars(sklearn_nn) if not n.startswith("_")} - doors_of_their_own
    assert names == set(sklearn_nn.__all__)
