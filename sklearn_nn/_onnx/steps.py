"""The steps before a classifier, converted by skl2onnx, and joined with its graph."""

from copy import copy

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from .._table.columns import is_frame, is_missing
from .graph import IR_VERSION, ML_OPSET, OPSET

VERSIONS = {"": OPSET, "ai.onnx.ml": ML_OPSET}


def converted(transformer, n_features, X):
    """Return the onnx.ModelProto of fitted steps, and the name and dtype of its output.

    `X` are rows of which the inputs get their names and types, or None for a matrix of
    float64. Raise ValueError if skl2onnx cannot convert a step.
    """
    from onnx import checker, helper
    from skl2onnx import convert_sklearn

    names, types = input_types(n_features, X)
    try:
        model = convert_sklearn(
            transformer,
            initial_types=list(zip(names, types, strict=True)),
            target_opset=VERSIONS,
            custom_conversion_functions={
                SimpleImputer: add_imputer,
                OneHotEncoder: add_one_hot_encoder,
            },
        )
        # skl2onnx states the oldest version that has all operators; joined graphs have one.
        model.ir_version = IR_VERSION
        for domain in model.opset_import:
            domain.version = VERSIONS.get(domain.domain, domain.version)
        checker.check_model(model, full_check=True)
    except Exception as error:
        raise ValueError(
            f"skl2onnx cannot convert the steps before the classifier: {error}\n"
            "If the pipeline was fitted on strings or on a data frame, pass some of its "
            "rows as X. If a step can only be converted in float32, pass rows of float32."
        ) from error
    rename_inputs(model.graph, names)
    output = model.graph.output[0]
    kind = output.type.tensor_type.elem_type
    return model, output.name, helper.tensor_dtype_to_np_dtype(kind)


def input_types(n_features, X):
    """Return the names of the inputs, and their types in skl2onnx.

    They are one matrix 'X' for an array, and the columns of a data frame. Strings stay
    strings; numbers are float64, or float32 if all of them are.
    """
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        StringTensorType,
    )

    if X is None:
        return ["X"], [DoubleTensorType([None, n_features])]
    names, values = ["X"], [np.asarray(X)]
    if is_frame(X):
        names = [str(name) for name in X.columns]
        values = [np.asarray(X[name]) for name in X.columns]
    of_strings = [holds_strings(each) for each in values]
    numbers = [v for v, is_string in zip(values, of_strings, strict=True) if not is_string]
    is_single = all(each.dtype == np.float32 for each in numbers)
    of_numbers = FloatTensorType if is_single else DoubleTensorType
    return names, [
        (StringTensorType if is_string else of_numbers)(
            [None, each.shape[1] if each.ndim == 2 else 1]
        )
        for each, is_string in zip(values, of_strings, strict=True)
    ]


def holds_strings(values):
    """Return whether an array has a string."""
    has_objects = values.dtype.kind not in "biufmM"
    return has_objects and any(isinstance(value, str) for value in values.ravel().tolist())


def rename_inputs(graph, names):
    """Give the inputs these names, and remove inputs that no node reads.

    skl2onnx replaces spaces and signs in names.
    """
    names = {given.name: name for given, name in zip(graph.input, names, strict=True)}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    read = {name for node in graph.node for name in node.input}
    inputs = [given for given in graph.input if names[given.name] in read]
    del graph.input[:]
    graph.input.extend(inputs)
    for given in graph.input:
        given.name = names[given.name]


def joined(before, output, classifier):
    """Return the ModelProto of the steps `before`, whose `output` the classifier gets."""
    from onnx import checker, compose

    [given] = classifier.graph.input
    model = compose.merge_models(
        before,
        classifier,
        io_map=[(output, given.name)],
        name=classifier.graph.name,
        producer_name=classifier.producer_name,
        producer_version=classifier.producer_version,
    )
    model.graph.ClearField("doc_string")  # has a random name of the first graph
    checker.check_model(model, full_check=True)
    return model


# Converters instead of those of skl2onnx.


def add_imputer(scope, operator, container):
    """Add a SimpleImputer: of strings, '' is missing; of float64, in float64.

    onnxruntime has the operator Imputer only in float32.
    """
    from skl2onnx.algebra.onnx_ops import OnnxIsNaN, OnnxWhere
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    imputer = copy(operator.raw_operator)
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True.")
    if not all(isinstance(given.type, DoubleTensorType) for given in operator.inputs):
        if holds_strings(imputer.statistics_) and is_missing(imputer.missing_values):
            imputer.missing_values = ""
        add_by_skl2onnx("SklearnSimpleImputer", imputer, scope, operator, container)
        return
    statistics = np.asarray(imputer.statistics_, dtype=np.float64)
    if np.isnan(statistics).any() or not is_missing(imputer.missing_values):
        raise NotImplementedError(
            "SimpleImputer of columns without values, or of other values than NaN."
        )
    X, version = concatenate_variables(scope, operator.inputs, container), OPSET
    missing = OnnxIsNaN(X, op_version=version)
    outputs = [operator.outputs[0].full_name]
    filled = OnnxWhere(missing, statistics, X, op_version=version, output_names=outputs)
    filled.add_to(scope, container)


def add_one_hot_encoder(scope, operator, container):
    """Add a OneHotEncoder, to which '' is the missing value among strings."""
    encoder = copy(operator.raw_operator)
    encoder.categories_ = [
        np.where([is_missing(one) for one in categories], "", categories)
        if holds_strings(categories)
        else categories
        for categories in encoder.categories_
    ]
    add_by_skl2onnx("SklearnOneHotEncoder", encoder, scope, operator, container)


def add_by_skl2onnx(alias, step, scope, operator, container):
    """Add a step by the converter that skl2onnx has under this alias."""
    from skl2onnx.common._registration import get_converter

    operator.raw_operator = step
    get_converter(alias)(scope, operator, container)
