"""The ways of training that many tests go over, each a callable that makes an estimator."""

import pytest

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier


def textbook_logistic(*arguments, **parameters):
    """Return SGDLogisticClassifier with a learning rate, by default 0.05 at first.

    Then it steps along gradients, as BackpropMLPClassifier does; without one, as by
    default, `fit` finds the optimum by Newton's method and `partial_fit` learns a stream.
    """
    return SGDLogisticClassifier(*arguments, **{"learning_rate_init": 0.05, **parameters})


# What holds for steps along gradients, and what holds whatever the method.
both = pytest.mark.parametrize(
    "estimator_class", [textbook_logistic, BackpropMLPClassifier]
)
every_method = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, textbook_logistic, BackpropMLPClassifier]
)
