"""scikit-learn's callbacks: what they see of training, and how they stop it."""

import warnings

import numpy as np
import pytest
from methods import every_method, textbook_logistic
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._monitoring.callbacks import MAX_TASKS

callback = pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")


class Recorder:
    """A callback that logs its calls and runs an action at one of the tasks."""

    def __init__(self, at_task=None, action=None, at_begin=False):
        self.at_task, self.action, self.at_begin = at_task, action, at_begin
        self.calls, self.models = [], []

    def log(self, event, context):
        kind = "fit" if context.parent is None else context.task_name
        self.calls.append((event, kind, context.task_id))
        return kind != "fit" and context.task_id == self.at_task

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        if self.log("begin", context) and self.at_begin:
            self.action()

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.models.append(fitted_estimator)
        if self.log("end", context) and not self.at_begin:
            return self.action()
        return None


def stop():
    """Ask to stop training."""
    return True


def fail():
    """Raise an error, as a faulty callback does."""
    raise RuntimeError("this callback does not work")


def make(estimator_class, **parameters):
    """Return an estimator that trains for five epochs."""
    return estimator_class(**{"max_iter": 5, "tol": None, "random_state": 0, **parameters})


solvers = pytest.mark.parametrize("solver", ["sgd", "lbfgs"])


def supported_solver(estimator_class, solver):
    """Return the solver if the class supports it, else 'adam'."""
    is_supported = solver == "sgd" or estimator_class is BackpropMLPClassifier
    return solver if is_supported else "adam"


def assert_same_model(model, other, X):
    """Assert that two models have the same predictions and the same history."""
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert model.loss_curve_ == other.loss_curve_
    assert (model.n_iter_, model.t_) == (other.n_iter_, other.t_)


# Calls of callbacks.


@every_method
@solvers
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_every_epoch_is_a_task(estimator_class, solver, rows):
    X, y, _ = rows()
    recorder, solver = Recorder(), supported_solver(estimator_class, solver)
    make(estimator_class, solver=solver).set_callbacks(recorder).fit(X, y)
    epochs = [(event, "epoch", i) for i in range(5) for event in ("begin", "end")]
    fit = ("begin", "fit", 0), ("end", "fit", 0)
    assert recorder.calls == ["setup", fit[0], *epochs, fit[1], "teardown"]


@every_method
@solvers
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_a_model_in_mid_training_equals_a_shorter_fit(estimator_class, solver, rows):
    X, y, weight = rows()
    recorder, solver = Recorder(), supported_solver(estimator_class, solver)
    estimator = make(estimator_class, solver=solver).set_callbacks(recorder)
    estimator.fit(X, y, weight)
    for n_epochs, model in enumerate(recorder.models[:-1], start=1):
        shorter = make(estimator_class, solver=solver, max_iter=n_epochs).fit(X, y, weight)
        assert_same_model(model, shorter, X)
    assert_same_model(recorder.models[-1], estimator, X)


def test_a_model_in_mid_training_can_be_trained_further(rows):
    X, y, _ = rows()
    recorder = Recorder()
    make(BackpropMLPClassifier, batch_size=16).set_callbacks(recorder).fit(X, y)
    model = recorder.models[2].partial_fit(X, y)
    four = make(BackpropMLPClassifier, batch_size=16, max_iter=4).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), four.predict_proba(X))
    assert model.loss_curve_ == four.loss_curve_


def test_a_model_in_mid_training_has_the_best_epoch_so_far(rows):
    X, y, _ = rows()
    recorder = Recorder()
    estimator = make(BackpropMLPClassifier, early_stopping=True, learning_rate=0.3)
    estimator.set_callbacks(recorder).fit(X, y)
    for n_epochs, model in enumerate(recorder.models[:-1], start=1):
        shorter = clone(estimator).set_params(max_iter=n_epochs).set_callbacks().fit(X, y)
        assert_same_model(model, shorter, X)
        assert model.best_epoch_ == shorter.best_epoch_


@every_method
def test_callbacks_do_not_change_training(estimator_class, rows):
    X, y, _ = rows()
    watched = make(estimator_class).set_callbacks(Recorder()).fit(X, y)
    assert_same_model(watched, make(estimator_class).fit(X, y), X)


@every_method
def test_scoring_monitor_records_the_score_of_each_epoch(estimator_class, rows):
    X, y, weight = rows()
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    make(estimator_class).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    scores = [
        row["neg_log_loss"]
        for row in monitor.get_logs().data
        if row["task_name"] == "epoch"
    ]
    expected = []
    for n_epochs in range(1, 6):
        model = make(estimator_class, max_iter=n_epochs).fit(X, y, weight)
        log_proba = np.log(model.predict_proba(X))[np.arange(len(y)), y]
        expected.append(np.average(log_proba, weights=weight))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_long_runs_are_reported_in_groups_of_epochs(rows):
    X, y, _ = rows(n_samples=6)
    recorder = Recorder()
    n_epochs = 3 * MAX_TASKS - 100
    estimator = make(textbook_logistic, max_iter=n_epochs).set_callbacks(recorder)
    estimator.fit(X, y)
    ends = [entry for entry in recorder.calls if entry[:2] == ("end", "3 epochs")]
    assert len(ends) == -(-n_epochs // 3) <= MAX_TASKS
    assert estimator.n_iter_ == n_epochs
    counts = [len(model.loss_curve_) for model in recorder.models[:-1]]
    assert counts == [*range(3, n_epochs, 3), n_epochs]  # the last group is shorter


def test_a_group_ends_early_if_the_stopping_rule_ends_training(rows):
    X, y, _ = rows()
    recorder = Recorder()
    estimator = make(
        textbook_logistic, max_iter=2 * MAX_TASKS, tol=10.0, n_iter_no_change=4
    )
    estimator.set_callbacks(recorder).fit(X, y)
    assert estimator.n_iter_ == 5
    assert [len(model.loss_curve_) for model in recorder.models] == [2, 4, 5, 5]


def test_without_callbacks_fit_sets_no_callback_attributes(rows):
    X, y, _ = rows()
    model = make(BackpropMLPClassifier).fit(X, y)
    assert not [name for name in vars(model) if "callback" in name]


# Stopping training.


@every_method
@solvers
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_a_callback_that_returns_true_stops_training(estimator_class, solver, rows):
    X, y, _ = rows()
    solver = supported_solver(estimator_class, solver)
    estimator = make(estimator_class, solver=solver).set_callbacks(Recorder(1, stop))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a deliberate stop needs no warning
        warnings.filterwarnings("ignore", ".* has no effect")  # solver, with 'auto'
        estimator.set_params(tol=1e-12).fit(X, y)
    expected = make(estimator_class, solver=solver, max_iter=2).fit(X, y)
    assert_same_model(estimator, expected, X)


def test_training_resumes_after_a_stop(rows):
    X, y, _ = rows()
    estimator = make(BackpropMLPClassifier, warm_start=True, batch_size=16)
    estimator.set_callbacks(Recorder(1, stop)).fit(X, y)
    estimator.set_callbacks().set_params(max_iter=3).fit(X, y)
    whole = make(BackpropMLPClassifier, batch_size=16).fit(X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), whole.predict_proba(X))


@every_method
@solvers
@pytest.mark.parametrize("at_begin", [False, True])
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_a_failing_callback_keeps_the_last_finished_epoch(
    estimator_class, solver, at_begin, rows
):
    X, y, _ = rows()
    recorder = Recorder(2, fail, at_begin)
    solver = supported_solver(estimator_class, solver)
    estimator = make(estimator_class, solver=solver).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="does not work"):
        estimator.fit(X, y)
    n_epochs = 2 if at_begin else 3
    expected = make(estimator_class, solver=solver, max_iter=n_epochs).fit(X, y)
    assert_same_model(estimator, expected, X)
    assert recorder.calls[-1] == "teardown"


@every_method
def test_a_callback_failing_in_the_first_epoch_changes_nothing(estimator_class, rows):
    X, y, _ = rows()
    estimator = make(estimator_class).fit(X, y)
    before = estimator.predict_proba(X)
    recorder = Recorder(0, fail, at_begin=True)
    with pytest.raises(RuntimeError, match="does not work"):
        estimator.set_callbacks(recorder).fit(2 * X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), before)
    assert recorder.calls[-1] == "teardown"


def test_callbacks_are_torn_down_if_training_fails(rows):
    X, y, _ = rows()
    recorder = Recorder()
    estimator = make(BackpropMLPClassifier).set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(np.where(X > 0, np.nan, X), y)
    assert recorder.calls == ["setup", "teardown"]


def test_an_error_in_a_warm_start_keeps_the_epochs_so_far(rows):
    X, y, _ = rows()
    estimator = make(BackpropMLPClassifier, warm_start=True).fit(X, y)
    estimator.set_callbacks(Recorder(1, fail))
    with pytest.raises(RuntimeError, match="does not work"):
        estimator.fit(X, y)
    seven = make(BackpropMLPClassifier, max_iter=7).fit(X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), seven.predict_proba(X))


# scikit-learn's own callbacks, in its pipelines and searches.


@every_method
def test_progress_bar_is_shown(estimator_class, rows, capsys):
    pytest.importorskip("rich")
    X, y, _ = rows()
    make(estimator_class).set_callbacks(callback.ProgressBar()).fit(X, y)
    line = capsys.readouterr().out.splitlines()[-1]
    assert type(make(estimator_class)).__name__ in line
    assert "100%" in line


def test_progress_bar_is_shown_in_a_pipeline(rows, capsys):
    pytest.importorskip("rich")
    X, y, _ = rows()
    pipeline = make_pipeline(StandardScaler(), make(BackpropMLPClassifier))
    pipeline.set_callbacks(callback.ProgressBar()).fit(X, y)
    lines = capsys.readouterr().out
    assert "BackpropMLPClassifier" in lines
    assert lines.count("100%") >= 2


@pytest.mark.slow
def test_progress_bar_and_scores_work_in_a_parallel_grid_search(rows, capsys):
    pytest.importorskip("rich")
    X, y, _ = rows()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    estimator = make(BackpropMLPClassifier).set_callbacks(monitor)
    search = GridSearchCV(estimator, {"learning_rate": [0.01, 0.1]}, cv=2, n_jobs=2)
    bar = callback.ProgressBar(max_propagation_depth=None)
    search.set_callbacks(bar).fit(X, y)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 5
    lines = capsys.readouterr().out
    assert "GridSearchCV" in lines
    assert "BackpropMLPClassifier" in lines


@every_method
def test_a_clone_keeps_the_callbacks(estimator_class, rows):
    X, y, _ = rows()
    recorder = Recorder()
    clone(make(estimator_class).set_callbacks(recorder)).fit(X, y)
    assert ("end", "fit", 0) in recorder.calls


def test_callbacks_receive_data_frames_unchanged(rows):
    pandas = pytest.importorskip("pandas")
    X, y, _ = rows()
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    monitor = callback.ScoringMonitor(scoring="accuracy")
    # A warning that X has no feature names would be an error.
    make(BackpropMLPClassifier).set_callbacks(monitor).fit(frame, y)
    assert len(monitor.get_logs().data) == 6


@every_method
def test_warnings_in_a_callback_reach_the_user(estimator_class, rows):
    X, y, _ = rows()

    def divide():
        np.array([1.0]) / 0

    model = make(estimator_class, max_iter=2).set_callbacks(
        Recorder(at_task=0, action=divide)
    )
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        model.fit(X, y)
