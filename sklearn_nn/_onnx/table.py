"""The graph of networks for tables: from numbers and strings to probabilities.

As the estimator, it encodes numbers in float64 and categories by their codes, computes the
networks in float32, and averages their probabilities in float64.
"""

import numpy as np

from .._table.encoder import CLIP
from .._table.forest import SCALE

# z^2 must not overflow; such a z is far beyond the clip.
LARGEST = 1e100


def table_inputs(schema, has_names):
    """Return (name, dtype, number of columns) of each input of the graph.

    It is one matrix 'X' if all columns are numbers without names, else one per column.
    Strings are inputs of type object.
    """
    if not schema.categorical and not has_names:
        return [("X", np.float64, len(schema.names))]
    of_strings = {
        j
        for j, vocabulary in zip(schema.categorical, schema.vocabularies, strict=True)
        if isinstance(vocabulary[0], str)
    }
    check_names(schema.names)
    return [
        (name, object if j in of_strings else np.float64, 1)
        for j, name in enumerate(schema.names)
    ]


def check_names(names):
    """Raise ValueError if an input has the name of an output."""
    taken = {"label", "probabilities"} & set(names)
    if taken:
        raise ValueError(
            f"The columns {sorted(taken)} have names of outputs of the graph. Rename them, "
            "and fit the model again."
        )


def add_columns(graph, schema, X):
    """Add the columns (N, 1), in float64, of a matrix of numbers; return their names."""
    if any(isinstance(vocabulary[0], str) for vocabulary in schema.vocabularies):
        raise ValueError(
            "BackpropMLPClassifierCV got strings from the steps before it, which cannot be "
            "one matrix in ONNX. Leave strings to the classifier, without steps before it."
        )
    X = graph.add("Cast", X, to=np.float64)
    indices = (
        graph.constant(f"column_{j}", np.array([j])) for j in range(len(schema.names))
    )
    return [graph.add("Gather", X, index, axis=1) for index in indices]


def add_numbers(graph, schema, names):
    """Add the matrix of numbers (N, n_numbers) in float64; return its name, or None."""
    if names == ["X"]:
        return "X"
    columns = [names[j] for j in schema.numeric]
    return graph.add("Concat", *columns, axis=1) if columns else None


def add_codes(graph, schema, names):
    """Add the codes (N, 1) of each categorical column; return their names.

    They are shifted by 1: 0 is a category that is not in the vocabulary.
    """
    pairs = zip(schema.categorical, schema.vocabularies, strict=True)
    return [add_code(graph, names[j], vocabulary) for j, vocabulary in pairs]


def add_code(graph, name, vocabulary):
    """Add the shifted code of a column; the last one is that of a missing value."""
    n = len(vocabulary)
    if isinstance(vocabulary[0], str):
        # A missing string is an empty one, unless that is a category.
        keys = [*vocabulary] if "" in vocabulary else [*vocabulary, ""]
        codes = list(range(1, len(keys) + 1))
        return graph.add(
            "LabelEncoder", name, keys_strings=keys, values_int64s=codes, default_int64=0
        )
    values = np.array(vocabulary, dtype=np.float64)[None, :]
    is_equal = graph.add("Equal", name, graph.constant(f"values_{name}", values))
    shifted = np.arange(1.0, n + 1)[:, None]
    code = graph.add(
        "MatMul",
        graph.add("Cast", is_equal, to=np.float64),
        graph.constant(f"codes_{name}", shifted),
    )
    is_missing = graph.add("Cast", graph.add("IsNaN", name), to=np.float64)
    missing = graph.constant(f"missing_{name}", np.array(n + 1.0))
    code = graph.add("Add", code, graph.add("Mul", is_missing, missing))
    return graph.add("Cast", code, to=np.int64)


def add_encoded(graph, encoder, numbers, codes):
    """Add the encoded rows (N, n_columns) in float32; return their name."""
    parts = [] if numbers is None else add_encoded_numbers(graph, encoder, numbers)
    of_numbers = len(parts)
    for k, code in enumerate(codes):
        parts.append(add_encoded_category(graph, encoder, k, code))
    if len(encoder.forest.root):
        seen = parts[:of_numbers] if encoder.is_mixed else parts
        seen = graph.add("Concat", *seen, axis=1)
        parts.append(add_votes(graph, encoder.forest, seen))
    return graph.add("Concat", *parts, axis=1)


def add_votes(graph, forest, seen):
    """Add the votes of the forest on the columns that it sees; return their name."""
    n_nodes, n_classes = len(forest.column), len(forest.shares)
    own, size = np.arange(n_nodes), np.diff([*forest.root, n_nodes])
    tree = np.repeat(np.arange(len(size)), size)
    first = np.repeat(forest.root, size)  # nodes are numbered from 0 in each tree
    is_leaf = forest.left == own
    counts = graph.add(
        "TreeEnsembleRegressor",
        seen,
        n_targets=n_classes,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=(own - first).tolist(),
        nodes_featureids=forest.column.tolist(),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values=forest.threshold.tolist(),
        nodes_truenodeids=np.where(is_leaf, 0, forest.left - first).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, forest.right - first).tolist(),
        target_treeids=tree[is_leaf].tolist(),
        target_nodeids=(own - first)[is_leaf].tolist(),
        target_ids=forest.vote[is_leaf].tolist(),
        target_weights=np.ones(is_leaf.sum()).tolist(),
    )
    n_trees = graph.constant("n_trees", np.float32(len(forest.root)))
    shares = graph.constant("shares", forest.shares)
    difference = graph.add("Sub", graph.add("Div", counts, n_trees), shares)
    return graph.add("Mul", difference, graph.constant("of_votes", np.float32(SCALE)))


def add_encoded_numbers(graph, encoder, numbers):
    """Add the clipped numbers, indicators and bins; return a list of names."""
    # A constant is divided by infinity.
    scale = np.where(encoder.scale > 0, encoder.scale, np.inf)
    scaled = graph.add("Div", numbers, graph.constant("scale", scale))
    shift = graph.constant("shift", encoder.centre / scale)
    z = graph.add("Sub", scaled, shift)
    is_missing = graph.add("IsNaN", numbers)
    zero = graph.constant("zero", np.array(0.0))
    z = graph.add("Where", is_missing, zero, z)
    z = graph.add("Min", z, graph.constant("most", np.array(LARGEST)))
    z = graph.add("Max", z, graph.constant("least", np.array(-LARGEST)))
    # z / sqrt(1 + (z / 3)^2)
    ratio = graph.add("Div", z, graph.constant("clip", np.array(CLIP)))
    one = graph.constant("one", np.array(1.0))
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", ratio, ratio), one))
    encoded = graph.add("Cast", graph.add("Div", z, root), to=np.float32)
    parts = [encoded]
    columns = np.flatnonzero(encoder.has_indicator)
    if len(columns):
        indices = graph.constant("with_indicator", columns)
        indicators = graph.add("Gather", is_missing, indices, axis=1)
        parts.append(graph.add("Cast", indicators, to=np.float32))
    if len(encoder.bins.column):
        parts.append(add_positions(graph, encoder.bins, encoded))
    return parts


def add_positions(graph, bins, encoded):
    """Add the positions of encoded numbers in their bins; return their name."""
    z = graph.add("Gather", encoded, graph.constant("of_bins", bins.column), axis=1)
    distance = graph.add("Sub", z, graph.constant("starts", bins.start))
    position = graph.add("Div", distance, graph.constant("widths", bins.width))
    position = graph.add("Max", position, graph.constant("below", np.float32(0)))
    return graph.add("Min", position, graph.constant("above", np.float32(1)))


def add_encoded_category(graph, encoder, k, code):
    """Add the encoded columns of a categorical column; return their name."""
    n_levels = encoder.n_levels[k]
    levels = np.roll(encoder.levels[k], 1)  # shifted as the codes
    if n_levels <= 2:
        values = np.where(levels >= 0, 2 * levels - 1, 0).astype(np.float32)
        return graph.add("Gather", graph.constant(f"values_{k}", values), code)
    level = graph.add("Gather", graph.constant(f"levels_{k}", levels), code)
    all_levels = graph.constant(f"all_levels_{k}", np.arange(n_levels)[None, :])
    return graph.add("Cast", graph.add("Equal", level, all_levels), to=np.float32)


def add_probabilities_of(graph, logits, n_classes, temperature):
    """Add the probabilities (N, n_classes) of a network, in float64; return their name."""
    logits = graph.add("Cast", logits, to=np.float64)
    if n_classes == 2:
        logits = graph.add("Concat", graph.add("Sub", logits, logits), logits, axis=1)
    divisor = graph.constant("temperature", np.array(temperature))
    return graph.add("Softmax", graph.add("Div", logits, divisor), axis=1)


def add_log_odds(graph, proba, n_classes):
    """Add the logarithm of probabilities, for two classes their log odds of each."""
    log_proba = graph.add("Log", proba)
    if n_classes != 2:
        return log_proba
    swap = graph.constant("swap", np.array([[1.0, -1.0], [-1.0, 1.0]]))
    return graph.add("MatMul", log_proba, swap)
