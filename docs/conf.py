"""Configure the documentation: `sphinx-build -W --keep-going docs docs/_build/html`."""

import os
import sys
from pathlib import Path

# numpy and scipy read these variables when they are imported. The matrices here are small,
# so that BLAS threads would only wait for each other; one example trains on tensors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # for gallery.py

import gallery  # noqa: E402

import sklearn_nn  # noqa: E402

project = "sklearn_nn"
author = "The sklearn_nn developers"
copyright = author
version = release = sklearn_nn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
# The galleries copy and convert each script; Sphinx should read only the resulting page.
exclude_patterns = [
    "_build",
    "_templates",
    "tutorials",
    "**/*.ipynb",
    "**/*.py",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
smartquotes = False  # keep the quotes of 'adam' and the dashes of --data
default_role = "literal"  # `alpha` in docstrings is code
pygments_style = "friendly"

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of a class lists them
# numpydoc makes a citation of each reference; no text cites those of a whole docstring.
suppress_warnings = ["ref.citation"]

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_nn"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "api": []}
html_theme_options = {
    "logo": {"text": "sklearn_nn"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "show_nav_level": 1,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_prev_next": True,
}

sphinx_gallery_conf = {
    "examples_dirs": ["tutorials", "../examples"],
    "gallery_dirs": ["auto_tutorials", "auto_examples"],
    "filename_pattern": gallery.executed(DOCS),
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery.saved_pictures", "matplotlib"),
    "reset_argv": "gallery.arguments",
    "doc_module": ("sklearn_nn",),
    "backreferences_dir": "generated/backreferences",
    "abort_on_example_error": False,  # the build shows all errors before it fails
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "min_reported_time": 1,
    "default_thumb_file": str(DOCS / "_static" / "numbers.svg"),
    "thumbnail_size": (400, 280),
}
