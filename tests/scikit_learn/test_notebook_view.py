"""scikit-learn's notebook view of an estimator links to the documentation."""

import html
import re

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)

every_class = pytest.mark.parametrize(
    "public", [SGDLogisticClassifier, BackpropMLPClassifier, BackpropMLPClassifierCV]
)


def links_of(estimator):
    """Return the addresses in the view of an estimator."""
    return [
        html.unescape(a)
        for a in re.findall(r'href="(.*?)"', estimator_html_repr(estimator))
    ]


@every_class
def test_view_links_to_the_page_of_the_class(public):
    [page] = {link.split("#")[0] for link in links_of(public())}
    assert page.endswith(f"/generated/sklearn_nn.{public.__name__}.html")


@every_class
def test_view_of_a_pipeline_links_to_both_documentations(public):
    links = " ".join(links_of(make_pipeline(StandardScaler(), public())))
    assert "https://scikit-learn.org/" in links
    assert f"/sklearn_nn.{public.__name__}.html" in links


@pytest.mark.skipif(
    "param-doc-description" not in estimator_html_repr(StandardScaler()),
    reason="this scikit-learn's view does not describe parameters",
)
@every_class
def test_every_parameter_is_described(public):
    view = estimator_html_repr(public())
    described = re.findall(r'param-doc-description"\s+style="[^"]*--doc-link-(\w+);', view)
    assert sorted(described) == sorted(public().get_params())


def test_subclasses_of_other_packages_have_no_link():
    class Own(SGDLogisticClassifier):
        """A class that is not documented here."""

    assert not any("sklearn_nn" in link for link in links_of(Own()))
