"""The only import of matplotlib, which is an optional dependency.

`check_matplotlib_support` is in a private module; it was checked with scikit-learn 1.6 to
1.9.
"""

from sklearn.utils._optional_dependencies import check_matplotlib_support


def pyplot(caller):
    """Return matplotlib.pyplot, or raise an ImportError that names the caller."""
    check_matplotlib_support(caller)
    import matplotlib.pyplot

    return matplotlib.pyplot
