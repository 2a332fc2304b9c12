"""Converters for skl2onnx, of estimators that contain classifiers of the package."""

from .._logistic import SGDLogisticClassifier
from .._mlp import BackpropMLPClassifier
from .._mlp_cv import BackpropMLPClassifierCV
from .export import check_is_installed, exportable, graph_of, label_output
from .graph import ML_OPSET, onnx_parts

CLASSIFIERS = [SGDLogisticClassifier, BackpropMLPClassifier, BackpropMLPClassifierCV]
# As those of skl2onnx for its own classifiers. CalibratedClassifierCV and
# StackingClassifier set 'raw_scores' if they call decision_function.
OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],  # asked by 'zipmap' and 'output_class_labels'
    "raw_scores": [True, False],
}


def register_onnx_converters():
    """Let skl2onnx convert estimators that contain classifiers of this package.

    After one call per process, `skl2onnx.convert_sklearn` and `skl2onnx.to_onnx` convert
    SGDLogisticClassifier, BackpropMLPClassifier and BackpropMLPClassifierCV within other
    estimators, for instance CalibratedClassifierCV, VotingClassifier, StackingClassifier,
    OneVsRestClassifier and BaggingClassifier. For a classifier alone, or a pipeline or
    search that ends in one, the `to_onnx` of this package is enough.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Export a classifier, a pipeline or a search.

    Notes
    -----
    The classifier needs one matrix of numbers as input, and computes in the dtype of its
    training. skl2onnx computes all else in the dtype of the input; float64 is more
    accurate. The options of skl2onnx for the classifier are 'zipmap', 'output_class_labels'
    and 'raw_scores' (`decision_function` instead of probabilities, in two columns for two
    classes).

    skl2onnx 1.20 converts some estimators to other numbers, whichever classifier they
    contain: compare some predictions. Known cases are CalibratedClassifierCV of a pipeline
    (put it at the end of the pipeline instead), its method='isotonic', and thresholds of
    TunedThresholdClassifierCV. A VotingClassifier needs flatten_transform=False, and its
    weights as an ndarray.

    Examples
    --------
    >>> from skl2onnx import to_onnx
    >>> from sklearn.calibration import CalibratedClassifierCV
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_nn import SGDLogisticClassifier, register_onnx_converters
    >>> X, y = load_iris(return_X_y=True)
    >>> model = CalibratedClassifierCV(SGDLogisticClassifier()).fit(X, y)
    >>> register_onnx_converters()
    >>> graph = to_onnx(model, X[:1], options={"zipmap": False}).graph
    >>> [output.name for output in graph.output]
    ['label', 'probabilities']
    """
    check_is_installed("skl2onnx", "register_onnx_converters")
    from skl2onnx import update_registered_converter

    for classifier in CLASSIFIERS:
        alias = f"SklearnNN{classifier.__name__}"
        update_registered_converter(
            classifier, alias, set_output_types, add_classifier, options=OPTIONS
        )


def set_output_types(operator):
    """Set the types and shapes of the labels and probabilities."""
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType
    from skl2onnx.common.utils import check_input_and_output_numbers

    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    labels, label_columns = label_output(exportable(operator.raw_operator))
    n_rows = operator.inputs[0].get_first_dimension()
    of_labels = StringTensorType if labels.dtype == object else Int64TensorType
    operator.outputs[0].set_type(of_labels([n_rows, *label_columns]))
    operator.outputs[1].type.shape = [n_rows, len(labels)]


def add_classifier(scope, operator, container):
    """Add the nodes and constants of a fitted classifier to the graph of skl2onnx."""
    from onnx import helper
    from skl2onnx.common.data_types import guess_numpy_type

    classifier = operator.raw_operator
    [X], [label, probabilities] = operator.inputs, operator.outputs
    graph = graph_of(
        exportable(classifier),
        (X.full_name, guess_numpy_type(X.type)),
        out=guess_numpy_type(probabilities.type),
        raw_scores=container.get_options(classifier, {"raw_scores": False})["raw_scores"],
    )
    nodes, constants = onnx_parts(graph)
    names = {
        name: scope.get_unique_variable_name(name)
        for name in [*graph.constants, *(node.output[0] for node in nodes)]
    }
    names |= {
        X.full_name: X.full_name,
        "label": label.full_name,
        "probabilities": probabilities.full_name,
    }
    for constant in constants:
        constant.name = names[constant.name]
        container.initializers.append(constant)  # add_initializer would drop strings
    for node in nodes:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        container.add_node(
            node.op_type,
            [names[name] for name in node.input],
            [names[name] for name in node.output],
            op_domain=node.domain,
            op_version=ML_OPSET if node.domain else None,  # None: that of the user
            **attributes,
        )
