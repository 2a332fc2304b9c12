"""The network for tables in scikit-learn's tools: searches, pipelines, callbacks."""

import numpy as np
import pytest
import sklearn
from frames import mixed_frame, quick
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_nn import BackpropMLPClassifierCV, LossCurveDisplay


@pytest.fixture(scope="module")
def table():
    """Return a frame with columns of every kind, and labels."""
    return mixed_frame()


def test_search_over_parameters(table):
    X, y = table
    search = GridSearchCV(quick(), {"dropout": [0.0, 0.2]}, cv=2).fit(X, y)
    assert search.best_estimator_.predict(X).shape == y.shape


def test_pipeline_passes_the_frame(table):
    X, y = table
    pipeline = make_pipeline(FunctionTransformer(), quick())
    expected = quick().fit(X, y).predict_proba(X)
    assert_array_equal(pipeline.fit(X, y).predict_proba(X), expected)


def test_cross_validation_in_processes(table):
    X, y = table
    one, two = (cross_validate(quick(), X, y, cv=2, n_jobs=n) for n in (None, 2))
    assert_array_equal(one["test_score"], two["test_score"])


def test_calibration_importance_and_dependence(table):
    X, y = table
    calibrated = CalibratedClassifierCV(quick(), cv=2).fit(X, y)
    assert calibrated.predict_proba(X).shape == (len(y), 2)
    model = quick().fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.shape == (X.shape[1],)
    found = partial_dependence(model, X, ["age"], grid_resolution=5)
    assert found["average"].shape == (1, 5)


def test_clone_has_the_parameters_and_no_model(table):
    X, y = table
    model = quick(class_weight="balanced").fit(X, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "estimators_")


def test_tags_allow_missing_values_and_categories():
    tags = BackpropMLPClassifierCV().__sklearn_tags__().input_tags
    assert tags.allow_nan
    assert tags.categorical
    assert tags.sparse


def test_groups_are_routed_to_the_splitter(table):
    X, y = table
    groups = np.arange(len(y)) // 10
    expected = quick(cv=GroupKFold(3)).fit(X, y, groups=groups)
    default = quick().fit(X, y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        model = quick(cv=GroupKFold(3)).fit(X, y, groups=groups)
        same = quick().fit(X, y, groups=groups)
    assert_array_equal(model.oof_predict_proba_, expected.oof_predict_proba_)
    assert_array_equal(same.oof_predict_proba_, default.oof_predict_proba_)


def test_weights_are_routed_by_a_search(table):
    X, y = table
    weight = np.arange(len(y)) % 3 + 1.0
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = quick().set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=False)
        search = GridSearchCV(estimator, {"alpha": [0.02]}, cv=2)
        search.fit(X, y, sample_weight=weight)
    expected = quick().fit(X, y, sample_weight=weight)
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))


def test_curves_of_a_fold_are_drawn(table):
    X, y = table
    model = quick().fit(X, y)
    display = LossCurveDisplay.from_estimator(model.estimators_[0])
    assert {"training loss", "validation loss"} <= set(display.lines_)


def test_verbose_names_the_fold(table, capsys):
    X, y = table
    quick(verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30
    assert lines[0].startswith("fold 1  epoch      1  loss")
    assert lines[-1].startswith("fold 3  epoch     10  loss")


class Recorder:
    """A callback that records its calls, and acts at an epoch of a fold."""

    def __init__(self, action=None):
        self.action, self.calls, self.models = action, [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(("end", context.task_name, context.task_id))
        self.models.append(fitted_estimator)
        if (
            self.action is not None
            and context.task_name == "epoch"
            and context.task_id == 3
        ):
            return self.action()
        return None


def with_callback(recorder, X, y, **parameters):
    """Return the estimator, fitted with the callback."""
    pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")
    return quick(**parameters).set_callbacks(recorder).fit(X, y)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_every_fold_and_epoch_is_a_task(table, n_jobs):
    X, y = table
    recorder = Recorder()
    model = with_callback(recorder, X, y, n_jobs=n_jobs)
    calls = recorder.calls
    assert calls[:2] == ["setup", ("begin", "fit", 0)]
    assert calls[-2:] == [("end", "fit", 0), "teardown"]
    for k in range(3):
        assert ("begin", "fold", k) in calls
        assert ("end", "fold", k) in calls
    assert sum(call[:2] == ("end", "epoch") for call in calls) == 30
    assert_array_equal(recorder.models[-1].predict_proba(X), model.predict_proba(X))
    assert_array_equal(quick().fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_callback_that_stops_ends_each_fold(table):
    X, y = table
    model = with_callback(Recorder(lambda: True), X, y)
    assert model.n_iter_ == 4
    assert np.isfinite(model.cv_log_loss_)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_or_interrupt_in_a_callback_leaves_the_model_unchanged(table, error):
    def fail():
        raise error("this callback does not work")

    X, y = table
    model = quick().fit(X, y)
    before = model.predict_proba(X)
    pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")
    with pytest.raises(error):
        model.set_callbacks(Recorder(fail)).fit(X, y)
    assert_array_equal(model.predict_proba(X), before)
