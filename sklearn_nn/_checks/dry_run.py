"""A training run that is prepared on a copy, so that the user's estimator is unchanged."""

import copy

from .. import _parameters, _training
from .._classifier import GradientClassifier
from .._data.steps import steps_of
from .._methods import method_of


def classifier_and_rows(estimator, X, y, sample_weight, caller):
    """Return the classifier of a user's estimator, and X as it gets it.

    `caller` is the public function that an error names. Raise TypeError if the classifier
    is not of this package.
    """
    steps = steps_of(estimator)
    classifier = steps.classifier
    if not isinstance(classifier, GradientClassifier):
        raise TypeError(
            f"{caller} needs an SGDLogisticClassifier or a BackpropMLPClassifier, or a "
            "Pipeline or a fitted search that ends in one; got "
            f"{type(classifier).__name__}."
        )
    return classifier, steps.transformed(X, y, sample_weight)


def prepared_copy(classifier, X, y, sample_weight, **parameters):
    """Prepare `fit` of a copy with changed parameters and without early stopping.

    With warm_start, a fitted model resumes from its coefficients. Raise ValueError as
    `fit`.
    """
    dry = copy.copy(classifier).set_params(early_stopping=False, **parameters)
    _parameters.check(dry)

    def encoding_of(y, fitted):  # a few rows may lack a class of the fitted model
        return _training.fit_encoding(y, None) if fitted is None else fitted

    # As in `fit`, but without held-out rows.
    return _training.prepare(dry, method_of(dry), X, y, sample_weight, encoding_of)
