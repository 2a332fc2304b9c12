"""Logistic regression and multilayer perceptrons for scikit-learn users."""

from ._checks.gradient import check_gradient
from ._checks.learning_rate import learning_rate_range_test
from ._display.learning_rate import LearningRateDisplay
from ._display.loss_curve import LossCurveDisplay
from ._display.weights import WeightsDisplay
from ._logistic import SGDLogisticClassifier
from ._mlp import BackpropMLPClassifier
from ._mlp_cv import BackpropMLPClassifierCV
from ._onnx.export import to_onnx
from ._onnx.registration import register_onnx_converters
from ._show_versions import show_versions
from ._version import __version__ as __version__

__all__ = [
    "BackpropMLPClassifier",
    "BackpropMLPClassifierCV",
    "LearningRateDisplay",
    "LossCurveDisplay",
    "SGDLogisticClassifier",
    "WeightsDisplay",
    "check_gradient",
    "learning_rate_range_test",
    "register_onnx_converters",
    "show_versions",
    "to_onnx",
]
