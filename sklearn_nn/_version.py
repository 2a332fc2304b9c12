"""The version of the package, which meson.build has, too, and its documentation."""

__version__ = "0.1.0"
# The page of a class, to which scikit-learn's notebook view of an estimator links.
CLASS_PAGE = (
    "https://sklearn-nn.readthedocs.io/en/latest/generated/sklearn_nn.{estimator_name}.html"
)
