"""The only door to matplotlib, which a user need not have.

`check_matplotlib_support` is private by its module's name; it was checked with
scikit-learn 1.6 to 1.9.
"""

from sklearn.utils._optional_dependencies import check_matplotlib_support


def pyplot(caller):
    """Return matplotlib.pyplot, or raise ImportError that names the caller."""
    check_matplotlib_support(caller)
    import matplotlib.pyplot

    return matplotlib.pyplot
