"""Training methods that many tests run over: callables that return an estimator."""

import pytest

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier


def textbook_logistic(*arguments, **parameters):
    """Return an SGDLogisticClassifier whose initial learning rate is 0.05 by default.

    With a learning rate it takes gradient steps, as BackpropMLPClassifier does. Without
    one, `fit` uses Newton's method and `partial_fit` learns from a stream.
    """
    return SGDLogisticClassifier(*arguments, **{"learning_rate_init": 0.05, **parameters})


# `both` estimators with gradient steps; `every_method` adds the default: no learning rate.
both = pytest.mark.parametrize(
    "estimator_class", [textbook_logistic, BackpropMLPClassifier]
)
every_method = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, textbook_logistic, BackpropMLPClassifier]
)
