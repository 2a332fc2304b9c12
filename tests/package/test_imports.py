"""Imports go only downwards, as in the map; they are read from the source with ast."""

import ast
import re
import sys
from pathlib import Path

import pytest

import sklearn_nn

PACKAGE = Path(sklearn_nn.__file__).parent
IMPORTS = (ast.Import, ast.ImportFrom)

# A room is a file or folder directly in the package. It imports only from floors below its
# own.
FLOORS = [
    {"__init__"},
    {"_display", "dask"},
    {"_checks"},
    {"_onnx", "_show_versions"},
    {"_mlp_cv"},
    {"_folds"},
    {"_logistic", "_mlp"},
    {"_classifier"},
    {"_fitted", "_predictor", "_training"},
    {"_storage"},
    {"_methods", "_monitoring"},
    {"_table"},
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
    {"arrays", "generators", "threads", "__init__"},
    {"one_pass"},
]
# Only these files import scikit-learn.
IMPORTING_SKLEARN = {
    "_checks.gradient",
    "_checks.learning_rate",
    "_classifier",
    "_data.array_api",
    "_data.given",
    "_data.inputs",
    "_data.labels",
    "_data.sample_weights",
    "_data.split",
    "_data.steps",
    "_data.validation",
    "_display.learning_rate",
    "_display.loss_curve",
    "_display.pyplot",
    "_display.weights",
    "_folds.data",
    "_folds.networks",
    "_folds.splits",
    "_logistic",
    "_mlp",
    "_mlp_cv",
    "_monitoring.callbacks",
    "_monitoring.convergence",
    "_onnx.export",
    "_onnx.steps",
    "_parameters",
    "_predictor",
    "_table.bins",
    "_table.forest",
    "_table.schema",
    "_training",
}
# Only these files import private names of scikit-learn, which may change without notice.
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
# Optional libraries, which only these files import, within functions.
OPTIONAL = {
    "_engine.epochs.cuda_graph": {"torch"},
    "_engine.one_pass": {"torch"},
    "_display.pyplot": {"matplotlib"},
    "_onnx.export": {"onnx"},
    "_onnx.graph": {"onnx"},
    "_onnx.registration": {"onnx", "skl2onnx"},
    "_onnx.steps": {"onnx", "skl2onnx"},
    "dask": {"dask", "distributed"},
    "dask._blocks": {"dask"},
    "dask._cluster": {"dask"},
}
MOST_FILES_AT_THE_TOP = 12
# Libraries that the engine may use. threadpoolctl comes with scikit-learn;
# array_api_compat is needed only for arrays of other libraries.
ENGINE_LIBRARIES = {"array_api_compat", "numpy", "scipy", "threadpoolctl"}


def imported_names(source, package):
    """Return the full dotted name of everything that Python source imports.

    `package` is the package of the file as a list of names, to resolve relative imports.
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
    """Return the dotted name of a module without `sklearn_nn`."""
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
    """Return {room: names that its files import} for the rooms of a folder."""
    rooms = {}
    for name, path in PATHS.items():
        if path.is_relative_to(folder):
            room = path.relative_to(folder).parts[0].removesuffix(".py")
            rooms.setdefault(room, set()).update(IMPORTED[name])
    return rooms


ROOMS, ENGINE_ROOMS = rooms_in(PACKAGE), rooms_in(PACKAGE / "_engine")


def imported_rooms(names, prefix):
    """Return the rooms directly under `prefix` that contain the names."""
    return {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}


def below(room, floors):
    """Return the rooms of all floors below the floor of `room`."""
    floor = next(number for number, rooms in enumerate(floors) if room in rooms)
    return set().union(*floors[floor + 1 :])


def module_of(imported):
    """Return the module of the package that has an imported name, or '' if none has."""
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
def test_imported_names_reads_every_kind_of_import(given, expected):
    assert imported_names(given, ["p", "q"]) == expected


def test_every_room_is_on_a_floor():
    assert set(ROOMS) == set().union(*FLOORS)
    assert set(ENGINE_ROOMS) == set().union(*ENGINE_FLOORS)


def test_there_are_few_files_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES_AT_THE_TOP


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_from_lower_floors(room):
    imported = imported_rooms(ROOMS[room], "sklearn_nn.")
    assert imported - {room} <= below(room, FLOORS)


@pytest.mark.parametrize("room", ENGINE_ROOMS)
def test_room_of_the_engine_imports_only_from_lower_floors(room):
    imported = imported_rooms(ENGINE_ROOMS[room], "sklearn_nn._engine.")
    assert imported - {room} <= below(room, ENGINE_FLOORS)


def test_imports_have_no_cycle():
    modules = {
        name: {module_of(imported) for imported in names} - {name, ""}
        for name, names in IMPORTED.items()
    }
    while modules:  # remove modules that import none of the others
        leaves = {name for name, others in modules.items() if not others & modules.keys()}
        assert leaves, sorted(modules)
        modules = {name: others for name, others in modules.items() if name not in leaves}


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_only_itself_and_the_kernels(name):
    with_kernels = name == "_engine.epochs.compiled"
    allowed = {"_engine", "_kernels"} if with_kernels else {"_engine"}
    assert imported_rooms(IMPORTED[name], "sklearn_nn.") <= allowed


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_neither_sklearn_nor_matplotlib(name):
    assert not libraries(name) & {"sklearn", "matplotlib"}


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_only_allowed_libraries(name):
    others = libraries(name) - {"sklearn_nn"} - set(sys.stdlib_module_names)
    assert others <= ENGINE_LIBRARIES | OPTIONAL.get(name, set())


def test_sklearn_is_imported_only_in_listed_files():
    assert {name for name in PATHS if "sklearn" in libraries(name)} == IMPORTING_SKLEARN


def test_private_names_of_sklearn_are_imported_only_where_listed():
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


def test_optional_libraries_are_imported_only_where_listed():
    optional = set().union(*OPTIONAL.values())
    found = {name: libraries(name) & optional for name in PATHS}
    assert {name: names for name, names in found.items() if names} == OPTIONAL


@pytest.mark.parametrize("name", PATHS)
def test_only_optional_libraries_are_imported_inside_functions(name):
    tree = ast.parse(PATHS[name].read_text(encoding="utf-8"))
    # A `try` at the top is allowed: what it imports may be absent.
    tries = [node for node in tree.body if isinstance(node, ast.Try)]
    at_the_top = {*tree.body, *(node for block in tries for node in block.body)}
    for node in ast.walk(tree):
        if isinstance(node, IMPORTS) and node not in at_the_top:
            assert any(word in ast.unparse(node) for word in OPTIONAL.get(name, ())), name


@pytest.mark.parametrize("name", PATHS)
def test_there_are_no_star_imports(name):
    assert not any(imported.endswith("*") for imported in IMPORTED[name])


# Methods of an estimator for the functions that train, store and draw it.
HOOKS = {"_architecture", "_class_settings", "_initial_theta", "_layers", "_set_model"}
# Methods of scikit-learn and of named tuples.
FOREIGN = {"_init_callback_context", "_asdict", "_replace"}


@pytest.mark.parametrize("name", PATHS)
def test_only_hooks_are_called_from_outside_a_class(name):
    tree = ast.parse(PATHS[name].read_text(encoding="utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and re.fullmatch(r"_[a-z]\w*", node.func.attr)
        and ast.unparse(node.func.value) not in ("self", "super()")
    }
    assert called <= HOOKS | FOREIGN


def test_an_estimator_has_two_base_classes_of_ours():
    for public in (sklearn_nn.SGDLogisticClassifier, sklearn_nn.BackpropMLPClassifier):
        ours = [c for c in public.__mro__ if c.__module__.startswith("sklearn_nn.")]
        assert [c.__name__ for c in ours[1:]] == ["GradientClassifier", "Predictor"]


def test_public_names_are_those_in_all():
    assert all(hasattr(sklearn_nn, name) for name in sklearn_nn.__all__)
    submodules = {"dask"}  # public, but present only after an import
    names = {n for n in vars(sklearn_nn) if not n.startswith("_")} - submodules
    assert names == set(sklearn_nn.__all__)
