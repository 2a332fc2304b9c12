"""The page on installation and the conda recipe agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RECIPE = ROOT / "packaging" / "conda" / "recipe.yaml"


def requirements(part):
    """Return the requirements of a part of the recipe, without spaces."""
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    return {line.replace(" ", "") for line in recipe["requirements"][part]}


def test_page_lists_every_extra():
    page = (ROOT / "docs" / "install.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   \* - `([\w-]+)`$", page, flags=re.M))
    assert listed == PROJECT["project"]["optional-dependencies"].keys() - {"test"}


def test_recipe_runs_with_the_dependencies_of_the_project():
    assert requirements("run") - {"python"} == set(PROJECT["project"]["dependencies"])


def test_recipe_builds_with_the_tools_of_the_project():
    assert set(PROJECT["build-system"]["requires"]) <= requirements("host")


def test_recipe_has_the_version_of_the_package():
    import sklearn_nn

    text = RECIPE.read_text(encoding="utf-8")
    assert re.search(r'version: "([^"]+)"', text)[1] == sklearn_nn.__version__
