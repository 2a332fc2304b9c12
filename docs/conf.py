"""Configure the documentation: `sphinx-build -W --keep-going docs docs/_build/html`."""

import os
import sys
from pathlib import Path

# numpy and scipy read these variables when they are imported. The matrices here are small,
# so that BLAS threads would only wait for each other; one example trains on tensors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))

import gallery  # noqa: E402
import inventories  # noqa: E402

import sklearn_nn  # noqa: E402

project = "sklearn_nn"
author = "The sklearn_nn developers"
copyright = author
version = release = sklearn_nn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "code_links",
    "inventories",
    "mathml",
]
templates_path = ["_templates"]
# The galleries copy and convert each script; Sphinx should read only the resulting page.
exclude_patterns = [
    "_build",
    "_templates",
    "_extensions",
    "tutorials",
    "**/*.ipynb",
    "**/*.py",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
smartquotes = False  # keep the quotes of 'adam' and the dashes of --data
default_role = "code-link"  # `alpha` in docstrings is code
html_math_renderer = "mathml"
pygments_style = "friendly"

intersphinx_mapping, code_short_names = inventories.write(DOCS / "generated")
intersphinx_timeout = 5  # seconds, for machines whose network never answers
intersphinx_disabled_reftypes = []  # scikit-learn's docstrings refer to its sections
copybutton_exclude = ".linenos, .gp, .go"  # copy neither prompts nor output
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_class_members_toctree = False  # methods stand on the page of their class
# numpydoc makes a citation of each reference; no text cites those of a whole docstring.
suppress_warnings = ["ref.citation"]

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_nn"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "api": [], "install": [], "changelog": []}
html_theme_options = {
    "logo": {"text": f"sklearn_nn {version}"},
    "header_links_before_dropdown": 6,
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
    "copyfile_regex": r"index\.rst",  # examples/index.rst has the sections of the gallery
    "minigallery_sort_order": "gallery.as_listed",
    "image_scrapers": ("gallery.saved_pictures", "matplotlib"),
    "reset_argv": "gallery.arguments",
    "doc_module": ("sklearn_nn",),
    "backreferences_dir": "generated/backreferences",
    "abort_on_example_error": False,  # the build shows all errors before it fails
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "min_reported_time": 1,
    "thumbnail_size": (400, 280),
}
