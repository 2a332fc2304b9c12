"""What a stored model with a network per fold contains, and the check of all of it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from .._engine.arrays import to_numpy
from .._table.bins import Bins
from .._table.encoder import UNSEEN, TableEncoder
from .._table.forest import Forest
from .._table.schema import Schema
from . import contents
from .entries import (
    DOUBLE,
    Anything,
    Array,
    Each,
    Flag,
    Known,
    Labels,
    Number,
    Text,
    Whole,
    check_array,
    check_entry,
    is_array,
    naming,
    wrong,
)

ANY_LENGTH = range(2**31)
BOOLEAN, SINGLE = (np.dtype(np.bool_),), (np.dtype(np.float32),)
WHOLE_NUMBERS = (np.dtype(np.int32), np.dtype(np.int64))
NODES = Array(("n_nodes",), (np.dtype(np.int32),))  # see `check_forest`


class Vocabulary:
    """A tuple of sorted categories of one type."""

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        kinds = set(map(type, value)) if type(value) is tuple else set()
        is_plain = len(kinds) == 1 and kinds <= {str, bool, float}
        if not is_plain or not all(one < other for one, other in pairwise(value)):
            raise wrong(name, "a tuple of sorted categories", value)


FIELDS = {
    TableEncoder: {
        "schema": Schema,
        "centre": Array(("n_numbers",), DOUBLE),
        "scale": Array(("n_numbers",), DOUBLE, least=0.0),
        "has_indicator": Array(("n_numbers",), BOOLEAN),
        "bins": Bins,
        "levels": Each(Anything(), "n_categorical"),  # see `check_encoder`
        "n_levels": Each(Whole(), "n_categorical"),
        "has_rare": Each(Flag(), "n_categorical"),
        "forest": Forest,
    },
    Bins: {  # see `check_bins`
        "column": Array(("n_bins",), WHOLE_NUMBERS),
        "start": Array(("n_bins",), SINGLE),
        "width": Array(("n_bins",), SINGLE),
    },
    Forest: {
        "shares": Array(("n_votes",), SINGLE),
        "root": Array(("n_trees",), (np.dtype(np.int32),)),
        "column": NODES,
        "threshold": Array(("n_nodes",), SINGLE),
        "left": NODES,
        "right": NODES,
        "vote": NODES,
    },
    Schema: {
        "names": Each(Text(), ANY_LENGTH),
        "numeric": Each(Whole(), ANY_LENGTH),
        "categorical": Each(Whole(), ANY_LENGTH),
        "vocabularies": Each(Vocabulary(), ANY_LENGTH),
    },
}
# Training finds temperatures from 1/20 to 20.
TEMPERATURE = Number(1e-3, 1e3)
# The kind of each fitted attribute but the networks and their encoders.
ATTRIBUTES = {
    "n_features_in_": Whole(1),
    "classes_": Anything(),
    "temperature_": TEMPERATURE,
    "n_iter_": Whole(),
    "cv_log_loss_": contents.ANY_NUMBER,
    "cv_score_": contents.ANY_NUMBER,
    "best_epochs_": Anything(),
    "oof_predict_proba_": Anything(),
}


def check_model(model, network_class):
    """Raise ValueError unless all that a fitted model has learned is valid and fits.

    Labels, predictions and epochs may be arrays of another library, as coefficients may.
    """
    attributes, known = vars(model), Known(FIELDS, {})
    if not {"estimators_", "encoders_", "temperature_"} & attributes.keys():
        return  # not fitted
    contents.check_attributes(model, ATTRIBUTES, known)
    if not is_array(model.classes_):
        raise wrong("classes_", "an array of labels", model.classes_)
    classes = to_numpy(model.classes_)
    Labels().check(classes, "classes_", known)
    networks, encoders = model.estimators_, model.encoders_
    if type(networks) is not list or not networks:
        raise wrong("estimators_", "a list of networks", networks)
    if type(encoders) is not list or len(encoders) != len(networks):
        raise wrong("encoders_", f"a list of {len(networks)} encoders", encoders)
    for k, (encoder, network) in enumerate(zip(encoders, networks, strict=True)):
        check_encoder(encoder, f"encoders_.{k}", len(classes))
        if encoder.schema != encoders[0].schema:
            raise wrong(f"encoders_.{k}.schema", "that of encoders_.0", encoder.schema)
        check_fold(network, f"estimators_.{k}", network_class)
        n_columns = len(encoder.get_feature_names_out())
        if network.n_features_in_ != n_columns:
            given = network.n_features_in_
            raise wrong(f"estimators_.{k}.n_features_in_", n_columns, given)
        contents.check_classes(network.classes_, classes, f"estimators_.{k}.classes_")
    contents.check_features(model, len(encoders[0].schema.names))
    proba, shape = model.oof_predict_proba_, (len(networks),)
    n_rows = proba.shape[0] if is_array(proba) and proba.ndim else 0
    check_array(proba, "oof_predict_proba_", known, (n_rows, len(classes)), DOUBLE)
    check_array(model.best_epochs_, "best_epochs_", known, shape, WHOLE_NUMBERS)


def check_fold(network, name, network_class):
    """Raise ValueError unless the value is a fitted network."""
    if type(network) is not network_class or "_checkpoint" not in vars(network):
        raise wrong(name, f"a fitted {network_class.__name__}", type(network))
    with naming(f"{name}."):
        contents.check_model(network)
    if network._checkpoint.encoding.multilabel:
        raise wrong(f"{name}.checkpoint.encoding.multilabel", False, True)


def check_encoder(encoder, name, n_classes):
    """Raise ValueError unless the value is an encoder whose parts fit."""
    known = Known(FIELDS, {})
    if type(encoder) is not TableEncoder or type(encoder.schema) is not Schema:
        raise wrong(name, "a TableEncoder with a Schema", encoder)
    schema = encoder.schema
    check_entry(Schema, schema, f"{name}.schema", known)
    columns = sorted([*schema.numeric, *schema.categorical])
    if columns != list(range(len(schema.names))):
        raise wrong(f"{name}.schema.numeric", "all other columns", schema.numeric)
    n_categorical = len(schema.categorical)
    if len(schema.vocabularies) != n_categorical:
        given = schema.vocabularies
        raise wrong(f"{name}.schema.vocabularies", f"of length {n_categorical}", given)
    forest = encoder.forest
    sizes = {
        "n_numbers": len(schema.numeric),
        "n_bins": np.size(getattr(encoder.bins, "column", ())),
        "n_categorical": n_categorical,
        "n_votes": n_classes if np.size(getattr(forest, "root", ())) else 0,
        "n_trees": np.size(getattr(forest, "root", ())),
        "n_nodes": np.size(getattr(forest, "column", ())),
    }
    check_entry(TableEncoder, encoder, name, replace(known, sizes=sizes))
    check_bins(encoder.bins, f"{name}.bins", len(schema.numeric))
    for k, levels in enumerate(encoder.levels):
        n_codes = len(schema.vocabularies[k]) + 2
        known = replace(known, sizes={"n_codes": n_codes})
        check_array(levels, f"{name}.levels.{k}", known, ("n_codes",), WHOLE_NUMBERS)
        of_unseen = encoder.n_levels[k] - 1 if encoder.has_rare[k] else UNSEEN
        # All levels but -1 occur, so that each has a name.
        used = sorted(set(levels[:-1].tolist()) - {UNSEEN})
        n_levels = encoder.n_levels[k]  # may be huge
        all_occur = len(used) == n_levels and used == list(range(len(used)))
        if not all_occur or levels[-1] != of_unseen:
            raise wrong(f"{name}.levels.{k}", f"{n_levels} levels", levels)
    check_forest(forest, f"{name}.forest", encoder.n_seen_columns())


def check_forest(forest, name, n_columns):
    """Raise ValueError unless each row reaches a leaf of each tree, which votes."""
    own = np.arange(len(forest.column))
    for key, numbers, end in (
        ("root", forest.root, len(own)),
        ("column", forest.column, n_columns),
        ("vote", forest.vote, len(forest.shares)),
        ("left", forest.left, len(own)),
        ("right", forest.right, len(own)),
    ):
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < end):
            raise wrong(f"{name}.{key}", f"integers from 0 to {end - 1}", numbers)
    is_leaf = (forest.left == own) & (forest.right == own)
    # Children after their parents: no path has an end otherwise.
    if not (is_leaf | ((forest.left > own) & (forest.right > own))).all():
        raise wrong(name, "trees with children after their parents", forest)


def check_bins(bins, name, n_numbers):
    """Raise ValueError unless bins are of numbers, in their order, and have widths."""
    column = bins.column
    if len(column) == 0:
        return
    are_columns = column[0] >= 0 and column[-1] < n_numbers
    if not (are_columns and (column[1:] >= column[:-1]).all() and bins.width.min() > 0):
        raise wrong(name, "bins of columns of numbers, with positive widths", bins)
