"""Stochastic gradient descent and multilayer perceptrons for scikit-learn users."""

from ._logistic import SGDLogisticClassifier
from ._mlp import BackpropMLPClassifier
from ._onnx import to_onnx
from ._show_versions import show_versions

__version__ = "0.1.0"

__all__ = ["BackpropMLPClassifier", "SGDLogisticClassifier", "show_versions", "to_onnx"]
