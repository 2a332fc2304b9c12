"""Export of fitted estimators to ONNX, to predict without Python or scikit-learn."""

import importlib
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._classifier import GradientClassifier
from .._data.given import complete_model
from .._data.steps import steps_of
from .._engine.arrays import to_numpy
from .._engine.types import Layer
from .._mlp_cv import BackpropMLPClassifierCV
from .._version import __version__
from . import steps, table
from .graph import ACTIVATIONS, DOMAINS, IR_VERSION, ML_OPSET, OPSET, Graph, onnx_parts


def to_onnx(estimator: BaseEstimator, X: Any = None):
    """Convert a fitted estimator to an ONNX model, which predicts without Python.

    Parameters
    ----------
    estimator : SGDLogisticClassifier, BackpropMLPClassifier or BackpropMLPClassifierCV
        Fitted; or a fitted Pipeline or search that ends in one. The other steps are
        converted by skl2onnx, and part of the graph.

    X : data frame or array-like of shape (n_samples, n_features), default=None
        Rows for a pipeline, of which the inputs get their names and types; a few suffice,
        with a string in each column of strings. Needed if the pipeline was fitted on
        strings, or selects columns by name. Only pipelines use it.

    Returns
    -------
    onnx.ModelProto
        Of opset 17. Names and types are those of skl2onnx without zipmap:

        - input 'X': float32 of shape (n_samples, n_features), any number of samples;
        - output 'label': the result of `predict`, of shape (n_samples,). Strings stay
          strings; integers, booleans and whole floats become int64. For multilabel y, int64
          indicators of shape (n_samples, n_outputs);
        - output 'probabilities': the result of `predict_proba`, float32 of shape
          (n_samples, n_classes).

        That of a BackpropMLPClassifierCV takes a table as it is: 'X' of float64 for an
        array of numbers, else an input for each column, of shape (n_samples, 1), with the
        name of the column ('x0', 'x1', ... without names). Strings are of type string, and
        '' is missing, unless fit had '' as a category: then the graph has no missing value
        for the column. All others are float64, with NaN for missing, and 0 and 1 for bool.

        That of a pipeline takes its X: a matrix 'X' of float64 (of strings, or of float32,
        if the array `X` is), or an input for each column that it reads of a data frame:
        strings, with '' for missing, or float64 (float32, if all numbers are).

    Raises
    ------
    ImportError
        If onnx, or skl2onnx for a pipeline, is not installed.
    TypeError
        If the classifier is not of this package.
    NotFittedError
        If it is not fitted.
    ValueError
        If a numeric label is not an integer of 64 bits, a column has the name of an output,
        or skl2onnx cannot convert a step.

    See Also
    --------
    register_onnx_converters : For estimators of scikit-learn that contain these, such as a
        VotingClassifier.

    Notes
    -----
    The graph casts X to the dtype of the model, usually float64; a model trained on float32
    is float32 throughout. So labels equal those of `predict`, unless logits tie within the
    rounding error of that dtype (of float32 for a hidden 'gelu', because onnxruntime has
    its error function only in float32). Edited coefficients are exported as they are.

    Scaling is computed in float64, because features whose mean is large relative to their
    deviation would lose digits in float32. skl2onnx converts most transformers of
    scikit-learn to the same numbers, but not all: compare some predictions. If onnxruntime
    has no float64 implementation of a step, pass an `X` of float32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_nn import SGDLogisticClassifier, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = to_onnx(SGDLogisticClassifier().fit(X, y))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']

    With a pipeline, the scaler is in the graph:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> pipeline = make_pipeline(StandardScaler(), SGDLogisticClassifier()).fit(X, y)
    >>> [node.op_type for node in to_onnx(pipeline).graph.node][:2]
    ['Sub', 'Div']
    """
    before, classifier = steps_of(estimator)
    classifier = exportable(classifier)
    check_is_installed("onnx")
    if before is None:
        return to_model_proto(graph_of(classifier), classifier)
    check_is_installed("skl2onnx")
    n_features = getattr(estimator, "n_features_in_", None)
    model, output, dtype = steps.converted(before, n_features, X)
    table.check_names([given.name for given in model.graph.input])
    graph = graph_of(classifier, ("transformed", dtype))
    return steps.joined(model, output, to_model_proto(graph, classifier))


def exportable(estimator):
    """Return a fitted model of the package; raise TypeError or NotFittedError if not."""
    if isinstance(estimator, GradientClassifier):
        return estimator if "_checkpoint" in vars(estimator) else complete_model(estimator)
    if isinstance(estimator, BackpropMLPClassifierCV):
        check_is_fitted(estimator)
        return estimator
    raise TypeError(
        "to_onnx needs a fitted SGDLogisticClassifier, BackpropMLPClassifier or "
        "BackpropMLPClassifierCV, or a Pipeline or a fitted search that ends in one; got "
        f"{type(estimator).__name__}. Convert estimators of other packages with skl2onnx, "
        "which knows those of this one after register_onnx_converters()."
    )


def check_is_installed(package, caller="to_onnx"):
    """Raise ImportError unless the package, which `caller` needs, can be imported."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{caller} needs {package}: pip install 'sklearn_nn[onnx]'."
        ) from error


def graph_of(estimator, rows=None, out=np.float32, raw_scores=False):
    """Return the Graph from the inputs to 'label' and 'probabilities'.

    `rows` are name and dtype of the only input, the output of other steps; None for the
    inputs of the estimator alone. The probabilities are of dtype `out`; with `raw_scores`,
    they are the values of `decision_function` instead, in two columns for two classes.
    """
    if isinstance(estimator, BackpropMLPClassifierCV):
        return graph_of_folds(estimator, rows, out, raw_scores)
    encoding = estimator._checkpoint.encoding
    layers = layers_of(estimator)
    graph = Graph(np.result_type(layers[0].weight, np.float32))
    name, dtype = rows or ("X", np.float32)
    graph.inputs = [(name, dtype, estimator.n_features_in_)]
    graph.scope = "" if rows is None else "classifier: "
    a = name if graph.dtype == dtype else graph.add("Cast", name, to=graph.dtype)
    logits = add_logits(graph, a, estimator)
    add_label(graph, logits, encoding)
    scores = (add_raw_scores if raw_scores else add_probabilities)(graph, logits, encoding)
    graph.add("Cast", scores, to=out, output="probabilities")
    return graph


def graph_of_folds(estimator, rows, out, raw_scores):
    """Return the Graph of networks for a table, the mean of their probabilities."""
    graph = Graph(np.float32)
    schema = estimator.encoders_[0].schema
    graph.scope = "table: "  # no column has such a name, and a space
    if rows is None:
        has_names = hasattr(estimator, "feature_names_in_")
        graph.inputs = table.table_inputs(schema, has_names)
        names = [name for name, _, _ in graph.inputs]
    else:
        graph.inputs = [(*rows, len(schema.names))]
        names = table.add_columns(graph, schema, rows[0])
    numbers = table.add_numbers(graph, schema, names)
    codes = table.add_codes(graph, schema, names)
    classes, probas = to_numpy(estimator.classes_), []
    pairs = zip(estimator.encoders_, estimator.estimators_, strict=True)
    for k, (encoder, network) in enumerate(pairs):
        graph.scope = f"network {k}: "
        encoded = table.add_encoded(graph, encoder, numbers, codes)
        logits = add_logits(graph, encoded, network)
        probas.append(
            table.add_probabilities_of(graph, logits, len(classes), estimator.temperature_)
        )
    graph.scope = "mean: "
    n_networks = graph.constant("n_networks", np.array(float(len(probas))))
    mean = graph.add("Div", graph.add("Sum", *probas), n_networks)
    index = graph.add("ArgMax", mean, axis=1, keepdims=0)
    labels = graph.constant("classes", onnx_labels(classes))
    graph.add("Gather", labels, index, output="label")
    scores = table.add_log_odds(graph, mean, len(classes)) if raw_scores else mean
    graph.add("Cast", scores, to=out, output="probabilities")
    return graph


def layers_of(estimator):
    """Return the layers of an estimator as ndarrays."""
    return [Layer(*map(to_numpy, layer)) for layer in estimator._layers()]


def add_logits(graph, a, estimator):
    """Add the network with input `a`; return the name of the logits (N, n_outputs)."""
    layers = layers_of(estimator)
    activations = [*estimator._checkpoint.architecture.activations, "identity"]
    for i, (layer, activation) in enumerate(zip(layers, activations, strict=True)):
        weight = graph.constant(f"weight_{i}", layer.weight.astype(graph.dtype))
        intercept = graph.constant(f"intercept_{i}", layer.intercept.astype(graph.dtype))
        a = ACTIVATIONS[activation](graph, graph.add("Gemm", a, weight, intercept))
    return a


def add_label(graph, logits, encoding):
    """Add the output 'label', by the rule of `Encoding.decide`."""
    if encoding.multilabel:
        positive = graph.add("Greater", logits, graph.number(0))
        graph.add("Cast", positive, to=np.int64, output="label")
        return
    if encoding.out_activation == "softmax":
        index = graph.add("ArgMax", logits, axis=1, keepdims=0)
    else:
        positive = graph.add("Greater", logits, graph.number(0))
        one_axis = graph.constant("one_axis", np.array([-1]))
        index = graph.add("Reshape", graph.add("Cast", positive, to=np.int64), one_axis)
    classes = graph.constant("classes", onnx_labels(encoding.classes))
    graph.add("Gather", classes, index, output="label")


def onnx_labels(classes):
    """Return labels (n_classes,) in a type of ONNX: strings (as objects) or int64."""
    if all(isinstance(label, str) for label in classes):
        return classes.astype(object)
    integers = classes.astype(np.int64)
    if not np.array_equal(integers, classes):
        raise ValueError(
            "Labels in ONNX must be strings or integers of 64 bits; the model has the "
            f"classes {classes.tolist()}. Train it with such labels."
        )
    return integers


def label_output(estimator):
    """Return the labels in a type of ONNX, and [number of columns] of 'label' or []."""
    labels = onnx_labels(to_numpy(estimator.classes_))  # multilabel: column numbers
    is_multilabel = hasattr(estimator, "_checkpoint") and (
        estimator._checkpoint.encoding.multilabel
    )
    return labels, [len(labels)] if is_multilabel else []


def add_probabilities(graph, logits, encoding):
    """Add what `predict_proba` computes from logits; return its name."""
    if encoding.out_activation == "softmax":
        return graph.add("Softmax", logits, axis=1)
    return graph.add("Sigmoid", add_raw_scores(graph, logits, encoding))


def add_raw_scores(graph, logits, encoding):
    """Add a logit for each class (N, n_classes), of both for two; return their name."""
    if encoding.out_activation == "softmax" or encoding.multilabel:
        return logits
    return graph.add("Concat", graph.add("Neg", logits), logits, axis=1)


def to_model_proto(graph, estimator):
    """Return the Graph as an onnx.ModelProto."""
    from onnx import checker, helper

    def value_info(name, dtype, *columns):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, ["N", *columns])

    nodes, constants = onnx_parts(graph)
    labels, label_columns = label_output(estimator)
    domains = {DOMAINS[node[0]] for node in graph.nodes if node[0] in DOMAINS}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            type(estimator).__name__,
            [value_info(*given) for given in graph.inputs],
            [
                value_info("label", labels.dtype, *label_columns),
                value_info("probabilities", np.float32, len(labels)),
            ],
            constants,
        ),
        opset_imports=[
            helper.make_opsetid("", OPSET),
            *(helper.make_opsetid(domain, ML_OPSET) for domain in domains),
        ],
        ir_version=IR_VERSION,
        producer_name="sklearn_nn",
        producer_version=__version__,
    )
    checker.check_model(model)
    return model
