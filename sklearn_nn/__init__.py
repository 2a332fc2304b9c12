"""Stochastic gradient descent and multilayer perceptrons for scikit-learn users."""

from ._logistic import SGDLogisticClassifier
from ._loss_display import LossCurveDisplay
from ._mlp import BackpropMLPClassifier
from ._show_versions import show_versions
from ._weights_display import WeightsDisplay

__version__ = "0.1.0"

__all__ = [
    "BackpropMLPClassifier",
    "LossCurveDisplay",
    "SGDLogisticClassifier",
    "WeightsDisplay",
    "show_versions",
]
