"""The README is a front page: short, its code runs as written, its links lead somewhere."""

import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LONGEST = 150  # lines
LARGEST_PICTURE = 300_000  # bytes


def blocks(language):
    """Return the fenced blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def optional_dependencies_are_installed():
    """Whether pandas and what the extra `progress` needs are there."""
    needed = ("pandas", "rich", "sklearn.callback")  # the last, from scikit-learn 1.9
    return all(find_spec(name) is not None for name in needed)


def test_readme_is_a_front_page():
    assert len(README.splitlines()) <= LONGEST


@pytest.mark.skipif(
    not optional_dependencies_are_installed(),
    reason="the README needs pandas, rich and scikit-learn 1.9",
)
def test_python_of_the_readme_runs_in_order_and_prints_the_stated_values(capsys):
    names = {}
    for block in blocks("python"):
        exec(block, names)
        # Progress bars come before what the block prints last.
        printed = capsys.readouterr().out.splitlines()[-1]
        [stated] = re.findall(r"^print\(.*\)  # ([\w.]+)", block, flags=re.M)
        if stated in ("True", "False"):
            assert printed == stated
        else:  # another BLAS may classify a few rows differently
            assert float(printed) == pytest.approx(float(stated), abs=0.015)


def test_readme_validates_with_no_test_rows():
    assert "X_val" not in README


@pytest.mark.parametrize("heading", ["Try it", "Test it"])
def test_readme_has_one_command_below_the_heading(heading):
    # .ci/run takes them from there.
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, flags=re.M | re.S)
    assert section.count("```bash\n") == 1
    assert len(blocks("bash")) == 2


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", README))
def test_links_of_the_readme_lead_to_files(target):
    if target != "../../issues":  # of the site that shows the repository
        assert (ROOT / target).exists()


def test_extras_of_the_readme_exist():
    named = re.findall(r"'\.\[([\w,-]+)\]'", README)
    assert {one for names in named for one in names.split(",")} <= PROJECT[
        "optional-dependencies"
    ].keys()


def test_pictures_of_the_readme_are_tracked_and_small():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < LARGEST_PICTURE
        if (ROOT / ".git").exists():
            command = ["git", "ls-files", "--error-unmatch", picture]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
