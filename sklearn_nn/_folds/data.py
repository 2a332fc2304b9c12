"""Rows to train on, from the user's X, y and weights."""

from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import check_consistent_length, validate_data

from .._data import array_api, inputs, sample_weights
from .._data.labels import Encoding, encoding_of
from .._table.schema import Schema, Table, read_new, readable

SMALLEST_RATIO = 1e-6


class TrainingData(NamedTuple):
    """Rows of positive weight."""

    schema: Schema
    table: Table
    encoding: Encoding
    labels: Any  # (n_rows,) class indices
    sample_weight: Any  # (n_rows,), or None
    weight: Any  # (n_rows,) sample times class weight, see `numbers_of_rows`; or None
    kept: Any  # (n_rows,) their numbers among the user's rows, None for all
    n_samples: int  # number of the user's rows
    groups: Any = None  # (n_rows,), or None
    like: Any = array_api.NUMPY  # fitted attributes get its library and device

    @property
    def is_on_device(self) -> bool:
        """Return whether the rows are an array of another library than NumPy."""
        return array_api.is_foreign(self.table.numbers)


def training_data(estimator, X, y, sample_weight) -> TrainingData:
    """Return the TrainingData; set the number and the names of the estimator's features.

    Raise ValueError or TypeError if the input is not valid.
    """
    X, y = readable(X), inputs.validate_labels(y)
    validate_data(estimator, X, skip_check_array=True)
    check_consistent_length(X, y)
    n_samples = len(y)
    y, sample_weight, kept = sample_weights.drop_weightless(y, sample_weight)
    encoding, class_weight = encoding_of(y), estimator.class_weight
    weight = sample_weights.combined_weight(sample_weight, class_weight, encoding, y)
    labels = encoding.class_indices(y)
    if isinstance(class_weight, dict):
        rows = sample_weights.positive_rows(weight)
        if rows is not None:  # classes of weight 0
            labels, weight = labels[rows], weight[rows]
            sample_weight = None if sample_weight is None else sample_weight[rows]
            kept = rows if kept is None else kept[rows]
    weight = None if weight is None else numbers_of_rows(weight)
    names = getattr(estimator, "feature_names_in_", None)
    schema, table = read_new(X, estimator.categorical_features, names)
    return TrainingData(
        schema=schema,
        table=table.take(kept),
        encoding=encoding,
        labels=labels,
        sample_weight=sample_weight,
        weight=weight,
        kept=kept,
        n_samples=n_samples,
        like=array_api.like(X),
    )


def numbers_of_rows(weight):
    """Return positive weights relative to the smallest, as numbers of repeated rows.

    Where the number of rows matters (rare categories, the prior of the temperature), an
    integer weight is then a repetition, and still only ratios of weights matter.
    """
    # A weight of almost 0 should not make all others large numbers of rows.
    return weight / max(weight.min(), weight.max() * SMALLEST_RATIO)


def split_params_of(estimator, params, sample_weight, data: TrainingData) -> dict:
    """Return the arguments of the splitter's `split` besides X and y, for the kept rows."""
    if get_config()["enable_metadata_routing"]:
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        routed = process_routing(estimator, "fit", **weights, **params)
        params = routed["splitter"]["split"]
    elif params.keys() - {"groups"}:
        unknown = sorted(params.keys() - {"groups"})
        raise TypeError(
            f"{type(estimator).__name__}.fit() got unexpected arguments {unknown}. Without "
            "metadata routing it takes X, y, sample_weight and groups."
        )
    params = {name: value for name, value in params.items() if value is not None}
    return {name: of_kept_rows(name, value, data) for name, value in params.items()}


def of_kept_rows(name, values, data: TrainingData):
    """Return the values (n_samples,) of metadata for the kept rows."""
    values = np.asarray(values)
    # Splitters compare groups with each other; other metadata may have any shape.
    shape = values.shape if name == "groups" else values.shape[:1]
    if shape != (data.n_samples,):
        raise ValueError(
            f"{name} must have one entry for each of the {data.n_samples} rows of X; got "
            f"the shape {values.shape}."
        )
    if name == "groups":
        inputs.check_types(values, name)
    return values if data.kept is None else values[data.kept]
