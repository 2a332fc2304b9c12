"""The documentation's code runs, and its lists are complete."""

import ast
import doctest
import re
from pathlib import Path

import pytest

import sklearn_nn

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {"_build", "auto_examples", "auto_tutorials", "generated"}
PAGES = [
    path
    for path in sorted(DOCS.rglob("*.rst"))
    if not GENERATED & set(path.relative_to(DOCS).parts)
]
SCRIPTS = [*sorted(ROOT.glob("examples/*.py")), *sorted(DOCS.glob("tutorials/*.py"))]


def name_of(path):
    """Return what a test about a file is called."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_of_the_page_prints_what_it_says(page):
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


def test_reference_lists_every_public_name():
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    lists = re.findall(r"\.\. autosummary::\n(?:   .*\n|\n)+", text)
    names = re.findall(r"^   ([\w.]+)$", "".join(lists), flags=re.M)
    assert sorted(names) == sorted([*sklearn_nn.__all__, "dask.fit"])


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script_begins_with_a_title(script):
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    title, underline, *_ = docstring.splitlines()
    assert underline == "=" * len(title)
