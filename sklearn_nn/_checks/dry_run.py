"""A training run that is prepared on a copy, so that the user's estimator is unchanged."""

import copy

from .. import _parameters, _training
from .._classifier import GradientClassifier
from .._methods import method_of


def prepared_copy(estimator, X, y, sample_weight, caller, **parameters):
    """Prepare `fit` of a copy with changed parameters and without early stopping.

    With warm_start, a fitted model resumes from its coefficients. `caller` is the public
    function that an error names. Raise TypeError if the estimator is not of this package,
    and ValueError as `fit`.
    """
    if not isinstance(estimator, GradientClassifier):
        raise TypeError(
            f"{caller} needs an SGDLogisticClassifier or a BackpropMLPClassifier; got "
            f"{type(estimator).__name__}. For a pipeline, pass its last step, "
            "pipeline[-1], and X as transformed by the steps before it."
        )
    dry = copy.copy(estimator).set_params(early_stopping=False, **parameters)
    _parameters.check(dry)

    def encoding_of(y, fitted):  # a few rows may lack a class of the fitted model
        return _training.fit_encoding(y, None) if fitted is None else fitted

    # As in `fit`, but without held-out rows.
    return _training.prepare(dry, method_of(dry), X, y, sample_weight, encoding_of)
