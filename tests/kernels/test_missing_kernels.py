"""Imported without kernels while others are built: one warning says what to do."""

import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import sklearn_nn
from sklearn_nn._kernels import built_elsewhere

FILE = "kernels" + EXTENSION_SUFFIXES[0]
PACKAGE = Path("sklearn_nn", "_kernels")


@pytest.fixture
def source(tmp_path):
    """Return the folder of a source tree that has no kernels."""
    (tmp_path / "source" / PACKAGE).mkdir(parents=True)
    (tmp_path / "source" / PACKAGE / "kernels.pyx").touch()
    return tmp_path / "source"


def place(folder, name=FILE):
    """Write an empty file of kernels below the folder; return its path."""
    (folder / PACKAGE).mkdir(parents=True, exist_ok=True)
    (folder / PACKAGE / name).touch()
    return folder / PACKAGE / name


def test_no_kernels_are_found_if_none_are_built(source):
    assert built_elsewhere(source / PACKAGE, [str(source), "absent.zip"]) is None


def test_kernels_of_an_installed_package_are_found(source, tmp_path):
    installed = place(tmp_path / "site-packages")
    path = [str(source), str(tmp_path / "site-packages")]
    file, advice = built_elsewhere(source / PACKAGE, path)
    assert file == installed
    assert "another folder" in advice


def test_kernels_in_a_build_folder_are_found(source):
    built = place(source / "build")
    file, advice = built_elsewhere(source / PACKAGE, [str(source)])
    assert file == built
    assert advice == f"copy them to {source / PACKAGE}"


@pytest.mark.parametrize("name", ["kernels.cpython-39-darwin.so", "kernels.cp39.pyd"])
def test_kernels_of_another_python_are_found(source, name):
    of_another = place(source, name)
    file, advice = built_elsewhere(source / PACKAGE, [str(source)])
    assert file == of_another
    assert "this version of Python" in advice


def test_import_from_a_source_folder_warns_once(source, tmp_path):
    shutil.rmtree(source / "sklearn_nn")
    shutil.copytree(
        Path(sklearn_nn.__file__).parent,
        source / "sklearn_nn",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    installed = place(tmp_path / "site-packages")
    code = (
        f"import sys; sys.path[:0] = [{str(source)!r}, {str(tmp_path / 'site-packages')!r}]"
        "; import sklearn_nn; import sklearn_nn.dask; sklearn_nn.show_versions()"
    )
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert run.stderr.count("Warning: ") == 1
    assert f"imported from {source / 'sklearn_nn'}, which has no compiled" in run.stderr
    assert f"There are kernels in {installed}; to use them, start" in run.stderr
