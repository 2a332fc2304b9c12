"""The folders of the tests, and the contents of a wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
FILES = sorted(p for p in TESTS.rglob("*.py") if "__pycache__" not in p.parts)
LONGEST_FILE = 800  # lines


def test_names_of_test_files_are_unique():
    # Without __init__.py, pytest puts every folder on the path: two files with the same
    # name would be one module.
    names = Counter(path.name for path in FILES if path.name != "conftest.py")
    assert [name for name, n in names.items() if n > 1] == []


def test_folders_are_not_packages():
    # A package `tests` would put the source tree, without kernels, before the installed
    # package.
    assert [path for path in FILES if path.name == "__init__.py"] == []


def test_no_folder_or_helper_shadows_a_library():
    helpers = {p.stem for p in FILES if not p.stem.startswith(("test_", "conftest"))}
    folders = {path.name for path in TESTS.iterdir() if path.is_dir()} - {"__pycache__"}
    # Entries of the path inside this tree are no libraries.
    outside = [p for p in sys.path if not Path(p or ".").resolve().is_relative_to(TESTS)]
    for name in helpers | folders:
        for folder in outside:
            assert not (Path(folder) / name / "__init__.py").exists(), (name, folder)
            assert not (Path(folder) / f"{name}.py").exists(), (name, folder)
        assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.skipif(find_spec("mesonpy") is None, reason="meson-python is not installed")
def test_a_wheel_from_a_dirty_tree_contains_only_python_files(tmp_path):
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*", "docs", "tests", "dist", "*.so", "*.pickle")
    shutil.copytree(ROOT, tree, ignore=ignored)
    package = tree / "sklearn_nn"
    python_files = {
        path.relative_to(tree).as_posix()
        for path in package.rglob("*.py")
        if "__pycache__" not in path.parts
    }
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").mkdir(exist_ok=True)
        for name in ("__pycache__/left.cpython-311.pyc", "left.so", "notes.txt", "old.py~"):
            (folder / name).write_text("left over", encoding="utf-8")
    hidden = package / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "copy.py").write_text("left = 1", encoding="utf-8")
    # Without a compiler the build is quicker and has no kernels, so no .so is expected.
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    command += ["--wheel-dir", tmp_path, tree]
    # meson and ninja are beside Python, whose folder may not be on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "CC": "false", "PATH": path}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    [wheel] = tmp_path.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == python_files
