"""Run the examples for the gallery: arguments, order, and the pictures that they save.

The examples are command-line scripts that save a picture in the current folder, under the
name of the script.
"""

import ast
import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
from sphinx_gallery.scrapers import figure_rst

# Examples that need a file; without it they are shown but not executed.
DATA = {"exam_scores.py": "ex2data1.txt", "mnist.py": "mnist.npz"}
# out_of_core.py is shown but not executed: it limits the memory of the whole process, here
# Sphinx.
ONLY_SHOWN = {"out_of_core.py"}
SUFFIXES = {".png", ".gif"}


def data_file(name):
    """Return the path of a file in the folder $SKLEARN_NN_DATA, or None."""
    path = Path(os.environ.get("SKLEARN_NN_DATA", ""), name).absolute()
    return path if path.is_file() else None


def executed(docs):
    """Return a regular expression for the paths of the scripts to execute."""
    missing = {script for script, name in DATA.items() if data_file(name) is None}
    scripts = [*docs.glob("tutorials/*.py"), *docs.parent.glob("examples/*.py")]
    names = sorted({path.name for path in scripts} - missing - ONLY_SHOWN)
    return "[/\\\\](" + "|".join(re.escape(name) for name in names) + ")$"


class Arguments:
    """Choose the command line of a script and restore its docstring."""

    def __call__(self, gallery_conf, script_vars):
        """Return the arguments as a list of strings."""
        path = Path(script_vars["src_file"])
        source = path.read_text(encoding="utf-8")
        # The gallery removes the docstring, but argparse shows its first line.
        script_vars["example_globals"]["__doc__"] = ast.get_docstring(ast.parse(source))
        if path.name in DATA:
            return ["--data", str(data_file(DATA[path.name]))]
        return ["--picture"] if '"--picture"' in source else []

    def __repr__(self):
        """Return the same text in each run, so that unchanged pages are not rebuilt."""
        return "gallery.arguments"


arguments = Arguments()


def as_listed(path):
    """Return the position of a script in examples/index.rst, by which galleries sort."""
    index = Path(__file__).parents[2] / "examples" / "index.rst"
    names = re.findall(r"^   \S+/(\S+\.py)$", index.read_text(encoding="utf-8"), flags=re.M)
    name = Path(path).name
    return (names.index(name) if name in names else len(names)), name


def saved_pictures(block, block_vars, gallery_conf):
    """Move the pictures that a script has saved in its folder to the gallery.

    Parameters
    ----------
    block : tuple
        Kind, content and first line of a block of the script.
    block_vars : dict
        Has 'src_file', the path of the script, and 'image_path_iterator', new file names.
    gallery_conf : dict
        Settings of the gallery.

    Returns
    -------
    str
        The pictures in reStructuredText.
    """
    script = Path(block_vars["src_file"])
    saved = [script.with_suffix(suffix) for suffix in sorted(SUFFIXES)]
    paths = []
    for picture in saved:
        if picture.is_file():
            path = Path(next(block_vars["image_path_iterator"]))
            path = path.with_suffix(picture.suffix)
            picture.replace(path)
            paths.append(str(path))
    if paths:  # or the next scraper takes the same pictures from open figures
        plt.close("all")
    return figure_rst(paths, gallery_conf["src_dir"])
