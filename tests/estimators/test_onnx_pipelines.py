"""The graph of a pipeline predicts what the pipeline does."""

import sys
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
    to_onnx,
)

pytest.importorskip("skl2onnx")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # scikit-learn 1.6
    pytest.mark.filterwarnings("ignore:\\nThe format of the columns:FutureWarning"),
]

# Probabilities are computed in float64 and rounded to float32 once.
ROUNDING = np.finfo(np.float32).eps
SCALERS = {
    "standard": StandardScaler,
    "no mean": partial(StandardScaler, with_mean=False),
    "no deviation": partial(StandardScaler, with_std=False),
    "min max": MinMaxScaler,
    "clipped": partial(MinMaxScaler, clip=True),
    "robust": RobustScaler,
    "no centre": partial(RobustScaler, with_centering=False),
    "max abs": MaxAbsScaler,
}
ENCODERS = {
    "ignore": partial(OneHotEncoder, handle_unknown="ignore"),
    "dense": partial(OneHotEncoder, sparse_output=False),
    "drop first": partial(OneHotEncoder, drop="first"),
    "drop if binary": partial(OneHotEncoder, drop="if_binary"),
}
CLASSIFIERS = {
    "network": partial(BackpropMLPClassifier, (4,), max_iter=3, tol=None, random_state=0),
    "deep network": partial(
        BackpropMLPClassifier, (4, 3), "tanh", max_iter=3, tol=None, random_state=0
    ),
    "linear": SGDLogisticClassifier,
    "l1": partial(SGDLogisticClassifier, penalty="l1", alpha=0.01),
}
LABELS = {
    "two": lambda k: k % 2,
    "three": lambda k: k % 3,
    "strings": lambda k: np.array(["ant", "bee", "cow"])[k % 3],
}


def frame(n_rows=60, seed=0, centre=0.0):
    """Return a table of numbers around `centre`, integers and strings, and 0 to n - 1."""
    rng = np.random.RandomState(seed)
    k = np.arange(n_rows)
    table = {
        "first (cm)": centre + rng.normal(size=n_rows) + k % 3,
        "second": centre + rng.uniform(size=n_rows),
        "a b": rng.choice(["Rome", "Oslo", "Bern, Köln"], size=n_rows),
        "a_b": rng.choice(["yes", "no"], size=n_rows),
        "level": rng.randint(4, size=n_rows),
        "not used": rng.normal(size=n_rows),
    }
    return pd.DataFrame(table), k


def numbers_of(X):
    """Return the columns of numbers as a matrix."""
    return X[["first (cm)", "second", "level"]].to_numpy(float)


def feeds_of(X, names):
    """Return the inputs of a graph for these rows."""
    if not isinstance(X, pd.DataFrame):
        return dict.fromkeys(names, X)
    is_number = {name: X[name].dtype.kind in "if" for name in names}
    return {
        name: X[[name]].to_numpy(float)
        if is_number[name]
        else X[[name]].fillna("").to_numpy(object)
        for name in names
    }


def run(exported, X):
    """Return label and probabilities of a valid graph."""
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert [one.name for one in session.get_outputs()] == ["label", "probabilities"]
    return session.run(None, feeds_of(X, [one.name for one in session.get_inputs()]))


def assert_same(pipeline, X, example=None, atol=ROUNDING):
    """Assert that the graph of the pipeline predicts what the pipeline does."""
    label, proba = run(to_onnx(pipeline, example), X)
    assert_array_equal(label, pipeline.predict(X))
    assert proba.dtype == np.float32
    assert_allclose(proba, pipeline.predict_proba(X), rtol=0, atol=atol)


# Pipelines by the dozen.


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scaler=st.sampled_from(sorted(SCALERS)),
    with_missing=st.booleans(),
    classifier=st.sampled_from(sorted(CLASSIFIERS)),
    labels=st.sampled_from(sorted(LABELS)),
    centre=st.sampled_from([0.0, 10.0, 2000.0]),
    seed=st.integers(0, 1000),
)
def test_graph_of_numbers_equals_the_pipeline(
    scaler, with_missing, classifier, labels, centre, seed
):
    X, k = frame(seed=seed, centre=centre)
    X = numbers_of(X)
    steps = [SCALERS[scaler]()]
    if with_missing:
        X[::7, 1] = np.nan
        steps.insert(0, SimpleImputer(strategy="median"))
    # A classifier of unscaled features may diverge.
    steps += [StandardScaler()] * (scaler.startswith("no "))
    pipeline = make_pipeline(*steps, CLASSIFIERS[classifier]())
    assert_same(pipeline.fit(X, LABELS[labels](k)), X)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scaler=st.sampled_from(["standard", "min max", "robust"]),
    encoder=st.sampled_from(sorted(ENCODERS)),
    missing_strings=st.sampled_from([None, "encoded", "most_frequent", "constant"]),
    imputes=st.booleans(),
    remainder=st.sampled_from(["drop", "passthrough"]),
    by=st.sampled_from(["name", "number", "type"]),
    classifier=st.sampled_from(sorted(CLASSIFIERS)),
    labels=st.sampled_from(sorted(LABELS)),
    seed=st.integers(0, 1000),
)
def test_graph_of_a_table_equals_the_pipeline(
    scaler, encoder, missing_strings, imputes, remainder, by, classifier, labels, seed
):
    X, k = frame(seed=seed, centre=50.0)
    numbers, strings = ["first (cm)", "second"], ["a b", "a_b"]
    if by == "number":
        numbers, strings = [0, 1], [2, 3]
    elif by == "type":
        numbers = make_column_selector(dtype_include="number")
        strings = make_column_selector(dtype_exclude="number")
    of_numbers = SCALERS[scaler]()
    if imputes:
        X.loc[::5, "second"] = np.nan
        of_numbers = make_pipeline(SimpleImputer(), of_numbers)
    of_strings = ENCODERS[encoder]()
    if missing_strings is not None:
        X.loc[2::6, "a b"] = np.nan
        if missing_strings != "encoded":
            imputer = SimpleImputer(strategy=missing_strings, fill_value="Paris")
            of_strings = make_pipeline(imputer, of_strings)
    columns = ColumnTransformer(
        [("text", of_strings, strings), ("numbers", of_numbers, numbers)],
        remainder=remainder,
    )
    pipeline = make_pipeline(columns, CLASSIFIERS[classifier]())
    pipeline.fit(X, LABELS[labels](k))
    assert_same(pipeline, X, X[:1])
    if encoder == "ignore":
        assert_same(pipeline, X.assign(**{"a b": "Atlantis"}), X[:1])


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("number", [0, 1])
def test_search_and_nested_pipelines_are_one_graph(output, number):
    X, k = frame()
    inner = make_pipeline(PCA(2), CLASSIFIERS["network"]())
    model = [
        make_pipeline(StandardScaler(), "passthrough", SelectKBest(k=2), inner),
        make_pipeline(make_pipeline(StandardScaler()), CLASSIFIERS["linear"]()),
    ][number].set_output(transform=output)
    name = next(n for n in model.get_params() if n.endswith("__alpha"))
    search = GridSearchCV(model, {name: [1e-4, 1e-2]}, cv=2)
    assert_same(search.fit(numbers_of(X), k % 3), numbers_of(X))


def test_pipeline_of_only_a_classifier_has_the_graph_of_the_classifier():
    X, k = frame()
    model = make_pipeline("passthrough", CLASSIFIERS["network"]()).fit(numbers_of(X), k % 3)
    assert to_onnx(model) == to_onnx(model[-1])


def test_multilabel_pipelines_are_exported():
    X, k = frame()
    y = np.stack([k % 2, k % 3 == 0, k % 5 > 1], axis=1).astype(int)
    model = make_pipeline(StandardScaler(), CLASSIFIERS["network"]())
    assert_same(model.fit(numbers_of(X), y), numbers_of(X))


def test_polars_frames_have_the_same_graph_as_those_of_pandas():
    polars = pytest.importorskip("polars")
    X, k = frame()
    columns = ColumnTransformer(
        [("text", OneHotEncoder(), ["a b"]), ("n", "passthrough", [0])]
    )
    model = make_pipeline(columns, CLASSIFIERS["network"]()).fit(X, k % 2)
    assert to_onnx(model, polars.DataFrame(X.to_dict("list"))) == to_onnx(model, X)


# Networks for tables.


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_networks_for_tables_may_end_a_pipeline(output):
    X, k = frame()
    numbers = numbers_of(X)
    numbers[::7, 0] = np.nan
    last = BackpropMLPClassifierCV((4,), max_iter=3, cv=2, random_state=0)
    model = make_pipeline(StandardScaler(), last).set_output(transform=output)
    # These networks compute in float32.
    assert_same(model.fit(numbers, k % 3), numbers, atol=2e-6)


def test_strings_between_steps_and_networks_for_tables_are_an_error():
    X, k = frame()
    columns = ColumnTransformer([("rest", "passthrough", ["a b"])]).set_output(
        transform="pandas"
    )
    last = BackpropMLPClassifierCV((4,), max_iter=3, cv=2, random_state=0)
    model = make_pipeline(columns, last).fit(X, k % 2)
    with pytest.raises(ValueError, match="got strings from the steps before it"):
        to_onnx(model, X)


# The inputs.


def test_inputs_are_the_columns_that_the_pipeline_reads():
    X, k = frame()
    columns = ColumnTransformer(
        [("text", OneHotEncoder(), ["a b"]), ("number", StandardScaler(), ["first (cm)"])]
    )
    model = make_pipeline(columns, CLASSIFIERS["linear"]()).fit(X, k % 2)
    session = onnxruntime.InferenceSession(
        to_onnx(model, X).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert {one.name: one.type for one in session.get_inputs()} == {
        "first (cm)": "tensor(double)",
        "a b": "tensor(string)",
    }


@pytest.mark.parametrize(
    ("dtype", "kind"), [(None, "double"), (np.float64, "double"), (np.float32, "float")]
)
def test_input_of_an_array_has_its_type(dtype, kind):
    X, k = frame()
    X = numbers_of(X)
    model = make_pipeline(StandardScaler(), CLASSIFIERS["network"]()).fit(X, k % 3)
    exported = to_onnx(model, None if dtype is None else X.astype(dtype))
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [given] = session.get_inputs()
    assert (given.name, given.type) == ("X", f"tensor({kind})")


def test_steps_without_float64_are_exported_in_float32():
    X, k = frame()
    X = numbers_of(X).astype(np.float32)
    model = make_pipeline(PowerTransformer(), CLASSIFIERS["network"]()).fit(X, k % 3)
    with pytest.raises(ValueError, match="pass rows of float32"):
        to_onnx(model)
    assert_same(model, X, X, atol=1e-5)


# Errors.


def test_pipeline_that_needs_rows_says_so():
    X, k = frame()
    columns = ColumnTransformer([("text", OneHotEncoder(), ["a b"])])
    model = make_pipeline(columns, CLASSIFIERS["linear"]()).fit(X, k % 2)
    with pytest.raises(ValueError, match="pass some of its rows as X"):
        to_onnx(model)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_imputers_that_cannot_be_converted_are_an_error(missing):
    X, k = frame()
    X = numbers_of(X)
    if missing != 0:
        X[:, 1] = np.nan
    imputer = SimpleImputer(missing_values=missing, strategy="most_frequent")
    model = make_pipeline(imputer, CLASSIFIERS["linear"]()).fit(X, k % 2)
    with pytest.raises(ValueError, match="without values, or of other values than NaN"):
        to_onnx(model)


def test_unsupported_step_is_named():
    X, k = frame()
    imputer = SimpleImputer(add_indicator=True)
    model = make_pipeline(imputer, CLASSIFIERS["linear"]()).fit(numbers_of(X), k % 2)
    with pytest.raises(ValueError, match="SimpleImputer with add_indicator=True"):
        to_onnx(model)


def test_column_with_the_name_of_an_output_is_an_error():
    X, k = frame()
    X = X.rename(columns={"second": "label"})
    columns = ColumnTransformer([("number", StandardScaler(), ["label"])])
    model = make_pipeline(columns, CLASSIFIERS["linear"]()).fit(X, k % 2)
    with pytest.raises(ValueError, match=r"columns \['label'\] have names of outputs"):
        to_onnx(model, X)


def test_unfitted_pipeline_is_an_error():
    with pytest.raises(NotFittedError):
        to_onnx(make_pipeline(StandardScaler(), CLASSIFIERS["linear"]()))


def test_without_skl2onnx_the_error_says_what_to_install(monkeypatch):
    X, k = frame()
    model = make_pipeline(StandardScaler(), CLASSIFIERS["linear"]())
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="to_onnx needs skl2onnx: pip install"):
        to_onnx(model.fit(numbers_of(X), k % 2))
