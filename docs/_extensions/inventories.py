"""Names of other projects' documentation, for links that need no network to be built.

Sphinx asks the websites of these projects for their lists of names (`objects.inv`). Where
they cannot be reached, it takes the lists of this module: all public names of the installed
scikit-learn, and what our pages name of the others.
"""

import re
import zlib

from sklearn.utils.discovery import all_displays, all_estimators, all_functions

SITES = {
    "sklearn": "https://scikit-learn.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "matplotlib": "https://matplotlib.org/stable/",
}
PAGES = {
    "sklearn": "modules/generated/{name}.html#{name}",
    "numpy": "reference/generated/{name}.html#{name}",
    "scipy": "reference/generated/{name}.html#{name}",
    "matplotlib": "api/_as_gen/{name}.html#{name}",
}
# Names that scikit-learn's own lists lack; those of `sklearn.callback` are new in 1.9.
NAMES = {
    "sklearn": [
        *("sklearn.callback.ProgressBar", "sklearn.callback.ScoringMonitor"),
        *("sklearn.config_context", "sklearn.set_config", "sklearn.base.BaseEstimator"),
        "sklearn.utils.estimator_checks.check_estimator",
        "sklearn.utils.metadata_routing.MetadataRequest",
    ],
    "numpy": ["numpy.ndarray", "numpy.load", "numpy.savez", "numpy.random.RandomState"],
    "scipy": ["scipy.optimize.minimize", "scipy.sparse.csr_matrix"],
    "matplotlib": ["matplotlib.axes.Axes", "matplotlib.figure.Figure"],
}
# Sections and terms that scikit-learn's docstrings refer to.
LABELS = {
    "sklearn": {
        "accuracy_score": "label modules/model_evaluation.html#accuracy-score",
        "meta-estimator": "term glossary.html#term-meta-estimator",
        "metadata_routing": "label metadata_routing.html#metadata-routing",
    },
}


def public_name(thing):
    """Return the name by which users import a class or function of scikit-learn."""
    module = re.sub(r"\._.*", "", thing.__module__)
    return f"{module}.{thing.__name__}"


def names_of_scikit_learn():
    """Return the names of all estimators, displays and functions."""
    listed = [*all_estimators(), *all_displays(), *all_functions()]
    return sorted({public_name(thing) for _, thing in listed})


def lines_of(project, names):
    """Yield the lines of an inventory: name, type, priority, address, title."""
    for name in names:
        kind = "class" if name.rpartition(".")[2][0].isupper() else "function"
        yield f"{name} py:{kind} 1 {PAGES[project].format(name=name)} -"
    for label, place in LABELS.get(project, {}).items():
        kind, address = place.split()
        yield f"{label} std:{kind} -1 {address} {label}"


def write(folder):
    """Write the lists; return the value of `intersphinx_mapping` and {short: full name}."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {**NAMES, "sklearn": names_of_scikit_learn() + NAMES["sklearn"]}
    mapping = {}
    for project, site in SITES.items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        body = "".join(line + "\n" for line in lines_of(project, names[project]))
        path = folder / f"{project}.inv"
        path.write_bytes(head.encode() + zlib.compress(body.encode()))
        mapping[project] = (site, (None, str(path)))
    everything = [name for project in names.values() for name in project]
    return mapping, {name.rpartition(".")[2]: name for name in everything}


def is_of_another_project(app, domain, node):
    """Return True, so that Sphinx gives no warning, in docstrings of scikit-learn.

    Our pages show those of methods that our classes inherit. What they refer to is known
    where scikit-learn's website can be reached.
    """
    return True if "docstring of sklearn." in str(node.source or "") else None


def setup(app):
    """Connect the function above."""
    app.connect("warn-missing-reference", is_of_another_project)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
