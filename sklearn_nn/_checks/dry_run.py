"""A training run that is got ready on a copy: the user's estimator stays as it is."""

import copy

from .. import _parameters, _training
from .._classifier import GradientClassifier
from .._methods import method_of


def prepared_copy(estimator, X, y, sample_weight, caller, **parameters):
    """Return what `fit` of a copy would begin with, without early stopping, as Prepared.

    Parameters
    ----------
    estimator : GradientClassifier
        Fitted or not. With warm_start (its own or among `parameters`) a fitted one goes
        on from its coefficients.
    X, y, sample_weight
        As the user passed them.
    caller : str
        Whose name an error bears.
    **parameters
        Constructor parameters that the copy has instead of its own.

    Raises
    ------
    TypeError
        If the estimator is not of this package.
    ValueError
        As `fit`.
    """
    if not isinstance(estimator, GradientClassifier):
        raise TypeError(
            f"{caller} needs an SGDLogisticClassifier or a BackpropMLPClassifier; got "
            f"{type(estimator).__name__}. Of a pipeline pass the last step, pipeline[-1], "
            "and X as the steps before it have transformed it."
        )
    dry = copy.copy(estimator).set_params(early_stopping=False, **parameters)
    _parameters.check(dry)

    def encoding_of(y, kept):  # a few rows of a fitted model may lack a class
        return _training.fit_encoding(y, None) if kept is None else kept

    # No rows are held out, and weights are scaled as by `fit`.
    return _training.prepare(dry, method_of(dry), X, y, sample_weight, encoding_of)
