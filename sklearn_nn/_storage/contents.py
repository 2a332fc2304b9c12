"""What a stored model contains: the kind of each entry, and the check of a whole model.

States, pickles and skops files may come from anywhere, and kernels trust what training
wrote. So a loaded model is checked before it is used.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.sparse import issparse

from .._data.labels import Encoding
from .._data.sample_weights import WeightScale
from .._engine.arrays import is_finite, moved_to, numpy_dtype, to_numpy
from .._engine.epochs import prediction
from .._engine.epochs.records import EpochMemory
from .._engine.newton import experts
from .._engine.newton.coordinates import MAX_EXPONENT, Coordinates
from .._engine.newton.records import KnownRows, NewtonMemory
from .._engine.objective.activations import ACTIVATIONS
from .._engine.objective.penalties import Penalty
from .._engine.stopping import EndedBy
from .._engine.types import Architecture, Curves, Progress, TrainingState
from .checkpoint import Checkpoint
from .entries import (
    DOUBLE,
    FLOATS,
    LARGEST,
    Array,
    Choice,
    Coefficients,
    Each,
    Flag,
    Generator,
    Known,
    Labels,
    Number,
    Parameters,
    Text,
    Whole,
    check_array,
    check_entry,
    is_array,
    wrong,
)

ANY_NUMBER = Number(-np.inf, np.inf, or_nan=True)
NOT_NEGATIVE = Number(0.0)
SMALLEST_SCALE = 2.0**-MAX_EXPONENT
THETA = Array(("n_parameters",))
MAX_SLOTS = 2


def of_experts(*shape, least=-LARGEST):
    """Return the kind of an array of a StreamMemory."""
    return Array(("n_experts", *shape), DOUBLE, least)


# The kind of each field of each record, of the memories of the methods, too.
FIELDS = {
    Checkpoint: {
        "state": TrainingState,
        "model_theta": THETA,
        "parameters": Parameters(),
        "ended_by": Text({ended_by.value for ended_by in EndedBy}),
        "weight_scale": WeightScale,
        "start_random_state": Generator(),
        "encoding": Encoding,
        "architecture": Architecture,
    },
    TrainingState: {
        "theta": THETA,
        "random_state": Generator(),
        "step": Whole(),
        "epoch": Whole(),
        "progress": Progress,
        "memory": Choice((EpochMemory, NewtonMemory, experts.StreamMemory)),
    },
    Progress: {
        "best": Number(-np.inf, np.inf),
        "n_no_improvement": Whole(),
        "last_improvement": ANY_NUMBER,
        "rate_factor": Number(0.0, 1.0),
        "best_theta": Choice((THETA,)),
        "best_epoch": Whole(),
    },
    EpochMemory: {
        "slots": Each(THETA, range(MAX_SLOTS + 1)),
        "n_slot_updates": Whole(),
        "average": Choice((Array(("n_parameters",), DOUBLE),)),
        "n_averaged": Whole(),
    },
    NewtonMemory: {
        "sample_size": Whole(),
        "n_hessian_rows": Whole(),
        "damping": NOT_NEGATIVE,
        "predicted_decrease": Number(-np.inf, np.inf),
        "n_passes": NOT_NEGATIVE,
        "is_preconditioned": Flag(),
        "known_rows": Choice((KnownRows,)),
    },
    KnownRows: {
        "coordinates": Coordinates,
        "diagonal": Array(("n_coefficients", "n_outputs"), FLOATS, least=0.0),
        "n_rows": Whole(1),
        "penalty": Penalty,
    },
    Coordinates: {
        "centre": Array(("n_features",), DOUBLE),
        "scale": Array(("n_features",), DOUBLE, least=SMALLEST_SCALE),
    },
    Penalty: {"l2": NOT_NEGATIVE, "l1": NOT_NEGATIVE, "decay": NOT_NEGATIVE},
    experts.StreamMemory: {
        "centre": of_experts("n_features"),
        "scale": of_experts("n_features", least=SMALLEST_SCALE),
        "variance": of_experts("n_features", least=0.0),
        "mass": of_experts("n_features", least=0.0),
        "point": of_experts("n_coefficients", "n_outputs"),
        "slope": of_experts("n_coefficients", "n_outputs"),
        "precision": of_experts("precision"),
        "n_rows": of_experts(least=0.0),
        "score": of_experts(),
    },
    Architecture: {
        "layer_sizes": Each(Whole(1), range(2, 2**31)),
        "activations": Each(Text(ACTIVATIONS), range(2**31)),
        "fit_intercept": Flag(),
    },
    Encoding: {"classes": Labels(), "multilabel": Flag(), "sparse": Flag()},
    WeightScale: {"mean": NOT_NEGATIVE, "n_rows": Whole()},
}
# The kind of each fitted attribute. Those of the first group are in all models.
ATTRIBUTES = {
    "n_features_in_": Whole(1),
    "n_iter_": Whole(),
    "t_": Whole(),
    "loss_": ANY_NUMBER,
    "best_loss_": Choice((ANY_NUMBER,)),
    "best_validation_score_": Choice((ANY_NUMBER,)),
    "best_epoch_": Choice((Whole(),)),
}
OWN_ATTRIBUTES = {
    "gap_": Choice((ANY_NUMBER,)),
    "coef_": Coefficients(("n_outputs", "n_features")),
    "intercept_": Coefficients(("n_outputs",)),
}


def check_model(model):
    """Raise ValueError unless all that a fitted model has learned is valid and fits."""
    if not {"_checkpoint", "_history", "t_"} & vars(model).keys():
        return  # not fitted
    for name in ("_checkpoint", "_history", *model._coefficient_names):
        if name not in vars(model):
            raise KeyError(name)
    checkpoint = model._checkpoint
    known = known_of(type(model), checkpoint)
    check_entry(Checkpoint, checkpoint, "checkpoint", known)
    check_counts(checkpoint.state)
    given = {n: kind for n, kind in OWN_ATTRIBUTES.items() if n in vars(model)}
    check_attributes(model, {**ATTRIBUTES, **given}, known)
    check_features(model, known.sizes["n_features"])
    check_classes(model.classes_, checkpoint.encoding.classes)
    check_layers(model, known)
    n_epochs = model._history.n_epochs
    Whole(0, n_epochs).check(model.best_epoch_ or 0, "best_epoch_", known)


def check_attributes(model, kinds, known):
    """Raise an error unless the model has fitted attributes of these kinds."""
    for name, kind in kinds.items():
        if name not in vars(model):
            raise KeyError(name)
        check_entry(kind, vars(model)[name], name, known)


def known_of(estimator_class, checkpoint) -> Known:
    """Return what architecture, encoding and theta of a checkpoint say of its entries.

    Raise ValueError unless they are valid and fit.
    """
    known = Known(FIELDS, {}, estimator_class=estimator_class)
    if type(checkpoint) is not Checkpoint:
        raise wrong("checkpoint", "a Checkpoint", checkpoint)
    architecture, encoding = checkpoint.architecture, checkpoint.encoding
    check_entry(Architecture, architecture, "checkpoint.architecture", known)
    check_entry(Encoding, encoding, "checkpoint.encoding", known)
    n_features, *hidden, n_outputs = architecture.layer_sizes
    if len(architecture.activations) != len(hidden):
        given = architecture.activations
        raise wrong("checkpoint.architecture.activations", f"{len(hidden)} names", given)
    check_encoding(encoding, estimator_class, n_outputs)
    sizes = {
        "n_features": n_features,
        "n_coefficients": n_features + 1,
        "n_outputs": n_outputs,
        "n_parameters": architecture.n_parameters,
        "n_experts": len(experts.ROWS_REMEMBERED),
        "precision": experts.shape_of_precision(n_features, n_outputs),
    }
    known = replace(known, sizes=sizes)
    state = checkpoint.state
    if type(state).__name__ != TrainingState.__name__:
        raise wrong("checkpoint.state", "a TrainingState", state)
    check_array(state.theta, "checkpoint.state.theta", known, THETA.shape, FLOATS)
    return replace(known, dtype=numpy_dtype(state.theta))


def check_encoding(encoding, estimator_class, n_outputs):
    """Raise ValueError unless labels fit the estimator and its number of outputs."""
    name, classes = "checkpoint.encoding", encoding.classes
    if encoding.multilabel:
        is_allowed = estimator_class._multilabel_allowed
        if not is_allowed or not np.array_equal(classes, np.arange(len(classes))):
            raise wrong(f"{name}.multilabel", "False with these classes", True)
    if encoding.sparse and not encoding.multilabel:
        raise wrong(f"{name}.sparse", "False for one label per row", True)
    if encoding.n_outputs != n_outputs or len(classes) < estimator_class._min_n_classes:
        raise wrong(f"{name}.classes", f"the classes of {n_outputs} outputs", classes)


def check_counts(state):
    """Raise ValueError unless the numbers of epochs and steps agree."""
    name, progress, memory = "checkpoint.state", state.progress, state.memory
    if progress.best_epoch > state.epoch:
        given = progress.best_epoch
        raise wrong(f"{name}.progress.best_epoch", f"at most {state.epoch}", given)
    if isinstance(memory, EpochMemory) and memory.n_averaged and memory.average is None:
        raise wrong(f"{name}.memory.n_averaged", "0 without an average", memory.n_averaged)


def check_features(model, n_features):
    """Raise ValueError unless number and names of the features are those of the model."""
    if model.n_features_in_ != n_features:
        raise wrong("n_features_in_", n_features, model.n_features_in_)
    names = vars(model).get("feature_names_in_")
    if names is None:
        return
    is_vector = isinstance(names, np.ndarray) and names.shape == (n_features,)
    if not is_vector or not all(isinstance(name, str) for name in names.tolist()):
        raise wrong("feature_names_in_", f"an array of {n_features} strings", names)


def check_classes(classes, encoded, name="classes_"):
    """Raise ValueError unless the labels are those of the encoding."""
    if not is_array(classes) or not np.array_equal(to_numpy(classes), encoded):
        raise wrong(name, f"the classes {encoded.tolist()}", classes)


def check_layers(model, known):
    """Raise ValueError unless the model has the layers of its architecture.

    A network must not overflow on a row of small numbers; a linear model cannot.
    """
    if issparse(vars(model).get("coef_")):  # checked, and a dense copy takes time
        return
    architecture = model._checkpoint.architecture
    if "coefs_" in vars(model):
        check_network(model, known)
    layers = model._layers()
    if len(layers) == 1 or any(type(layer.weight) is np.memmap for layer in layers):
        return
    n_features = architecture.layer_sizes[0]
    row = np.full((1, n_features), 1 / n_features, known.dtype)
    row = moved_to(layers[0].weight, row)
    with np.errstate(over="ignore", invalid="ignore"):
        logits, _ = prediction.predict(layers, row, architecture.activations, "logits")
    if not is_finite(logits):
        raise wrong("coefs_", "so small that logits are finite", layers[0].weight)


def check_network(model, known):
    """Raise ValueError unless the attributes of a network are those of its architecture."""
    sizes = list(pairwise(model._checkpoint.architecture.layer_sizes))
    check_arrays(model.coefs_, "coefs_", sizes, known)
    check_arrays(model.intercepts_, "intercepts_", [(n,) for _, n in sizes], known)
    encoding = model._checkpoint.encoding
    expected = {
        "n_layers_": len(sizes) + 1,
        "n_outputs_": encoding.n_outputs,
        "out_activation_": encoding.out_activation,
    }
    for name, value in expected.items():
        given = vars(model)[name]
        if type(given) is not type(value) or given != value:
            raise wrong(name, value, given)


def check_arrays(arrays, name, shapes, known):
    """Raise ValueError unless a fitted attribute is a list of arrays of these shapes."""
    if not isinstance(arrays, (list, tuple)) or len(arrays) != len(shapes):
        raise wrong(name, f"a list of {len(shapes)} arrays", arrays)
    for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        Coefficients(shape).check(array, f"{name}.{i}", known)


def check_history(values):
    """Raise ValueError unless the values are those of curves."""
    n_epochs = np.shape(values)[-1:]
    known = Known(FIELDS, {"n_epochs": n_epochs})
    check_array(values, "history", known, (len(Curves._fields), "n_epochs"), DOUBLE)
